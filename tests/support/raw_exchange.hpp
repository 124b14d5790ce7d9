// Raw requests to any server, and what it has made of them. The server says in each answer, in a
// field X-Seen, which request that was for: "POST 5 /path" is the method, how long the body was,
// and the target.
//
//   const support::RawOutcome outcome = support::exchange(address, "POST / HTTP/1.1\r\n...");
//   outcome.seen == {"POST 5", "GET 0 marker"}
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <evcoro/http/request.hpp>
#include <evcoro/http/response.hpp>
#include <evcoro/net/socket.hpp>
#include <support/http_reply.hpp>
#include <support/network.hpp>
#include <support/raw_requests.hpp>

namespace support {

// tell_seen() is a handler of ours that does so.
inline void tell_seen(evcoro::http::Request& request, evcoro::http::Response& response) {
  const auto body = request.read_body();
  if (!body) return;
  std::string seen{to_string(request.method())};
  seen.append(" ").append(std::to_string(body->size())).append(" ").append(request.target());
  response.fields().set("X-Seen", seen);  // and as the body, which is all of an answer of HTTP/0.9
  response.send("seen " + seen);
}

// RawOutcome is what a server has made of a raw request, and of the marker behind it.
struct RawOutcome {
  std::vector<std::string> seen;  // requests that were answered: "POST 5", "GET 0 marker"
  std::vector<int> statuses;      // of all answers, but for 1xx; 0 is none of HTTP/1
  bool says_close = false;        // the last answer does
  bool has_ended = true;          // it has closed the connection
  bool refuses() const { return statuses.empty() || seen.size() < statuses.size() || !has_ended; }
};

// The marker behind each raw request. Who gives no answer to it has taken it for something else, or
// has closed the connection before.
inline constexpr std::string_view marker =
    "GET /marker HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

// to_seen() is what of X-Seen must be the same for all servers: of a target only what it ends in.
inline std::string to_seen(std::string_view text) {
  const std::size_t target = text.find(' ', text.find(' ') + 1);
  std::string seen{text.substr(0, target)};
  for (const std::string_view name : {"/marker", "/smuggled", "/probe"}) {
    if (text.ends_with(name)) seen.append(" ").append(name.substr(1));
  }
  return seen;
}

inline RawOutcome to_outcome(std::string_view text) {
  RawOutcome outcome;
  while (!text.empty()) {
    constexpr std::string_view bare = "seen ";  // an answer of HTTP/0.9 is nothing but its body
    if (text.starts_with(bare)) outcome.seen.push_back(to_seen(text.substr(bare.size())));
    outcome.statuses.push_back(text.starts_with(bare) ? 200 : 0);
    if (!text.starts_with("HTTP/1.")) return outcome;
    const bool to_head = text.substr(0, text.find("\r\n\r\n")).find("een: HEAD ") != text.npos;
    const Reply reply = parse_reply(text, to_head);
    outcome.statuses.back() = reply.status;
    outcome.says_close = reply.field("Connection") == "close";
    const std::string seen = reply.field("X-Seen");
    if (!seen.empty()) outcome.seen.push_back(to_seen(seen));
    if (reply.status < 200) outcome.statuses.pop_back();
  }
  return outcome;
}

inline std::string to_text(const RawOutcome& outcome) {
  std::string text = outcome.refuses() ? "refuses" : "accepts";
  for (const int status : outcome.statuses) text.append(" ").append(std::to_string(status));
  for (const std::string& each : outcome.seen) text.append(" [").append(each).append("]");
  return outcome.has_ended ? text : text + ", stays open";
}

// exchange() sends text and the marker over a connection of its own. In a thread. Its end of file
// follows; with patience only when nothing has come for as long, for servers that drop what they
// haven't read yet.
inline RawOutcome exchange(const evcoro::Address& address, std::string_view text,
                           std::chrono::milliseconds patience = {}) {
  evcoro::Socket socket = evcoro::connect(address, long_time).value();
  // Who refuses the first of it needn't take the rest.
  static_cast<void>(socket.send(std::string{text}.append(marker), long_time));
  std::string all;
  bool has_said_all = false;
  while (true) {
    if (patience.count() == 0 && !std::exchange(has_said_all, true)) {
      static_cast<void>(socket.shutdown(evcoro::Socket::Shutdown::write));
    }
    const auto limit = has_said_all ? std::chrono::seconds{10} : patience;
    const Received in = receive(socket, 65536, limit);
    all += in.text;
    if (!in.text.empty()) continue;
    if (in.error == std::errc::timed_out && !has_said_all) {
      patience = {};
      continue;
    }
    RawOutcome outcome = to_outcome(all);
    outcome.has_ended = in.error != std::errc::timed_out;
    return outcome;
  }
}

}  // namespace support
