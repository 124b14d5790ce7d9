// SslStream: waits for an application's own SSL. The SSL, its BIO and its descriptor are made as
// ever, and stay the application's; where OpenSSL says that it wants to read or write, the thread
// waits.
//
//   SSL* ssl = SSL_new(context);
//   SSL_set_fd(ssl, descriptor);                    // non-blocking
//   SSL_set_connect_state(ssl);
//   SslStream stream{ssl};
//   if (const auto error = stream.handshake(10s)) return report(error);
//   stream.send("hello", 3s);
//
// For who begins anew TlsSocket (socket.hpp) is better: it is faster, takes less stack and memory,
// and its defaults are safe. An SslStream leaves all options as they are, but for two modes of the
// SSL, SSL_MODE_ENABLE_PARTIAL_WRITE and SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER. OpenSSL runs on the
// thread's own stack, which should have 32 KiB.
//
// Errors are those of TlsSocket, and not_supported for what OpenSSL may want beside reading and
// writing (asynchronous jobs, certificates that are looked up). SIGPIPE is never raised.
//
// One thread may read while another writes. An SslStream belongs to a loop, in whose threads its
// calls are made; the application's callbacks, which OpenSSL makes within them, must not block. It
// goes before the SSL and the descriptor do, and when no thread is in a call of it.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <system_error>

#include <evcoro/io/io_result.hpp>
#include <evcoro/io/stream.hpp>
#include <evcoro/io_event.hpp>
#include <evcoro/sync/event.hpp>
#include <evcoro/timeout.hpp>
#include <evcoro/tls/error.hpp>
#include <stacks/export.hpp>

struct ssl_st;  // OpenSSL's SSL

namespace evcoro {

namespace detail {
class Patience;
}

class EVCORO_API SslStream {
 public:
  // ssl has a descriptor, which is non-blocking: SSL_set_fd(3). Waits of one that has none fail
  // with bad_file_descriptor.
  explicit SslStream(ssl_st* ssl);
  SslStream(const SslStream&) = delete;
  SslStream& operator=(const SslStream&) = delete;

  // handshake() is SSL_do_handshake(3), for which the SSL must have been told its role.
  std::error_code handshake(Timeout timeout = {}) noexcept;

  // recv() is SSL_read_ex(3), and returns a count of 0 after close_notify; send() sends all. Errors
  // as those of TlsSocket. After a send() that has timed out the next one must begin with the same
  // data: OpenSSL may have begun to send it.
  IoResult recv(std::span<std::byte> buffer, Timeout timeout = {}) noexcept;
  IoResult send(std::span<const std::byte> data, Timeout timeout = {}) noexcept;
  IoResult send(std::string_view text, Timeout timeout = {}) noexcept {
    return send(std::as_bytes(std::span{text}), timeout);
  }

  // wait_readable() is for who holds no buffer meanwhile; see WaitingStream in io/stream.hpp.
  std::error_code wait_readable(Timeout timeout = {}) noexcept;

  // shutdown() sends close_notify.
  std::error_code shutdown(Timeout timeout = {}) noexcept;

  ssl_st* native_handle() const noexcept { return ssl_; }

 private:
  enum class Outcome { done, ended, failed };
  template <class Call>
  Outcome run(Call call, detail::Patience& patience, std::error_code& error) noexcept;
  enum Direction { read, write };
  std::error_code wait(Direction direction, detail::Patience& patience) noexcept;

  ssl_st* const ssl_;
  IoEvent reads_;
  IoEvent writes_;              // of another descriptor, if the SSL has one to write to
  bool is_reading_ = false;     // a thread is in recv()
  bool is_writing_ = false;     // a thread is in send()
  bool is_starved_ = false;     // OpenSSL wants more than it has got
  bool is_waiting_[2] = {};     // a thread is parked, by Direction
  bool has_bystander_ = false;  // the other one wants to wait for the same
  Event passed_by_;             // for that one
};

}  // namespace evcoro
