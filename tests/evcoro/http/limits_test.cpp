// Each limit, at it and one beyond it, whole and in small pieces.
#include <limits>

#include <support/http.hpp>

using namespace evcoro::http;
using namespace std::chrono_literals;

namespace {

std::deque<std::string> in_pieces(std::string_view text, std::size_t size) {
  std::deque<std::string> pieces;
  for (; !text.empty(); text.remove_prefix(std::min(size, text.size()))) {
    pieces.emplace_back(text.substr(0, size));
  }
  return pieces;
}

int status(const std::string& text, const Limits& limits) {
  const ServeOptions options{.limits = limits};
  const int whole = support::status_of(support::send_pieces({text}, support::echo_body, options));
  for (const std::size_t size : {1, 7, 1000}) {
    INFO("pieces of " << size);
    CHECK(support::status_of(
              support::send_pieces(in_pieces(text, size), support::echo_body, options)) == whole);
  }
  return whole;
}

std::string get(std::string_view fields) {
  return "GET / HTTP/1.1\r\nHost: x\r\n" + std::string{fields} + "\r\n";
}

std::string of(std::size_t size) { return std::string(size, 'a'); }

}  // namespace

// Those that would take long to be seen at work; the others are used below.
TEST_CASE("limits: what holds unless it is set") {
  const Limits limits;
  CHECK(limits.body == 1 << 20);
  CHECK(limits.requests == 1000);
  CHECK(limits.head == 10s);
  CHECK(limits.body_idle == 30s);
  CHECK(limits.body_rate == 500);
  CHECK(limits.write_idle == 60s);
  CHECK(limits.keep_alive == 75s);
}

TEST_CASE("limits: the request line") {
  const auto with_line = [](std::size_t size) {
    return "GET /" + of(size - 14) + " HTTP/1.1\r\nHost: x\r\n\r\n";
  };
  const Limits limits;
  CHECK(status(with_line(8192), limits) == 200);
  CHECK(status(with_line(8193), limits) == 414);
  CHECK(status("GET /" + of(100'000), limits) == 414);
  const std::string old = "GET /" + of(100) + " HTTP/1.0\r\n\r\n";
  CHECK(status(old, {.request_line = 114}) == 200);
  CHECK(status(old, {.request_line = 113}) == 414);
}

TEST_CASE("limits: one field") {
  const Limits limits;
  CHECK(status(get("A: " + of(8192 - 3) + "\r\n"), limits) == 200);
  CHECK(status(get("A: " + of(8192 - 2) + "\r\n"), limits) == 431);
  CHECK(status(get(of(8192 - 2) + ":b\r\n"), limits) == 200);
  CHECK(status(get(of(8192 - 1) + ":b\r\n"), limits) == 431);
}

TEST_CASE("limits: the number of fields") {
  const auto with_fields = [](std::size_t number) {
    std::string fields;
    for (std::size_t i = 1; i < number; ++i) fields += "A: b\r\n";  // Host is one
    return get(fields);
  };
  CHECK(status(with_fields(100), {}) == 200);
  CHECK(status(with_fields(101), {}) == 431);
}

TEST_CASE("limits: all fields together") {
  const auto with_size = [](std::size_t size) {
    std::string fields;
    size -= 9;  // Host
    for (; size > 5000; size -= 4000) fields += "A: " + of(4000 - 5) + "\r\n";
    fields += "A: " + of(size - 5) + "\r\n";
    return get(fields);
  };
  CHECK(status(with_size(32768), {}) == 200);
  CHECK(status(with_size(32769), {}) == 431);
  std::string endless;
  while (endless.size() < 60'000) endless += "A: " + of(1000) + "\r\n";
  CHECK(status("GET / HTTP/1.1\r\n" + endless, {}) == 431);
}

TEST_CASE("limits: the body") {
  const auto with_length = [](std::size_t size) {
    return "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" +
           of(size);
  };
  const Limits limits{.body = 1000};
  CHECK(status(with_length(1000), limits) == 200);
  CHECK(status(with_length(1001), limits) == 413);
  const auto in_chunks = [](std::size_t first, std::size_t second) {
    char sizes[2][20];
    std::snprintf(sizes[0], sizeof sizes[0], "%zx\r\n", first);
    std::snprintf(sizes[1], sizeof sizes[1], "%zx\r\n", second);
    return std::string{"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"} +
           sizes[0] + of(first) + "\r\n" + sizes[1] + of(second) + "\r\n0\r\n\r\n";
  };
  CHECK(status(in_chunks(999, 1), limits) == 200);
  CHECK(status(in_chunks(999, 2), limits) == 413);
  CHECK(status(in_chunks(1, 1000), limits) == 413);
}

TEST_CASE("limits: a handler sets that of the body") {
  const std::string text = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello world";
  const auto with_limit = [&](std::uint64_t limit) {
    const auto replies = support::ask(text,
                                      [&](Request& request, Response& response) {
                                        request.set_body_limit(limit);
                                        support::echo_body(request, response);
                                      },
                                      {.limits = {.body = 5}});
    return replies.at(0).status;
  };
  CHECK(with_limit(11) == 200);
  CHECK(with_limit(10) == 413);
}

TEST_CASE("limits: chunk extensions") {
  const auto with_extension = [](std::size_t size, int chunks = 1) {
    std::string text = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (int i = 0; i < chunks; ++i) text += "1;" + of(size - 1) + "\r\na\r\n";
    return text + "0\r\n\r\n";
  };
  CHECK(status(with_extension(256), {}) == 200);
  CHECK(status(with_extension(257), {}) == 400);
  CHECK(status(with_extension(100'000), {}) == 400);
  CHECK(status(with_extension(256, 64), {}) == 200);
  CHECK(status(with_extension(256, 65), {}) == 400);
}

TEST_CASE("limits: trailers") {
  const auto with_trailers = [](std::size_t number, std::size_t size = 1) {
    std::string text = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
    for (std::size_t i = 0; i < number; ++i) text += "A: " + of(size) + "\r\n";
    return text + "\r\n";
  };
  CHECK(status(with_trailers(32), {}) == 200);
  CHECK(status(with_trailers(33), {}) == 431);
  CHECK(status(with_trailers(1, 8192 - 3), {}) == 200);
  CHECK(status(with_trailers(1, 8192 - 2), {}) == 431);
  CHECK(status(with_trailers(32, 8000), {}) == 431);
}

TEST_CASE("limits: requests of a connection") {
  std::string text;
  for (int i = 0; i < 4; ++i) text += get("");
  const auto replies = support::ask(text, support::echo_body, {.limits = {.requests = 3}});
  REQUIRE(replies.size() == 3);
  CHECK(replies[1].field("Connection").empty());
  CHECK(replies[2].field("Connection") == "close");
}

TEST_CASE("limits: an unread body is dropped up to its limit") {
  const auto served = [](std::size_t size, bool is_chunked) {
    std::string text = "POST / HTTP/1.1\r\nHost: x\r\n";
    if (is_chunked) {
      char number[20];
      std::snprintf(number, sizeof number, "%zx", size);
      text += "Transfer-Encoding: chunked\r\n\r\n" + std::string{number} + "\r\n" + of(size) +
              "\r\n0\r\n\r\n";
    } else {
      text += "Content-Length: " + std::to_string(size) + "\r\n\r\n" + of(size);
    }
    return support::ask(text + get(""),
                        [](Request&, Response& response) { response.send("unread"); },
                        {.limits = {.unread_body = 50'000}});
  };
  for (const bool is_chunked : {false, true}) {
    CHECK(served(50'000, is_chunked).size() == 2);
    const auto replies = served(60'000, is_chunked);
    REQUIRE(replies.size() == 1);
    CHECK(replies[0].body == "unread");
    // How long a chunked one is isn't known before.
    CHECK(replies[0].field("Connection") == (is_chunked ? "" : "close"));
  }
}

TEST_CASE("limits: the largest numbers are none") {
  constexpr std::size_t none = std::numeric_limits<std::size_t>::max();
  ServeOptions options;
  options.limits.request_line = none;
  options.limits.field = none;
  options.limits.fields = none;
  options.limits.fields_size = none;
  options.limits.body = std::numeric_limits<std::uint64_t>::max();
  options.limits.chunk_extension = none;
  options.limits.trailers = none;
  options.limits.requests = none;
  options.limits.unread_body = none;
  const std::string text =
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n";
  const std::string sent =
      support::send_pieces(support::in_bytes(text + text), support::echo_body, options);
  const auto replies = support::parse_replies(sent);
  REQUIRE(replies.size() == 2);
  CHECK(replies[1].body == "hello");
}
