// wait_readable(): a reader without a buffer
#include <array>

#include <evcoro/io/stream.hpp>
#include <support/every_park.hpp>
#include <support/loop_fixture.hpp>
#include <support/network.hpp>
#include <support/pieces.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::connected_pair;
using support::long_time;

static_assert(WaitingStream<Socket>);
static_assert(WaitingStream<AnyStream>);
static_assert(!WaitingStream<support::PieceStream>);

TEST_CASE_METHOD(support::LoopFixture, "who waits to read is woken by the first byte and the end") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    std::array<std::byte, 16> buffer;
    REQUIRE(socket.recv(buffer, no_wait).error == std::errc::timed_out);
    Thread waiter =
        loop->spawn([&, &socket = socket] { return socket.wait_readable(long_time); }).value();
    REQUIRE(support::until_parked(waiter));
    REQUIRE(waiter.info().wait_reason == "recv fd " + std::to_string(socket.native_handle()));
    REQUIRE(socket.recv(buffer).error == Errc::second_reader);
    peer.send("at last");
    REQUIRE(!waiter.join().value());
    REQUIRE(!socket.wait_readable(no_wait));
    REQUIRE(socket.recv(buffer, no_wait).count == 7);
    peer.close();
    REQUIRE(!socket.wait_readable(long_time));
    REQUIRE(support::receive(socket).is_end_of_file());
    REQUIRE(!socket.wait_readable(long_time));  // as often as it is asked
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a wait to read that is told wrongly is told so by recv") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    std::array<std::byte, 16> buffer;
    REQUIRE(!socket.wait_readable(long_time));  // nothing is known yet
    REQUIRE(socket.recv(buffer, no_wait).error == std::errc::timed_out);
    REQUIRE(socket.wait_readable(no_wait) == std::errc::timed_out);
    REQUIRE(socket.wait_readable(5ms) == std::errc::timed_out);
    peer.send("hello");
    REQUIRE(support::receive(socket).text == "hello");
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a wait to read ends when the socket is closed or idle") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    std::array<std::byte, 16> buffer;
    REQUIRE(socket.recv(buffer, no_wait).error == std::errc::timed_out);
    socket.set_idle_timeout(5ms);
    REQUIRE(socket.wait_readable() == std::errc::timed_out);
    REQUIRE(socket.recv(buffer, no_wait).error == std::errc::timed_out);
    socket.set_idle_timeout(never);
    Thread waiter = loop->spawn([&, &socket = socket] { return socket.wait_readable(); }).value();
    REQUIRE(support::until_parked(waiter));
    socket.close();
    REQUIRE(waiter.join().value() == std::errc::operation_canceled);
    REQUIRE(socket.wait_readable() == std::errc::bad_file_descriptor);
  });
  REQUIRE(Socket{}.wait_readable() == std::errc::bad_file_descriptor);
}

TEST_CASE_METHOD(support::LoopFixture, "cancelled at each park: a wait to read") {
  in_thread([&] {
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      auto [socket, peer] = connected_pair(*loop);
      std::array<std::byte, 16> buffer;
      (void)socket.recv(buffer, no_wait);
      Thread sender = loop->spawn([&, &peer = peer] {
                            if (!this_thread::sleep_for(100us)) peer.send("x");
                          })
                          .value();
      const auto error = socket.wait_readable(long_time);
      CHECK((error == std::errc::operation_canceled) == cancelled);
    });
    REQUIRE(parks > 0);
  });
}

TEST_CASE("a stream that can't wait without a buffer is always worth a recv") {
  support::PieceStream pieces{{"hello"}};
  const AnyStream stream{pieces};
  REQUIRE(!stream.can_wait());
  REQUIRE(!stream.wait_readable(no_wait));
  REQUIRE(pieces.receives == 0);
}
