// Server-sent events: their text, and clients that leave.
#include <evcoro/http/event_stream.hpp>

#include <zlib.h>

#include <evcoro/http/compression.hpp>
#include <evcoro/http/error.hpp>
#include <evcoro/http/server.hpp>
#include <evcoro/sync/event.hpp>
#include <support/acceptor.hpp>
#include <support/http.hpp>
#include <support/raw_client.hpp>

using namespace evcoro;
using namespace evcoro::http;
using namespace std::chrono_literals;
using support::LoopFixture;
using support::RawSocket;

namespace {

constexpr std::string_view request = "GET /events HTTP/1.1\r\nHost: x\r\nLast-Event-ID: 41\r\n\r\n";

// events_of() is the body that a handler of events sends to a client that stays.
support::Reply events_of(const std::function<void(EventStream&)>& send) {
  support::PieceStream stream{{std::string{request}}};
  stream.end = std::make_error_code(std::errc::timed_out);
  serve(stream, [&](Request& asked, Response& response) {
    EventStream events{asked, response};
    send(events);
    response.close_connection();
  });
  std::string_view rest = stream.sent;
  return support::parse_reply(rest);
}

// until() is what client gets, up to text.
std::string until(const RawSocket& client, std::string_view text) {
  std::string all;
  const bool is_there = support::eventually([&] {
    all += support::arrived(client);
    return all.find(text) != std::string::npos;
  });
  CHECK(is_there);
  return all;
}

// ReadableStream says that it is readable, whatever happens; a hundred times.
struct ReadableStream : support::PieceStream {
  using PieceStream::PieceStream;
  std::error_code wait_readable(Timeout = {}) {
    return ++waits < 100 ? std::error_code{} : std::make_error_code(std::errc::io_error);
  }
  int waits = 0;
};

ServerOptions on(stacks::StackPool& pool) {
  ServerOptions options;
  options.acceptor.stacks = &pool;
  return options;
}

}  // namespace

TEST_CASE("events: their head and text") {
  const support::Reply reply = events_of([](EventStream& events) {
    CHECK(events.last_event_id() == "41");
    CHECK(!events.send("hello"));
    CHECK(!events.send({.data = "a\nb\r\nc\rd", .event = "e", .id = "42", .retry = 1500ms}));
    CHECK(!events.send({.data = ""}));
    CHECK(!events.send({.data = "\n"}));
    CHECK(!events.send({.retry = 5s}));
    CHECK(!events.comment());
    CHECK(!events.comment("a\nb"));
  });
  CHECK(reply.status == 200);
  CHECK(reply.field("Content-Type") == "text/event-stream");
  CHECK(reply.field("Cache-Control") == "no-cache");
  CHECK(reply.body ==
        "data: hello\n\n"
        "event: e\nid: 42\nretry: 1500\ndata: a\ndata: b\ndata: c\ndata: d\n\n"
        "data: \n\n"
        "data: \ndata: \n\n"
        "retry: 5000\n\n"
        ": \n\n"
        ": a\n: b\n\n");
}

TEST_CASE("events: nobody breaks out of a line") {
  const support::Reply reply = events_of([](EventStream& events) {
    for (const std::string_view bad :
         {std::string_view{"a\nb"}, std::string_view{"a\rdata: x"}, std::string_view{"a\0b", 3}}) {
      CHECK(events.send({.data = "x", .event = bad}) == http::Errc::invalid_field_value);
      CHECK(events.send({.data = "x", .id = bad}) == http::Errc::invalid_field_value);
    }
    CHECK(!events.send("fine"));
  });
  CHECK(reply.body == "data: fine\n\n");
}

TEST_CASE("events: in answer to HEAD there are none") {
  bool goes_on = true;
  const std::string sent = support::send_pieces({"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"},
                                                [&](Request& asked, Response& response) {
                                                  EventStream events{asked, response};
                                                  goes_on = events.pause(support::long_time);
                                                });
  CHECK(!goes_on);
  CHECK(support::status_of(sent) == 200);
  CHECK(sent.ends_with("\r\n\r\n"));
}

TEST_CASE_METHOD(LoopFixture, "events: come one by one until the client leaves") {
  stacks::StackPool others{support::connection_stacks(8)};
  in_thread([&] {
    Event next;
    Event is_over;
    int count = 0;
    Server server{*loop, support::loopback(),
                  [&](Request& asked, Response& response) {
                    EventStream events{asked, response};
                    while (!next.wait(support::long_time)) {
                      if (events.send(std::to_string(++count))) break;
                    }
                    is_over.set();
                  },
                  on(others)};
    auto client = RawSocket::connected_to(server.local_address());
    client.send(request);
    until(client, "\r\n\r\n");  // the head comes before the first event
    for (int i = 1; i <= 3; ++i) {
      next.set();
      until(client, "data: " + std::to_string(i) + "\n\n");
    }
    client.close();
    // The first one behind the client's end is refused, as soon as that is known.
    CHECK(support::eventually([&] {
      next.set();
      return is_over.try_wait();
    }));
  });
}

TEST_CASE_METHOD(LoopFixture, "events: a pause ends when the client leaves") {
  stacks::StackPool others{support::connection_stacks(8)};
  in_thread([&] {
    Event may_leave;
    Event is_over;
    std::error_code error;
    Server server{*loop, support::loopback(),
                  [&](Request& asked, Response& response) {
                    EventStream events{asked, response};
                    CHECK(events.pause(1ms));
                    CHECK(!response.client_has_left());
                    may_leave.set();
                    CHECK(!events.pause(support::long_time));
                    CHECK(response.client_has_left());
                    error = events.comment();
                    is_over.set();
                  },
                  on(others)};
    auto client = RawSocket::connected_to(server.local_address());
    client.send(request);
    CHECK(!may_leave.wait(support::long_time));
    client.close();
    CHECK(!is_over.wait(support::long_time));
    CHECK(error == http::Errc::connection_lost);
  });
}

TEST_CASE_METHOD(LoopFixture, "events: a pause behind trailers lasts as long as it is to") {
  in_thread([&] {
    ReadableStream stream{
        {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
         "0\r\nA: b\r\n\r\n"}};
    bool goes_on = false;
    std::string trailer;
    serve(stream, [&](Request& asked, Response& response) {
      CHECK(asked.read_body());
      EventStream events{asked, response};
      goes_on = events.pause(1ms);
      trailer = asked.trailers().get_or("A");
    });
    CHECK(goes_on);
    CHECK(trailer == "b");
    CHECK(stream.waits < 10);
  });
}

TEST_CASE_METHOD(LoopFixture, "events: further requests of a client wait for their turn") {
  stacks::StackPool others{support::connection_stacks(8)};
  in_thread([&] {
    Event may_end;
    Server server{*loop, support::loopback(),
                  [&](Request& asked, Response& response) {
                    if (asked.path() != "/events") return support::echo_body(asked, response);
                    EventStream events{asked, response};
                    while (!may_end.try_wait()) CHECK(events.pause(1ms));
                  },
                  on(others)};
    const auto client = RawSocket::connected_to(server.local_address());
    client.send(request);
    until(client, "\r\n\r\n");
    client.send("GET /after HTTP/1.1\r\nHost: x\r\n\r\n");
    REQUIRE(!this_thread::sleep_for(3ms));
    may_end.set();
    until(client, "/after");
  });
}

TEST_CASE_METHOD(LoopFixture, "events: draining ends a pause and the response is whole") {
  stacks::StackPool others{support::connection_stacks(8)};
  in_thread([&] {
    Event is_begun;
    Server server{*loop, support::loopback(),
                  [&](Request& asked, Response& response) {
                    EventStream events{asked, response};
                    is_begun.set();
                    while (events.pause(support::long_time)) events.comment();
                    response.write("data: bye\n\n");
                  },
                  on(others)};
    const auto client = RawSocket::connected_to(server.local_address());
    client.send(request);
    REQUIRE(!is_begun.wait(support::long_time));
    CHECK(!server.is_draining());
    CHECK(!server.drain(support::long_time));
    CHECK(server.is_draining());
    std::string all = until(client, "0\r\n\r\n");
    CHECK(all.find("data: bye\n\n") != std::string::npos);
    CHECK(support::ends(client));
  });
}

TEST_CASE_METHOD(LoopFixture, "events: through compression they come one by one") {
  stacks::StackPool others{support::connection_stacks(8)};
  in_thread([&] {
    Event next;
    Server server{*loop, support::loopback(),
                  Compression{}.wrap([&](Request& asked, Response& response) {
                    EventStream events{asked, response};
                    for (int i = 1; i <= 3 && !next.wait(support::long_time); ++i) {
                      CHECK(!events.send(std::to_string(i)));
                    }
                  }),
                  on(others)};
    const auto client = RawSocket::connected_to(server.local_address());
    client.send("GET / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n");
    const std::string sent = until(client, "\r\n\r\n");
    CHECK(sent.find("Content-Encoding: gzip\r\n") != std::string::npos);
    std::string chunk;  // its size, what is in it, and the end of the line
    z_stream state{};
    REQUIRE(inflateInit2(&state, 15 + 16) == Z_OK);
    for (int i = 1; i <= 3; ++i) {
      next.set();
      std::size_t begin = 0;
      std::size_t size = 0;
      REQUIRE(support::eventually([&] {
        chunk += support::arrived(client);
        begin = chunk.find("\r\n") + 2;
        if (begin == 1) return false;
        size = std::stoul(chunk, nullptr, 16);
        return chunk.size() >= begin + size + 2;
      }));
      std::string text(100, '\0');
      state.next_in = reinterpret_cast<Bytef*>(chunk.data() + begin);
      state.avail_in = static_cast<uInt>(size);
      state.next_out = reinterpret_cast<Bytef*>(text.data());
      state.avail_out = static_cast<uInt>(text.size());
      CHECK(inflate(&state, Z_SYNC_FLUSH) == Z_OK);
      text.resize(text.size() - state.avail_out);
      CHECK(text == "data: " + std::to_string(i) + "\n\n");
      chunk.erase(0, begin + size + 2);
    }
    inflateEnd(&state);
    CHECK(support::eventually([&] {
      chunk += support::arrived(client);
      return chunk.ends_with("0\r\n\r\n");
    }));
  });
}
