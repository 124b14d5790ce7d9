// What the clients of the suites have in common: they connect to one server, print "ready", and
// then obey their standard input, so that a driver can alternate between servers every few
// milliseconds.
//
//   const LoadOptions options = parse_load_options(argc, argv, {.connections = 50});
//   PingPong load{SOCK_DGRAM, options};
//   obey(options, {{"ping-pong", [&](std::size_t amount) { load.play(amount, ask, receive); }}});
#pragma once

#include <sys/epoll.h>
#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <vector>

// die() says what failed and why, and ends the client.
[[noreturn]] void die(const char* what);

inline int check(int result, const char* what) {
  if (result < 0) die(what);
  return result;
}

// nanoseconds() reads a clock.
long long nanoseconds(clockid_t clock);

// cpu_clock_of() is the clock of what a process has spent.
clockid_t cpu_clock_of(pid_t pid);

struct LoadOptions {
  std::uint16_t port = 0;
  pid_t server_pid = 0;
  std::size_t connections = 100;
  std::size_t size = 512;  // of a message, in bytes
  std::string path = "/";  // of an HTTP request
  bool tls = false;
};

// parse_load_options() reads --port=P --server-pid=PID [--connections=N] [--size=M] [--path=/PATH]
// [--tls]; bad ones end the client.
LoadOptions parse_load_options(int argc, char** argv, LoadOptions defaults = {});

// allow_descriptors() lets the client have this many connections, or ends it.
void allow_descriptors(std::size_t connections);

// A command that takes longer has lost something: the client ends by SIGALRM.
constexpr unsigned patience = 120;  // seconds

// measure() reads "WARMUP AMOUNT", calls load() with each, and prints "CPU_NS WALL_NS", what the
// latter took the server.
template <class Load>
void measure(clockid_t server_cpu, Load load) {
  std::size_t warmup = 0;
  std::size_t amount = 0;
  if (!(std::cin >> warmup >> amount)) die("an order without WARMUP and AMOUNT");
  load(warmup);
  const long long cpu = nanoseconds(server_cpu);
  const long long wall = nanoseconds(CLOCK_MONOTONIC);
  load(amount);
  const long long wall_spent = nanoseconds(CLOCK_MONOTONIC) - wall;
  std::cout << nanoseconds(server_cpu) - cpu << ' ' << wall_spent << std::endl;
}

// obey() measures one of the loads, by name, as often as it is told to: "NAME WARMUP AMOUNT".
using Loads = std::map<std::string, std::function<void(std::size_t)>>;
void obey(const LoadOptions& options, const Loads& loads);

// PingPong asks on each of its sockets when the question before has its answer.
class PingPong {
 public:
  PingPong(int type, const LoadOptions& options);  // SOCK_STREAM or SOCK_DGRAM, all connected

  const std::vector<int>& all() const { return sockets_; }

  // poll() calls handle(fd) for sockets that have something to read, and never sleeps.
  template <class Handle>
  void poll(Handle handle) {
    const int count = epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), 0);
    for (std::size_t i = 0; static_cast<int>(i) < count; ++i) handle(events_[i].data.fd);
  }

  // play() returns when `amount` questions have their answers. ask(fd) sends one; receive(fd)
  // returns whether an answer is complete. It never sleeps meanwhile: a server whose send had to
  // wake its client would pay for that, more or less often as the two happen to be scheduled.
  template <class Ask, class Receive>
  void play(std::size_t amount, Ask ask, Receive receive) {
    std::size_t to_send = amount;
    for (std::size_t i = 0; i < sockets_.size() && to_send > 0; ++i, --to_send) ask(sockets_[i]);
    std::size_t to_receive = amount;
    while (to_receive > 0) {
      poll([&](int fd) {
        if (!receive(fd)) return;
        --to_receive;
        if (to_send == 0) return;
        ask(fd);
        --to_send;
      });
    }
  }

 private:
  int epoll_;
  std::vector<int> sockets_;
  std::array<epoll_event, 256> events_;
};
