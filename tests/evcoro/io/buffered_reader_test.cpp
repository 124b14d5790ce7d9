#include <evcoro/io/buffered_reader.hpp>

#include <array>
#include <string>
#include <vector>

#include <support/every_park.hpp>
#include <support/loop_fixture.hpp>
#include <support/network.hpp>
#include <support/pieces.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::for_each_partition;
using support::long_time;
using support::LoopFixture;
using support::PieceStream;

namespace {

std::string text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// read() calls operation until it no longer times out.
template <class Operation>
auto insist(Operation&& operation) {
  auto result = operation();
  while (result.error() == std::errc::timed_out) result = operation();
  return result;
}

// The lines of stream, and the error that ended them.
std::vector<std::string> read_lines(detail::Reader& reader, std::error_code& error) {
  std::vector<std::string> lines;
  while (true) {
    const auto line = insist([&] { return reader.read_line(); });
    error = line.error();
    if (!line) return lines;
    lines.emplace_back(*line);
  }
}

}  // namespace

TEST_CASE("lines are read however the bytes come") {
  for (const bool hiccups : {false, true}) {
    for (const std::size_t size : {1, 3, 64}) {
      for_each_partition("a\r\n\n\r\nbc\nd", [&](PieceStream& stream) {
        stream.hiccups = hiccups;
        BufferedReader reader{stream, {.size = size}};
        std::error_code error;
        const std::vector<std::string> lines = read_lines(reader, error);
        REQUIRE(lines == std::vector<std::string>{"a", "", "", "bc"});
        REQUIRE(error == Errc::unexpected_end);
        REQUIRE(text(reader.buffered()) == "d");
        reader.consume(1);
        REQUIRE(insist([&] { return reader.read_line(); }).error() == Errc::end_of_file);
      });
    }
  }
}

TEST_CASE("a delimiter of several bytes is found however the bytes come") {
  for_each_partition("a--b---c--", [](PieceStream& stream) {
    stream.hiccups = true;
    BufferedReader reader{stream, {.size = 2}};
    const auto read = [&] {
      return std::string{insist([&] { return reader.read_until("--"); }).value()};
    };
    REQUIRE(read() == "a");
    REQUIRE(read() == "b");
    REQUIRE(read() == "-c");
    REQUIRE(insist([&] { return reader.read_until("--"); }).error() == Errc::end_of_file);
    REQUIRE(reader.read_until("").error() == std::errc::invalid_argument);
  });
}

TEST_CASE("so many bytes are read, peeked at, or what is there") {
  for_each_partition("0123456789", [](PieceStream& stream) {
    stream.hiccups = true;
    BufferedReader reader{stream, {.size = 3}};
    const auto peeked = insist([&] { return reader.peek(2); });
    REQUIRE(text(*peeked).starts_with("01"));
    REQUIRE(text(*insist([&] { return reader.read_exactly(5); })) == "01234");
    std::array<std::byte, 2> two;
    IoResult some = reader.read_some(two);
    while (some.error) some = reader.read_some(two);
    REQUIRE(some.count >= 1);
    const std::size_t left = 5 - some.count;
    REQUIRE(insist([&] { return reader.read_exactly(6); }).error() == Errc::unexpected_end);
    REQUIRE(insist([&] { return reader.peek(6); }).error() == Errc::unexpected_end);
    REQUIRE(reader.buffered().size() == left);
    REQUIRE(text(*reader.read_exactly(left)).ends_with("789"));
    REQUIRE(insist([&] { return reader.peek(); }).error() == Errc::end_of_file);
    REQUIRE(insist([&] { return reader.read_exactly(1); }).error() == Errc::end_of_file);
    REQUIRE(reader.read_exactly(0)->empty());
  });
}

TEST_CASE("a caller's buffer is filled, from the reader's and past it") {
  for_each_partition("0123456789", [](PieceStream& stream) {
    BufferedReader reader{stream, {.size = 4}};
    REQUIRE(text(*reader.read_exactly(1)) == "0");
    std::array<std::byte, 7> seven;
    const IoResult all = reader.read_all(seven);
    REQUIRE(!all.error);
    REQUIRE(all.count == 7);
    REQUIRE(text(seven) == "1234567");
    const IoResult rest = reader.read_all(seven);
    REQUIRE(!rest.error);
    REQUIRE(rest.count == 2);
    REQUIRE(text(std::span{seven}.first(2)) == "89");
    REQUIRE(reader.read_some(seven).count == 0);
    REQUIRE(reader.read_some({}).count == 0);
  });
}

TEST_CASE("after a failure in the middle, what came is counted, and in the caller's buffer") {
  for_each_partition("012345", [](PieceStream& stream) {
    stream.hiccups = true;
    BufferedReader reader{stream, {.size = 3}};
    std::string all(6, ' ');
    std::span<std::byte> left = std::as_writable_bytes(std::span{all});
    while (!left.empty()) left = left.subspan(reader.read_all(left).count);
    REQUIRE(all == "012345");
  });
}

TEST_CASE("what is longer than the limit is an error, and stays") {
  for_each_partition("0123456\n8", [](PieceStream& stream) {
    BufferedReader reader{stream, {.size = 2, .limit = 5}};
    const auto error = reader.read_line().error();
    REQUIRE(error == Errc::too_long);
    REQUIRE(error == std::errc::message_size);
    REQUIRE(reader.read_exactly(6).error() == Errc::too_long);
    REQUIRE(reader.peek(6).error() == Errc::too_long);
    REQUIRE(text(*reader.read_exactly(5)) == "01234");
    reader.set_limit(2);
    REQUIRE(reader.read_line().error() == Errc::too_long);
    reader.set_limit(3);  // with its end
    REQUIRE(*reader.read_line() == "56");
    REQUIRE(reader.limit() == 3);
    REQUIRE(reader.read_line().error() == Errc::unexpected_end);
  });
}

TEST_CASE("a buffer holds no more than its limit of an endless line") {
  PieceStream stream{std::deque<std::string>(100, std::string(1000, 'x'))};
  BufferedReader reader{stream, {.size = 16, .limit = 1000}};
  for (int i = 0; i < 50; ++i) {
    REQUIRE(reader.read_line().error() == Errc::too_long);
    REQUIRE(reader.buffered().size() == 1000);
    reader.consume(999);
  }
}

TEST_CASE("a stream's error comes after what came before it") {
  PieceStream stream{{"a\nb"}};
  stream.end = std::make_error_code(std::errc::connection_reset);
  BufferedReader reader{stream};
  REQUIRE(*reader.read_line() == "a");
  REQUIRE(reader.read_line().error() == std::errc::connection_reset);
  REQUIRE(text(reader.buffered()) == "b");
  REQUIRE(reader.peek(1)->size() == 1);
}

TEST_CASE("the timeout of a call is one for all that it receives") {
  PieceStream stream{{"a", "b", "c\n"}};
  BufferedReader reader{stream};
  const auto before = Clock::now();
  REQUIRE(reader.read_line(1h));
  REQUIRE(stream.receives == 3);
  const auto deadline = stream.last_timeout.deadline();
  REQUIRE(stream.last_timeout.deadline() == deadline);  // no duration, which would begin anew
  REQUIRE(deadline >= before + 1h);
  REQUIRE(deadline <= Clock::now() + 1h);
  PieceStream other{{"a", "b"}};
  BufferedReader hasty{other};
  REQUIRE(hasty.peek(2, no_wait));
  REQUIRE(!other.last_timeout.may_wait());
}

TEST_CASE_METHOD(LoopFixture, "lines of a socket: timeouts and cancellation lose nothing") {
  in_thread([&] {
    auto [socket, peer] = support::connected_pair(*loop);
    BufferedReader reader{socket};
    peer.send("hel");
    REQUIRE(reader.read_line(5ms).error() == std::errc::timed_out);
    const int parks = support::cancel_at_every_park(*loop, [&, &peer = peer](bool& cancelled) {
      Thread sender = loop->spawn([&] {
                            (void)this_thread::yield();
                            if (!cancelled) peer.send("lo\nnext");
                          })
                          .value();
      const auto line = reader.read_line(long_time);
      CHECK((line.error() == std::errc::operation_canceled) == cancelled);
      if (!cancelled) CHECK(*line == "hello");
    });
    REQUIRE(parks >= 1);
    peer.shutdown(SHUT_WR);
    REQUIRE(reader.read_line(long_time).error() == Errc::unexpected_end);
    REQUIRE(text(reader.buffered()) == "next");
  });
}

TEST_CASE_METHOD(LoopFixture, "each way to read a socket can be cancelled wherever it parks") {
  in_thread([&] {
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      auto [socket, peer] = support::connected_pair(*loop);
      Thread sender = loop->spawn([&, &peer = peer] {
                            for (const char* piece : {"a", "b\n", "c", "d-", "-ef", "g"}) {
                              if (this_thread::sleep_for(1ms)) return;
                              peer.send(piece);
                            }
                            peer.close();
                          })
                          .value();
      BufferedReader reader{socket};
      std::array<std::byte, 2> two;
      std::error_code error = reader.read_line(long_time).error();
      if (!error) error = reader.read_until("--", long_time).error();
      if (!error) error = reader.read_exactly(1, long_time).error();
      if (!error) error = reader.read_all(two, long_time).error;
      if (!error) error = reader.peek(1, long_time).error();
      if (error == Errc::end_of_file) error = reader.read_some(two, long_time).error;
      CHECK((error == std::errc::operation_canceled) == cancelled);
    });
    REQUIRE(parks >= 3);
  });
}
