// EventStream: server-sent events (text/event-stream), a response that goes on.
//
//   router.get("/ticks", [](Request& request, Response& response) {
//     EventStream events{request, response};
//     for (int i = 0; events.pause(1s); ++i) {
//       if (events.send(std::to_string(i))) return;
//     }
//   });
//
//   events.send({.data = text, .event = "price", .id = "17"});
//
// The head is sent at once. A client that is back after a break says what it has had last:
// last_event_id(). A handler that waits for something else than time, such as a channel, sends a
// comment() every now and then, so that proxies don't end the connection.
//
// A client that has left is noticed by pause() at once, and by send() and comment() before they
// send. When the server drains pause() ends, too.
//
// It is used in the connection's thread, as long as the handler runs. It works through Compression.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <evcoro/http/request.hpp>
#include <evcoro/http/response.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

namespace evcoro::http {

// ServerEvent is one of them. Without data it changes the client's id and retry only.
struct ServerEvent {
  std::optional<std::string_view> data = {};            // lines, ended by \n, \r\n or \r
  std::string_view event = {};                          // its type; "": message
  std::string_view id = {};                             // "": the one before
  std::optional<std::chrono::milliseconds> retry = {};  // how long the client waits to come back
};

class EVCORO_API EventStream {
 public:
  // Sends the head, with the response's fields. What it can't send the others tell.
  EventStream(Request& request, Response& response);
  EventStream(const EventStream&) = delete;
  EventStream& operator=(const EventStream&) = delete;

  // last_event_id() is the field Last-Event-ID, "" if there is none.
  std::string_view last_event_id() const noexcept;

  // send() sends an event, at once. Errors: http::Errc::invalid_field_value if event or id has a
  // line break or a NUL, which loses nothing; connection_lost if the client has left, and those of
  // Response::write(), which end the stream.
  std::error_code send(const ServerEvent& event);
  std::error_code send(std::string_view data) { return send(ServerEvent{.data = data}); }

  // comment() sends lines that the client passes over.
  std::error_code comment(std::string_view text = {});

  // pause() waits; true if the client is there afterwards, and the thread is to go on. In answer to
  // HEAD it is always false.
  bool pause(Timeout timeout);

 private:
  std::error_code send_text();

  const Request& request_;
  Response& response_;
  std::string text_;
};

}  // namespace evcoro::http
