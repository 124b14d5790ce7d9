#include <support/loop_fixture.hpp>
#include <support/network.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::connected_pair;
using support::receive;
using support::receive_all;

TEST_CASE_METHOD(support::LoopFixture, "recv times out, and not early") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    const auto begin = Clock::now();
    REQUIRE(receive(socket, 10, 30ms).error == std::errc::timed_out);
    REQUIRE(Clock::now() - begin >= 30ms);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "recv_all times out, and not early") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    const auto begin = Clock::now();
    REQUIRE(receive_all(socket, 10, 30ms).error == std::errc::timed_out);
    REQUIRE(Clock::now() - begin >= 30ms);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "send times out, and not early") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    support::fill(socket);
    const auto begin = Clock::now();
    REQUIRE(socket.send("x", 30ms).error == std::errc::timed_out);
    REQUIRE(Clock::now() - begin >= 30ms);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "after a timeout the socket is as usable as before") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    for (int i = 0; i < 5; ++i) {
      REQUIRE(receive(socket, 10, 2ms).error == std::errc::timed_out);
      peer.send("late");
      REQUIRE(receive(socket).text == "late");
      REQUIRE(socket.send("reply"));
      REQUIRE(peer.recv_all(5) == "reply");
    }
  });
}

// What arrives between the timeout and the thread's next turn must not be lost either.
TEST_CASE_METHOD(support::LoopFixture, "data that comes just when the deadline does is not lost") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    REQUIRE(support::ping_pong(socket, peer));
    for (int i = 0; i < 50; ++i) {
      const auto deadline = Clock::now() + 1ms;
      Thread reader =
          loop->spawn([&, &socket = socket] { return receive(socket, 10, deadline); }).value();
      REQUIRE(!this_thread::sleep_until(deadline - 50us * (i % 4)));
      peer.send("x");
      auto in = reader.join().value();
      if (in.error) in = receive(socket);
      REQUIRE(in.text == "x");
      REQUIRE(socket.send("y"));
    }
  });
}

TEST_CASE_METHOD(support::LoopFixture, "calls can share a deadline") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    const auto deadline = Clock::now() + 100ms;
    peer.send("in time");
    REQUIRE(receive(socket, 100, deadline).text == "in time");
    // If each call had 100 ms of its own, this would take five minutes.
    for (int i = 0; i < 3000; ++i) {
      REQUIRE(receive(socket, 100, deadline).error == std::errc::timed_out);
    }
    REQUIRE(Clock::now() >= deadline);
    REQUIRE(Clock::now() < deadline + 100s);
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "a deadline is for all of recv_all, however many bytes trickle in") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    Thread reader =
        loop->spawn([&, &socket = socket] { return receive_all(socket, 1'000'000, 100ms); })
            .value();
    int sent = 0;
    while (!reader.has_ended()) {
      peer.send("x");
      ++sent;
      REQUIRE(!this_thread::sleep_for(1ms));
      REQUIRE(sent < 50'000);
    }
    const auto in = reader.join().value();
    REQUIRE(in.error == std::errc::timed_out);
    REQUIRE(!in.text.empty());
    REQUIRE(in.text.size() <= static_cast<std::size_t>(sent));
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "what is there already is received also after the deadline") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    peer.send("first");
    REQUIRE(receive(socket, 100, Clock::now() - 1s).text == "first");
    REQUIRE(support::ping_pong(socket, peer));
    peer.send("second");
    REQUIRE(receive(socket, 100, Clock::now() - 1s).text == "second");
  });
}

TEST_CASE_METHOD(support::LoopFixture, "without waiting, recv takes what is there") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    REQUIRE(receive(socket, 10, no_wait).error == std::errc::timed_out);
    REQUIRE(support::ping_pong(socket, peer));
    REQUIRE(receive(socket, 10, no_wait).error == std::errc::timed_out);
    peer.send("here");
    REQUIRE(receive(socket, 10, no_wait).text == "here");
    REQUIRE(receive(socket, 10, no_wait).error == std::errc::timed_out);
    REQUIRE(receive(socket, 10, -1s).error == std::errc::timed_out);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "without waiting, send gives what fits") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    const std::string much(8'000'000, 'x');
    const IoResult first = socket.send(much, no_wait);
    REQUIRE(first.error == std::errc::timed_out);
    REQUIRE(first.count > 0);
    IoResult next;
    do next = socket.send("x", no_wait);  // room may still be found
    while (!next.error);
    REQUIRE(next.error == std::errc::timed_out);
    REQUIRE(next.count == 0);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "without a deadline, recv waits on") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    Thread patient =
        loop->spawn([&, &socket = socket] { return receive(socket, 10, never); }).value();
    REQUIRE(support::until_parked(patient));
    REQUIRE(!this_thread::sleep_for(50ms));
    REQUIRE(!patient.has_ended());
    peer.send("x");
    REQUIRE(patient.join().value().text == "x");
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a timeout of one direction leaves the other waiting") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    const std::size_t filled = support::fill(socket);
    Thread reader = loop->spawn([&, &socket = socket] { return receive(socket); }).value();
    REQUIRE(support::until_parked(reader));
    REQUIRE(socket.send("x", 10ms).error == std::errc::timed_out);
    REQUIRE(!reader.has_ended());
    peer.send("for the reader");
    REQUIRE(reader.join().value().text == "for the reader");
    Thread writer = loop->spawn([&, &socket = socket] { return socket.send("y", never); }).value();
    REQUIRE(support::until_parked(writer));
    REQUIRE(receive(socket, 10, 10ms).error == std::errc::timed_out);
    REQUIRE(!writer.has_ended());
    REQUIRE(peer.recv_all(filled).size() == filled);
    REQUIRE(writer.join().value().count == 1);
  });
}
