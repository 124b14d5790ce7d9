// SocketState: a stream socket, or a pipe, and the operations on it; what a Socket handle points
// to.
//
// An operation makes its system call first when it may succeed, and waits when it did not. When it
// may succeed is what saves system calls (evcoro/README.md has it as a table):
//
// - recv finds nothing: ask again after the next event.
// - recv takes less than it could: there is nothing more, ask again after the next event. But only
//   on TCP, registered, and once a send() has succeeded since: data and a reset that came together
//   make a single event, and that send would fail.
// - recv fills its buffer: unknown, so ask, unless TCP_INQ says that nothing is left. It is
//   switched on when asking turns out to be in vain.
// - the peer has closed: always ask, since data and FIN together make a single event.
#pragma once

#include <sys/uio.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <evcoro/detail/descriptor_libevent.hpp>
#include <evcoro/detail/patience.hpp>
#include <evcoro/detail/throttle.hpp>
#include <evcoro/net/socket.hpp>

namespace evcoro::detail {

// is_tcp_socket() asks the kernel.
bool is_tcp_socket(int descriptor) noexcept;

class SocketState final : public Descriptor {
 public:
  // adopt() is Socket::adopt(), but for this: if it fails, descriptor stays the caller's.
  static Result<Socket> adopt(LoopCore& core, int descriptor) noexcept;

  // make() returns nullptr if there is no memory; descriptor, which is non-blocking already, then
  // stays the caller's. The socket is throttled as the loop says.
  static SocketState* make(LoopCore& core, int descriptor, bool is_tcp,
                           bool is_socket = true) noexcept;

  std::error_code connect(const sockaddr* address, socklen_t size, Timeout timeout) noexcept;
  IoResult receive(std::span<std::byte> buffer, Timeout timeout, int flags) noexcept;
  std::error_code wait_readable(Timeout timeout) noexcept;
  IoResult receive_all(std::span<std::byte> buffer, Timeout timeout, int flags) noexcept;
  IoResult send(std::span<const std::byte> data, Timeout timeout, int flags) noexcept;
  IoResult receive(std::span<const std::span<std::byte>> buffers, Timeout timeout,
                   int flags) noexcept;
  IoResult send(std::span<const std::span<const std::byte>> buffers, Timeout timeout,
                int flags) noexcept;
  IoResult send_file(int file, std::uint64_t offset, std::size_t count, Timeout timeout) noexcept;
  void set_idle_timeout(Timeout timeout) noexcept;
  void restart_idle_clock() noexcept { last_progress_ = Clock::now(); }

  // set_bandwidth() is false if there is no memory for it.
  bool set_bandwidth(Throttle::Level level, const Bandwidth& bandwidth) noexcept;
  const TokenBucket* bucket(Direction direction, std::size_t level) const noexcept {
    return throttle_ == nullptr ? nullptr : throttle_->in(direction)[level].get();
  }

  // These are for system calls of other kinds: attempt(descriptor, most) receives something of at
  // most size bytes, attempt(sent, most) sends something of size bytes, behind those that were
  // sent; at most most, and both return what the call does.
  template <class Attempt>
  IoResult receive_by(std::size_t size, Attempt attempt, Timeout timeout) noexcept;
  template <class Attempt>
  IoResult send_by(std::size_t size, Attempt attempt, Timeout timeout) noexcept;

 private:
  SocketState(LoopCore& core, int descriptor, bool is_tcp, bool is_socket) noexcept;

  enum class Left : std::uint8_t { unknown, nothing, something };
  enum class Tried { done, blocked, over };

  // attempt(left, most) receives at most most of size bytes; they count for the bandwidth, or not.
  template <class Attempt>
  IoResult receive_some(std::size_t size, Attempt attempt, Patience& patience,
                        bool counts = true) noexcept;
  std::error_code wait_to_connect(int family, Patience& patience, RetryPause& pause) noexcept;
  template <class Attempt>
  IoResult receive_throttled(std::size_t size, Attempt& attempt, Patience& patience) noexcept;
  template <class Attempt>
  bool try_to_receive(std::size_t most, Attempt& attempt, IoResult& result) noexcept;
  template <class Attempt>
  IoResult send_throttled(std::size_t size, Attempt& attempt, Patience& patience,
                          IoResult total) noexcept;
  template <class Attempt>
  Tried try_to_send(std::size_t most, Attempt& attempt, IoResult& total) noexcept;
  template <class Attempt>
  IoResult send_all(std::size_t size, Attempt attempt, Patience& patience) noexcept;
  std::ptrdiff_t receive_once(std::span<std::byte> buffer, int flags, Left& left) noexcept;
  std::ptrdiff_t receive_with_inq(std::span<std::byte> buffer, Left& left) noexcept;
  std::ptrdiff_t receive_vectors(std::span<iovec> vectors, int flags) noexcept;
  std::ptrdiff_t send_vectors(std::span<iovec> vectors, int flags) noexcept;
  std::ptrdiff_t write_quietly(std::span<const iovec> vectors, int flags) noexcept;
  std::error_code wait(Direction direction, Patience& patience, const char* what) noexcept;
  std::error_code take(Allowance& allowance, std::size_t most, Patience& patience) noexcept;
  TimePoint idle_deadline() const noexcept {
    return idle_timeout_.count() == 0 ? never : last_progress_ + idle_timeout_;
  }
  void note_received(Left left) noexcept;
  void note_vain_attempt() noexcept;
  void note_sent() noexcept;
  void note_progress() noexcept;
  void on_edge(short) noexcept override { emptied_ = false; }

  const bool is_tcp_;
  const bool is_socket_;      // else it has no flags, and raises SIGPIPE
  bool can_be_quiet_ = true;  // as far as is known, it has RWF_NOSIGNAL
  bool emptied_ = false;      // the last recv left nothing; nothing has been heard since
  bool just_filled_ = false;  // the last recv filled its buffer
  bool knows_inq_ = false;    // TCP_INQ is on
  int streak_ = 0;            // operations since the last wait
  std::chrono::nanoseconds idle_timeout_{0};  // 0: none
  TimePoint last_progress_{};
  std::unique_ptr<Throttle> throttle_;  // nullptr: no limit
  int loss_ = 0;  // errno of a send() that found the connection lost: recv() must not say its end
};

// is_loss() is about the end of a connection that the kernel reports once, to whoever asks first.
inline bool is_loss(int error) noexcept {
  return error == ECONNRESET || error == ETIMEDOUT || error == EHOSTUNREACH || error == ENETUNREACH;
}

// Returns false if it would have to wait.
template <class Attempt>
bool SocketState::try_to_receive(std::size_t most, Attempt& attempt, IoResult& result) noexcept {
  while (true) {
    Left left = Left::unknown;
    const std::ptrdiff_t count = attempt(left, most);
    if (count == 0 && loss_ != 0) {
      result.error = system_error(loss_);
      return true;
    }
    if (count >= 0) {
      result.count = static_cast<std::size_t>(count);
      note_received(left);
      note_progress();
      return true;
    }
    if (errno == EINTR) continue;
    if (would_block(errno)) break;
    result.error = system_error();
    return true;
  }
  note_vain_attempt();
  return false;
}

template <class Attempt>
IoResult SocketState::receive_some(std::size_t size, Attempt attempt, Patience& patience,
                                   bool counts) noexcept {
  while (number() >= 0) {
    if (throttle_ != nullptr && counts) [[unlikely]]
      return receive_throttled(size, attempt, patience);
    IoResult result;
    const bool is_worth_it = may_read || !patience.may_wait();
    if (is_worth_it && try_to_receive(size, attempt, result)) return result;
    if (const auto error = wait(Direction::read, patience, "recv")) {
      // The next call asks: what is behind urgent data makes no event. Who does not wait has asked.
      may_read = patience.may_wait();
      return {0, error};
    }
  }
  return {0, to_error(corothread::Wake::cancelled)};  // closed while this thread was away
}

// The tokens are taken when there may be something to receive, lest they lie idle meanwhile.
template <class Attempt>
[[gnu::noinline]] IoResult SocketState::receive_throttled(std::size_t size, Attempt& attempt,
                                                          Patience& patience) noexcept {
  while (number() >= 0) {
    if (may_read || !patience.may_wait()) {
      Allowance allowance{throttle_.get(), Direction::read};
      const auto error = take(allowance, size, patience);
      if (error == std::errc::resource_unavailable_try_again) continue;
      IoResult result{0, error};
      if (error || try_to_receive(allowance.count(), attempt, result)) {
        allowance.use(result.count);
        return result;
      }
    }
    if (const auto error = wait(Direction::read, patience, "recv")) {
      may_read = patience.may_wait();
      return {0, error};
    }
  }
  return {0, to_error(corothread::Wake::cancelled)};
}

// Adds what was sent, or the error, to total.
template <class Attempt>
SocketState::Tried SocketState::try_to_send(std::size_t most, Attempt& attempt,
                                            IoResult& total) noexcept {
  while (true) {
    const std::ptrdiff_t count = attempt(total.count, most);
    if (count == 0) [[unlikely]]
      return Tried::over;
    if (count > 0) {
      total.count += static_cast<std::size_t>(count);
      note_sent();
      return Tried::done;
    }
    if (errno == EINTR) continue;
    if (would_block(errno)) break;
    if (is_loss(errno)) loss_ = errno;
    total.error = system_error();
    return Tried::over;
  }
  may_write = false;
  return Tried::blocked;
}

// The count is smaller without an error if an attempt returns 0.
template <class Attempt>
IoResult SocketState::send_all(std::size_t size, Attempt attempt, Patience& patience) noexcept {
  IoResult total;
  while (total.count < size) {
    if (throttle_ != nullptr) [[unlikely]]
      return send_throttled(size, attempt, patience, total);
    if (number() < 0) return {total.count, to_error(corothread::Wake::cancelled)};
    if (may_write || !patience.may_wait()) {
      const Tried tried = try_to_send(size - total.count, attempt, total);
      if (tried == Tried::done) continue;
      if (tried == Tried::over) break;
    }
    if (const auto error = wait(Direction::write, patience, "send")) return {total.count, error};
  }
  return total;
}

template <class Attempt>
[[gnu::noinline]] IoResult SocketState::send_throttled(std::size_t size, Attempt& attempt,
                                                       Patience& patience,
                                                       IoResult total) noexcept {
  while (total.count < size) {
    if (number() < 0) return {total.count, to_error(corothread::Wake::cancelled)};
    if (may_write || !patience.may_wait()) {
      Allowance allowance{throttle_.get(), Direction::write};
      const auto error = take(allowance, size - total.count, patience);
      if (error == std::errc::resource_unavailable_try_again) continue;
      if (error) return {total.count, error};
      const std::size_t before = total.count;
      const Tried tried = try_to_send(allowance.count(), attempt, total);
      allowance.use(total.count - before);
      if (tried == Tried::done) continue;
      if (tried == Tried::over) break;
    }
    if (const auto error = wait(Direction::write, patience, "send")) return {total.count, error};
  }
  return total;
}

template <class Attempt>
IoResult SocketState::receive_by(std::size_t size, Attempt attempt, Timeout timeout) noexcept {
  if (const auto error = admit(Direction::read)) return {0, error};
  const Hold hold{*this};
  Patience patience{timeout};
  const auto by_number = [&](Left&, std::size_t most) { return attempt(number(), most); };
  return receive_some(size, by_number, patience);
}

template <class Attempt>
IoResult SocketState::send_by(std::size_t size, Attempt attempt, Timeout timeout) noexcept {
  if (const auto error = admit(Direction::write)) return {0, error};
  const Hold hold{*this};
  Patience patience{timeout};
  return send_all(size, attempt, patience);
}

}  // namespace evcoro::detail
