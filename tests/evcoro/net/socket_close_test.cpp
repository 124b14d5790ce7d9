#include <memory>
#include <optional>

#include <support/loop_fixture.hpp>
#include <support/network.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::connected_pair;
using support::Pair;
using support::receive;

TEST_CASE_METHOD(support::LoopFixture, "close wakes who waits to receive") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    Thread reader =
        loop->spawn([&, &socket = socket] { return receive(socket, 10, never); }).value();
    REQUIRE(support::until_parked(reader));
    socket.close();
    REQUIRE(reader.join().value().error == std::errc::operation_canceled);
    REQUIRE(peer.recv().empty());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "close wakes who waits to receive all, and to send") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    support::fill(socket);
    Thread reader =
        loop->spawn([&, &socket = socket] { return support::receive_all(socket, 10); }).value();
    Thread writer = loop->spawn([&, &socket = socket] { return socket.send("x", never); }).value();
    REQUIRE(support::until_parked(reader));
    REQUIRE(support::until_parked(writer));
    socket.close();
    REQUIRE(reader.join().value().error == std::errc::operation_canceled);
    REQUIRE(writer.join().value().error == std::errc::operation_canceled);
  });
}

// The operation still needs what the handle pointed to.
TEST_CASE_METHOD(support::LoopFixture, "a handle can be destroyed while a thread waits") {
  in_thread([&] {
    auto [made, peer] = connected_pair(*loop);
    auto socket = std::make_unique<Socket>(std::move(made));
    socket->set_idle_timeout(1h);
    Thread reader = loop->spawn([&] { return support::receive_all(*socket, 10); }).value();
    REQUIRE(support::until_parked(reader));
    socket.reset();
    const auto in = reader.join().value();
    REQUIRE(in.error == std::errc::operation_canceled);
    REQUIRE(peer.recv().empty());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a close right after the data came is still a close") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    Thread reader = loop->spawn([&, &socket = socket] { return receive(socket); }).value();
    REQUIRE(support::until_parked(reader));
    peer.send("x");
    socket.close();
    REQUIRE(reader.join().value().error == std::errc::operation_canceled);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a callback may close while a thread waits") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    loop->post([&socket = socket] { socket.close(); });
    REQUIRE(receive(socket).error == std::errc::operation_canceled);
  });
}

// The new socket must not see anything that was meant for the old one.
TEST_CASE_METHOD(support::LoopFixture,
                 "a descriptor that is closed and reused at once gets its own events only") {
  in_thread([&] {
    for (int i = 0; i < 1000; ++i) {
      Pair old = connected_pair(*loop);
      Thread old_reader = loop->spawn([&] { return receive(old.socket); }).value();
      REQUIRE(!this_thread::yield());
      const int number = old.socket.native_handle();
      if (i % 2 == 0) old.peer.send("for the old one");
      old.socket.close();
      Pair fresh = support::unix_pair(*loop, number);
      REQUIRE(fresh.socket.native_handle() == number);
      Thread reader = loop->spawn([&] { return receive(fresh.socket); }).value();
      REQUIRE(!this_thread::yield());
      if (i % 2 != 0) old.peer.close();
      if (i % 4 < 2) REQUIRE(!this_thread::sleep_for(1us));  // lets the loop poll
      REQUIRE(!reader.has_ended());
      fresh.peer.send("for the new one");
      REQUIRE(reader.join().value().text == "for the new one");
      REQUIRE(old_reader.join().value().error == std::errc::operation_canceled);
    }
  });
}

// A duplicate keeps the connection open, and with epoll its registration, if that is not removed.
TEST_CASE_METHOD(support::LoopFixture, "a duplicate of a closed socket disturbs nobody") {
  in_thread([&] {
    for (int i = 0; i < 20; ++i) {
      Pair old = connected_pair(*loop);
      REQUIRE(support::ping_pong(old.socket, old.peer));
      const int number = old.socket.native_handle();
      const support::RawSocket duplicate{::dup(number)};
      old.socket.close();
      Pair fresh = support::unix_pair(*loop, number);
      REQUIRE(fresh.socket.native_handle() == number);
      Thread reader = loop->spawn([&] { return receive(fresh.socket); }).value();
      REQUIRE(support::until_parked(reader));
      old.peer.send("for the duplicate");
      REQUIRE(!this_thread::sleep_for(1ms));
      REQUIRE(!reader.has_ended());
      fresh.peer.send("x");
      REQUIRE(reader.join().value().text == "x");
      REQUIRE(duplicate.recv() == "for the duplicate");
    }
  });
}

TEST_CASE_METHOD(support::LoopFixture, "what a thread leaves open is closed when it ends") {
  auto [socket, peer] = connected_pair(*loop);
  in_thread([&, &socket = socket] { this_thread::own(std::move(socket)); });
  REQUIRE(peer.recv().empty());
}

TEST_CASE_METHOD(support::LoopFixture,
                 "a socket that nobody waits for doesn't keep the loop running") {
  std::optional<Pair> pair;
  in_thread([&] {
    pair = connected_pair(*loop);
    REQUIRE(support::ping_pong(pair->socket, pair->peer));
  });
  REQUIRE(loop->run() == Loop::End::idle);
}
