// Response: what the client gets.
//
//   response.set_status(Status::created);
//   response.fields().set("Content-Type", "text/plain");
//   response.send("hello\n");                       // head and body, in one piece
//
//   response.write("first\n");                      // or as it comes: chunked, if the client
//   response.write("second\n");                     // understands that
//   response.end();
//
//   response.send_file(file, 0, size);              // or from a file
//
// A handler that returns without any of these has sent a body of no bytes; one that has written
// has ended, see conclude(). In answer to HEAD the body is left out, and its length told. The
// library itself sets Date, unless there is one, and all that is about lengths and the connection.
//
// It is used in the connection's thread alone. Calls that send block until the kernel has taken
// what they send, or as long as the client takes something every Limits::write_idle. Errors: those
// of the stream, all of which end the connection; http::Errc::already_sent, invalid_status,
// body_not_allowed, wrong_length. If more requests have come already (pipelining), a small response
// may wait for theirs, to be sent together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include <evcoro/http/fields.hpp>
#include <evcoro/http/status.hpp>
#include <evcoro/io/io_result.hpp>
#include <evcoro/result.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

namespace evcoro::http {

class BodyFilter;

namespace detail {
class Connection;
}  // namespace detail

// Upgraded is a connection that speaks another protocol now: a Stream, good as long as the handler
// runs. What the client has sent behind its request comes first.
class EVCORO_API Upgraded {
 public:
  explicit Upgraded(detail::Connection& connection) noexcept : connection_(&connection) {}

  IoResult recv(std::span<std::byte> buffer, Timeout timeout = {});
  IoResult send(std::span<const std::byte> data, Timeout timeout = {});
  IoResult send(std::string_view text, Timeout timeout = {}) {
    return send(std::as_bytes(std::span{text}), timeout);
  }
  std::error_code wait_readable(Timeout timeout = {});

  // wait_for_message() is wait_readable() for who has nothing under way. It ends when the server
  // drains, too, and at once if it does already: operation_canceled, with is_draining(). Then the
  // handler says good-bye, and returns; what goes on is cut at drain()'s deadline.
  std::error_code wait_for_message(Timeout timeout = {});

  // is_draining() says whether the Server does.
  bool is_draining() const noexcept;

 private:
  detail::Connection* connection_;
};

class EVCORO_API Response {
 public:
  Response(const Response&) = delete;
  Response& operator=(const Response&) = delete;

  // set_status() is 200 without it.
  std::error_code set_status(Status status) noexcept;
  Status status() const noexcept { return status_; }

  // fields() can be changed until something is sent. What the library sets itself is refused:
  // Errc::reserved_field. Upgrade can be set, to offer protocols, as 426 has to; then Connection
  // says so.
  Fields& fields() noexcept;

  // set_content_length() says how long the body is that is going to be written, which is then not
  // chunked.
  std::error_code set_content_length(std::uint64_t length) noexcept;

  // close_connection() lets the connection end after this response.
  void close_connection() noexcept { closes_ = true; }

  // send() is a whole response with this body. An error ends the connection, and so needs no
  // answer.
  std::error_code send(std::span<const std::byte> body);
  std::error_code send(std::string_view body) { return send(std::as_bytes(std::span{body})); }

  // write() sends a part of the body, at once; the first one the head, too. send_file() is a whole
  // response with a body of count bytes of a file, from offset on; or behind write(), a part.
  std::error_code write(std::span<const std::byte> data);
  std::error_code write(std::string_view data) { return write(std::as_bytes(std::span{data})); }
  std::error_code send_file(int file, std::uint64_t offset, std::size_t count);

  // trailers() are fields behind a body that is written; a client that doesn't understand chunks
  // doesn't get them. They can be changed until end().
  Fields& trailers() noexcept;

  // end() ends what is being written. Errc::wrong_length if a length was announced, and this isn't
  // it: the connection is cut, for the client to know.
  std::error_code end();

  // conclude() is what the handler's return does. It is end(), but if the request's body has failed
  // since the response began, and wasn't read on: then what was written may be half of it, and the
  // connection is cut, for the client to know. A handler that means what it has written so far to
  // be the whole calls end(). It is for middleware whose filter goes with it.
  std::error_code conclude();

  // upgrade() switches to another protocol, if the client asks for it (Errc::not_an_upgrade
  // otherwise), by a response 101 with fields(). The connection ends when the handler returns. A
  // body has to have been read. See Upgraded for what to do when the server drains.
  Result<Upgraded> upgrade(std::string_view protocol);

  // with_filter() calls go_on(), and what is sent meanwhile passes through filter on its way, or
  // through one that was set within. A response that has begun then is ended, for which filter is
  // needed; if go_on() throws, the connection is cut in place of that. Of a response that has begun
  // before, nothing passes through filter.
  template <class Function>
  void with_filter(BodyFilter& filter, Function&& go_on) {
    if (has_begun()) return static_cast<void>(go_on());
    BodyFilter* const before = std::exchange(filter_, &filter);
    try {
      go_on();
      if (has_begun()) conclude();
    } catch (...) {
      abandon(filter, before);
      throw;
    }
    filter_ = before;
  }

  // client_has_left() says whether the client has closed its end of the connection, without
  // waiting; wait_for_departure() waits for that, and then there is no error, as on a connection
  // that was cut. For who has nothing to send for a while. timed_out: it is still there;
  // operation_canceled: the thread is cancelled, or the server drains, and what has been begun
  // should be ended. Of a client that has sent 64 KiB of further requests, or trailers, it isn't
  // known.
  bool client_has_left();
  std::error_code wait_for_departure(Timeout timeout);

  // body_bytes() is how many bytes of the body have been sent, or wait to be, with the sizes of
  // chunks between them.
  std::uint64_t body_bytes() const noexcept;

  // has_begun() says whether the head has been sent, is_complete() whether all has been.
  bool has_begun() const noexcept { return phase_ != Phase::open; }
  bool is_complete() const noexcept { return phase_ == Phase::complete; }

 private:
  friend class detail::Connection;
  enum class Phase : std::uint8_t { open, body, complete };

  explicit Response(detail::Connection& connection) noexcept : connection_(connection) {}
  bool may_have_body() const noexcept;
  bool omits_body() const noexcept;
  std::error_code begin(std::optional<std::uint64_t> length);
  void append_head(std::optional<std::uint64_t> length);
  void append_upgrade(std::string_view protocol);
  std::error_code begin_part(std::uint64_t size, std::size_t follows);
  void make_room(std::size_t size);
  void begin_chunk(std::uint64_t size);
  std::error_code finish();
  std::error_code check_open() const noexcept;
  void abandon(const BodyFilter& filter, BodyFilter* before);
  std::error_code send_filtered(std::string_view body);
  std::error_code write_filtered(std::string_view data, bool is_end);
  std::error_code send_file_filtered(int file, std::uint64_t offset, std::size_t count);
  std::error_code write_pieces(std::string_view data, bool is_end);
  std::error_code send_pieces(int file, std::uint64_t offset, std::size_t count);
  std::error_code append_filtered(std::string_view data);

  detail::Connection& connection_;
  Status status_ = Status::ok;
  Phase phase_ = Phase::open;
  bool closes_ = false;
  bool is_chunked_ = false;
  bool is_upgraded_ = false;
  bool has_length_ = false;
  std::uint64_t length_ = 0;  // announced
  std::uint64_t sent_ = 0;    // of the body
  BodyFilter* filter_ = nullptr;
  std::uint64_t body_begin_ = 0;  // position in the output
};

}  // namespace evcoro::http
