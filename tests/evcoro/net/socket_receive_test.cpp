#include <sys/ioctl.h>

#include <array>

#include <support/loop_fixture.hpp>
#include <support/network.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::connected_pair;
using support::receive;
using support::receive_all;

TEST_CASE_METHOD(support::LoopFixture, "recv takes what is there, up to the size of the buffer") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    peer.send("hello");
    REQUIRE(receive(socket, 3).text == "hel");
    REQUIRE(receive(socket, 100).text == "lo");
  });
}

TEST_CASE_METHOD(support::LoopFixture, "recv waits for the first byte") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    Thread reader = loop->spawn([&, &socket = socket] { return receive(socket).text; }).value();
    REQUIRE(support::until_parked(reader));
    REQUIRE(reader.info().wait_reason == "recv fd " + std::to_string(socket.native_handle()));
    peer.send("at last");
    REQUIRE(reader.join().value() == "at last");
  });
}

TEST_CASE_METHOD(support::LoopFixture, "recv into an empty buffer returns at once") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    const auto nothing = socket.recv({}, never);
    REQUIRE(nothing);
    REQUIRE(nothing.count == 0);
    const auto nothing_at_all = socket.recv_all({}, never);
    REQUIRE(nothing_at_all);
    REQUIRE(nothing_at_all.count == 0);
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "recv says end of file by a count of 0, as often as it is asked") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    peer.send("last");
    peer.close();
    REQUIRE(receive(socket).text == "last");
    for (int i = 0; i < 3; ++i) REQUIRE(receive(socket).is_end_of_file());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "recv passes flags on") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    Thread peeker = loop->spawn([&, &socket = socket] {
                          std::array<std::byte, 16> buffer;
                          return socket.recv(buffer, support::long_time, MSG_PEEK).count;
                        })
                        .value();
    REQUIRE(support::until_parked(peeker));
    peer.send("hello");
    REQUIRE(peeker.join().value() == 5);
    REQUIRE(receive(socket).text == "hello");
    std::array<std::byte, 16> buffer;
    REQUIRE(socket.recv(buffer, never, MSG_DONTWAIT).error);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "recv with MSG_WAITALL fills the buffer from many pieces") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    std::string buffer(12, '\0');
    Thread reader = loop->spawn([&, &socket = socket] {
                          const auto bytes = std::as_writable_bytes(std::span{buffer});
                          return socket.recv(bytes, support::long_time, MSG_WAITALL).count;
                        })
                        .value();
    for (const char* const piece : {"in ", "three ", "pi"}) {
      peer.send(piece);
      REQUIRE(support::eventually([&, &socket = socket] {  // it is taken
        int left = 0;
        return ::ioctl(socket.native_handle(), FIONREAD, &left) == 0 && left == 0;
      }));
      REQUIRE(support::until_parked(reader));
    }
    peer.send("eces");
    REQUIRE(reader.join().value() == 12);
    REQUIRE(buffer == "in three pie");
    REQUIRE(receive(socket).text == "ces");
  });
}

TEST_CASE_METHOD(support::LoopFixture, "recv_all takes exactly what was asked for") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    peer.send("12345678");
    REQUIRE(receive_all(socket, 5).text == "12345");
    REQUIRE(receive_all(socket, 3).text == "678");
  });
}

TEST_CASE_METHOD(support::LoopFixture, "recv_all puts many segments together") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    const std::string sent = support::pattern(500);
    Thread reader =
        loop->spawn([&, &socket = socket] { return receive_all(socket, sent.size()).text; })
            .value();
    for (std::size_t i = 0; i < sent.size(); i += 5) {
      REQUIRE(support::until_parked(reader));
      peer.send(sent.substr(i, 5));
    }
    REQUIRE(reader.join().value() == sent);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "recv_all says how much came before the end of file") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    Thread reader = loop->spawn([&, &socket = socket] { return receive_all(socket, 10); }).value();
    REQUIRE(support::until_parked(reader));
    peer.send("123");
    REQUIRE(support::until_parked(reader));
    peer.close();
    const auto in = reader.join().value();
    REQUIRE(in.text == "123");
    REQUIRE(!in.error);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "recv_all says how much came before an error") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    peer.send("1234");
    const auto in = receive_all(socket, 10, 20ms);
    REQUIRE(in.error == std::errc::timed_out);
    REQUIRE(in.text == "1234");
  });
}

TEST_CASE_METHOD(support::LoopFixture, "messages of one byte go to and fro") {
  in_thread([&] {
    auto [one, other] = support::connected_sockets(*loop);
    Thread echo = loop->spawn([&other = other] {
                        while (true) {
                          const auto in = receive(other, 1);
                          if (in.text.empty() || !other.send(in.text, support::long_time))
                            return support::Outcome{in.error};
                        }
                      })
                      .value();
    for (int i = 0; i < 500; ++i) {
      const std::string sent(1, static_cast<char>(i));
      REQUIRE(one.send(sent, support::long_time));
      REQUIRE(receive(one, 1).text == sent);
    }
    one.close();
    REQUIRE(!echo.join().value().error);
  });
}

// The size at which a short read can't say that there is nothing more.
TEST_CASE_METHOD(support::LoopFixture, "messages of exactly the buffer's size go to and fro") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    for (std::uint32_t i = 0; i < 300; ++i) {
      const std::string sent = support::pattern(512, i);
      peer.send(sent);
      REQUIRE(receive(socket, 512).text == sent);
      REQUIRE(socket.send(sent, support::long_time));
      REQUIRE(peer.recv_all(512) == sent);
    }
    peer.close();
    REQUIRE(receive(socket, 512).is_end_of_file());
  });
}

// As above, but then there is more, in all the ways in which it may come.
TEST_CASE_METHOD(support::LoopFixture, "messages around the buffer's size all arrive") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    for (std::size_t i = 0; i < 300; ++i) {
      const std::string sent = support::pattern(510 + i % 5 + (i % 7 == 0 ? 512 : 0));
      peer.send(sent);
      std::string received;
      while (received.size() < sent.size()) {
        const auto in = receive(socket, 512);
        REQUIRE(!in.text.empty());
        received += in.text;
        if (i % 3 != 0) REQUIRE(socket.send(".", support::long_time));
      }
      REQUIRE(received == sent);
      REQUIRE(socket.send("!", support::long_time));
      while (peer.recv().back() != '!') continue;
    }
  });
}
