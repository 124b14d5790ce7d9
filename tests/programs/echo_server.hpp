// EchoServer: the server program as an echo server alone, on a port that the system chose, and its
// clients.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <support/catch.hpp>
#include <support/process.hpp>
#include <support/program.hpp>

namespace programs {

inline constexpr std::chrono::seconds long_time{60};  // never reached unless something is broken

// has_ipv6() is false in containers without it.
inline bool has_ipv6() {
  const int probe = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  const bool has_it = ::bind(probe, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(probe);
  return has_it;
}

// Client is a blocking TCP client on the loopback address.
class Client {
 public:
  explicit Client(std::uint16_t port)
      : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval limit{.tv_sec = long_time.count(), .tv_usec = 0};
    ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    is_connected_ =
        ::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  Client(Client&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)), is_connected_(other.is_connected_) {}
  Client& operator=(Client&&) = delete;
  ~Client() { close(); }

  bool is_connected() const { return is_connected_; }
  void close() {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  }
  bool send(std::string_view text) const {
    return ::send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(text.size());
  }
  void end() const { ::shutdown(descriptor_, SHUT_WR); }

  // recv() receives up to size bytes, fewer at the end of the connection.
  std::string recv(std::size_t size) const {
    std::string all;
    char buffer[4096];
    while (all.size() < size) {
      const ssize_t count =
          ::recv(descriptor_, buffer, std::min(sizeof buffer, size - all.size()), 0);
      if (count <= 0) break;
      all.append(buffer, static_cast<std::size_t>(count));
    }
    return all;
  }

  // has_news() says whether data or the end of the connection comes within limit.
  bool has_news(std::chrono::milliseconds limit) const {
    pollfd event{.fd = descriptor_, .events = POLLIN, .revents = 0};
    return ::poll(&event, 1, static_cast<int>(limit.count())) > 0;
  }

  bool is_served() const { return send("ping") && recv(4) == "ping"; }

 private:
  int descriptor_;
  bool is_connected_ = false;
};

// with_defaults() are arguments, and values for what they leave out; an option that is given twice
// would be an error.
inline support::Program::Arguments with_defaults(
    support::Program::Arguments arguments,
    const std::vector<std::pair<std::string, std::string>>& defaults) {
  for (const auto& [option, value] : defaults) {
    if (std::find(arguments.begin(), arguments.end(), option) != arguments.end()) continue;
    arguments.insert(arguments.end(), {option, value});
  }
  return arguments;
}

// Server is the program, when it has said where it listens.
class Server : public support::Program {
 public:
  // The sanitizers make frames larger.
  static std::string pages() { return support::under_sanitizer() ? "32" : "4"; }

  Server(const Arguments& arguments, const Options& options)
      : Program(EVCORO_SERVER, arguments, options) {
    if (read_until("Ctrl-C drains and ends")) return;
    signal(SIGKILL);  // it may hang
    wait();
    throw std::runtime_error("the server doesn't start: " + output + errors);
  }

  // address() is where a service listens: "echo", "http", "https".
  std::string address(const std::string& service) const {
    const std::size_t line = output.find(service + " ");
    const std::size_t begin = output.find("listening on ", line) + 13;
    return output.substr(begin, output.find(';', begin) - begin);
  }
  std::uint16_t port(const std::string& service) const {
    const std::string where = address(service);
    return static_cast<std::uint16_t>(std::atoi(where.substr(where.rfind(':') + 1).c_str()));
  }
};

class EchoServer : public Server {
 public:
  explicit EchoServer(Arguments arguments = {}, const Options& options = {})
      : Server(with_defaults(std::move(arguments), {{"--echo-port", "0"},
                                                    {"--http-port", "off"},
                                                    {"--https-port", "off"},
                                                    {"--address", "127.0.0.1"},
                                                    {"--pages", pages()},
                                                    {"--timeout", "60"}}),
               options) {}

  std::string address() const { return Server::address("echo"); }
  std::uint16_t port() const { return Server::port("echo"); }
  Client connect() const { return Client{port()}; }
};

}  // namespace programs
