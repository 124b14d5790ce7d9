// What every echo server under test shares: its options and its listener. A server's own file then
// holds only how it serves.
//
//   int main(int argc, char** argv) {
//     const echo::Options options = echo::parse_options(argc, argv);
//     const int listener = echo::listen_on_loopback();
//     echo::announce(echo::local_port(listener));
//     ...  // serve for ever: the driver ends the process by SIGTERM
//   }
//
// A server does not measure itself: the client reads its CPU clock, strace counts its calls.
#pragma once

#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace echo {

// The largest --buffer; servers that keep a buffer per connection declare it this long.
inline constexpr std::size_t max_buffer = 8192;

struct Options {
  std::size_t buffer = max_buffer;  // bytes asked of one recv
  std::size_t connections = 1100;   // the most that will be open at once
  bool timeouts = false;            // arm timeout_seconds on every wait
};

inline constexpr int timeout_seconds = 3;

[[noreturn]] inline void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

inline int check(int result, const char* what) {
  if (result < 0) die(what);
  return result;
}

inline Options parse_options(int argc, char** argv) {
  static constexpr option long_options[] = {{"buffer", required_argument, nullptr, 'b'},
                                            {"connections", required_argument, nullptr, 'c'},
                                            {"timeouts", no_argument, nullptr, 't'},
                                            {}};
  Options options;
  for (int opt; (opt = getopt_long(argc, argv, "", long_options, nullptr)) != -1;) {
    if (opt == 'b') {
      options.buffer = std::strtoul(optarg, nullptr, 10);
    } else if (opt == 'c') {
      options.connections = std::strtoul(optarg, nullptr, 10);
    } else if (opt == 't') {
      options.timeouts = true;
    } else {
      std::exit(2);
    }
  }
  if (options.buffer == 0 || options.buffer > max_buffer) {
    std::fprintf(stderr, "%s: --buffer must be 1 to %zu bytes\n", argv[0], max_buffer);
    std::exit(2);
  }
  return options;
}

// listen_on_loopback() returns a non-blocking listener on a port that the kernel chooses.
inline int listen_on_loopback() {
  const int fd = check(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  check(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), "bind");
  check(listen(fd, SOMAXCONN), "listen");
  return fd;
}

inline std::uint16_t local_port(int fd) {
  sockaddr_in address = {};
  socklen_t length = sizeof address;
  check(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length), "getsockname");
  return ntohs(address.sin_port);
}

// accept_connection() returns the next waiting connection, non-blocking and with TCP_NODELAY, or
// -1 when there is none.
inline int accept_connection(int listener) {
  const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return -1;
  const int on = 1;
  check(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "TCP_NODELAY");
  return fd;
}

// announce() tells the driver that connections are welcome from now on.
inline void announce(std::uint16_t port) {
  std::printf("listening %u\n", port);
  std::fflush(stdout);
}

}  // namespace echo
