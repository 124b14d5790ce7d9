// What breaks the rules of HTTP, and what doesn't: each request whole, byte by byte, and cut in two
// at every place, always with the same answer.
#include <deque>
#include <string>
#include <utility>

#include <support/http.hpp>
#include <support/raw_requests.hpp>
#include <support/raw_smuggling.hpp>

using support::RawRequest;
using support::RawRequests;
using support::raw::chunks;
using support::raw::get;
using support::raw::post;

namespace {

namespace raw = support::raw;

// The status must be the same however text is cut; what is long is cut at some of its places.
void check(const RawRequest& each) {
  const std::size_t step = each.text.size() > 4'000 ? 97 : 1;
  INFO(each.what << ": " << each.text);
  CHECK(support::status_of(support::send_pieces({each.text})) == each.status);
  CHECK(support::status_of(support::send_pieces(support::in_bytes(each.text))) == each.status);
  for (std::size_t i = 1; i < each.text.size(); i += step) {
    INFO("cut at " << i);
    const int status =
        support::status_of(support::send_pieces({each.text.substr(0, i), each.text.substr(i)}));
    if (status != each.status) CHECK(status == each.status);
  }
}

void check_all(const RawRequests& cases) {
  for (const RawRequest& each : cases) check(each);
}

// Where the body comes later, 100 goes before the answer.
void check_last(const RawRequest& each) {
  INFO(each.what << ": " << each.text);
  const auto last_status = [](std::deque<std::string> pieces) {
    const auto replies = support::parse_replies(support::send_pieces(std::move(pieces)));
    return replies.empty() ? 0 : replies.back().status;
  };
  CHECK(last_status({each.text}) == each.status);
  CHECK(last_status(support::in_bytes(each.text)) == each.status);
  for (std::size_t i = 1; i < each.text.size(); ++i) {
    INFO("cut at " << i);
    CHECK(last_status({each.text.substr(0, i), each.text.substr(i)}) == each.status);
  }
}

}  // namespace

TEST_CASE("request lines: the rules are kept") { check_all(raw::request_lines()); }

TEST_CASE("fields: the rules are kept") { check_all(raw::field_lines()); }

TEST_CASE("hosts: the rules are kept") { check_all(raw::hosts()); }

TEST_CASE("lengths: the rules are kept") { check_all(raw::lengths()); }

TEST_CASE("transfer codings: the rules are kept") { check_all(raw::transfer_codings()); }

TEST_CASE("chunks: the rules are kept") { check_all(raw::chunk_sequences()); }

TEST_CASE("limits: what is too much is so however it comes") { check_all(raw::too_much()); }

TEST_CASE("expectations: the last answer is the same however the request comes") {
  for (const RawRequest& each : raw::expectations()) check_last(each);
}

TEST_CASE("smuggling: requests of two meanings are refused") {
  check_all(raw::ambiguous_bodies());
  check_all(raw::hidden_codings());
  check_all(raw::hidden_lengths());
  check_all(raw::chunk_tricks());
}

TEST_CASE("smuggling: lines of two meanings are refused") {
  check_all(raw::odd_lines());
  check_all(raw::odd_fields());
}

TEST_CASE("smuggling: what others disagree about is served as it is written") {
  check_all(raw::plain_but_unusual());
}

TEST_CASE("connections: what they ask for") {
  const std::string again = get("Accept: */*");
  const auto count = [&](std::string_view first) {
    return support::ask(std::string{first} + again).size();
  };
  CHECK(count(get("Accept: */*")) == 2);
  CHECK(count(get("Connection: close")) == 1);
  CHECK(count(get("Connection: foo, CLOSE")) == 1);
  CHECK(count(get("Connection: foo\r\nConnection: close")) == 1);
  CHECK(count(get("Connection: close, keep-alive")) == 1);
  CHECK(count(get("Connection: closed")) == 2);
  CHECK(count("GET / HTTP/1.0\r\n\r\n") == 1);
  CHECK(count("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n") == 2);
  CHECK(count("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n") == 1);
}

TEST_CASE("connections: after what breaks the rules there is nothing more") {
  const std::string smuggled = get("Accept: */*");
  for (const std::string& bad :
       {chunks("5\nhello\r\n0\r\n\r\n"), post("Content-Length: 5, 5"), get("A : b")}) {
    const auto replies = support::ask(bad + smuggled);
    REQUIRE(replies.size() == 1);
    CHECK(replies[0].status == 400);
    CHECK(replies[0].field("Connection") == "close");
  }
}
