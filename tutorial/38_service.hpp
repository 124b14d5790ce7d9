// Chapter 38: what the three programs have in common: the service itself, from bytes to bytes, and
// how a program is called.
//
//   38_os_threads [--connections N] [ADDRESS]    127.0.0.1:8080 when none is given; at most 10,000
#pragma once

#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

#include <evcoro/http/without_io.hpp>
#include <evcoro/net/address.hpp>

// [answer]
// answer() is all that the service does: the head of a request, and the bytes of a response.
// Returns whether a further request may follow.
inline bool answer(const evcoro::http::RequestParser& request, std::string& out) {
  using evcoro::http::Method;
  using evcoro::http::Status;
  static const std::string bytes(4096, 'x');
  const std::string_view path = request.path();
  const std::string_view hello = "/hello/";
  if (request.method() != Method::get && request.method() != Method::head) {
    append_response(out, request, {.status = Status::not_implemented, .closes = true});
    return false;
  }
  if (request.has_body()) {
    append_response(out, request, {.status = Status::content_too_large, .closes = true});
    return false;
  }
  if (path == "/") {
    append_response(out, request, {.body = "welcome\n"});
  } else if (path.starts_with(hello)) {
    const std::string name{path.substr(hello.size())};
    append_response(out, request, {.body = "hello, " + name + "\n"});
  } else if (path == "/bytes") {
    append_response(out, request, {.body = bytes});
  } else {
    append_response(out, request, {.status = Status::not_found, .body = "Not Found\n"});
  }
  return request.keeps_alive();
}
// [/answer]

// [conversation]
// Conversation is what has been said on one connection: take() what has come, send output().
class Conversation {
 public:
  void take(std::string_view received) {
    if (rest_.empty()) {
      rest_ = received.substr(answer_all(received));
    } else {
      rest_ += received;
      rest_.erase(0, answer_all(rest_));
    }
  }

  std::string_view output() const { return std::string_view{output_}.substr(sent_); }
  void sent(std::size_t count) {
    sent_ += count;
    if (sent_ < output_.size()) return;
    output_.clear();
    sent_ = 0;
  }
  bool is_over() const { return is_last_ && output_.empty(); }

 private:
  // Answers the requests that have come whole, and returns their size.
  std::size_t answer_all(std::string_view text) {
    using evcoro::http::RequestParser;
    thread_local RequestParser request;  // one is enough: nothing waits in here
    std::size_t done = 0;
    while (!is_last_ && done < text.size()) {
      request.start();
      const auto state = request.read(text.substr(done));
      if (state == RequestParser::State::more) break;
      if (state == RequestParser::State::failed) {
        append_response(output_, request, {.status = request.failure()});
        is_last_ = true;
      } else {
        is_last_ = !answer(request, output_);
        done += request.head_size();
      }
    }
    return is_last_ ? text.size() : done;
  }

  std::string rest_;  // of a request that has come in part
  std::string output_;
  std::size_t sent_ = 0;
  bool is_last_ = false;  // nothing is read after this
};
// [/conversation]

// How long a connection may say nothing, or take nothing.
inline constexpr std::chrono::seconds idle{300};

struct Options {
  evcoro::Address address;
  std::size_t connections = 10'000;  // at once; who comes then waits
};

inline Options parse_options(int argc, char** argv) {
  static constexpr option names[] = {{"connections", required_argument, nullptr, 'c'}, {}};
  Options options;
  for (int found; (found = ::getopt_long(argc, argv, "", names, nullptr)) != -1;) {
    if (found != 'c') std::exit(2);
    options.connections = std::strtoul(optarg, nullptr, 10);
  }
  if (options.connections == 0) throw std::invalid_argument("--connections must be at least 1");
  const char* const text = optind < argc ? argv[optind] : "127.0.0.1:8080";
  const auto address = evcoro::Address::parse(text);
  if (!address) throw std::invalid_argument(std::string("no IP address: ") + text);
  options.address = *address;
  return options;
}

// check() throws what a system call says.
inline int check(int result, const char* what) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), what);
  return result;
}

// Each connection is a descriptor: as many as the system lets us have.
inline void allow_descriptors() {
  rlimit limit;
  check(::getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
  limit.rlim_cur = limit.rlim_max;
  check(::setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
}

// listen_on() returns a descriptor that listens. Connections inherit TCP_NODELAY.
inline int listen_on(const evcoro::Address& address) {
  const int listener = check(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  const int on = 1;
  check(::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), "SO_REUSEADDR");
  check(::setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "TCP_NODELAY");
  check(::bind(listener, address.data(), address.size()), "bind");
  check(::listen(listener, 4096), "listen");
  return listener;
}

inline void announce(const evcoro::Address& address) {
  std::printf("listening on %s\n", address.to_string().c_str());
  std::fflush(stdout);
}

inline evcoro::Address local_address(int listener) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* const address = reinterpret_cast<sockaddr*>(&storage);
  check(::getsockname(listener, address, &size), "getsockname");
  return {address, size};
}
