// HTTP without I/O: the parser for callbacks finds what serve() finds, and the answers are the
// same.
#include <evcoro/http/without_io.hpp>

#include <support/http.hpp>

using namespace evcoro::http;
using State = RequestParser::State;

namespace {

// What serve() says, but for the time.
std::string without_date(std::string text) {
  for (std::size_t at = 0; (at = text.find("\r\nDate: ", at)) != text.npos;) text.erase(at, 37);
  return text;
}

// read_in_bytes() gives the parser the text byte by byte, each time in another place.
State read_in_bytes(RequestParser& parser, std::string_view text, std::string& kept) {
  parser.start();
  for (std::size_t size = 1; size <= text.size(); ++size) {
    kept = std::string{text.substr(0, size)};
    const State state = parser.read(kept);
    if (state != State::more) return state;
  }
  return State::more;
}

// answer_all() is what a program without I/O answers to text that is all there.
std::string answer_all(std::string_view text) {
  RequestParser parser;
  std::string out;
  while (!text.empty()) {
    parser.start();
    const State state = parser.read(text);
    if (state == State::more) break;
    if (state == State::failed) {
      const std::string body = std::string{reason_phrase(parser.failure())} + "\n";
      append_response(out, parser, {.status = parser.failure(), .body = body});
      break;
    }
    append_response(out, parser, {.body = parser.path()});
    if (!parser.keeps_alive()) break;
    text.remove_prefix(parser.head_size());
  }
  return out;
}

}  // namespace

TEST_CASE("a head without I/O") {
  const std::string_view text =
      "POST /a%20b?c=d HTTP/1.1\r\nHost: example.org\r\nContent-Length: 12\r\n\r\nbody";
  RequestParser parser;
  std::string kept;
  REQUIRE(read_in_bytes(parser, text, kept) == State::whole);
  CHECK(parser.head_size() == text.size() - 4);
  CHECK(parser.method() == Method::post);
  CHECK(parser.target() == "/a%20b?c=d");
  CHECK(parser.path() == "/a%20b");
  CHECK(parser.query() == "c=d");
  CHECK(parser.host() == "example.org");
  CHECK(parser.minor_version() == 1);
  CHECK(parser.fields().get("content-length") == "12");
  CHECK(parser.has_body());
  CHECK(parser.content_length() == 12);
  CHECK(parser.keeps_alive());
  CHECK(parser.failure() == Status::none);
}

TEST_CASE("a parser is used again for the next head") {
  RequestParser parser;
  const std::string_view first = "GET /1 HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n";
  REQUIRE(parser.read(first) == State::whole);
  CHECK(parser.fields().size() == 2);
  parser.start();
  REQUIRE(parser.read("GET /2 HTTP/1.0\r\n\r\n") == State::whole);
  CHECK(parser.path() == "/2");
  CHECK(parser.fields().empty());
  CHECK_FALSE(parser.has_body());
  CHECK_FALSE(parser.keeps_alive());
  CHECK(parser.minor_version() == 0);
}

TEST_CASE("answers without I/O are those of serve") {
  const std::string text = GENERATE(
      as<std::string>{}, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n",
      "HEAD /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
      "GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /2 HTTP/1.0\r\n\r\n",
      "GET /part HTTP/1.1\r\nHost");
  CAPTURE(text);
  const std::string served = without_date(support::send_pieces({text}));
  CHECK(without_date(answer_all(text)) == served);
}

TEST_CASE("a head that fails without I/O fails as with it") {
  const std::string text =
      GENERATE(as<std::string>{}, "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/2.0\r\nHost: x\r\n\r\n",
               "G:T / HTTP/1.1\r\n\r\n", "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
               "GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
               "GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n");
  CAPTURE(text.substr(0, 60));
  RequestParser parser;
  std::string kept;
  CHECK(read_in_bytes(parser, text, kept) == State::failed);
  CHECK(to_number(parser.failure()) == support::status_of(support::send_pieces({text})));
  CHECK_FALSE(parser.keeps_alive());
  CHECK(parser.fields().empty());
}

TEST_CASE("limits of a head without I/O") {
  Limits limits;
  limits.fields = 2;
  RequestParser parser{limits};
  CHECK(parser.read("GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n") == State::whole);
  parser.start();
  CHECK(parser.read("GET / HTTP/1.1\r\nHost: x\r\nA: b\r\nC: d\r\n\r\n") == State::failed);
  CHECK(parser.failure() == Status::request_header_fields_too_large);
}

TEST_CASE("a response without I/O has what it is given") {
  RequestParser parser;
  REQUIRE(parser.read("GET / HTTP/1.1\r\nHost: x\r\n\r\n") == State::whole);
  Fields fields;
  REQUIRE_FALSE(fields.set("Content-Type", "text/plain"));
  std::string out;
  append_response(out, parser,
                  {.status = Status::created, .body = "hi", .fields = &fields, .closes = true});
  append_response(out, parser, {.status = Status::no_content});
  CHECK(without_date(out) ==
        "HTTP/1.1 201 Created\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n"
        "Connection: close\r\n\r\nhiHTTP/1.1 204 No Content\r\n\r\n");
  CHECK(out.find("\r\nDate: ") != out.npos);
  REQUIRE_FALSE(fields.set("Date", "Sun, 06 Nov 1994 08:49:37 GMT"));
  out.clear();
  append_response(out, parser, {.fields = &fields});
  CHECK(out.find("\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n") != out.npos);
  CHECK(out.find("\r\nDate: ") == out.rfind("\r\nDate: "));
}
