// Connections of several requests, bad bodies, and peers that leave, over streams in memory.
#include <array>
#include <stdexcept>
#include <vector>

#include <evcoro/http/error.hpp>
#include <support/http.hpp>

using namespace evcoro::http;
using evcoro::IoResult;
using support::ask;
using support::get_request;
using support::send_pieces;

TEST_CASE("connections: responses to requests that are there are sent together") {
  support::PieceStream stream{
      {get_request("/1") + get_request("/2") + get_request("/3"), get_request("/4")}};
  serve(stream, support::echo_body);
  CHECK(stream.sends == 2);
  const auto replies = support::parse_replies(stream.sent);
  REQUIRE(replies.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) CHECK(replies[i].body == "/" + std::to_string(i + 1));

  support::PieceStream one_by_one{{get_request("/1") + get_request("/2") + get_request("/3")}};
  serve(one_by_one, support::echo_body, {.gather = 0});
  CHECK(one_by_one.sends == 3);
}

TEST_CASE("connections: many requests at once need no more than a few sends") {
  std::string text;
  for (int i = 0; i < 900; ++i) text += get_request("/" + std::to_string(i));
  support::PieceStream stream{{text}};
  serve(stream, support::echo_body);
  CHECK(support::parse_replies(stream.sent).size() == 900);
  CHECK(stream.sends < 20);
}

TEST_CASE("connections: a handler closes") {
  const auto replies = ask(get_request() + get_request(), [&](Request&, Response& response) {
    response.close_connection();
    response.send("bye");
  });
  REQUIRE(replies.size() == 1);
  CHECK(replies[0].field("Connection") == "close");
}

TEST_CASE("connections: a bad body is answered unless the handler does") {
  const std::string text =
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello";
  std::error_code error;
  const auto replies = ask(text, [&](Request& request, Response& response) {
    error = request.read_body().error();
    response.set_status(Status::conflict);
    response.send("mine");
  });
  CHECK(error == Errc::malformed);
  CHECK(error == std::errc::bad_message);
  REQUIRE(replies.size() == 1);
  CHECK(replies[0].status == 409);
  CHECK(replies[0].field("Connection") == "close");
}

TEST_CASE("connections: a body that fails behind the beginning of the response cuts it") {
  constexpr std::string_view last_chunk = "0\r\n\r\n";
  const std::string chunked = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string half = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhello";
  std::error_code error;
  const auto echo = [&](Request& request, Response& response) {
    std::array<std::byte, 5> buffer;
    IoResult in;
    while ((in = request.recv(buffer)) && in.count > 0) response.write(buffer);
    error = in.error;
  };
  std::vector<std::error_code> told;
  ServeOptions options;
  options.limits.body = 8;
  options.observers.push_back([&](const Exchange& over) { told.push_back(over.error); });

  CHECK(send_pieces({chunked, "5\r\nhello\r\n", "nonsense"}, echo, options).ends_with("hello\r\n"));
  CHECK(error == Errc::malformed);
  CHECK(send_pieces({chunked, "5\r\nhello\r\n", "5\r\nworld\r\n0\r\n\r\n"}, echo, options)
            .ends_with("hello\r\n"));
  CHECK(error == Errc::body_too_large);
  options.limits.body = 100;
  CHECK(send_pieces({half}, echo, options).ends_with("hello\r\n"));
  CHECK(error == evcoro::Errc::unexpected_end);
  CHECK(told == std::vector<std::error_code>{Errc::malformed, Errc::body_too_large,
                                             evcoro::Errc::unexpected_end});

  // What a handler ends itself is whole, and so is what has its length, or none to tell.
  CHECK(send_pieces({half}, [&](Request& request, Response& response) {
          echo(request, response);
          response.end();
        }).ends_with(last_chunk));
  CHECK(send_pieces({half}, [&](Request& request, Response& response) {
          CHECK(!request.read_body());
          response.set_status(Status::bad_request);
          response.write("no");
        }).ends_with(last_chunk));
  CHECK(send_pieces({half}, [&](Request& request, Response& response) {
          response.set_content_length(5);
          echo(request, response);
        }).ends_with("\r\n\r\nhello"));
  CHECK(send_pieces({chunked + "5\r\nhello\r\n0\r\n\r\n"}, echo).ends_with(last_chunk));
}

TEST_CASE("connections: a peer that takes nothing is left") {
  support::PieceStream stream{{get_request() + get_request()}};
  stream.room = 0;
  std::error_code error;
  serve(stream, [&](Request&, Response& response) { error = response.send("hello"); },
        {.gather = 0});
  CHECK(error == std::errc::timed_out);
  CHECK(stream.sends == 1);
  stream = support::PieceStream{{get_request()}};
  stream.room = 10;  // at a time: slow, but it is progress
  serve(stream, support::echo_body);
  CHECK(support::parse_replies(stream.sent).size() == 1);
}

TEST_CASE("connections: an answer that can't be sent has no bytes") {
  std::vector<std::uint64_t> bytes;
  ServeOptions options;
  options.observers.push_back([&](const Exchange& over) { bytes.push_back(over.bytes); });
  support::PieceStream stream{{get_request()}};
  stream.room = 0;
  CHECK_THROWS(serve(
      stream, [](Request&, Response&) { throw std::runtime_error{"oops"}; }, options));
  stream = support::PieceStream{{"nonsense\r\n\r\n"}};
  stream.room = 0;
  serve(stream, support::echo_body, options);
  CHECK(bytes == std::vector<std::uint64_t>{0, 0});
}

TEST_CASE("connections: HEAD with a bad body gets an answer without one") {
  const std::string sent =
      send_pieces({"HEAD / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"},
                  [](Request& request, Response&) { CHECK(!request.read_body()); });
  CHECK(support::status_of(sent) == 400);
  CHECK(sent.ends_with("\r\n\r\n"));
}
