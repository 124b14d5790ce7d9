// Requests as handlers see them, over streams in memory.
#include <array>
#include <charconv>
#include <span>

#include <evcoro/http/error.hpp>
#include <support/http.hpp>

using namespace evcoro::http;
using evcoro::IoResult;
using support::ask;
using support::get_request;
using support::post_request;
using support::send_pieces;

TEST_CASE("requests: what a handler sees") {
  bool is_called = false;
  ask(get_request("/a%20b?c=d%26&e=f+g", "Accept: x\r\naccept: y\r\n"),
      [&](Request& request, Response&) {
        is_called = true;
        CHECK(request.method() == Method::get);
        CHECK(request.target() == "/a%20b?c=d%26&e=f+g");
        CHECK(request.path() == "/a%20b");
        CHECK(request.query() == "c=d%26&e=f+g");
        CHECK(request.query_parameter("c") == "d&");
        CHECK(request.query_parameter("e") == "f g");
        CHECK(!request.query_parameter("x"));
        CHECK(request.host() == "example.org");
        CHECK(request.minor_version() == 1);
        CHECK(request.fields().size() == 3);
        CHECK(request.field("ACCEPT") == "x");
        CHECK(request.fields().count("accept") == 2);
        CHECK(!request.has_body());
        CHECK(!request.content_length());
        CHECK(request.peer().family() == AF_UNSPEC);
        const Fields copy = request.fields();
        CHECK(copy.get("Accept") == "x");
      });
  CHECK(is_called);
}

TEST_CASE("requests: an absolute target has the host") {
  const auto replies =
      ask(get_request("http://other.org:80?a"), [](Request& request, Response& response) {
        CHECK(request.path() == "/");
        CHECK(request.query() == "a");
        response.send(request.host());
      });
  CHECK(replies.at(0).body == "other.org:80");
}

TEST_CASE("requests: bodies come whole or as they are read") {
  const std::string body = support::pattern(100'000);
  const auto in_steps = [](std::size_t step) {
    return [step](Request& request, Response& response) {
      std::string all;
      std::string buffer(step, '\0');
      while (const IoResult in = request.recv(std::as_writable_bytes(std::span{buffer}))) {
        if (in.count == 0) break;
        all += buffer.substr(0, in.count);
      }
      response.send(all);
    };
  };
  CHECK(ask(post_request(body)).at(0).body == body);
  for (const std::size_t step : {1, 1000, 2048, 1'000'000}) {
    CHECK(ask(post_request(body), in_steps(step)).at(0).body == body);
  }
}

TEST_CASE("requests: chunked bodies come whole or as they are read") {
  std::string text = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  std::string body;
  for (std::size_t size = 1; size < 20'000; size = size * 3 + 1) {
    const std::string piece = support::pattern(size);
    char number[20];
    std::snprintf(number, sizeof number, "%zX\r\n", size);
    text.append(number).append(piece).append("\r\n");
    body += piece;
  }
  text += "0\r\nChecksum: 1\r\nHost: evil\r\n\r\n";
  std::string seen;
  const Handler handler = [&](Request& request, Response& response) {
    CHECK(request.has_body());
    CHECK(!request.content_length());
    CHECK(request.trailers().empty());
    std::array<std::byte, 3000> buffer;
    while (const IoResult in = request.recv(buffer)) {
      if (in.count == 0) break;
      seen.append(reinterpret_cast<const char*>(buffer.data()), in.count);
    }
    CHECK(request.trailers().size() == 2);
    CHECK(request.trailers().get("checksum") == "1");
    CHECK(request.fields().get("Host") == "x");  // they are kept apart
    CHECK(!request.fields().contains("Checksum"));
    response.send(request.trailers().get_or("host"));
  };
  CHECK(ask(text + get_request(), [&](Request& request, Response& response) {
          request.has_body() ? handler(request, response) : support::echo_body(request, response);
        }).size() == 2);
  CHECK(seen == body);
  seen.clear();
  CHECK(support::parse_replies(send_pieces(support::in_bytes(text), handler)).at(0).body == "evil");
  CHECK(seen == body);
}

TEST_CASE("requests: a client that leaves within the body") {
  for (const std::string& text : {post_request("hello").substr(0, 50),
                                  std::string{"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                                              "chunked\r\n\r\n5\r\nhel"}}) {
    std::error_code error;
    send_pieces({text}, [&](Request& request, Response&) { error = request.read_body().error(); });
    CHECK(error == evcoro::Errc::unexpected_end);
  }
}

TEST_CASE("requests: a client that leaves within the head gets nothing") {
  CHECK(send_pieces({}).empty());
  CHECK(send_pieces({"GET / HT"}).empty());
  CHECK(send_pieces({get_request().substr(0, 25)}).empty());
}

TEST_CASE("http requests: trailers are there when the body is whole and not before") {
  const std::string head =
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n";
  const auto seen_by = [&](const std::string& end) {
    std::vector<std::size_t> seen;
    const Handler handler = [&](Request& request, Response&) {
      std::array<std::byte, 3> buffer;
      seen.push_back(request.trailers().size());
      while (const evcoro::IoResult in = request.recv(buffer)) {
        seen.push_back(request.trailers().size());
        if (in.count == 0) return;
      }
      seen.push_back(request.trailers().size());
    };
    support::send_pieces(support::in_bytes(head + end), handler);
    return seen;
  };
  CHECK(seen_by("\r\n").back() == 1);
  CHECK(seen_by("\r\n").front() == 0);
  CHECK(seen_by("no trailer\r\n\r\n").back() == 0);
  CHECK(seen_by("").back() == 0);
}

TEST_CASE("expectations: the client is told to go on when the body is read") {
  const std::string head =
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
  const auto replies = support::parse_replies(send_pieces({head, "hello" + get_request()}));
  REQUIRE(replies.size() == 3);
  CHECK(replies[0].status == 100);
  CHECK(replies[1].body == "hello");
  CHECK(replies[2].body == "/");

  // Who has sent it already needn't be told.
  CHECK(ask(head + "hello").at(0).status == 200);

  // Who isn't told may send it, or not: what follows can't be known.
  const Handler refuse = [](Request&, Response& response) {
    response.set_status(Status::forbidden);
    response.send("no");
  };
  const auto refused = support::parse_replies(send_pieces({head, get_request()}, refuse));
  REQUIRE(refused.size() == 1);
  CHECK(refused[0].status == 403);
  CHECK(refused[0].field("Connection") == "close");

  // Unless it is there.
  CHECK(support::parse_replies(send_pieces({head + "hello", get_request()}, refuse)).size() == 2);
}

TEST_CASE("expectations: a body that is too large is not asked for") {
  const auto replies =
      ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\nExpect: 100-Continue\r\n\r\n");
  REQUIRE(replies.size() == 1);
  CHECK(replies[0].status == 413);
}

TEST_CASE("expectations: others are refused and old clients have none") {
  CHECK(ask(get_request("/", "Expect: a miracle\r\n")).at(0).status == 417);
  CHECK(ask("POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\na").at(0).status ==
        200);
}

TEST_CASE("bodies: a client that has left is noticed without waiting too") {
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\n";
  const std::vector<std::string> texts{
      head + "Content-Length: 5\r\n\r\n", head + "Content-Length: 5\r\n\r\nhel",
      head + "Transfer-Encoding: chunked\r\n\r\n5", head + "Transfer-Encoding: chunked\r\n\r\n",
      head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhel"};
  for (const std::string& text : texts) {
    for (const std::size_t size : {std::size_t{10}, std::size_t{10'000}}) {
      support::PieceStream stream{{text}};
      std::error_code error;
      serve(stream, [&](Request& request, Response&) {
        std::string buffer(size, ' ');
        IoResult in;
        while ((in = request.recv(std::as_writable_bytes(std::span{buffer}), evcoro::no_wait))) {
          if (in.count == 0) break;
        }
        error = in.error;
        CHECK(request.read_body(evcoro::no_wait).error() == Errc::malformed);
      });
      CHECK(error == evcoro::Errc::unexpected_end);
      CHECK(support::status_of(stream.sent) == 400);
    }
  }
}

TEST_CASE("bodies: chunks of all sizes are one text") {
  const std::string text = support::pattern(300'000);
  std::string chunks = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  std::size_t size = 1;
  for (std::size_t at = 0; at < text.size(); at += size, size = size * 7 % 9973 + 1) {
    std::array<char, 16> digits;
    const auto end =
        std::to_chars(digits.begin(), digits.end(), std::min(size, text.size() - at), 16);
    chunks.append(digits.data(), end.ptr).append("\r\n").append(text, at, size).append("\r\n");
  }
  CHECK(ask(chunks + "0\r\n\r\n").at(0).body == text);
  CHECK(support::parse_replies(send_pieces({post_request(text)})).at(0).body == text);
}
