// IoEvent: waits for a descriptor that others own: a pipe, a device, a library's socket.
//
//   IoEvent reply{PQsocket(connection)};                   // registers nothing yet
//   while (PQisBusy(connection)) {
//     if (const auto error = reply.wait_readable(3s)) return error;
//     PQconsumeInput(connection);
//   }
//
//   wait_writable(fd, 3s);                                 // for a single wait
//
// It owns the registration with the loop's event_base, not the descriptor, which it neither closes
// nor makes non-blocking. Level-triggered, as poll(2): a wait returns at once if its condition
// holds, however often it has been told so. The registration is made at the first wait that has to
// wait, stays, and goes with the IoEvent: let that be before the descriptor is closed. A wait on
// a descriptor that was closed before fails with bad_file_descriptor, within a second; that it is
// closed during a wait is not noticed.
//
// One thread may wait to read while another waits to write. An IoEvent belongs to a loop, and its
// waits are made in threads of that loop, everything else in the loop's OS thread.
//
// Waits fail with: timed_out; operation_canceled when the thread is cancelled or the IoEvent closed
// meanwhile; bad_file_descriptor; Errc::not_pollable for regular files and directories;
// Errc::mixed_registration if the base has an edge-triggered event on the descriptor, such as that
// of a Socket (an event that is added later is not noticed); Errc::not_in_a_thread, wrong_loop,
// second_reader, second_writer, no_loop, parents_loop; too_many_files_open if the number is too
// high for the back end (select).
#pragma once

#include <cerrno>
#include <system_error>
#include <utility>

#include <evcoro/error.hpp>
#include <evcoro/result.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

namespace evcoro {

class Loop;

namespace detail {
class IoEventState;
}

// Readiness is what a descriptor is waited for, and what it is ready for. As in poll(2), an error
// and a hang-up make it ready: the next read or write then says which.
enum class Readiness : unsigned { none = 0, readable = 1, writable = 2, both = 3 };

constexpr Readiness operator|(Readiness one, Readiness other) noexcept {
  return static_cast<Readiness>(static_cast<unsigned>(one) | static_cast<unsigned>(other));
}
constexpr Readiness operator&(Readiness one, Readiness other) noexcept {
  return static_cast<Readiness>(static_cast<unsigned>(one) & static_cast<unsigned>(other));
}
constexpr bool is_readable(Readiness ready) noexcept {
  return (ready & Readiness::readable) != Readiness::none;
}
constexpr bool is_writable(Readiness ready) noexcept {
  return (ready & Readiness::writable) != Readiness::none;
}

class EVCORO_API IoEvent {
 public:
  // An empty handle: every wait fails with bad_file_descriptor.
  IoEvent() noexcept = default;

  // An IoEvent in the calling thread's loop, or in the one given. If that can't be, waits say why.
  explicit IoEvent(int descriptor) noexcept;
  IoEvent(Loop& loop, int descriptor) noexcept;

  IoEvent(IoEvent&& other) noexcept
      : state_(std::exchange(other.state_, nullptr)), error_(other.error_) {}
  IoEvent& operator=(IoEvent&& other) noexcept {
    if (this != &other) {
      close();
      state_ = std::exchange(other.state_, nullptr);
      error_ = other.error_;
    }
    return *this;
  }
  ~IoEvent() { close(); }

  std::error_code wait_readable(Timeout timeout = {}) noexcept;
  std::error_code wait_writable(Timeout timeout = {}) noexcept;

  // wait() waits until any of wanted holds, and returns which of them do: not necessarily all that
  // do.
  Result<Readiness> wait(Readiness wanted, Timeout timeout = {}) noexcept;

  // close() removes the registration; threads that wait return operation_canceled. The descriptor
  // stays open.
  void close() noexcept;

  // descriptor() is the descriptor, or -1.
  int descriptor() const noexcept;
  explicit operator bool() const noexcept { return state_ != nullptr; }

 private:
  void open(Loop* loop, int descriptor) noexcept;

  detail::IoEventState* state_ = nullptr;
  std::error_code error_ = detail::system_error(EBADF);  // why there is no state
};

// These are for a single wait: the registration goes after it. In the calling thread's loop.
EVCORO_API std::error_code wait_readable(int descriptor, Timeout timeout = {}) noexcept;
EVCORO_API std::error_code wait_writable(int descriptor, Timeout timeout = {}) noexcept;
EVCORO_API Result<Readiness> wait_both(int descriptor, Timeout timeout = {}) noexcept;

}  // namespace evcoro
