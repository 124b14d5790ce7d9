#include <evcoro/io/stream.hpp>

#include <event2/bufferevent.h>

#include <string>
#include <string_view>

#include <evcoro/io/buffered_reader.hpp>
#include <evcoro/io/buffered_writer.hpp>
#include <evcoro/libevent/bufferevent.hpp>
#include <support/loop_fixture.hpp>
#include <support/network.hpp>
#include <support/pieces.hpp>

using namespace evcoro;
using support::long_time;
using support::LoopFixture;

static_assert(Stream<Socket>);
static_assert(Stream<BuffereventStream>);
static_assert(Stream<AnyStream>);
static_assert(Stream<support::PieceStream>);
static_assert(!Stream<std::string>);

namespace {

std::string ask(AnyStream stream, std::string_view question) {
  BufferedWriter writer{stream};
  REQUIRE(writer.write(question, long_time).count == question.size());
  REQUIRE(!writer.flush(long_time));
  BufferedReader reader{stream};
  return std::string{reader.read_line(long_time).value()};
}

}  // namespace

TEST_CASE("any stream will do for who takes any: a double") {
  support::PieceStream stream{{"ans", "wer\n"}};
  REQUIRE(ask(stream, "question\n") == "answer");
  REQUIRE(stream.sent == "question\n");
}

TEST_CASE_METHOD(LoopFixture, "any stream will do for who takes any: a socket, a bufferevent") {
  in_thread([&] {
    auto [one, other] = support::connected_sockets(*loop);
    Thread server = loop->spawn([&, &other = other] {
                          BufferedReader reader{other};
                          const std::string line{reader.read_line(long_time).value()};
                          CHECK(line == "question");
                          CHECK(other.send("answer\r\n", long_time));
                        })
                        .value();
    REQUIRE(ask(one, "question\n") == "answer");
    server.join().value();

    bufferevent* ends[2];
    REQUIRE(bufferevent_pair_new(loop->base(), 0, ends) == 0);
    auto left = BuffereventStream::adopt(*loop, ends[0]).value();
    auto right = BuffereventStream::adopt(*loop, ends[1]).value();
    Thread echo = loop->spawn([&] {
                        BufferedReader reader{right};
                        const std::string line{reader.read_line(long_time).value()};
                        CHECK(right.send(line + "!\n", long_time));
                      })
                      .value();
    REQUIRE(ask(left, "hello\n") == "hello!");
  });
}
