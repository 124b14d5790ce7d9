// The load of the echo suites: N connections to one server, whose CPU clock is read before and
// after, while all connections are open and quiet.
//
//   client --port=P --server-pid=PID [--connections=N] [--size=M]
//
// Connects, prints "ready", and then obeys its standard input, so that a driver can alternate
// between servers every few milliseconds:
//
//   ping-pong WARMUP REQUESTS   prints "CPU_NS WALL_NS", what the latter number of requests took
//                               the server
//   connect WARMUP CYCLES       the same for connections that are opened for one request each and
//                               then closed
//   rounds WARMUP REQUESTS      the same for requests of all connections at once
//   stream WARMUP MESSAGES      the same for messages per connection that are pushed through
//   rate REQUESTS PER_SECOND    prints the latency's "P50_NS P99_NS P999_NS"
//
// It never sleeps while requests are under way: a server whose send had to wake its client would
// pay for that, more or less often as the two happen to be scheduled.
#include <getopt.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <string>

#include "tests/bench/echo/client.hpp"

namespace {

constexpr unsigned patience = 120;  // seconds for one command; then the server has lost something

struct Options {
  std::uint16_t port = 0;
  pid_t server_pid = 0;
  std::size_t connections = 100;
  std::size_t size = 512;
};

Options parse_options(int argc, char** argv) {
  static constexpr option long_options[] = {{"port", required_argument, nullptr, 'p'},
                                            {"server-pid", required_argument, nullptr, 's'},
                                            {"connections", required_argument, nullptr, 'c'},
                                            {"size", required_argument, nullptr, 'm'},
                                            {}};
  Options options;
  for (int opt; (opt = getopt_long(argc, argv, "", long_options, nullptr)) != -1;) {
    if (opt == '?') std::exit(2);
    const unsigned long value = std::strtoul(optarg, nullptr, 10);
    if (opt == 'p') options.port = static_cast<std::uint16_t>(value);
    if (opt == 's') options.server_pid = static_cast<pid_t>(value);
    if (opt == 'c') options.connections = value;
    if (opt == 'm') options.size = value;
  }
  if (options.port == 0 || options.server_pid <= 0 || options.connections == 0 ||
      options.size - 1 >= 64 * 1024) {
    std::fputs(
        "client: needs --port, --server-pid, --connections of at least 1 and a --size of 1 to "
        "65536\n",
        stderr);
    std::exit(2);
  }
  return options;
}

// Measures load(connections, amount).
template <class Load>
void measure(Connections& connections, clockid_t server_cpu, Load load) {
  std::size_t warmup = 0;
  std::size_t amount = 0;
  std::cin >> warmup >> amount;
  load(connections, warmup);
  const long long cpu = nanoseconds(server_cpu);
  const long long wall = nanoseconds(CLOCK_MONOTONIC);
  load(connections, amount);
  const long long wall_spent = nanoseconds(CLOCK_MONOTONIC) - wall;
  std::cout << nanoseconds(server_cpu) - cpu << ' ' << wall_spent << std::endl;
}

void measure_latency(Connections& connections) {
  std::size_t requests = 0;
  double rate = 0;
  std::cin >> requests >> rate;
  const Latency latency = send_at_rate(connections, requests, rate);
  std::cout << latency.p50 << ' ' << latency.p99 << ' ' << latency.p999 << std::endl;
}

bool obey(const std::string& command, Connections& connections, pid_t server) {
  clockid_t server_cpu;
  if (clock_getcpuclockid(server, &server_cpu) != 0) die("clock_getcpuclockid");
  if (command == "ping-pong") {
    measure(connections, server_cpu, play_ping_pong);
  } else if (command == "connect") {
    measure(connections, server_cpu, connect_and_close);
  } else if (command == "rounds") {
    measure(connections, server_cpu, [server](Connections& all, std::size_t requests) {
      play_rounds(all, requests, server);
    });
  } else if (command == "stream") {
    measure(connections, server_cpu, stream);
  } else if (command == "rate") {
    measure_latency(connections);
  } else {
    return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse_options(argc, argv);
  Connections connections(options.port, options.connections, options.size);
  std::cout << "ready" << std::endl;
  for (std::string command; std::cin >> command; alarm(0)) {
    alarm(patience);
    if (!obey(command, connections, options.server_pid)) {
      std::cerr << "client: unknown command '" << command << "'\n";
      return 2;
    }
  }
}
