#include <support/loop_fixture.hpp>
#include <support/network.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::connected_pair;
using support::receive;

namespace {

// The peer sends urgent data, and more behind it, and the socket has answered what came before.
void stall(Socket& socket, const support::RawSocket& peer) {
  peer.send("before");
  peer.send("!", MSG_OOB);
  peer.send("behind");
  REQUIRE(receive(socket, 100).text == "before");
  REQUIRE(socket.send("reply"));
}

// What is behind the mark, now or as soon as more arrives.
std::string rest(Socket& socket, std::size_t size) {
  std::string all;
  while (all.size() < size) {
    const auto in = receive(socket, 100);
    if (in.text.empty()) break;
    all += in.text;
  }
  return all;
}

}  // namespace

TEST_CASE_METHOD(support::LoopFixture,
                 "what is behind urgent data comes with the next byte at the latest") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    REQUIRE(support::ping_pong(socket, peer));
    stall(socket, peer);
    peer.send(", and on");
    REQUIRE(rest(socket, 14) == "behind, and on");
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "what is behind urgent data comes after a deadline at the latest") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    REQUIRE(support::ping_pong(socket, peer));
    stall(socket, peer);
    auto in = receive(socket, 100, 20ms);
    if (in.error == std::errc::timed_out) in = receive(socket, 100, 20ms);
    REQUIRE(in.text == "behind");
  });
}

TEST_CASE_METHOD(support::LoopFixture, "urgent data stalls nobody else") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    REQUIRE(support::ping_pong(socket, peer));
    stall(socket, peer);
    Thread stalled =
        loop->spawn([&, &socket = socket] { return receive(socket, 100, never); }).value();
    auto [other, other_peer] = connected_pair(*loop);
    for (int i = 0; i < 100; ++i) {
      other_peer.send("ping");
      REQUIRE(receive(other).text == "ping");
      REQUIRE(other.send("pong"));
      REQUIRE(other_peer.recv_all(4) == "pong");
    }
    peer.send("x");
    REQUIRE(stalled.join().value().text.starts_with("behind"));
  });
}

TEST_CASE_METHOD(support::LoopFixture, "urgent data alone is no data, and does no harm") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    Thread reader = loop->spawn([&, &socket = socket] { return receive(socket, 100); }).value();
    REQUIRE(support::until_parked(reader));
    peer.send("!", MSG_OOB);
    REQUIRE(!this_thread::sleep_for(5ms));
    REQUIRE(!reader.has_ended());
    peer.send("plain");
    REQUIRE(reader.join().value().text == "plain");
  });
}
