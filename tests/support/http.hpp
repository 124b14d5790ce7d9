// HTTP for tests: requests to a handler over a stream in memory, and the replies, taken apart.
//
//   const auto replies = support::ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n", handler);
//   REQUIRE(replies.at(0).status == 200);
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <evcoro/http/serve.hpp>
#include <support/http_reply.hpp>
#include <support/loop_fixture.hpp>
#include <support/network.hpp>
#include <support/pieces.hpp>

namespace support {

inline std::string get_request(std::string_view target = "/", std::string_view fields = "") {
  return "GET " + std::string{target} + " HTTP/1.1\r\nHost: example.org\r\n" + std::string{fields} +
         "\r\n";
}

inline std::string post_request(std::string_view body, std::string_view fields = "") {
  return "POST / HTTP/1.1\r\nHost: x\r\n" + std::string{fields} +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string{body};
}

// echo_body() answers with the body of the request, and with its path if there is none.
inline void echo_body(evcoro::http::Request& request, evcoro::http::Response& response) {
  if (!request.has_body()) return static_cast<void>(response.send(request.path()));
  const auto body = request.read_body();
  if (body) response.send(*body);
}

// send_pieces() is what a server says to pieces of text.
inline std::string send_pieces(std::deque<std::string> pieces,
                               const evcoro::http::Handler& handler = echo_body,
                               const evcoro::http::ServeOptions& options = {}) {
  PieceStream stream{std::move(pieces)};
  evcoro::http::serve(stream, handler, options);
  return stream.sent;
}

inline std::vector<Reply> ask(std::string text, const evcoro::http::Handler& handler = echo_body,
                              const evcoro::http::ServeOptions& options = {}) {
  return parse_replies(send_pieces({std::move(text)}, handler, options));
}

// status_of() is the status of the first reply; 0 if there is none.
inline int status_of(std::string_view sent) {
  return sent.size() < 12 ? 0 : std::stoi(std::string{sent.substr(9, 3)});
}

// in_bytes() is text, byte by byte.
inline std::deque<std::string> in_bytes(std::string_view text) {
  std::deque<std::string> pieces;
  for (const char c : text) pieces.emplace_back(1, c);
  return pieces;
}

}  // namespace support
