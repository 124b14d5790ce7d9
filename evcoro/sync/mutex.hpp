// Mutex: mutual exclusion among coroutine threads, of one loop or of several, and OS threads.
//
//   evcoro::Mutex mutex;
//   {
//     const std::scoped_lock lock{mutex};
//     send_in_one_piece(socket, message);     // may block: only this thread waits, not its loop
//   }
//   if (const auto error = mutex.lock(3s)) return error;     // timed_out, operation_canceled
//   const std::lock_guard lock{mutex, std::adopt_lock};
//
// Who waits is served first come, first served: unlock() offers the lock to who has waited longest,
// and only a try_lock() may get ahead of that one, once; without that, threads that lock several by
// std::lock() could fail for ever. Taking and leaving a lock that nobody else wants costs two
// instructions that are atomic, and none while the process has a single OS thread.
//
// lock() and what the standard library makes of it wait in a cancelled thread, too: a lock is
// needed for cleaning up as well. lock(timeout) and the timed try_ forms are cancellable.
//
// Any OS thread may call all of these. An OS thread that drives a loop must not wait for a lock
// outside of the loop's threads, in a callback. Destroying a mutex that is held is a misuse.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <system_error>

#include <evcoro/sync/detail/caller_id.hpp>
#include <evcoro/sync/detail/wait_queue.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

namespace evcoro {

class EVCORO_API Mutex {
 public:
  Mutex() noexcept = default;
  ~Mutex();
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  // lock() waits until the caller holds the lock. A caller that holds it already, or that can't
  // wait, is a misuse, which terminates.
  void lock() noexcept {
    const std::uintptr_t caller = detail::caller_id();
    if (!take_at_once(caller)) [[unlikely]]
      wait_out(caller);
  }

  // lock(timeout) does so until timeout. Errors: timed_out, operation_canceled,
  // resource_deadlock_would_occur if the caller holds it already, Errc::not_in_a_thread in a
  // callback of a loop.
  [[nodiscard]] std::error_code lock(Timeout timeout) noexcept;

  // try_lock() never waits, and works in a cancelled thread.
  bool try_lock() noexcept;

  // try_lock_for() and try_lock_until() are lock(timeout): true if there was no error.
  template <class Representation, class Period>
  bool try_lock_for(std::chrono::duration<Representation, Period> duration) noexcept {
    return !lock(Timeout{duration});
  }
  bool try_lock_until(TimePoint deadline) noexcept { return !lock(Timeout{deadline}); }

  // unlock() offers the lock to who has waited longest. By anybody but the holder it is a misuse.
  void unlock() noexcept {
    const std::uintptr_t caller = detail::caller_id();
    if (!leave_at_once(caller)) [[unlikely]]
      unlock_slowly(caller);
  }

  // is_held_by_caller() says whether the calling thread, or OS thread, holds the lock.
  bool is_held_by_caller() const noexcept;

 private:
  struct Node;
  static constexpr std::uintptr_t contended = 1;

  std::uintptr_t holder() const noexcept {
    return state_.load(std::memory_order_relaxed) & ~contended;
  }

  // take_at_once() and leave_at_once() are for a lock that nobody waits for.
  bool take_at_once(std::uintptr_t caller) noexcept {
    std::uintptr_t unlocked = 0;
    if (detail::is_single_threaded()) {
      if (state_.load(std::memory_order_relaxed) != unlocked) return false;
      state_.store(caller, std::memory_order_relaxed);
      return true;
    }
    return state_.compare_exchange_strong(unlocked, caller, std::memory_order_acquire,
                                          std::memory_order_relaxed);
  }
  bool leave_at_once(std::uintptr_t caller) noexcept {
    if (detail::is_single_threaded()) {
      if (state_.load(std::memory_order_relaxed) != caller) return false;
      state_.store(0, std::memory_order_relaxed);
      return true;
    }
    return state_.compare_exchange_strong(caller, 0, std::memory_order_release,
                                          std::memory_order_relaxed);
  }

  void wait_out(std::uintptr_t caller) noexcept;
  bool take_offered(std::uintptr_t caller) noexcept;
  bool take_or_mark(std::uintptr_t caller) noexcept;
  std::error_code lock_slowly(std::uintptr_t caller, Timeout timeout) noexcept;
  void unlock_slowly(std::uintptr_t caller) noexcept;
  bool pass_to(Node& next, detail::Wakeups& wakeups) noexcept;

  // caller_id() of the holder, or 0; contended if somebody may be in the queue. Contended and
  // without a holder: it is offered to the first in the queue.
  std::atomic<std::uintptr_t> state_{0};
  detail::WaitQueue queue_;
};

}  // namespace evcoro
