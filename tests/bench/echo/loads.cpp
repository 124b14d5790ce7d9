#include <fstream>
#include <string>

#include "tests/bench/echo/client.hpp"

namespace {

// play() has `requests` messages answered. start() sends one, when the one before it on its
// connection is answered.
void play(Connections& connections, std::size_t requests, auto start) {
  std::size_t to_send = requests;
  std::size_t to_receive = requests;
  const auto send_next = [&](Connection& connection) {
    if (to_send == 0) return;
    --to_send;
    start(connection);
  };
  for (Connection& connection : connections.all()) send_next(connection);
  while (to_receive > 0) {
    connections.poll([&](Connection& connection, std::uint32_t) {
      if (!connections.receive_some(connection)) return;
      --to_receive;
      send_next(connection);
    });
  }
}

bool sleeps(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string stat;
  std::getline(file, stat);
  return stat.find(") S ") != std::string::npos;
}

}  // namespace

void play_ping_pong(Connections& connections, std::size_t requests) {
  play(connections, requests,
       [&](Connection& connection) { connections.send_message(connection); });
}

void connect_and_close(Connections& connections, std::size_t cycles) {
  play(connections, cycles, [&](Connection& connection) {
    connections.reopen(connection);
    connections.send_message(connection);
  });
}

void play_rounds(Connections& connections, std::size_t requests, pid_t pid) {
  const std::size_t count = connections.all().size();
  for (std::size_t round = 0; round < requests / count; ++round) {
    while (count == 1 && !sleeps(pid)) continue;
    play_ping_pong(connections, count);
  }
}

void stream(Connections& connections, std::size_t messages) {
  // With more of them under way, the figure is how often they have left the caches.
  constexpr std::size_t window = 4;
  const std::size_t last = connections.all().front().sent.message + messages;
  std::size_t to_receive = messages * connections.all().size();
  connections.watch(EPOLLIN | EPOLLOUT);
  while (to_receive > 0) {
    connections.poll([&](Connection& connection, std::uint32_t events) {
      if ((events & EPOLLIN) != 0 && connections.receive_some(connection)) --to_receive;
      const std::size_t next = connection.sent.message;
      const bool may_send = next < last && next - connection.received.message < window;
      if ((events & EPOLLOUT) != 0 && may_send) connections.send_some(connection);
    });
  }
  connections.watch(EPOLLIN);
}

Latency send_at_rate(Connections& connections, std::size_t requests, double rate) {
  std::vector<Connection>& all = connections.all();
  return send_at_rate(
      all.size(), requests, rate,
      [&](std::size_t index) { return connections.send_some(all[index]); },
      [&](auto answered) {
        connections.poll([&](Connection& connection, std::uint32_t) {
          if (connections.receive_some(connection)) answered(connection.index);
        });
      });
}
