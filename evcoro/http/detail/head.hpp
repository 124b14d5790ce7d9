// Head: what the head of a message says, once the parser has found where its fields are; and the
// rules that llhttp doesn't keep.
//
// llhttp, in its strict mode, accepts: folded fields, other protocols (RTSP/1.0) and no protocol
// at all (HTTP/0.9), HTTP/2.0, several spaces in the request line, a bare LF behind it, a fragment
// in the target. All of these break the one form that a head can have:
//
//   METHOD SP target SP HTTP/1.x CR LF
//   name ":" value CR LF               each begins where the one before has ended
//   CR LF
//
// So the lines are checked against the names' places, and the control characters of the whole are
// counted: they are as many as the line ends have.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <evcoro/http/fields.hpp>
#include <evcoro/http/limits.hpp>
#include <evcoro/http/method.hpp>
#include <evcoro/http/status.hpp>

namespace evcoro::http::detail {

// Framing is how the end of a body is known.
enum class Framing : std::uint8_t { none, length, chunked, until_close };

struct Head {
  Method method = Method::get;
  Status status = Status::none;  // of a response
  std::uint8_t minor = 1;        // HTTP/1.minor
  Framing framing = Framing::none;
  bool keeps_alive = false;
  bool expects_continue = false;
  bool wants_upgrade = false;  // Connection: upgrade
  std::uint64_t length = 0;    // of the body
  std::string_view target;
  std::string_view path;
  std::string_view query;
  std::string_view host;     // of the target, or of Host
  std::string_view upgrade;  // the field
  std::string_view reason;   // of a response
};

// read_request_head() and read_response_head() check text, the whole head, and fill in head and the
// values of fields, whose names are there. The Status is that of the answer, none if all is well;
// of a response it is bad_gateway. answers is the method that the response answers.
Status read_request_head(std::string_view text, Method method, const Limits& limits, Fields& fields,
                         Head& head) noexcept;
Status read_response_head(std::string_view text, Method answers, const Limits& limits,
                          Fields& fields, Head& head) noexcept;

// read_fields() does so with the fields alone: section is all from the first one's name to the end
// of the empty line.
Status read_fields(std::string_view section, const Limits& limits, std::size_t offset,
                   std::vector<FieldEntry>& entries) noexcept;

// is_host() says whether text is such as "example.org", "10.0.0.1:80", "[::1]:80".
bool is_host(std::string_view text) noexcept;

}  // namespace evcoro::http::detail
