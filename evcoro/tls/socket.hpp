// TlsSocket: a connection under TLS, which is used like any Socket.
//
//   void serve(Socket& socket, const TlsContext& context) {          // of a server
//     TlsSocket tls{std::move(socket), context};
//     if (const auto error = tls.handshake()) return report(error);  // recv() would do it, too
//     std::array<std::byte, 512> buffer;
//     while (const IoResult in = tls.recv(buffer, 30s)) {
//       if (in.count == 0) break;                                    // close_notify
//       tls.send(std::span{buffer}.first(in.count), 30s);
//     }
//   }
//
//   Result<TlsSocket> tls = connect_tls("example.org", 443, context, 5s);   // of a client
//
// One thread may read while another writes. It belongs to the socket's loop, and its blocking calls
// are made in threads of that loop; all else in the loop's OS thread.
//
// Blocking calls fail as those of Socket do, with the errors of error.hpp, and what OpenSSL says.
// What fails with timed_out or operation_canceled can be called again, and nothing is lost. Other
// errors are final. A stream that ends without close_notify is TlsErrc::truncated, not its end.
//
// While it waits to read it holds no buffer: a quiet connection takes the stack of its thread and
// what OpenSSL keeps of it, see the README.
#pragma once

#include <array>
#include <cerrno>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <evcoro/io/io_result.hpp>
#include <evcoro/io/owned_stream.hpp>
#include <evcoro/io/stream.hpp>
#include <evcoro/net/socket.hpp>
#include <evcoro/result.hpp>
#include <evcoro/timeout.hpp>
#include <evcoro/tls/context.hpp>
#include <evcoro/tls/error.hpp>
#include <stacks/export.hpp>

struct ssl_st;  // OpenSSL's SSL

namespace evcoro {

namespace detail {
class Reader;
class TlsState;
}  // namespace detail

class EVCORO_API TlsSocket {
 public:
  // An empty handle: every call fails with bad_file_descriptor.
  TlsSocket() noexcept = default;

  // Takes over a connected socket. Nothing is sent yet. A client says by server_name whom it means:
  // it asks for that name, and verifies it (a name, or an IP address). If the socket can't be
  // taken, handshakes say why.
  TlsSocket(Socket&& socket, const TlsContext& context, std::string_view server_name = {}) noexcept
      : TlsSocket(std::move(socket), context, server_name, std::span<const std::byte>{}) {}

  // Upgrades a connection that has spoken something else before (STARTTLS). What the reader has
  // received and not handed out is taken from it, and is the beginning of what the peer says in
  // TLS: nothing is lost, and no plaintext that came too early gets through.
  TlsSocket(Socket&& socket, const TlsContext& context, std::string_view server_name,
            detail::Reader& reader) noexcept;
  TlsSocket(Socket&& socket, const TlsContext& context, std::string_view server_name,
            std::span<const std::byte> received) noexcept;

  TlsSocket(TlsSocket&& other) noexcept
      : state_(std::exchange(other.state_, nullptr)), error_(other.error_) {}
  TlsSocket& operator=(TlsSocket&& other) noexcept {
    if (this != &other) {
      close();
      state_ = std::exchange(other.state_, nullptr);
      error_ = other.error_;
    }
    return *this;
  }
  ~TlsSocket() { close(); }

  // handshake() makes the connection secure; without it the first recv() or send() does, and who
  // comes meanwhile waits for that. It has the context's handshake_timeout in all, whatever the
  // timeouts of calls: beyond it is TlsErrc::handshake_timeout, for good. After it has succeeded it
  // returns at once.
  std::error_code handshake(Timeout timeout = {}) noexcept;

  // recv() and send() are as Socket's. What send() counts is encrypted, and sent, or goes before
  // whatever is sent next. recv() returns a count of 0 after the peer's close_notify.
  IoResult recv(std::span<std::byte> buffer, Timeout timeout = {}) noexcept;
  IoResult send(std::span<const std::byte> data, Timeout timeout = {}) noexcept;
  IoResult send(std::string_view text, Timeout timeout = {}) noexcept {
    return send(std::as_bytes(std::span{text}), timeout);
  }

  // wait_readable() is for who holds no buffer meanwhile; see WaitingStream in io/stream.hpp.
  std::error_code wait_readable(Timeout timeout = {}) noexcept;

  // close_notify() tells the peer that nothing will be sent any more. Receiving goes on.
  std::error_code close_notify(Timeout timeout = {}) noexcept;

  // close() sends close_notify, if it can be sent at once and was not yet, and closes the socket.
  // Threads that wait return operation_canceled.
  void close() noexcept;

  // socket() is the one below, for its options and addresses; to receive or send by it would break
  // the stream.
  Socket& socket() noexcept;
  explicit operator bool() const noexcept { return state_ != nullptr; }

  // These are known after the handshake. What they return as a view is good until the next call of
  // this object.
  bool is_resumed() const noexcept;
  std::string_view protocol() const noexcept;     // by ALPN; "" if none was agreed on
  std::string_view version() const noexcept;      // such as "TLSv1.3"
  std::string_view cipher() const noexcept;       // such as "TLS_AES_256_GCM_SHA384"
  std::string_view server_name() const noexcept;  // whom the client meant; "" if it did not say

  // peer_subject() is the distinguished name (RFC 2253) of the peer's certificate, "" if it gave
  // none; peer_fingerprint() the SHA-256 of it. A server's client has verified it, a client's
  // server unless it was told not to.
  std::string peer_subject() const;
  Result<std::array<std::uint8_t, 32>> peer_fingerprint() const noexcept;

  // ocsp_response() is what the server has stapled (DER); empty if nothing.
  std::span<const std::byte> ocsp_response() const noexcept;

  // native_handle() is OpenSSL's, or nullptr: for questions. To read or write by it would break the
  // stream.
  ssl_st* native_handle() const noexcept;

 private:
  detail::TlsState* state_ = nullptr;
  std::error_code error_ = detail::system_error(EBADF);  // why there is no state
};

// connect_tls() connects to a host and makes the connection secure, verifying the host's name.
EVCORO_API Result<TlsSocket> connect_tls(std::string_view host, std::uint16_t port,
                                         const TlsContext& context, Timeout timeout = {});

// SecureBy puts TLS on the connections of layers that know nothing of it; see secure_by().
class EVCORO_API SecureBy {
 public:
  SecureBy(TlsContext context, std::string protocol) noexcept
      : context_(std::move(context)), protocol_(std::move(protocol)) {}

  // For a server that has accepted socket: calls serve with the stream above it, unless the
  // handshake fails, which is counted, and otherwise is nobody's business. Throws std::system_error
  // (TlsErrc::wrong_context, no_context) if the context isn't a server's.
  void operator()(Socket& socket, const std::function<void(AnyStream stream)>& serve) const;

  // For a client that has connected socket to url.host, whose name, or IP address, is verified.
  // Errors: TlsErrc::wrong_context if the context isn't a client's, and those of
  // TlsSocket::handshake(). Throws std::bad_alloc.
  template <class Url>
  requires std::convertible_to<decltype(std::declval<const Url&>().host), std::string_view>
      Result<OwnedStream>
  operator()(Socket socket, const Url& url, Timeout timeout) const {
    return join(std::move(socket), url.host, timeout);
  }

 private:
  Result<OwnedStream> join(Socket socket, std::string_view host, Timeout timeout) const;

  TlsContext context_;
  std::string protocol_;
};

// secure_by() is what servers and clients of other layers want to be secure:
// http::ServerOptions::secure with a context of TlsServerOptions, http::ClientOptions::secure with
// one of TlsClientOptions. Clients offer protocol by ALPN, whatever the context does; "" leaves it
// at that.
inline SecureBy secure_by(TlsContext context, std::string protocol = "http/1.1") {
  return {std::move(context), std::move(protocol)};
}

}  // namespace evcoro
