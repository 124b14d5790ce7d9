// The parser, with its text at the end of a page behind which there is nothing.
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include <evcoro/http/detail/controls.hpp>
#include <evcoro/http/detail/parser.hpp>
#include <support/http.hpp>

using namespace evcoro::http;
using detail::Head;
using detail::Parser;

namespace {

// GuardedText puts text right before a page that can't be read.
class GuardedText {
 public:
  GuardedText() : page_(static_cast<std::size_t>(::sysconf(_SC_PAGESIZE))), size_(page_ * 16) {
    void* const made =
        ::mmap(nullptr, size_ + page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(made != MAP_FAILED);
    begin_ = static_cast<char*>(made);
    REQUIRE(::mprotect(begin_ + size_, page_, PROT_NONE) == 0);
  }
  ~GuardedText() { ::munmap(begin_, size_ + page_); }
  GuardedText(const GuardedText&) = delete;
  GuardedText& operator=(const GuardedText&) = delete;

  std::string_view put(std::string_view text) {
    char* const place = begin_ + size_ - text.size();
    std::memcpy(place, text.data(), text.size());
    return {place, text.size()};
  }

 private:
  const std::size_t page_;
  const std::size_t size_;
  char* begin_ = nullptr;
};

constexpr std::string_view request =
    "POST /search?q=a HTTP/1.1\r\nHost: example.org\r\nA:\r\nAccept: text/html \r\n"
    "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nContent-Length: 12\r\n\r\n";

void check_request(const Head& head, const Fields& fields) {
  CHECK(head.method == Method::post);
  CHECK(head.target == "/search?q=a");
  CHECK(head.path == "/search");
  CHECK(head.query == "q=a");
  CHECK(head.host == "example.org");
  CHECK(head.minor == 1);
  CHECK(head.framing == detail::Framing::length);
  CHECK(head.length == 12);
  CHECK(head.keeps_alive);
  CHECK(head.wants_upgrade);
  CHECK(head.upgrade == "websocket");
  REQUIRE(fields.size() == 6);
  CHECK(fields[1].name == "A");
  CHECK(fields[1].value.empty());
  CHECK(fields.get("accept") == "text/html");
}

}  // namespace

TEST_CASE("parser: a head that grows byte by byte") {
  GuardedText memory;
  Parser parser{Parser::Kind::request};
  const Limits limits;
  Fields fields;
  Head head;
  for (int round = 0; round < 2; ++round) {  // it can be used again
    parser.start(limits, fields);
    for (std::size_t size = 1; size < request.size(); ++size) {
      REQUIRE(parser.read_head(memory.put(request.substr(0, size)), head).state ==
              Parser::State::more);
    }
    const auto found = parser.read_head(memory.put(request), head);
    REQUIRE(found.state == Parser::State::whole);
    REQUIRE(found.size == request.size());
    check_request(head, fields);
  }
}

TEST_CASE("parser: a head with something behind cut everywhere") {
  GuardedText memory;
  const std::string text = std::string{request} + "hello, world GET / HTTP/1.1";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    Parser parser{Parser::Kind::request};
    const Limits limits;
    Fields fields;
    Head head;
    parser.start(limits, fields);
    auto found = parser.read_head(memory.put(text.substr(0, cut)), head);
    if (found.state == Parser::State::more) found = parser.read_head(memory.put(text), head);
    REQUIRE(found.state == Parser::State::whole);
    REQUIRE(found.size == request.size());
    if (cut < request.size()) check_request(head, fields);
  }
}

TEST_CASE("parser: a coding that llhttp doesn't know is refused with the head") {
  GuardedText memory;
  Parser parser{Parser::Kind::request};
  const Limits limits;
  Fields fields;
  Head head;
  parser.start(limits, fields);
  const auto found = parser.read_head(
      memory.put("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\t\r\n\r\n"), head);
  CHECK(found.state == Parser::State::failed);
  CHECK(parser.failure() == Status::bad_request);
}

TEST_CASE("parser: a chunked body cut everywhere") {
  GuardedText memory;
  const std::string head_text = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string body = "5;a=b\r\nhello\r\n10\r\n, world, so wide\r\n0\r\nA: b\r\nC:\r\n\r\nGET";
  for (std::size_t cut = 0; cut <= body.size(); ++cut) {
    Parser parser{Parser::Kind::request};
    const Limits limits;
    Fields fields;
    Fields trailers;
    Head head;
    parser.start(limits, fields);
    REQUIRE(parser.read_head(head_text, head).state == Parser::State::whole);
    parser.start_body(trailers);
    std::string data;
    std::string pending = body.substr(0, cut);
    std::string later = body.substr(cut);
    while (true) {
      if (const std::size_t left = std::min<std::size_t>(parser.chunk_left(), pending.size())) {
        parser.pass_data(memory.put(pending.substr(0, left)));
        data += pending.substr(0, left);
        pending.erase(0, left);
      }
      const auto found =
          parser.chunk_left() > 0 ? Parser::Found{} : parser.read_frame(memory.put(pending));
      REQUIRE(found.state != Parser::State::failed);
      if (found.state == Parser::State::whole) {
        REQUIRE(trailers.size() == 2);
        REQUIRE(trailers.get("a") == "b");
        REQUIRE(trailers.get("C") == "");
        REQUIRE(pending.substr(found.size) + later == "GET");
        break;
      }
      pending.erase(0, found.size);
      if (found.state == Parser::State::more) pending += std::exchange(later, "");
    }
    REQUIRE(data == "hello, world, so wide");
    REQUIRE(fields.size() == 2);
  }
}

TEST_CASE("parser: responses") {
  struct Case {
    const char* text;
    Method answers;
    Parser::State state;
    detail::Framing framing;
    bool keeps_alive;
  };
  using detail::Framing;
  const auto whole = Parser::State::whole;
  const auto failed = Parser::State::failed;
  const Case cases[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Method::get, whole, Framing::length, true},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Method::head, whole, Framing::none, true},
      {"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n", Method::get, whole, Framing::length, true},
      {"HTTP/1.1 200 OK\r\n\r\n", Method::get, whole, Framing::until_close, false},
      {"HTTP/1.1 204 No Content\r\n\r\n", Method::get, whole, Framing::none, true},
      {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", Method::get, whole, Framing::none,
       true},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Method::get, whole,
       Framing::chunked, true},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\t\r\n\r\n", Method::get, failed,
       Framing::none, false},
      {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", Method::get, whole, Framing::length, false},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", Method::get,
       failed, Framing::none, false},
      {"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", Method::get, failed, Framing::none, false},
      {"HTTP/1.1 200 OK\nA: b\r\n\r\n", Method::get, failed, Framing::none, false},
      {"HTTP/1.1  200 OK\r\n\r\n", Method::get, failed, Framing::none, false},
      {"HTTP/2.0 200 OK\r\n\r\n", Method::get, failed, Framing::none, false},
      {"HTTP/1.1 20 OK\r\n\r\n", Method::get, failed, Framing::none, false},
      {"HTTP/1.1 099 OK\r\n\r\n", Method::get, failed, Framing::none, false},
  };
  GuardedText memory;
  for (const Case& each : cases) {
    INFO(each.text);
    Parser parser{Parser::Kind::response};
    const Limits limits;
    Fields fields;
    Head head;
    parser.start(limits, fields, each.answers);
    const auto found = parser.read_head(memory.put(each.text), head);
    CHECK(found.state == each.state);
    if (each.state == failed) {
      CHECK(parser.failure() == Status::bad_gateway);
      continue;
    }
    CHECK(head.framing == each.framing);
    CHECK(head.keeps_alive == each.keeps_alive);
  }
}

TEST_CASE("parser: control characters are counted wherever they are") {
  GuardedText memory;
  for (std::size_t size = 0; size < 70; ++size) {
    std::string text(size, 'a');
    REQUIRE(detail::count_controls(memory.put(text)) == 0);
    for (std::size_t at = 0; at < size; ++at) {
      for (const char c : {'\0', '\x1f', '\x7f', '\r'}) {
        text[at] = c;
        const std::string_view guarded = memory.put(text);
        REQUIRE(detail::count_controls(guarded) == 1);
        REQUIRE(detail::has_no_more_controls(guarded, 1));
        REQUIRE(!detail::has_no_more_controls(guarded, 0));
      }
      for (const char c : {'\t', ' ', '~', '\x80', '\xff', 'a'}) {
        text[at] = c;
        REQUIRE(detail::has_no_more_controls(memory.put(text), 0));
      }
    }
  }
  REQUIRE(!detail::has_no_more_controls(std::string(100'000, '\n'), 99'999));
  REQUIRE(detail::has_no_more_controls(std::string(100'000, '\n'), 100'000));
  REQUIRE(detail::has_no_more_controls(std::string(100'001, '\xff') + "\n", 1));
}
