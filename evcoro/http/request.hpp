// Request: what a client asks for, as a handler sees it.
//
//   void handle(Request& request, Response& response) {
//     if (request.method() == Method::get) ... request.path() ... request.fields().get("Accept")
//     const Result<std::string> body = request.read_body(3s);          // all of it, or
//     while (const IoResult in = request.recv(buffer, 3s)) {           // as it comes
//       if (in.count == 0) break;                                      // its end
//     }
//   }
//
// All views are good as long as the handler runs: they lie in the connection's buffer. It is used
// in the connection's thread alone.
//
// The body waits in the client, and in the kernel's buffers, until it is read. A client that
// expects to be told so (Expect: 100-continue) is told to go on when the body is first read; if the
// response begins before, it isn't, and the connection closes after that. What of a body is not
// read is dropped, up to Limits::unread_body; beyond that the connection closes, too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <evcoro/http/fields.hpp>
#include <evcoro/http/method.hpp>
#include <evcoro/io/io_result.hpp>
#include <evcoro/net/address.hpp>
#include <evcoro/result.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

namespace evcoro::http {

namespace detail {
class Connection;
class RouterState;
}  // namespace detail

class EVCORO_API Request {
 public:
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  Method method() const noexcept;

  // target() is what stands in the request line: "/a%20b?c=d", "http://example.org/", "*". path()
  // is that without host and query, "/a%20b", still encoded; query() what follows the "?".
  std::string_view target() const noexcept;
  std::string_view path() const noexcept;
  std::string_view query() const noexcept;

  // host() is whom the client believes to ask, "example.org:8080": the target's, or the field's.
  // HTTP/1.0 may have none.
  std::string_view host() const noexcept;

  // minor_version() is 1, or 0 of HTTP/1.0.
  int minor_version() const noexcept;

  const Fields& fields() const noexcept;
  std::string_view field(std::string_view name) const noexcept { return fields().get_or(name); }

  // parameter() is what a Router has found in the place of ":name" or "*name", still encoded; ""
  // if there is none.
  std::string_view parameter(std::string_view name) const noexcept;

  // query_parameter() is decoded; see QueryParameters.
  std::optional<std::string> query_parameter(std::string_view name) const;

  // peer() is the client's address; of no family, if the connection's stream has none.
  const Address& peer() const noexcept;

  // has_body() says whether there is one, content_length() how long it is, if that was said.
  bool has_body() const noexcept;
  std::optional<std::uint64_t> content_length() const noexcept;

  // set_body_limit() holds in place of Limits::body, for this request.
  void set_body_limit(std::uint64_t limit) noexcept;

  // recv() waits until there is something of the body, and takes what is, up to buffer's size; at
  // the end the count is 0. So a Request is a Stream to read from. read_body() is all that is left.
  //
  // Errors: those of the stream, of which timed_out and operation_canceled lose nothing of recv();
  // evcoro::Errc::unexpected_end if the client has left; http::Errc::malformed, body_too_large,
  // body_too_slow. If the handler sends no response after one of these, or after a time-out, the
  // client gets the right status; if it has begun one before, see Response::conclude().
  IoResult recv(std::span<std::byte> buffer, Timeout timeout = {});
  Result<std::string> read_body(Timeout timeout = {});

  // trailers() are the fields behind a chunked body: empty until the end of that has been read.
  // They say nothing of the message itself, and are never mixed with fields().
  const Fields& trailers() const noexcept;

 private:
  friend class detail::Connection;
  friend class detail::RouterState;
  explicit Request(detail::Connection& connection) noexcept : connection_(connection) {}
  void set_parameter(std::string_view name, std::string_view value);
  void name_parameter(std::size_t index, std::string_view name) noexcept;
  void clear_parameters(std::size_t left) noexcept;
  std::size_t parameter_count() const noexcept;

  detail::Connection& connection_;
};

}  // namespace evcoro::http
