#include <evcoro/http/event_stream.hpp>

#include <cstddef>

#include <evcoro/http/error.hpp>

namespace evcoro::http {
namespace {

bool is_line(std::string_view text) noexcept {
  constexpr std::string_view forbidden{"\r\n\0", 3};
  return text.find_first_of(forbidden) == std::string_view::npos;
}

// Takes the next line of text; what ends the last one begins another.
std::string_view take_line(std::string_view& text, bool& is_last) noexcept {
  const std::size_t end = text.find_first_of("\r\n");
  const std::string_view line = text.substr(0, end);
  is_last = end == std::string_view::npos;
  if (is_last) return line;
  text.remove_prefix(end);
  text.remove_prefix(text.starts_with("\r\n") ? 2 : 1);
  return line;
}

void append_lines(std::string& out, std::string_view name, std::string_view text) {
  for (bool is_last = false; !is_last;) {
    out.append(name).append(": ").append(take_line(text, is_last)).append("\n");
  }
}

}  // namespace

EventStream::EventStream(Request& request, Response& response)
    : request_(request), response_(response) {
  response.fields().set("Content-Type", "text/event-stream");
  if (!response.fields().contains("Cache-Control")) {
    response.fields().add("Cache-Control", "no-cache");
  }
  response.fields().set("X-Accel-Buffering", "no");  // nginx gathers what it passes on otherwise
  response.write("");
}

std::string_view EventStream::last_event_id() const noexcept {
  return request_.field("Last-Event-ID");
}

std::error_code EventStream::send(const ServerEvent& event) {
  if (!is_line(event.event) || !is_line(event.id)) return Errc::invalid_field_value;
  text_.clear();
  if (!event.event.empty()) append_lines(text_, "event", event.event);
  if (!event.id.empty()) append_lines(text_, "id", event.id);
  if (event.retry) append_lines(text_, "retry", std::to_string(event.retry->count()));
  if (event.data) append_lines(text_, "data", *event.data);
  text_ += '\n';
  return send_text();
}

std::error_code EventStream::comment(std::string_view text) {
  text_.clear();
  append_lines(text_, "", text);
  text_ += '\n';
  return send_text();
}

std::error_code EventStream::send_text() {
  if (response_.client_has_left()) return Errc::connection_lost;
  return response_.write(text_);
}

bool EventStream::pause(Timeout timeout) {
  if (request_.method() == Method::head || response_.is_complete()) return false;
  return response_.wait_for_departure(timeout) == std::errc::timed_out;
}

}  // namespace evcoro::http
