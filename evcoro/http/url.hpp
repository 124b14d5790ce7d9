// Url: an absolute URL of http or https, taken apart.
//
//   Result<Url> url = parse_url("http://Example.org:8080/a?b#c");
//   url->host         // "example.org"
//   url->port         // 8080
//   url->target       // "/a?b": what the request line says; the fragment is dropped
//   Result<Url> next = resolve_url(*url, "../c");    // such as a Location
//
// Strict, so that no URL splits a request or means one host here and another one elsewhere: without
// spaces, control characters and what RFC 3986 doesn't allow either; without user and password.
// It is a value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <evcoro/result.hpp>
#include <stacks/export.hpp>

namespace evcoro::http {

struct EVCORO_API Url {
  bool is_secure = false;  // https
  std::string host;        // in lower case; an IPv6 address without its brackets
  std::uint16_t port = 80;
  std::string target = "/";  // path and query

  std::string_view scheme() const noexcept { return is_secure ? "https" : "http"; }

  // authority() is as in the field Host: "example.org", "[::1]:8080"; without the scheme's own
  // port. authority_with_port() always has one.
  std::string authority() const;
  std::string authority_with_port() const;

  // to_string() is all of it.
  std::string to_string() const;

  // has_origin_of() says whether scheme, host and port are the same.
  bool has_origin_of(const Url& other) const noexcept {
    return is_secure == other.is_secure && port == other.port && host == other.host;
  }
};

// parse_url() fails with Errc::invalid_url, unknown_scheme, or userinfo_in_url. Throws
// std::bad_alloc.
EVCORO_API Result<Url> parse_url(std::string_view text);

// resolve_url() is what reference means when it is found at base (RFC 3986, 5.2). What servers
// often leave unencoded in it, spaces, brackets and what is not ASCII, is encoded. Errors as
// parse_url().
EVCORO_API Result<Url> resolve_url(const Url& base, std::string_view reference);

}  // namespace evcoro::http
