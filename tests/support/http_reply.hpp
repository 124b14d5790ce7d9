// Reply: what a server has answered, taken apart.
//
//   std::string_view text = "HTTP/1.1 200 OK\r\n\r\n";
//   REQUIRE(support::parse_reply(text).status == 200);
#pragma once

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace support {

struct Reply {
  int status = 0;
  std::string head;
  std::string body;
  std::string trailers;

  // field() is the value of a field, "" if there is none.
  std::string field(std::string_view name) const {
    std::string wanted{"\r\n"};
    wanted.append(name).append(": ");
    const auto same = [](char a, char b) { return std::tolower(a) == std::tolower(b); };
    const auto found = std::search(head.begin(), head.end(), wanted.begin(), wanted.end(), same);
    if (found == head.end()) return {};
    const auto begin = found + static_cast<std::ptrdiff_t>(wanted.size());
    return {begin, std::find(begin, head.end(), '\r')};
  }
};

namespace detail {

inline std::string cut(std::string_view& text, std::size_t size) {
  if (size > text.size()) throw std::runtime_error{"a reply breaks off"};
  const std::string first{text.substr(0, size)};
  text.remove_prefix(size);
  return first;
}

inline std::string cut_to(std::string_view& text, std::string_view end) {
  const std::size_t found = text.find(end);
  if (found == std::string_view::npos) throw std::runtime_error{"a reply breaks off"};
  return cut(text, found + end.size());
}

inline void cut_chunks(std::string_view& text, Reply& reply) {
  while (const std::size_t size = std::stoul(cut_to(text, "\r\n"), nullptr, 16)) {
    reply.body += cut(text, size);
    if (cut(text, 2) != "\r\n") throw std::runtime_error{"a chunk without its end"};
  }
  while (true) {
    const std::string line = cut_to(text, "\r\n");
    if (line == "\r\n") return;
    reply.trailers += line;
  }
}

}  // namespace detail

// parse_reply() takes the first of text. Throws if it isn't whole. head says whether it answers
// HEAD.
inline Reply parse_reply(std::string_view& text, bool to_head = false) {
  Reply reply;
  reply.head = detail::cut_to(text, "\r\n\r\n");
  reply.status = std::stoi(reply.head.substr(9, 3));
  const bool is_bare = reply.status < 200 || reply.status == 204 || reply.status == 304 || to_head;
  if (is_bare) return reply;
  if (reply.field("Transfer-Encoding") == "chunked") {
    detail::cut_chunks(text, reply);
  } else if (const std::string length = reply.field("Content-Length"); !length.empty()) {
    reply.body = detail::cut(text, std::stoul(length));
  } else {
    reply.body = detail::cut(text, text.size());
  }
  return reply;
}

inline std::vector<Reply> parse_replies(std::string_view text) {
  std::vector<Reply> replies;
  while (!text.empty()) replies.push_back(parse_reply(text));
  return replies;
}

}  // namespace support
