#include <support/loop_fixture.hpp>
#include <support/network.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::connected_pair;
using support::receive;

namespace {

const auto reset_error = std::errc::connection_reset;

bool is_gone(const std::error_code& error) {
  return error == std::errc::connection_reset || error == std::errc::broken_pipe;
}

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "a reset before the first operation is reported") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    peer.reset();
    REQUIRE(receive(socket).error == reset_error);
    REQUIRE(receive(socket).is_end_of_file());
    REQUIRE(socket.send("x").error == std::errc::broken_pipe);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a reset of an idle connection is reported by recv") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    REQUIRE(support::ping_pong(socket, peer));
    peer.reset();
    REQUIRE(receive(socket).error == reset_error);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a reset of an idle connection is reported by send") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    REQUIRE(support::ping_pong(socket, peer));
    peer.reset();
    REQUIRE(is_gone(socket.send("x").error));
    const auto in = receive(socket);
    REQUIRE((in.is_end_of_file() || is_gone(in.error)));
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a reset ends a recv that waits") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    Thread reader = loop->spawn([&, &socket = socket] { return receive(socket); }).value();
    REQUIRE(support::until_parked(reader));
    peer.reset();
    REQUIRE(reader.join().value().error == reset_error);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a reset ends a send that waits for room") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    support::fill(socket);
    Thread writer = loop->spawn([&, &socket = socket] { return socket.send("x"); }).value();
    REQUIRE(support::until_parked(writer));
    peer.reset();
    REQUIRE(writer.join().value().error == reset_error);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a reset ends a recv and a send that wait at once") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    support::fill(socket);
    Thread reader = loop->spawn([&, &socket = socket] { return receive(socket); }).value();
    Thread writer = loop->spawn([&, &socket = socket] { return socket.send("x"); }).value();
    REQUIRE(support::until_parked(reader));
    REQUIRE(support::until_parked(writer));
    peer.reset();
    const auto in = reader.join().value();
    const auto out = writer.join().value();
    // The kernel reports a reset once, to whoever asks first; it is no end of file all the same.
    REQUIRE(in.error == reset_error);
    REQUIRE(is_gone(out.error));
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a reset after our own shutdown is reported") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    REQUIRE(!socket.shutdown(Socket::Shutdown::write));
    Thread reader = loop->spawn([&, &socket = socket] { return receive(socket); }).value();
    REQUIRE(support::until_parked(reader));
    peer.reset();
    REQUIRE(reader.join().value().error == reset_error);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a reset after the peer's shutdown ends a send") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    peer.shutdown(SHUT_WR);
    REQUIRE(receive(socket).is_end_of_file());
    support::fill(socket);
    Thread writer = loop->spawn([&, &socket = socket] { return socket.send("x"); }).value();
    REQUIRE(support::until_parked(writer));
    peer.reset();
    REQUIRE(is_gone(writer.join().value().error));
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "a reset in the middle of recv_all is reported with what came before") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    peer.send("half");
    Thread reader =
        loop->spawn([&, &socket = socket] { return support::receive_all(socket, 8); }).value();
    REQUIRE(support::until_parked(reader));
    peer.reset();
    const auto in = reader.join().value();
    REQUIRE(in.text == "half");
    REQUIRE(in.error == reset_error);
  });
}

// Data and reset make a single event: after the data nothing more is heard, and whoever trusts that
// a short read has emptied the socket waits for ever.
TEST_CASE_METHOD(support::LoopFixture, "data and a reset together: both are seen") {
  in_thread([&] {
    for (int i = 0; i < 100; ++i) {
      auto [socket, peer] = connected_pair(*loop);
      REQUIRE(support::ping_pong(socket, peer));
      peer.send("last words");
      peer.reset();
      REQUIRE(receive(socket).text == "last words");
      if (i % 2 == 0) REQUIRE(is_gone(socket.send("x").error));
      const auto in = receive(socket);
      REQUIRE((in.is_end_of_file() || is_gone(in.error)));
    }
  });
}

TEST_CASE_METHOD(support::LoopFixture, "data and a reset together reach a thread that waits") {
  in_thread([&] {
    for (int i = 0; i < 100; ++i) {
      auto [socket, peer] = connected_pair(*loop);
      Thread reader = loop->spawn([&, &socket = socket] {
                            std::string all;
                            while (true) {
                              const auto in = receive(socket);
                              if (in.text.empty()) return all;
                              all += in.text;
                              if (i % 3 == 0) static_cast<void>(socket.send("reply"));
                            }
                          })
                          .value();
      REQUIRE(support::until_parked(reader));
      if (i % 2 == 0) {
        peer.send("ping");
        if (i % 3 == 0) REQUIRE(peer.recv_all(0).empty());
        REQUIRE(!this_thread::sleep_for(1us));
      }
      peer.send("last words");
      peer.reset();
      REQUIRE(reader.join().value().ends_with("last words"));
    }
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "data of exactly the buffer's size and a reset together: both are seen") {
  in_thread([&] {
    for (int i = 0; i < 50; ++i) {
      auto [socket, peer] = connected_pair(*loop);
      for (int j = 0; j < 3; ++j) {  // the socket learns to ask how much is left
        peer.send("12345678");
        REQUIRE(receive(socket, 8).text == "12345678");
        REQUIRE(receive(socket, 8, 1ms).error == std::errc::timed_out);
        REQUIRE(socket.send("reply"));
      }
      peer.send("12345678");
      peer.reset();
      REQUIRE(receive(socket, 8).text == "12345678");
      if (i % 2 == 0) REQUIRE(is_gone(socket.send("x").error));
      const auto in = receive(socket, 8);
      REQUIRE((in.is_end_of_file() || is_gone(in.error)));
    }
  });
}
