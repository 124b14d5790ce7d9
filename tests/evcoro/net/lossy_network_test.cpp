// Echo of several connections with deadlines on everything, through a network that loses packets or
// is slow: all bytes arrive, no deadline is early nor much late, and the server drains.
#include <vector>

#include <evcoro/net/datagram_socket.hpp>
#include <evcoro/net/resolver.hpp>
#include <support/acceptor.hpp>
#include <support/dns_server.hpp>
#include <support/own_network.hpp>

using namespace evcoro;
using namespace std::chrono_literals;

namespace {

constexpr int clients = 4;
constexpr auto short_time = 20ms;  // what is lost may take longer
constexpr auto tolerance = 2s;     // of a machine that is busy otherwise

// What becomes of operations that time out: they are repeated.
struct Tally {
  int timeouts = 0;
  bool on_time = true;

  // ended() takes note of an operation with short_time; false if it is to be repeated.
  bool ended(std::error_code error, TimePoint began) {
    const bool timed_out = error == std::errc::timed_out;
    const auto took = Clock::now() - began;
    if (timed_out) ++timeouts;
    on_time &= took < short_time + tolerance && (!timed_out || took >= short_time);
    return !timed_out;
  }
};

// connect_patiently() gives an attempt up when its time is over, and makes another.
Result<Socket> connect_patiently(const Address& address, Tally& tally) {
  while (true) {
    const TimePoint began = Clock::now();
    Result<Socket> socket = connect(address, short_time);
    if (tally.ended(socket.error(), began)) return socket;
  }
}

std::error_code send_patiently(Socket& socket, std::string_view data, Tally& tally) {
  while (!data.empty()) {
    const TimePoint began = Clock::now();
    const IoResult out = socket.send(data, short_time);
    if (tally.ended(out.error, began) && out.error) return out.error;
    data.remove_prefix(out.count);
  }
  return {};
}

std::string receive_patiently(Socket& socket, std::size_t size, Tally& tally) {
  std::string all;
  while (all.size() < size) {
    const TimePoint began = Clock::now();
    const auto in = support::receive(socket, size - all.size(), short_time);
    const bool is_end = tally.ended(in.error, began) && in.text.empty();
    if (is_end) return all;
    all += in.text;
  }
  return all;
}

// One client: messages to and fro, and then a stream that is received while it is sent.
bool is_echoed(Loop& loop, const Address& address, std::uint32_t seed, std::size_t stream_size,
               Tally& tally) {
  Result<Socket> socket = connect_patiently(address, tally);
  if (!socket) return false;
  for (std::uint32_t i = 0; i < 10; ++i) {
    const std::string message = support::pattern(500, seed + i);
    if (send_patiently(*socket, message, tally)) return false;
    if (receive_patiently(*socket, message.size(), tally) != message) return false;
  }
  const std::string stream = support::pattern(stream_size, seed);
  Thread sender = loop.spawn([&] { return send_patiently(*socket, stream, tally); }).value();
  const bool is_same = receive_patiently(*socket, stream.size(), tally) == stream;
  return sender.join() && is_same;
}

// Runs all clients against a server, which is drained then.
Tally run_clients(Loop& loop, std::size_t stream_size) {
  Tally tally;
  TcpAcceptor acceptor{loop, support::loopback(), support::echo};
  std::vector<Thread<bool>> threads;
  for (std::uint32_t i = 0; i < clients; ++i) {
    threads.push_back(loop.spawn([&, i] {
                            return is_echoed(loop, acceptor.local_address(), i, stream_size, tally);
                          })
                          .value());
  }
  for (auto& each : threads) CHECK(each.join().value());
  CHECK(!acceptor.drain(support::long_time));
  CHECK(acceptor.counters().accepted >= clients);
  CHECK(acceptor.counters().active == 0);
  CHECK(tally.on_time);
  return tally;
}

void require_echo_at_loss(Loop& loop, int percent, std::size_t stream_size) {
  const support::OwnNetwork network;
  network.lose_percent(percent);
  run_clients(loop, stream_size);
  CHECK(network.retransmissions() > 0);
}

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "one packet of twenty is lost, and no byte") {
  in_thread([&] { require_echo_at_loss(*loop, 5, 100'000); });
}

TEST_CASE_METHOD(support::LoopFixture, "one packet of five is lost, and no byte") {
  in_thread([&] { require_echo_at_loss(*loop, 20, 20'000); });
}

// 4 * 25 kB go there and back: about 200 ms.
TEST_CASE_METHOD(support::LoopFixture, "a slow network makes deadlines pass, and loses nothing") {
  in_thread([&] {
    const support::OwnNetwork network;
    network.limit_rate("8mbit");
    const TimePoint began = Clock::now();
    const Tally tally = run_clients(*loop, 25'000);
    CHECK(Clock::now() - began > 150ms);
    CHECK(tally.timeouts > 0);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "one packet of five is lost, and a resolver asks again") {
  constexpr int count = 40;
  const support::OwnNetwork network;
  network.lose_percent(20);
  support::DnsServer server;
  int asked = 0;
  in_thread([&] {
    Resolver resolver{*loop,
                      {.servers = server.name(),
                       .server_timeout = short_time,
                       .tries = 20,
                       .resolv_conf = "/dev/null",
                       .hosts = ""}};
    for (int i = 0; i < count; ++i) {
      const std::string name = "host-" + std::to_string(i) + ".test";
      server.set(name, {.addresses = {"192.0.2." + std::to_string(i)}});
      const auto found = resolver.resolve(name, 80, AF_INET, support::long_time);
      REQUIRE(found.value().front().to_string() == "192.0.2." + std::to_string(i) + ":80");
      asked += server.questions(name);
    }
  });
  REQUIRE(asked > count);  // of the others it was the question that was lost
}

TEST_CASE_METHOD(support::LoopFixture, "one packet of five is lost, and who sent it asks again") {
  constexpr int count = 100;
  const support::OwnNetwork network;
  network.lose_percent(20);
  int asked = 0;
  in_thread([&] {
    DatagramSocket server = DatagramSocket::bound_to(support::loopback()).value();
    const Thread echo = loop->spawn([&] {
                              std::array<std::byte, 64> buffer;
                              Address sender;
                              while (const auto in = server.recv_from(buffer, sender)) {
                                (void)server.send_to(std::span{buffer}.first(in.count), sender);
                              }
                            })
                            .value();
    DatagramSocket client = DatagramSocket::connected_to(server.local_address()).value();
    const auto is_answered = [&](const std::string& question) {
      ++asked;
      if (!client.send(question)) return false;
      std::string answer(64, ' ');
      do {  // what comes late answers another question
        answer.resize(64);
        const auto in = client.recv(std::as_writable_bytes(std::span{answer}), short_time);
        if (in.error) REQUIRE(in.error == std::errc::timed_out);
        if (in.error) return false;
        answer.resize(in.count);
      } while (answer != question);
      return true;
    };
    for (int i = 0; i < count; ++i) {
      while (!is_answered(std::to_string(i))) REQUIRE(asked < 100 * count);
    }
  });
  REQUIRE(asked > count);
}
