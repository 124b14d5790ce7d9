// ClientRequest: what a Client asks for; and how a long body is written.
//
//   ClientRequest request{.url = "http://example.org/", .method = Method::post, .body = "hello"};
//   request.fields.set("Content-Type", "text/plain");
//   Result<ClientResponse> response = client.send(request, 5s);
//
//   ClientRequest upload{.url = url, .method = Method::put, .produce = [&](BodyWriter& out) {
//     while (const auto part = next_part()) {
//       if (const auto error = out.write(*part)) return error;
//     }
//     return std::error_code{};
//   }};
//
// It is a value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include <evcoro/http/fields.hpp>
#include <evcoro/http/method.hpp>
#include <stacks/export.hpp>

namespace evcoro::http {

namespace detail {
class RequestWriter;
}

// BodyWriter is good during the call that it was given to.
class EVCORO_API BodyWriter {
 public:
  // write() sends a part of the body at once, and returns when the kernel has taken it: at the pace
  // of the server. Errors, after which nothing more is sent: those of the stream;
  // Errc::wrong_length beyond what was announced; Errc::connection_lost if the server has answered
  // already, and so doesn't want the rest: with something else than success (2xx), or completely.
  std::error_code write(std::span<const std::byte> data);
  std::error_code write(std::string_view data) { return write(std::as_bytes(std::span{data})); }

  // append() is write() for many small parts that may wait: they are sent together when there are
  // 16 KiB of them, with what is written next, by flush(), or in the end. A copy and no system
  // call, as a rule. Errors are write()'s, of what was appended before, too.
  std::error_code append(std::span<const std::byte> data);
  std::error_code append(std::string_view data) { return append(std::as_bytes(std::span{data})); }
  std::error_code flush();

 private:
  friend class detail::RequestWriter;
  explicit BodyWriter(detail::RequestWriter& writer) noexcept : writer_(writer) {}
  detail::RequestWriter& writer_;
};

// BodyProducer writes a body. What it returns, if it is an error, ends the request; what it throws
// passes through.
using BodyProducer = std::function<std::error_code(BodyWriter& out)>;

struct ClientRequest {
  // See parse_url(). A user and a password in it, "http://user:password@host/", percent-encoded,
  // are told to that server only, as the field Authorization (Basic, RFC 7617), unless there is one
  // in fields. Where they can't be (see ProxySettings), it is Errc::invalid_url.
  std::string url;
  Method method = Method::get;

  // Host, if there is none here, and all that is about lengths and the connection are set by the
  // client.
  Fields fields = {};

  // The body is one or the other. What is produced is sent in chunks unless its length is known.
  // It can't be sent again, for a redirect or on another connection.
  std::string body = {};
  BodyProducer produce = {};
  std::optional<std::uint64_t> content_length = {};  // of what is produced

  // expects_continue lets the server say whether it wants the body, before that is sent; one that
  // says nothing for ClientOptions::continue_timeout gets it.
  bool expects_continue = false;

  // upgrade names the protocol to switch to, such as "websocket"; a list in order of preference.
  // See ClientResponse::upgrade().
  std::string upgrade = {};
};

}  // namespace evcoro::http
