// Proxy: nginx or HAProxy in front of a server of ours, for the time of a test.
//
//   const support::Proxy nginx{support::Proxy::nginx, server.local_address().to_string()};
//   ask(nginx.address());
//
// Both keep their connections to the server. In a thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <support/commands.hpp>

namespace support {

class Proxy {
 public:
  enum Kind { nginx, haproxy };

  // It is there when the constructor returns.
  Proxy(Kind kind, const std::string& server)
      : command_(kind == nginx ? nginx_command(server) : haproxy_command(server)) {
    wait_for_port(port_);
  }

  evcoro::Address address() const { return address_of(port_); }

 private:
  std::vector<std::string> nginx_command(const std::string& server) const {
    const std::string& path = folder_.path();
    const std::string configuration =
        "daemon off; worker_processes 1; pid " + path + "/pid; error_log " + path +
        "/errors; events {} http { access_log off; lingering_timeout 100ms; "
        "client_body_temp_path " +
        path + "/body; proxy_temp_path " + path + "/proxy; fastcgi_temp_path " + path +
        "/f; uwsgi_temp_path " + path + "/u; scgi_temp_path " + path + "/s; upstream us { server " +
        server + "; keepalive 4; } server { listen 127.0.0.1:" + port_ +
        "; location / { proxy_pass http://us; proxy_http_version 1.1; proxy_set_header "
        "Connection \"\"; proxy_set_header X-Forwarded-For $remote_addr; "
        "proxy_request_buffering off; proxy_ignore_client_abort on; } } }";
    return {"nginx", "-e", path + "/errors", "-c", folder_.add("nginx.conf", configuration)};
  }

  std::vector<std::string> haproxy_command(const std::string& server) const {
    const std::string configuration =
        "defaults\n  mode http\n  timeout connect 60s\n  timeout client 60s\n  timeout server 60s\n"
        "  option http-keep-alive\n  http-reuse always\n"
        "frontend in\n  bind 127.0.0.1:" +
        port_ +
        "\n  default_backend us\n"
        "backend us\n  option forwardfor\n  server us " +
        server + "\n";
    return {"haproxy", "-db", "-f", folder_.add("haproxy.cfg", configuration)};
  }

  Folder folder_;
  std::string port_ = free_port();
  RunningCommand command_;
};

}  // namespace support
