// EchoServer: the echo server program on a port that the system chose, and its clients.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <support/catch.hpp>
#include <support/process.hpp>
#include <support/program.hpp>

namespace programs {

inline constexpr std::chrono::seconds long_time{60};  // never reached unless something is broken

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

class EchoServer : public support::Program {
 public:
  // The sanitizers make frames larger.
  static std::string pages() { return support::under_sanitizer() ? "32" : "4"; }

  explicit EchoServer(Arguments arguments = {}, const Options& options = {})
      : Program(EVCORO_ECHO_SERVER, with_defaults(std::move(arguments)), options) {
    const std::string_view announcement = "listening on ";
    if (!read_until(announcement) || !read_until("try it")) {
      wait();
      throw std::runtime_error("the echo server doesn't start: " + output + errors);
    }
    const std::size_t begin = output.find(announcement) + announcement.size();
    address_ = output.substr(begin, output.find(';', begin) - begin);
  }

  const std::string& address() const { return address_; }
  std::uint16_t port() const {
    return static_cast<std::uint16_t>(std::atoi(address_.substr(address_.rfind(':') + 1).c_str()));
  }
  Client connect() const { return Client{port()}; }

 private:
  // Defaults for what the arguments leave out; an option that is given twice would be an error.
  static Arguments with_defaults(Arguments arguments) {
    const auto add_unless_given = [&](const char* option, const std::string& value) {
      if (std::find(arguments.begin(), arguments.end(), option) != arguments.end()) return;
      arguments.insert(arguments.end(), {option, value});
    };
    add_unless_given("--echo-port", "0");
    add_unless_given("--address", "127.0.0.1");
    add_unless_given("--pages", pages());
    add_unless_given("--timeout", "60");
    return arguments;
  }

  std::string address_;
};

}  // namespace programs
