// WebServer: the server program with all its services, on ports that the system chose; requests to
// it, and the programs of others that are asked about it.
//
//   WebServer server{{"--loops", "2"}};
//   REQUIRE(server.get("/healthz").body == "ok\n");
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <programs/echo_server.hpp>
#include <support/http_reply.hpp>

namespace programs {

class WebServer : public Server {
 public:
  // A request takes more than an echo, and its compression most.
  static std::string web_pages() { return support::under_sanitizer() ? "64" : "4"; }

  explicit WebServer(Arguments arguments = {}, const Options& options = {})
      : Server(with_defaults(std::move(arguments), {{"--echo-port", "0"},
                                                    {"--http-port", "0"},
                                                    {"--https-port", "0"},
                                                    {"--address", "127.0.0.1"},
                                                    {"--pages", web_pages()},
                                                    {"--timeout", "60"}}),
               options) {}

  Client connect(const std::string& service = "http") const { return Client{port(service)}; }

  std::string url(const std::string& service, const std::string& path) const {
    return service + "://" + address(service) + path;
  }

  static std::string request(std::string_view path, std::string_view fields = {},
                             std::string_view method = "GET") {
    std::string text{method};
    text.append(" ").append(path).append(" HTTP/1.1\r\nHost: x\r\n").append(fields);
    return text + "\r\n";
  }

  // get() asks by HTTP, on a connection of its own.
  support::Reply get(std::string_view path, const std::string& fields = {},
                     std::string_view method = "GET") const {
    const Client client = connect();
    REQUIRE(client.send(request(path, fields + "Connection: close\r\n", method)));
    const std::string all = client.recv(std::string::npos);
    INFO(all);
    std::string_view rest = all;
    return support::parse_reply(rest, method == "HEAD");
  }

  // status() is the live state; number() a number in it: the first of this name behind the text.
  std::string status() const { return get("/status.json").body; }
  static double number(const std::string& status, std::string_view behind, std::string_view name) {
    const std::string wanted = "\"" + std::string{name} + "\":";
    const std::size_t found = status.find(wanted, status.find(behind));
    INFO(status);
    REQUIRE(found != std::string::npos);
    return std::atof(status.c_str() + found + wanted.size());
  }
  double number(std::string_view service, std::string_view name) const {
    return number(status(), "\"" + std::string{service} + "\"", name);
  }
};

// eventually() looks again and again whether something has become true.
template <class Condition>
bool eventually(Condition&& condition) {
  const auto end = std::chrono::steady_clock::now() + long_time;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
  return true;
}

// run_other() is what a program of others has come to. It takes those long that start one.
inline support::Ended run_other(const char* program, const support::Program::Arguments& arguments) {
  support::Program other{program, arguments, {.is_ours = false}};
  return other.wait();
}

inline support::Ended curl(support::Program::Arguments arguments) {
  arguments.insert(arguments.begin(), {"-sS", "--noproxy", "*", "--max-time", "60"});
  return run_other("curl", arguments);
}

}  // namespace programs
