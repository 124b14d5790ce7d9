// What the client makes of responses, right and wrong, however they are cut into pieces.
#include <array>

#include <evcoro/http/error.hpp>
#include <support/http_client.hpp>

using namespace evcoro;
using namespace evcoro::http;
using support::LoopFixture;
using support::Wire;

namespace {

using Pieces = std::deque<std::string>;

// Told is all that can be known of a response.
struct Told {
  std::error_code error;  // of the head, or of the body
  int status = 0;
  std::string body;
  std::string trailers;
  friend bool operator==(const Told&, const Told&) = default;
};

Told tell(Loop& loop, Pieces pieces, Method method = Method::get, Limits limits = {}) {
  Wire wire;
  wire.push(std::move(pieces));
  auto options = wire.options();
  options.limits = limits;
  Client client{loop, options};
  auto response = client.send({.url = "https://example.org/", .method = method});
  if (!response) return {response.error(), 0, {}, {}};
  Told told{{}, to_number(response->status()), {}, {}};
  std::array<std::byte, 7> buffer;
  while (const IoResult in = response->recv(buffer)) {
    if (in.count == 0) break;
    told.body.append(reinterpret_cast<const char*>(buffer.data()), in.count);
  }
  if (!response->is_complete()) told.error = response->read_body().error();
  for (const auto [name, value] : response->trailers()) {
    told.trailers.append(name).append("=").append(value).append(";");
  }
  return told;
}

// tell_in_all_ways() feeds it whole, byte by byte, and in two pieces, cut everywhere.
Told tell_in_all_ways(Loop& loop, const std::string& text, Method method = Method::get) {
  Told whole = tell(loop, {text}, method);
  CHECK(tell(loop, support::in_bytes(text), method) == whole);
  for (std::size_t cut = 1; cut < text.size(); ++cut) {
    INFO("cut at " << cut);
    CHECK(tell(loop, {text.substr(0, cut), text.substr(cut)}, method) == whole);
  }
  return whole;
}

std::string ok(const std::string& rest) { return "HTTP/1.1 200 OK\r\n" + rest; }

}  // namespace

TEST_CASE_METHOD(LoopFixture, "client responses: bodies of all kinds") {
  struct Case {
    std::string text;
    Method method;
    int status;
    const char* body;
    const char* trailers;
  };
  const Case cases[] = {
      {ok("Content-Length: 5\r\n\r\nhello"), Method::get, 200, "hello", ""},
      {ok("Content-Length: 0\r\n\r\n"), Method::get, 200, "", ""},
      {ok("\r\nuntil it closes"), Method::get, 200, "until it closes", ""},
      {"HTTP/1.0 200 OK\r\n\r\n", Method::get, 200, "", ""},
      {"HTTP/1.1 404\r\nContent-Length: 1\r\n\r\n!", Method::get, 404, "!", ""},
      {ok("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\na;b=c\r\n, world!!!\r\n0\r\n\r\n"),
       Method::get, 200, "hello, world!!!", ""},
      {ok("Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nA: b\r\nC: d\r\n\r\n"), Method::get,
       200, "x", "A=b;C=d;"},
      {ok("Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), Method::get, 200, "", ""},
      {ok("Content-Length: 5\r\n\r\n"), Method::head, 200, "", ""},
      {ok("Transfer-Encoding: chunked\r\n\r\n"), Method::head, 200, "", ""},
      {"HTTP/1.1 204 No Content\r\n\r\n", Method::get, 204, "", ""},
      {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", Method::get, 304, "", ""},
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" +
           ok("Content-Length: 2\r\n\r\nhi"),
       Method::get, 200, "hi", ""},
      {ok("Content-Length: 2\r\n\r\nhi and more"), Method::get, 200, "hi", ""},
  };
  in_thread([&] {
    for (const Case& each : cases) {
      INFO(each.text);
      const Told told = tell_in_all_ways(*loop, each.text, each.method);
      CHECK(told == Told{{}, each.status, each.body, each.trailers});
    }
  });
}

TEST_CASE_METHOD(LoopFixture, "client responses: heads that break the rules") {
  const std::string cases[] = {
      ok("Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
      ok("Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
      ok("Content-Length: 5, 5\r\n\r\nhello"),
      ok("Content-Length: +5\r\n\r\nhello"),
      ok("Content-Length: 0x5\r\n\r\nhello"),
      ok("Content-Length: \r\n\r\nhello"),
      ok("Content-Length: 99999999999999999999\r\n\r\nhello"),
      ok("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
      ok("Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
      ok("Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
      ok("Transfer-Encoding: gzip\r\n\r\n"),
      "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      ok("A: b\r\n c\r\n\r\n"),
      ok("A : b\r\n\r\n"),
      ok("A\r\n\r\n"),
      ok(": b\r\n\r\n"),
      ok("A: b\rc\r\n\r\n"),
      ok("A: b\nc: d\r\n\r\n"),
      ok(std::string{"A: b\0c\r\n\r\n", 10}),
      ok("A: b\x7f\r\n\r\n"),
      "HTTP/1.1 200 OK\nA: b\r\n\r\n",
      "HTTP/1.1 20 OK\r\n\r\n",
      "HTTP/1.1 2000 OK\r\n\r\n",
      "HTTP/1.1  200 OK\r\n\r\n",
      "HTTP/2.0 200 OK\r\n\r\n",
      "HTTP/1.2 200 OK\r\n\r\n",
      "ICY 200 OK\r\n\r\n",
      "RTSP/1.0 200 OK\r\n\r\n",
      "hello, I am an SMTP server\r\n\r\n",
      "<html></html>\r\n\r\n",
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n",
  };
  in_thread([&] {
    for (const std::string& each : cases) {
      INFO(each);
      CHECK(tell_in_all_ways(*loop, each).error == http::Errc::malformed);
    }
  });
}

TEST_CASE_METHOD(LoopFixture, "client responses: chunks that break the rules") {
  const char* const cases[] = {
      "5\nhello\r\n0\r\n\r\n",
      "0x5\r\nhello\r\n0\r\n\r\n",
      "+5\r\nhello\r\n0\r\n\r\n",
      "5 \r\nhello\r\n0\r\n\r\n",
      "5\r\nhelloX\r\n0\r\n\r\n",
      "5\r\nhello\n0\r\n\r\n",
      "\r\nhello",
      "g\r\n",
      "ffffffffffffffffff\r\n",
      "00000000000000005\r\nhello",
      "5;\x01\r\nhello\r\n0\r\n\r\n",
      "0\r\nA: b\n\r\n",
      "0\r\nA : b\r\n\r\n",
      "0\r\n A: b\r\n\r\n",
      "0\r\nA: b\r\n c\r\n\r\n",
  };
  in_thread([&] {
    for (const char* const each : cases) {
      INFO(each);
      const Told told =
          tell_in_all_ways(*loop, ok(std::string{"Transfer-Encoding: chunked\r\n\r\n"} + each));
      CHECK(told.status == 200);
      CHECK(told.error == http::Errc::malformed);
    }
  });
}

TEST_CASE_METHOD(LoopFixture, "client responses: an end that comes too early is none") {
  const std::string cases[] = {
      ok("Content-Length: 5\r\n\r\nhell"),
      ok("Content-Length: 5\r\n\r\n"),
      ok("Transfer-Encoding: chunked\r\n\r\n5\r\nhell"),
      ok("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
      ok("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"),
      ok("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n"),
      ok("Transfer-Encoding: chunked\r\n\r\n"),
      ok("Content-Length: 5\r\n"),
      "HTTP/1.1 200 OK",
      "H",
      "",
      "HTTP/1.1 100 Continue\r\n\r\n",
  };
  in_thread([&] {
    for (const std::string& each : cases) {
      INFO(each);
      CHECK(tell_in_all_ways(*loop, each).error == evcoro::Errc::unexpected_end);
    }
  });
}

TEST_CASE_METHOD(LoopFixture, "client responses: limits") {
  const Limits limits{.request_line = 40,
                      .field = 50,
                      .fields = 3,
                      .fields_size = 100,
                      .body = 10,
                      .chunk_extension = 4,
                      .trailers = 1};
  const std::string chunked = "Transfer-Encoding: chunked\r\n\r\n";
  const std::pair<std::string, std::error_code> cases[] = {
      {"HTTP/1.1 200 " + std::string(27, 'x') + "\r\nContent-Length: 0\r\n\r\n", {}},
      {"HTTP/1.1 200 " + std::string(28, 'x') + "\r\nContent-Length: 0\r\n\r\n",
       http::Errc::malformed},
      {"HTTP/1.1 200 " + std::string(5000, 'x'), http::Errc::malformed},
      {ok("A: " + std::string(48, 'x') + "\r\n\r\n"), http::Errc::malformed},
      {ok("A: 1\r\nA: 2\r\nContent-Length: 0\r\n\r\n"), {}},
      {ok("A: 1\r\nA: 2\r\nA: 3\r\nContent-Length: 0\r\n\r\n"), http::Errc::malformed},
      {ok("A: " + std::string(5000, 'x')), http::Errc::malformed},
      {ok(chunked + "1;abcd\r\nx\r\n0\r\n\r\n"), http::Errc::malformed},  // ";abcd" is five
      {ok(chunked + "1;abc\r\nx\r\n0\r\n\r\n"), {}},
      {ok(chunked + "0\r\nA: 1\r\n\r\n"), {}},
      {ok(chunked + "0\r\nA: 1\r\nB: 2\r\n\r\n"), http::Errc::malformed},
  };
  in_thread([&] {
    for (const auto& [text, error] : cases) {
      INFO(text.substr(0, 100));
      CHECK(tell(*loop, {text}, Method::get, limits).error == error);
    }
  });
}

TEST_CASE_METHOD(LoopFixture, "client responses: interim ones come to an end") {
  in_thread([&] {
    std::string text;
    for (int i = 0; i < 1000; ++i) text += "HTTP/1.1 103 Early Hints\r\n\r\n";
    CHECK(tell(*loop, {text}).error == http::Errc::malformed);
  });
}

TEST_CASE_METHOD(LoopFixture, "client responses: a body no longer than its limit") {
  const std::string cases[] = {
      ok("Content-Length: 11\r\n\r\nhello world"),
      ok("\r\nhello world"),
      ok("Transfer-Encoding: chunked\r\n\r\n6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n"),
  };
  in_thread([&] {
    for (const std::string& each : cases) {
      INFO(each);
      for (const std::uint64_t limit : {10, 11}) {
        Wire wire;
        wire.push(support::in_bytes(each));
        auto options = wire.options();
        options.limits.body = limit;
        Client client{*loop, options};
        auto response = client.get("https://example.org/").value();
        const auto body = response.read_body();
        if (limit == 11) {
          CHECK(*body == "hello world");
        } else {
          CHECK(body.error() == http::Errc::body_too_large);
          CHECK(body.error() == std::errc::message_size);
          CHECK(response.read_body(100).error() == http::Errc::body_too_large);  // it is closed
          CHECK(client.open() == 0);
        }
      }
      Wire wire;
      wire.push({each});
      auto options = wire.options();
      options.limits.body = 1;
      CHECK(Client{*loop, options}.get("https://example.org/")->read_body(11).value() ==
            "hello world");
    }
  });
}

TEST_CASE_METHOD(LoopFixture, "client responses: what a head says") {
  in_thread([&] {
    Wire wire;
    wire.push({"HTTP/1.1 404 Not here\r\nA: 1\r\na: 2\r\nContent-Length: 3\r\n\r\nabc"});
    Client client{*loop, wire.options()};
    auto response = client.get("https://Example.org/x?y#z").value();
    CHECK(response.status() == Status::not_found);
    CHECK(response.reason() == "Not here");
    CHECK(response.minor_version() == 1);
    CHECK(response.field("A") == "1");
    CHECK(response.fields().count("a") == 2);
    CHECK(response.content_length() == 3);
    CHECK(response.has_body());
    CHECK(!response.is_complete());
    CHECK(response.url().to_string() == "https://example.org/x?y");
    CHECK(response.upgrade().error() == http::Errc::not_an_upgrade);
    auto moved = std::move(response);
    CHECK(moved.read_body().value() == "abc");
    CHECK(moved.is_complete());
    CHECK(moved.field("A") == "1");  // good as long as the response
    CHECK(moved.read_body().value().empty());
  });
}
