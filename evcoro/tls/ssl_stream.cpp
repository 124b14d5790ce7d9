#include <evcoro/tls/ssl_stream.hpp>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cerrno>

#include <evcoro/detail/patience.hpp>
#include <evcoro/detail/sigpipe.hpp>
#include <evcoro/detail/turns.hpp>
#include <evcoro/io/stream.hpp>
#include <evcoro/tls/detail/claim.hpp>
#include <evcoro/tls/detail/openssl.hpp>

namespace evcoro {

static_assert(WaitingStream<SslStream>);

SslStream::SslStream(ssl_st* ssl) : ssl_(ssl), reads_(::SSL_get_rfd(ssl)) {
  if (::SSL_get_wfd(ssl) != ::SSL_get_rfd(ssl)) writes_ = IoEvent{::SSL_get_wfd(ssl)};
  SSL_set_mode(ssl_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

// Both threads may want the same: one waits, and the other one for it.
std::error_code SslStream::wait(Direction direction, detail::Patience& patience) noexcept {
  if (is_waiting_[direction]) {
    has_bystander_ = true;
    const auto error = passed_by_.wait(patience.rest());
    has_bystander_ = false;
    return error;
  }
  is_waiting_[direction] = true;
  IoEvent& writes = writes_ ? writes_ : reads_;
  const auto error = direction == read ? reads_.wait_readable(patience.rest())
                                       : writes.wait_writable(patience.rest());
  is_waiting_[direction] = false;
  if (has_bystander_) passed_by_.set();
  return error;
}

namespace {

// OpenSSL writes by write(2), reading or shutting down, too.
template <class Call>
int call_quietly(Call& call) noexcept {
  const detail::SigpipeGuard guard;
  errno = 0;
  return call();
}

}  // namespace

// Calls OpenSSL until it is done.
template <class Call>
SslStream::Outcome SslStream::run(Call call, detail::Patience& patience,
                                  std::error_code& error) noexcept {
  while (true) {
    ::ERR_clear_error();
    const int result = call_quietly(call);
    if (result > 0) {
      detail::take_turn();
      return Outcome::done;
    }
    const int ssl_error = ::SSL_get_error(ssl_, result);
    switch (ssl_error) {
      case SSL_ERROR_WANT_READ:
        error = wait(read, patience);
        break;
      case SSL_ERROR_WANT_WRITE:
        error = wait(write, patience);
        break;
      case SSL_ERROR_ZERO_RETURN:
        return Outcome::ended;
      default:
        error = detail::reason_of_failure(*ssl_, ssl_error);
    }
    if (error) return Outcome::failed;
  }
}

std::error_code SslStream::handshake(Timeout timeout) noexcept {
  const detail::Claim reading{is_reading_};
  if (!reading) return Errc::second_reader;
  const detail::Claim writing{is_writing_};
  if (!writing) return Errc::second_writer;
  detail::Patience patience{timeout};
  std::error_code error;
  run([&] { return ::SSL_do_handshake(ssl_); }, patience, error);
  return error;
}

IoResult SslStream::recv(std::span<std::byte> buffer, Timeout timeout) noexcept {
  const detail::Claim reading{is_reading_};
  if (!reading) return {0, Errc::second_reader};
  if (buffer.empty()) return {};
  detail::Patience patience{timeout};
  IoResult in;
  const auto receive = [&] { return ::SSL_read_ex(ssl_, buffer.data(), buffer.size(), &in.count); };
  is_starved_ = run(receive, patience, in.error) == Outcome::failed;
  return in;
}

IoResult SslStream::send(std::span<const std::byte> data, Timeout timeout) noexcept {
  const detail::Claim writing{is_writing_};
  if (!writing) return {0, Errc::second_writer};
  detail::Patience patience{timeout};
  IoResult out;
  while (out.count < data.size() && !out.error) {
    const auto rest = data.subspan(out.count);
    std::size_t count = 0;
    run([&] { return ::SSL_write_ex(ssl_, rest.data(), rest.size(), &count); }, patience,
        out.error);
    out.count += count;
  }
  return out;
}

std::error_code SslStream::wait_readable(Timeout timeout) noexcept {
  if (is_reading_) return Errc::second_reader;
  if (!is_starved_ && ::SSL_has_pending(ssl_) == 1) return {};
  detail::Patience patience{timeout};
  return wait(read, patience);
}

std::error_code SslStream::shutdown(Timeout timeout) noexcept {
  const detail::Claim writing{is_writing_};
  if (!writing) return Errc::second_writer;
  detail::Patience patience{timeout};
  std::error_code error;
  // 0: the peer has not done so yet.
  const auto shut_down = [&] {
    const int result = ::SSL_shutdown(ssl_);
    return result == 0 ? 1 : result;
  };
  run(shut_down, patience, error);
  return error;
}

}  // namespace evcoro
