#include <support/loop_fixture.hpp>
#include <support/network.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::connected_pair;
using support::receive;

TEST_CASE_METHOD(support::LoopFixture, "the end of file reaches a thread that waits") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    Thread reader = loop->spawn([&, &socket = socket] { return receive(socket); }).value();
    REQUIRE(support::until_parked(reader));
    peer.close();
    REQUIRE(reader.join().value().is_end_of_file());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "the end of file of an idle connection is seen later") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    REQUIRE(support::ping_pong(socket, peer));
    peer.close();
    REQUIRE(!this_thread::sleep_for(5ms));
    REQUIRE(receive(socket).is_end_of_file());
  });
}

// Data and end of file make a single event: nothing more is heard after the data.
TEST_CASE_METHOD(support::LoopFixture, "data and the end of file together: both are seen") {
  in_thread([&] {
    for (int i = 0; i < 100; ++i) {
      auto [socket, peer] = connected_pair(*loop);
      REQUIRE(support::ping_pong(socket, peer));
      peer.send("last words");
      peer.shutdown(SHUT_WR);
      if (i % 2 == 0) REQUIRE(!this_thread::sleep_for(1us));
      REQUIRE(receive(socket).text == "last words");
      REQUIRE(socket.send("reply", support::long_time).count == 5);
      REQUIRE(receive(socket).is_end_of_file());
      REQUIRE(peer.recv_all(5) == "reply");
    }
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "data and the end of file together reach a thread that waits") {
  in_thread([&] {
    for (int i = 0; i < 100; ++i) {
      auto [socket, peer] = connected_pair(*loop);
      Thread echo = loop->spawn([&, &socket = socket] {
                          while (true) {
                            const auto in = receive(socket, 1 + static_cast<std::size_t>(i));
                            if (in.text.empty()) return support::Outcome{in.error};
                            if (!socket.send(in.text, support::long_time)) break;
                          }
                          return support::Outcome{std::make_error_code(std::errc::io_error)};
                        })
                        .value();
      REQUIRE(support::until_parked(echo));
      const std::string sent = support::pattern(64);
      peer.send(sent);
      peer.shutdown(SHUT_WR);
      REQUIRE(!echo.join().value().error);
      REQUIRE(peer.recv_all(sent.size()) == sent);
    }
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "data of exactly the buffer's size and the end of file together: both are seen") {
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
      peer.shutdown(SHUT_WR);
      if (i % 2 == 0) REQUIRE(!this_thread::sleep_for(1us));
      REQUIRE(receive(socket, 8).text == "12345678");
      REQUIRE(socket.send("reply"));
      REQUIRE(receive(socket, 8).is_end_of_file());
    }
  });
}

// One edge tells of the data, the next of the end, while the reader is busy elsewhere.
TEST_CASE_METHOD(support::LoopFixture, "the end of file comes while the thread sends") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop, {.send = 4096});
    REQUIRE(support::ping_pong(socket, peer));
    peer.send("request");
    REQUIRE(receive(socket).text == "request");
    const std::string reply = support::pattern(1'000'000);
    Thread writer = loop->spawn([&, &socket = socket] {
                          const IoResult out = socket.send(reply, support::long_time);
                          return std::pair{out.count, receive(socket)};
                        })
                        .value();
    REQUIRE(support::until_parked(writer));
    peer.send("more");
    peer.shutdown(SHUT_WR);
    std::size_t received = 0;
    while (received < reply.size()) {
      received += peer.recv(16384, MSG_DONTWAIT).size();
      REQUIRE(support::eventually([&, &peer = peer] {
        char byte;
        return received == reply.size() ||
               ::recv(peer.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
      }));
    }
    const auto [sent, in] = writer.join().value();
    REQUIRE(sent == reply.size());
    REQUIRE(in.text == "more");
    REQUIRE(receive(socket).is_end_of_file());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "the end of file can't be missed in any order of events") {
  in_thread([&] {
    for (int order = 0; order < 64; ++order) {
      auto [socket, peer] = connected_pair(*loop);
      if ((order & 1) != 0) REQUIRE(support::ping_pong(socket, peer));
      peer.send("one");
      if ((order & 2) != 0) REQUIRE(!this_thread::sleep_for(1us));
      REQUIRE(receive(socket).text == "one");
      if ((order & 4) != 0) REQUIRE(socket.send("x"));
      if ((order & 8) != 0) REQUIRE(!this_thread::sleep_for(1us));
      peer.shutdown(SHUT_WR);
      if ((order & 16) != 0) REQUIRE(!this_thread::sleep_for(1us));
      if ((order & 32) != 0) REQUIRE(socket.send("y"));
      REQUIRE(receive(socket).is_end_of_file());
    }
  });
}
