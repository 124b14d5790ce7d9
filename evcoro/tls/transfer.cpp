// TlsState: data, and what is between OpenSSL and the socket.
#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include <evcoro/error.hpp>
#include <evcoro/tls/detail/claim.hpp>
#include <evcoro/tls/detail/state.hpp>
#include <evcoro/tls/error.hpp>

namespace evcoro::detail {
namespace {

// A record, with what it has beside its data (RFC 8446, 5.2; RFC 5246, 6.2.3), and a bit.
constexpr std::size_t block_size = 17 * 1024;

// One record's data at a time.
constexpr std::size_t most_at_once = SSL3_RT_MAX_PLAIN_LENGTH;

// Answers that a peer may leave unread.
constexpr std::size_t most_unsent_answers = 64 * 1024;

}  // namespace

// --- receiving ---

std::error_code TlsState::be_ready(Patience& patience) noexcept {
  if (failure_ || is_ready_) [[likely]]
    return failure_;
  return shake_hands(patience);
}

IoResult TlsState::recv(std::span<std::byte> buffer, Timeout timeout) noexcept {
  const Hold hold{*this};
  Patience patience{timeout};
  if (const auto error = be_ready(patience)) return {0, error};
  while (is_helped_) {  // the thread in send() receives
    has_bystander_ = true;
    const auto error = passed_by_.wait(patience.rest());
    has_bystander_ = false;
    if (error) return {0, error};
  }
  const Claim reading{is_reading_};
  if (!reading) return {0, Errc::second_reader};
  if (const auto error = socket_.admit_recv()) return {0, error};
  if (buffer.empty()) return {};
  const IoResult in = receive(buffer, patience);
  let_other_pass();
  return in;
}

IoResult TlsState::receive(std::span<std::byte> buffer, Patience& patience) noexcept {
  while (!failure_ && !has_ended_) {
    if (!is_starved_) {
      const Step done = read(buffer);
      if (done.outcome == Step::Outcome::failed) return {0, done.error};
      if (done.outcome == Step::Outcome::done) return {done.count};
      continue;
    }
    if (const auto error = receive_more(patience)) return {0, error};
    let_other_pass();
  }
  return {0, failure_};
}

TlsState::Step TlsState::read(std::span<std::byte> buffer) noexcept {
  const std::size_t unsent = output_.size();
  Step done = step([&](std::size_t& count) {
    return ::SSL_read_ex(ssl(), buffer.data(), buffer.size(), &count);
  });
  if (done.outcome == Step::Outcome::done) {
    is_starved_ = input_.empty() && ::SSL_has_pending(ssl()) == 0;
    if (input_.empty()) block_ = nullptr;
  }
  if (done.outcome == Step::Outcome::ended) has_ended_ = true;
  if (output_.size() != unsent) send_at_once();  // an alert, or another answer
  if (done.outcome != Step::Outcome::failed && output_.size() > most_unsent_answers) {
    done = {Step::Outcome::failed, 0, TlsErrc::not_reading};
  }
  if (done.outcome == Step::Outcome::failed) failure_ = done.error;
  return done;
}

// After the end, and with data that is there, there is no need to wait.
std::error_code TlsState::wait_readable(Timeout timeout) noexcept {
  const Hold hold{*this};
  Patience patience{timeout};
  if (const auto error = be_ready(patience)) return error;
  if (is_reading_ || is_helped_) return Errc::second_reader;
  if (const auto error = socket_.admit_recv()) return error;
  if (may_have_input()) return {};
  send_at_once();  // tickets
  return socket_.wait_readable(patience.rest());
}

bool TlsState::may_have_input() const noexcept {
  return has_ended_ || (!is_starved_ && (!input_.empty() || ::SSL_has_pending(ssl()) == 1));
}

// --- sending ---

IoResult TlsState::send(std::span<const std::byte> data, Timeout timeout) noexcept {
  const Hold hold{*this};
  Patience patience{timeout};
  if (const auto error = be_ready(patience)) return {0, error};
  const Claim writing{is_writing_};
  if (!writing) return {0, Errc::second_writer};
  if (const auto error = socket_.admit_send()) return {0, error};
  if (has_notified_) return {0, TlsErrc::closed};
  if (!sending_.empty()) {
    if (const auto error = flush(patience)) return {0, error};
  }
  std::size_t count = 0;
  while (count < data.size()) {
    const auto piece = data.subspan(count, std::min(most_at_once, data.size() - count));
    if (const auto error = encrypt(piece, patience)) return {count, error};
    count += piece.size();
    if (const auto error = flush(patience)) return {count, error};
  }
  return {count};
}

// It may want input: when a message of the handshake's kind, such as a ticket, has come in part.
std::error_code TlsState::encrypt(std::span<const std::byte> data, Patience& patience) noexcept {
  while (!failure_) {
    const Step done = step([&](std::size_t& count) {
      return ::SSL_write_ex(ssl(), data.data(), data.size(), &count);
    });
    if (done.outcome == Step::Outcome::done) return {};
    if (done.outcome == Step::Outcome::failed) failure_ = done.error;
    if (done.outcome == Step::Outcome::ended) failure_ = TlsErrc::closed;
    if (failure_) break;
    if (const auto error = get_input_to_write(patience)) return error;
  }
  return failure_;
}

// Sends what there is, which may be a question, and receives, or waits until the thread that reads
// has received.
std::error_code TlsState::get_input_to_write(Patience& patience) noexcept {
  if (const auto error = flush(patience)) return error;
  if (!is_starved_) return {};
  std::error_code error;
  if (is_reading_) {
    has_bystander_ = true;
    error = passed_by_.wait(patience.rest());
    has_bystander_ = false;
  } else {
    is_helped_ = true;
    error = receive_more(patience);
    is_helped_ = false;
    let_other_pass();
  }
  return error;
}

void TlsState::let_other_pass() noexcept {
  if (has_bystander_) passed_by_.set();
}

std::error_code TlsState::close_notify(Timeout timeout) noexcept {
  const Hold hold{*this};
  Patience patience{timeout};
  if (failure_) return failure_;
  if (!is_ready_) return system_error(ENOTCONN);
  const Claim writing{is_writing_};
  if (!writing) return Errc::second_writer;
  if (const auto error = socket_.admit_send()) return error;
  if (!has_notified_) {
    if (const auto error = shut_down(patience)) return error;
  }
  return flush(patience);
}

// Not within a message of the handshake's kind.
std::error_code TlsState::shut_down(Patience& patience) noexcept {
  while (::SSL_in_init(ssl()) != 0) {
    const Step done = step([&](std::size_t&) { return ::SSL_do_handshake(ssl()); });
    if (done.error) return failure_ = done.error;
    if (done.outcome != Step::Outcome::wants_input) break;
    if (const auto error = get_input_to_write(patience)) return error;
  }
  // 0: the peer has not done so yet.
  const Step done = step([&](std::size_t&) { return ::SSL_shutdown(ssl()) < 0 ? -1 : 1; });
  if (done.error) return failure_ = done.error;
  has_notified_ = true;
  return {};
}

// --- between OpenSSL and the socket ---

// While it waits there is no buffer: what there was has been taken, or OpenSSL would not want more.
std::error_code TlsState::receive_more(Patience& patience) noexcept {
  block_ = nullptr;
  input_ = {};
  send_at_once();  // what could not be sent before, and tickets
  while (true) {
    if (patience.may_wait()) {
      if (const auto error = socket_.wait_readable(patience.rest())) return error;
    }
    const auto error = receive_input();
    if (error != std::errc::timed_out || !patience.may_wait()) return error;
  }
}

std::error_code TlsState::receive_input() noexcept {
  block_.reset(new (std::nothrow) std::byte[block_size]);
  if (block_ == nullptr) return system_error(ENOMEM);
  const IoResult in = socket_.recv({block_.get(), block_size}, no_wait);
  if (in.count == 0) block_ = nullptr;
  if (in.error) return in.error;
  input_ = {block_.get(), in.count};
  is_at_end_ = in.count == 0;
  is_starved_ = false;
  return {};
}

// Who calls has the right to write. Meanwhile who reads may add to output_.
std::error_code TlsState::flush(Patience& patience) noexcept {
  while (true) {
    if (sending_.empty()) {
      if (output_.empty()) return {};
      sending_.swap(output_);
      sent_ = 0;
    }
    const IoResult out = socket_.send(std::span{sending_}.subspan(sent_), patience.rest());
    sent_ += out.count;
    if (sent_ < sending_.size()) return out.error ? out.error : system_error(EIO);
    sending_ = {};
  }
}

// Without waiting, or letting others run: for what nobody waits for, in whatever thread. What is
// left goes with what is sent next, or before the next wait for input.
void TlsState::send_at_once() noexcept {
  if (output_.empty() || is_writing_ || !sending_.empty()) return;
  const ssize_t count =
      ::send(socket_.native_handle(), output_.data(), output_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (count > 0) output_.erase(output_.begin(), output_.begin() + count);
}

void TlsState::clear_errors() noexcept {
  ::ERR_clear_error();
  errno = 0;
}

TlsState::Step TlsState::judge(int result, std::size_t count) noexcept {
  using Outcome = Step::Outcome;
  if (result > 0) return {Outcome::done, count};
  const int error = ::SSL_get_error(ssl(), result);
  switch (error) {
    case SSL_ERROR_WANT_READ:
      is_starved_ = true;
      return {Outcome::wants_input};
    case SSL_ERROR_ZERO_RETURN:
      return {Outcome::ended};
    default:
      return {Outcome::failed, 0, reason_of_failure(*ssl_, error)};
  }
}

}  // namespace evcoro::detail
