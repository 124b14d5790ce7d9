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
// It never sleeps while requests are under way, as PingPong in load_client.hpp.
#include <unistd.h>

#include <iostream>
#include <string>

#include "tests/bench/echo/client.hpp"

namespace {

// measure_with() measures load(connections, amount).
template <class Load>
void measure_with(Connections& connections, pid_t server, Load load) {
  measure(cpu_clock_of(server), [&](std::size_t amount) { load(connections, amount); });
}

bool obey(const std::string& command, Connections& connections, pid_t server) {
  if (command == "ping-pong") {
    measure_with(connections, server, play_ping_pong);
  } else if (command == "connect") {
    measure_with(connections, server, connect_and_close);
  } else if (command == "rounds") {
    measure_with(connections, server, [server](Connections& all, std::size_t requests) {
      play_rounds(all, requests, server);
    });
  } else if (command == "stream") {
    measure_with(connections, server, stream);
  } else if (command == "rate") {
    measure_latency([&](std::size_t requests, double rate) {
      return send_at_rate(connections, requests, rate);
    });
  } else {
    return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const LoadOptions options = parse_load_options(argc, argv);
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
