#include <evcoro/io/buffered_writer.hpp>

#include <string>

#include <evcoro/scope.hpp>
#include <support/every_park.hpp>
#include <support/loop_fixture.hpp>
#include <support/network.hpp>
#include <support/pieces.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::long_time;
using support::LoopFixture;
using support::PieceStream;

TEST_CASE("small pieces are sent together, when the buffer is full or flushed") {
  PieceStream stream;
  BufferedWriter writer{stream, 8};
  REQUIRE(writer.write("abc").count == 3);
  REQUIRE(writer.write("defg").count == 4);
  REQUIRE(writer.write("").count == 0);
  REQUIRE(stream.sends == 0);
  REQUIRE(writer.buffered() == 7);
  REQUIRE(writer.write("hi").count == 2);
  REQUIRE(stream.sent == "abcdefg");
  REQUIRE(!writer.flush());
  REQUIRE(stream.sent == "abcdefghi");
  REQUIRE(!writer.flush());
  REQUIRE(stream.sends == 2);
}

TEST_CASE("what is as large as the buffer goes through, after what is in it") {
  PieceStream stream;
  BufferedWriter writer{stream, 4};
  REQUIRE(writer.write("ab").count == 2);
  REQUIRE(writer.write("0123456789").count == 10);
  REQUIRE(writer.buffered() == 0);
  REQUIRE(stream.sends == 2);
  REQUIRE(writer.write("cdef").count == 4);
  REQUIRE(stream.sent == "ab0123456789cdef");
  BufferedWriter unbuffered{stream, 0};
  REQUIRE(unbuffered.write("!").count == 1);
  REQUIRE(stream.sent == "ab0123456789cdef!");
}

TEST_CASE("a timeout loses nothing and repeats nothing, however much the stream takes") {
  const std::string data = support::pattern(200);
  for (std::size_t room = 1; room < 20; ++room) {
    for (std::size_t size = 1; size < 20; ++size) {
      for (std::size_t piece = 1; piece < 20; ++piece) {
        PieceStream stream;
        stream.room = room;
        BufferedWriter writer{stream, size};
        std::string_view left = data;
        while (!left.empty()) {
          const IoResult out = writer.write(left.substr(0, piece));
          if (out.error) REQUIRE(out.error == std::errc::timed_out);
          left.remove_prefix(out.count);
        }
        while (writer.flush()) {
        }
        REQUIRE(stream.sent == data);
      }
    }
  }
}

TEST_CASE("the timeout of a write is one for all that it sends") {
  PieceStream stream;
  BufferedWriter writer{stream, 4};
  REQUIRE(!writer.write("ab", no_wait).error);
  REQUIRE(!writer.write("cdefgh", 1h).error);
  const auto deadline = stream.last_timeout.deadline();
  REQUIRE(stream.last_timeout.deadline() == deadline);
  REQUIRE(!writer.write("cdefgh", no_wait).error);
  REQUIRE(!stream.last_timeout.may_wait());
}

TEST_CASE_METHOD(LoopFixture, "writes to a socket can be cancelled wherever they park") {
  const std::string data = support::pattern(300'000);
  in_thread([&] {
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      auto [one, other] = support::connected_sockets(*loop, {.send = 8192});
      std::string received;
      Thread reader = loop->spawn([&, &other = other] {
                            while (received.size() < data.size()) {
                              const auto some = support::receive(other, 65536);
                              if (some.text.empty()) break;
                              received += some.text;
                            }
                          })
                          .value();
      BufferedWriter writer{one, 1000};
      std::size_t accepted = 0;
      std::error_code error;
      while (accepted < data.size() && !error) {
        const IoResult out = writer.write(std::string_view{data}.substr(accepted, 700), long_time);
        accepted += out.count;
        error = out.error;
      }
      if (!error) error = writer.flush(long_time);
      CHECK((error == std::errc::operation_canceled) == cancelled);
      const Scope shielded{never, Scope::Shielded{}};
      CHECK(!writer.flush(long_time));
      one.close();
      reader.join().value();
      CHECK(received == data.substr(0, accepted));
    });
    REQUIRE(parks >= 3);
  });
}
