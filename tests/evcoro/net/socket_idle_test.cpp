#include <support/loop_fixture.hpp>
#include <support/network.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::connected_pair;
using support::receive;

TEST_CASE_METHOD(support::LoopFixture, "the idle timeout ends a recv, and not the connection") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    const auto begin = Clock::now();
    socket.set_idle_timeout(30ms);
    REQUIRE(receive(socket).error == std::errc::timed_out);
    REQUIRE(Clock::now() - begin >= 30ms);
    peer.send("still open");
    REQUIRE(receive(socket).text == "still open");
    REQUIRE(socket.send("indeed").count == 6);
    REQUIRE(peer.recv() == "indeed");
  });
}

TEST_CASE_METHOD(support::LoopFixture, "the idle timeout ends a send") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    support::fill(socket);
    const auto begin = Clock::now();
    socket.set_idle_timeout(30ms);
    REQUIRE(socket.send("x").error == std::errc::timed_out);
    REQUIRE(Clock::now() - begin >= 30ms);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "each byte puts the idle timeout off") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    socket.set_idle_timeout(200ms);
    for (int i = 0; i < 5; ++i) {
      Thread reader = loop->spawn([&, &socket = socket] { return receive(socket); }).value();
      REQUIRE(!this_thread::sleep_for(20ms));
      const auto sent_at = Clock::now();
      peer.send("x");
      const auto in = reader.join().value();
      // On a machine that stood still for long, the timeout is right.
      if (Clock::now() - sent_at < 100ms) REQUIRE(in.text == "x");
    }
    const auto last = Clock::now();
    REQUIRE(receive(socket, 10).error == std::errc::timed_out);
    REQUIRE(Clock::now() - last >= 150ms);
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "progress in the other direction puts the idle timeout off") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    socket.set_idle_timeout(100ms);
    Thread reader = loop->spawn([&, &socket = socket] {
                          const auto in = receive(socket);
                          return std::pair{in, Clock::now()};
                        })
                        .value();
    TimePoint last_sent;
    for (int i = 0; i < 20 && !reader.has_ended(); ++i) {
      REQUIRE(socket.send("x"));
      last_sent = Clock::now();
      REQUIRE(!this_thread::sleep_for(10ms));
    }
    const auto [in, ended] = reader.join().value();
    REQUIRE(in.error == std::errc::timed_out);
    REQUIRE(ended - last_sent >= 90ms);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a call's own deadline holds beside the idle timeout") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    socket.set_idle_timeout(1h);
    Thread reader =
        loop->spawn([&, &socket = socket] { return receive(socket, 10, 50ms); }).value();
    while (!reader.has_ended()) {
      REQUIRE(socket.send("x"));  // puts off the idle timeout only
      REQUIRE(!this_thread::sleep_for(5ms));
    }
    REQUIRE(reader.join().value().error == std::errc::timed_out);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "the idle timeout touches no other wait of the thread") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    auto [other, other_peer] = connected_pair(*loop);
    socket.set_idle_timeout(5ms);
    const auto begin = Clock::now();
    REQUIRE(!this_thread::sleep_for(30ms));
    REQUIRE(receive(other, 10, 30ms).error == std::errc::timed_out);
    REQUIRE(Clock::now() - begin >= 60ms);
    REQUIRE(receive(socket).error == std::errc::timed_out);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "the idle timeout can be turned off again") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    socket.set_idle_timeout(5ms);
    REQUIRE(receive(socket).error == std::errc::timed_out);
    socket.set_idle_timeout(never);
    Thread reader = loop->spawn([&, &socket = socket] { return receive(socket); }).value();
    REQUIRE(!this_thread::sleep_for(30ms));
    REQUIRE(!reader.has_ended());
    peer.send("x");
    REQUIRE(reader.join().value().text == "x");
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "an idle timeout that is turned off lets a thread that waits wait on") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    socket.set_idle_timeout(100ms);
    Thread reader =
        loop->spawn([&, &socket = socket] { return receive(socket, 10, never); }).value();
    REQUIRE(!this_thread::yield());
    REQUIRE(reader.info().state == TaskState::parked);
    socket.set_idle_timeout(never);
    REQUIRE(!this_thread::sleep_for(150ms));
    REQUIRE(!reader.has_ended());
    peer.send("x");
    REQUIRE(reader.join().value().text == "x");
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "an idle timeout that is turned on holds for threads that wait already") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    support::fill(socket);
    Thread reader =
        loop->spawn([&, &socket = socket] { return receive(socket, 10, never); }).value();
    Thread writer = loop->spawn([&, &socket = socket] { return socket.send("x", never); }).value();
    REQUIRE(support::until_parked(reader));
    REQUIRE(support::until_parked(writer));
    const auto begin = Clock::now();
    socket.set_idle_timeout(30ms);
    REQUIRE(reader.join(support::long_time).value().error == std::errc::timed_out);
    REQUIRE(writer.join(support::long_time).value().error == std::errc::timed_out);
    REQUIRE(Clock::now() - begin >= 30ms);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "the longest idle timeout is as good as none") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    socket.set_idle_timeout(std::chrono::nanoseconds::max());
    REQUIRE(receive(socket, 10, 5ms).error == std::errc::timed_out);
    peer.send("x");
    REQUIRE(receive(socket).text == "x");
    socket.set_idle_timeout(100 * 365 * 24h);
    REQUIRE(receive(socket, 10, 5ms).error == std::errc::timed_out);
    peer.send("y");
    REQUIRE(receive(socket).text == "y");
  });
}
