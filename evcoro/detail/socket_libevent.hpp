// SocketState: a stream socket and the operations on it; what a Socket handle points to.
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

#include <cstddef>
#include <cstdint>
#include <span>

#include <evcoro/detail/descriptor_libevent.hpp>
#include <evcoro/net/socket.hpp>

namespace evcoro::detail {

// is_tcp_socket() asks the kernel.
bool is_tcp_socket(int descriptor) noexcept;

class SocketState final : public Descriptor {
 public:
  // adopt() is Socket::adopt(), but for this: if it fails, descriptor stays the caller's.
  static Result<Socket> adopt(LoopCore& core, int descriptor) noexcept;

  // descriptor is non-blocking already.
  SocketState(LoopCore& core, int descriptor, bool is_tcp) noexcept;

  std::error_code connect(const sockaddr* address, socklen_t size, Timeout timeout) noexcept;
  IoResult receive(std::span<std::byte> buffer, Timeout timeout, int flags) noexcept;
  IoResult receive_all(std::span<std::byte> buffer, Timeout timeout, int flags) noexcept;
  IoResult send(std::span<const std::byte> data, Timeout timeout, int flags) noexcept;
  void set_idle_timeout(Timeout timeout) noexcept;

 private:
  enum class Left : std::uint8_t { unknown, nothing, something };

  // Patience resolves a Timeout into a deadline when a call first waits, and keeps it.
  class Patience {
   public:
    explicit Patience(Timeout timeout) noexcept : timeout_(timeout) {}
    bool may_wait() const noexcept { return timeout_.may_wait(); }
    TimePoint deadline() noexcept {
      if (!resolved_) deadline_ = timeout_.deadline();
      resolved_ = true;
      return deadline_;
    }

   private:
    Timeout timeout_;
    bool resolved_ = false;
    TimePoint deadline_ = never;
  };

  IoResult receive_some(std::span<std::byte> buffer, Patience& patience, int flags) noexcept;
  std::ptrdiff_t receive_once(std::span<std::byte> buffer, int flags, Left& left) noexcept;
  std::ptrdiff_t receive_with_inq(std::span<std::byte> buffer, Left& left) noexcept;
  std::error_code wait(Direction direction, Patience& patience, const char* what) noexcept;
  TimePoint idle_deadline() const noexcept {
    return idle_timeout_.count() == 0 ? never : last_progress_ + idle_timeout_;
  }
  void note_received(Left left) noexcept;
  void note_vain_attempt() noexcept;
  void note_sent() noexcept;
  void note_progress() noexcept;
  void on_edge() noexcept override { emptied_ = false; }

  const bool is_tcp_;
  bool emptied_ = false;      // the last recv left nothing; nothing has been heard since
  bool just_filled_ = false;  // the last recv filled its buffer
  bool knows_inq_ = false;    // TCP_INQ is on
  int streak_ = 0;            // operations since the last wait
  std::chrono::nanoseconds idle_timeout_{0};  // 0: none
  TimePoint last_progress_{};
  int loss_ = 0;  // errno of a send() that found the connection lost: recv() must not say its end
};

}  // namespace evcoro::detail
