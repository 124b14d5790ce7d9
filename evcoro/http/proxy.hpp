// ProxySettings: which requests go by way of a proxy.
//
//   ProxySettings settings = ProxySettings::from_environment();
//   ProxySettings settings{.http = "proxy.test:3128", .exceptions = "localhost,.internal"};
//   ProxySettings settings;  // none
//
// Requests of http ask the proxy for the whole URL; for https it makes a tunnel (CONNECT), through
// which it sees nothing. A proxy is "host:port" or "http://host:port"; without a port it is 80.
//
// In front of the host there may be "user:password@", with "%40" for an "@" and so on (RFC 3986):
// what the proxy is told as the field Proxy-Authorization, and no server is (Basic, RFC 7617; so
// the user has no colon, and neither of them control characters). A request's own field
// Proxy-Authorization goes before that.
//
// exceptions is a list with commas, of hosts that are asked directly: "example.org" and all names
// below it, the same as ".example.org"; "10.0.0.1"; "host:8080" at this port alone; "*" for all.
#pragma once

#include <optional>
#include <string>

#include <evcoro/http/url.hpp>
#include <evcoro/result.hpp>
#include <stacks/export.hpp>

namespace evcoro::http {

// Proxy is one that a request goes by.
struct Proxy {
  Url url;
  std::string authorization = {};  // the field Proxy-Authorization: a secret; "": none
};

struct EVCORO_API ProxySettings {
  std::string http = {};
  std::string https = {};
  std::string exceptions = {};

  // from_environment() takes http_proxy, https_proxy or HTTPS_PROXY, no_proxy or NO_PROXY. Not
  // HTTP_PROXY: in a CGI program that is what the client has sent as the field Proxy (httpoxy). To
  // be called while no other OS thread changes the environment.
  static ProxySettings from_environment();

  // proxy_for() is the proxy for url, none if it is asked directly. Errc::invalid_proxy if the
  // setting can't be read: nothing goes past a proxy by mistake. Throws std::bad_alloc.
  Result<std::optional<Proxy>> proxy_for(const Url& url) const;
};

}  // namespace evcoro::http
