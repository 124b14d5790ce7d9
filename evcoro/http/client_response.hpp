// ClientResponse: what a server answers.
//
//   if (response->status() == Status::ok) ... response->field("Content-Type")
//   const Result<std::string> body = response->read_body();         // all of it, or
//   while (const IoResult in = response->recv(buffer, 3s)) {        // as it comes
//     if (in.count == 0) break;                                     // its end
//   }
//
// It owns its connection until the body has been read to its end: then that goes back to the
// client, for the next request. The body waits in the server, and in the kernel's buffers, until it
// is read. If the response goes before, the connection is closed, unless the rest is there already.
//
// It is a move-only handle, of the client's loop; it may outlive the client. Views are good as long
// as the response, or what it was moved to. A moved-from one is good for nothing but assignment and
// destruction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <evcoro/http/fields.hpp>
#include <evcoro/http/status.hpp>
#include <evcoro/http/url.hpp>
#include <evcoro/io/io_result.hpp>
#include <evcoro/io/owned_stream.hpp>
#include <evcoro/result.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

namespace evcoro::http {

namespace detail {
class ClientExchange;
class ClientState;
}  // namespace detail

class EVCORO_API ClientResponse {
 public:
  ClientResponse(ClientResponse&&) noexcept;
  ClientResponse& operator=(ClientResponse&&) noexcept;
  ~ClientResponse();

  Status status() const noexcept;
  std::string_view reason() const noexcept;  // "Not Found"; what the server says, perhaps nothing
  int minor_version() const noexcept;        // 1, or 0 of HTTP/1.0
  const Fields& fields() const noexcept;
  std::string_view field(std::string_view name) const noexcept { return fields().get_or(name); }

  // url() is who has answered: what was asked for, or the last redirect.
  const Url& url() const noexcept;

  // has_body() says whether there is one, content_length() how long it is, if that was said.
  bool has_body() const noexcept;
  std::optional<std::uint64_t> content_length() const noexcept;

  // recv() waits until there is something of the body, and takes what is, up to buffer's size; at
  // the end the count is 0. read_body() is all that is left, up to limit bytes, or to Limits::body.
  //
  // The deadline of the whole exchange holds, too. Errors: those of the stream, of which timed_out
  // and operation_canceled lose nothing of recv(), and of read_body() what it has read;
  // evcoro::Errc::unexpected_end if the server has closed before the end; http::Errc::malformed;
  // body_too_large. The connection is closed then.
  IoResult recv(std::span<std::byte> buffer, Timeout timeout = {});
  Result<std::string> read_body(Timeout timeout = {});
  Result<std::string> read_body(std::uint64_t limit, Timeout timeout = {});

  // is_complete() says whether all of the body has been read.
  bool is_complete() const noexcept;

  // trailers() are the fields behind a chunked body: empty until the end of that has been read.
  // They say nothing of the message itself, and are never mixed with fields().
  const Fields& trailers() const noexcept;

  // upgrade() is the connection, if the server has switched to the protocol that was asked for
  // (Status::switching_protocols): what it has sent behind its response comes first. It counts
  // among the client's connections as long as it is open. Errc::not_an_upgrade otherwise.
  Result<OwnedStream> upgrade();

  // close() closes the connection, if it is still owned: the rest of the body is lost.
  void close() noexcept;

 private:
  friend class detail::ClientState;
  ClientResponse(std::unique_ptr<detail::ClientExchange> exchange, Url url) noexcept;

  std::unique_ptr<detail::ClientExchange> exchange_;
  Url url_;
};

}  // namespace evcoro::http
