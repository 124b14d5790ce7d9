// What is too slow, over real connections. A deadline of milliseconds is one that is sure to be
// reached; one that must not be is an hour.
#include <algorithm>
#include <array>
#include <cstring>

#include <evcoro/http/error.hpp>
#include <evcoro/scope.hpp>
#include <evcoro/sync/event.hpp>
#include <support/http.hpp>

using namespace evcoro;
using namespace evcoro::http;
using namespace std::chrono_literals;
using support::LoopFixture;

namespace {

constexpr std::chrono::milliseconds a_moment{20};
constexpr std::chrono::hours an_hour{1};

// patient() are limits without any deadline that a test could reach.
Limits patient() {
  return {.head = an_hour,
          .body_idle = an_hour,
          .write_idle = an_hour,
          .keep_alive = an_hour,
          .linger = std::chrono::milliseconds{0},
          .linger_idle = an_hour,
          .body_rate = 0,
          .body_rate_grace = an_hour};
}

// ServedPair is a connection that is served in a thread, until that ends by itself.
class ServedPair {
 public:
  ServedPair(Loop& loop, const Limits& limits, Handler handler = support::echo_body,
             support::Buffers buffers = {})
      : pair_(support::connected_pair(loop, buffers)),
        thread_(loop.spawn([this, limits, handler = std::move(handler)] {
                      serve(pair_.socket, handler, {.limits = limits});
                      pair_.socket.close();
                    })
                    .value()) {}

  const support::RawSocket& peer() const noexcept { return pair_.peer; }

  void join() { thread_.join(support::long_time).value(); }

  // finish() waits for the end, and returns all that the client gets.
  std::string finish() {
    join();
    std::string all;
    for (std::string part; !(part = pair_.peer.recv()).empty();) all += part;
    return all;
  }

 private:
  support::Pair pair_;
  Thread<void> thread_;
};

}  // namespace

TEST_CASE_METHOD(LoopFixture, "deadlines: a client that says nothing is left") {
  in_thread([&] {
    Limits limits = patient();
    limits.head = a_moment;
    CHECK(ServedPair{*loop, limits}.finish().empty());
  });
}

TEST_CASE_METHOD(LoopFixture, "deadlines: a slow head") {
  in_thread([&] {
    Limits limits = patient();
    limits.head = a_moment;
    limits.linger = an_hour;  // not for who has had his time
    for (const char* begin : {"G", "GET / HTTP/1.1\r\nHost: x\r\n", "\r\n"}) {
      ServedPair pair{*loop, limits};
      pair.peer().send(begin);
      CHECK(support::status_of(pair.finish()) == 408);
    }
  });
}

TEST_CASE_METHOD(LoopFixture, "deadlines: a head has one for the whole of it") {
  in_thread([&] {
    Limits limits = patient();
    limits.head = a_moment;
    ServedPair pair{*loop, limits};
    pair.peer().send("GET / HTTP/1.1\r\nA: ");
    // Byte by byte, for as long as it takes: each comes in time.
    const bool has_ended = support::eventually([&] {
      if (pair.peer().is_readable()) return true;
      pair.peer().send("x");
      return false;
    });
    CHECK(has_ended);
    pair.join();
    CHECK(support::status_of(pair.peer().recv()) == 408);  // what comes behind may be a reset
  });
}

TEST_CASE_METHOD(LoopFixture, "deadlines: a connection that is kept for nothing") {
  in_thread([&] {
    Limits limits = patient();
    limits.keep_alive = a_moment;
    ServedPair pair{*loop, limits};
    pair.peer().send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    const auto replies = support::parse_replies(pair.finish());
    REQUIRE(replies.size() == 1);
    CHECK(replies[0].status == 200);
  });
}

TEST_CASE_METHOD(LoopFixture, "deadlines: a body that doesn't come") {
  in_thread([&] {
    Limits limits = patient();
    limits.body_idle = a_moment;
    for (const char* framing :
         {"Content-Length: 10\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"}) {
      std::error_code error;
      ServedPair pair{*loop, limits,
                      [&](Request& request, Response&) { error = request.read_body().error(); }};
      pair.peer().send(std::string{"POST / HTTP/1.1\r\nHost: x\r\n"} + framing);
      CHECK(support::status_of(pair.finish()) == 408);
      CHECK(error == http::Errc::body_too_slow);
    }
  });
}

TEST_CASE_METHOD(LoopFixture, "deadlines: a body that comes too slowly") {
  in_thread([&] {
    Limits limits = patient();
    limits.body_rate = 1'000'000;
    limits.body_rate_grace = a_moment;
    ServedPair pair{*loop, limits};
    pair.peer().send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
    CHECK(support::eventually([&] {
      if (pair.peer().is_readable()) return true;
      pair.peer().send("x");
      return false;
    }));
    CHECK(support::status_of(pair.finish()) == 408);
  });
}

TEST_CASE_METHOD(LoopFixture, "deadlines: what is there before it is read counts for the rate") {
  in_thread([&] {
    Limits limits = patient();
    limits.body_rate = 1;
    limits.body_rate_grace = a_moment;
    Event is_asked;
    Event is_there;
    Event may_end;
    ServedPair pair{*loop, limits, [&](Request& request, Response& response) {
                      is_asked.set();
                      CHECK(!is_there.wait(support::long_time));
                      CHECK(!response.client_has_left());
                      std::vector<std::byte> buffer(4000);
                      CHECK(request.recv(buffer).count == 4000);
                      may_end.set();
                      const auto rest = request.read_body(support::long_time);
                      response.send(rest ? *rest : "too slow");
                    }};
    pair.peer().send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4005\r\n\r\n");
    REQUIRE(!is_asked.wait(support::long_time));
    pair.peer().send(std::string(4000, 'x'));
    is_there.set();
    REQUIRE(!may_end.wait(support::long_time));
    CHECK(!this_thread::sleep_for(5 * a_moment));
    pair.peer().send("hello");
    pair.peer().shutdown(SHUT_WR);
    CHECK(support::parse_replies(pair.finish()).at(0).body == "hello");
  });
}

TEST_CASE_METHOD(LoopFixture, "deadlines: a handler's own loses nothing of the body") {
  in_thread([&] {
    Limits limits = patient();
    std::error_code error;
    Event is_late;
    ServedPair pair{*loop, limits, [&](Request& request, Response& response) {
                      std::array<std::byte, 1> byte;
                      CHECK(request.recv(byte).count == 1);
                      error = request.recv(byte, 1ms).error;
                      is_late.set();
                      response.send(request.read_body().value());
                    }};
    pair.peer().send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n4");
    REQUIRE(!is_late.wait(support::long_time));
    pair.peer().send("\r\nello\r\n0\r\n\r\n");
    pair.peer().shutdown(SHUT_WR);
    const auto replies = support::parse_replies(pair.finish());
    CHECK(replies.at(0).body == "ello");
    CHECK(error == std::errc::timed_out);
    CHECK(error != http::Errc::body_too_slow);
  });
}

TEST_CASE_METHOD(LoopFixture,
                 "deadlines: a body that a handler gives up isn't answered with success") {
  in_thread([&] {
    ServedPair pair{*loop, patient(), [&](Request& request, Response&) {
                      std::array<std::byte, 10> buffer;
                      while (const IoResult in = request.recv(buffer, 1ms)) {
                        if (in.count == 0) break;
                      }
                    }};
    pair.peer().send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhell");
    CHECK(support::status_of(pair.finish()) == 408);
  });
}

TEST_CASE_METHOD(LoopFixture,
                 "deadlines: a body that doesn't come cuts a response that has begun") {
  in_thread([&] {
    Limits limits = patient();
    limits.body_idle = a_moment;
    for (const Timeout timeout : {Timeout{}, Timeout{a_moment / 2}}) {  // whoever gives it up
      std::error_code error;
      ServedPair pair{*loop, limits, [&](Request& request, Response& response) {
                        response.write("begun");
                        error = request.read_body(timeout).error();
                      }};
      pair.peer().send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhell");
      CHECK(pair.finish().ends_with("begun\r\n"));
      CHECK(error == std::errc::timed_out);
    }
  });
}

TEST_CASE_METHOD(LoopFixture, "deadlines: a body that a handler's scope gives up is answered 408") {
  in_thread([&] {
    ServedPair pair{*loop, patient(), [&](Request& request, Response&) {
                      const Scope scope{a_moment};
                      CHECK(request.read_body().error() == std::errc::operation_canceled);
                    }};
    pair.peer().send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhell");
    CHECK(support::status_of(pair.finish()) == 408);
  });
}

TEST_CASE_METHOD(LoopFixture, "deadlines: short waits of a handler don't put off a body's own") {
  in_thread([&] {
    Limits limits = patient();
    limits.body_idle = std::chrono::milliseconds{50};
    std::error_code error;
    ServedPair served{
        *loop, limits, [&](Request& request, Response&) {
          const TimePoint latest = Clock::now() + support::long_time;
          std::array<std::byte, 10> buffer;
          do {
            error = request.recv(buffer, std::chrono::milliseconds{5}).error;
          } while (error && error != http::Errc::body_too_slow && Clock::now() < latest);
        }};
    served.peer().send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n");
    CHECK(support::status_of(served.finish()) == 408);
    CHECK(error == http::Errc::body_too_slow);
  });
}

TEST_CASE_METHOD(LoopFixture, "deadlines: a client that takes nothing") {
  in_thread([&] {
    Limits limits = patient();
    limits.write_idle = a_moment;
    std::error_code error;
    ServedPair pair{
        *loop,
        limits,
        [&](Request&, Response& response) { error = response.send(std::string(10'000'000, 'x')); },
        {.send = 4096}};
    pair.peer().send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    pair.finish();
    CHECK(error == std::errc::timed_out);
  });
}

TEST_CASE_METHOD(LoopFixture, "deadlines: a client that goes on sending is lingered for") {
  in_thread([&] {
    Limits limits = patient();
    limits.linger = an_hour;
    ServedPair pair{*loop, limits};
    pair.peer().send("GET / HTTP/1.1\nHost: x\r\n\r\n");
    std::string reply;
    CHECK(support::eventually([&] { return pair.peer().is_readable(); }));
    pair.peer().send(std::string(100'000, 'x'));  // no reset that would lose the answer
    CHECK(support::status_of(pair.peer().recv()) == 400);
    pair.peer().shutdown(SHUT_WR);
    CHECK(pair.finish().empty());
  });
}

TEST_CASE_METHOD(LoopFixture,
                 "deadlines: a client that has stopped sending is lingered for no longer") {
  in_thread([&] {
    Limits limits = patient();
    limits.linger = an_hour;
    limits.linger_idle = a_moment;
    ServedPair pair{*loop, limits};
    pair.peer().send("GET / HTTP/1.1\nHost: x\r\n\r\n");
    CHECK(support::status_of(pair.finish()) == 400);
  });
}

TEST_CASE("deadlines: lingering is for slow clients by default") {
  struct Slow : support::PieceStream {
    using support::PieceStream::PieceStream;
    IoResult recv(std::span<std::byte> buffer, Timeout timeout = {}) {
      patience.push_back(timeout.deadline() - Clock::now());
      return support::PieceStream::recv(buffer, timeout);
    }
    std::vector<Clock::duration> patience;
  } stream{{"nonsense\r\n\r\n", "more", "more"}};
  stream.end = std::make_error_code(std::errc::timed_out);
  serve(stream, support::echo_body);
  CHECK(support::status_of(stream.sent) == 501);
  REQUIRE(stream.patience.size() == 4);
  for (const std::size_t i : {1, 2, 3}) {
    CHECK(stream.patience[i] > 4s);
    CHECK(stream.patience[i] <= 5s);
  }
}

TEST_CASE("deadlines: a client that never stops sending is lingered for no longer") {
  struct Endless : support::PieceStream {
    IoResult recv(std::span<std::byte> buffer, Timeout = {}) {
      std::fill(buffer.begin(), buffer.end(), std::byte{'\n'});
      if (++receives > 1) return {buffer.size()};
      constexpr std::string_view head = "nonsense\r\n\r\n";
      std::memcpy(buffer.data(), head.data(), head.size());
      return {head.size()};
    }
  } stream;
  Limits limits = patient();
  limits.linger = a_moment;
  const TimePoint begin = Clock::now();
  serve(stream, support::echo_body, {.limits = limits});
  CHECK(support::status_of(stream.sent) == 501);
  CHECK(Clock::now() - begin >= a_moment);
}

TEST_CASE_METHOD(LoopFixture, "deadlines: a thread that is cancelled ends its connection") {
  in_thread([&] {
    auto [socket, peer] = support::connected_pair(*loop);
    auto thread = loop->spawn([&, &socket = socket] {
                        serve(socket, support::echo_body, {.limits = patient()});
                      })
                      .value();
    REQUIRE(support::until_parked(thread));
    thread.request_stop();
    CHECK(thread.join(support::long_time));
  });
}
