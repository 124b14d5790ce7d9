// ConditionVariable: waits, outside of a lock, until another thread says that something has
// changed.
//
//   evcoro::Mutex mutex;
//   evcoro::ConditionVariable changed;
//
//   std::unique_lock lock{mutex};
//   if (const auto error = changed.wait(lock, [&] { return !queue.empty(); }, 3s)) return error;
//
//   { const std::scoped_lock lock{mutex}; queue.push(item); }
//   changed.notify_one();
//
// First come, first served. A notification that a thread got is not lost although its deadline or
// cancellation comes at the same time: it returns without an error. There are no wake-ups for
// nothing, but another may have been faster to the lock: use the form with a predicate.
//
// Whatever has a lock() and an unlock() will do as the lock. It is held again when wait() returns,
// with or without an error: so where that is a Mutex, a cancelled thread waits for it.
//
// Any OS thread may call all of these. An OS thread that drives a loop must not wait outside of the
// loop's threads, in a callback.
#pragma once

#include <mutex>
#include <system_error>
#include <type_traits>

#include <corothread/task.hpp>
#include <evcoro/error.hpp>
#include <evcoro/sync/detail/wait_queue.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

namespace evcoro {

class EVCORO_API ConditionVariable {
 public:
  ConditionVariable() noexcept = default;
  ConditionVariable(const ConditionVariable&) = delete;
  ConditionVariable& operator=(const ConditionVariable&) = delete;

  // wait() returns when it was notified. Errors: timed_out, operation_canceled,
  // Errc::not_in_a_thread in a callback of a loop.
  template <class Lock>
  [[nodiscard]] std::error_code wait(Lock& lock, Timeout timeout = {}) {
    if (const auto error = detail::admit_wait()) return error;
    if (!timeout.may_wait()) return detail::to_error(corothread::Wake::timed_out);
    return wait_until(lock, timeout.deadline());
  }

  // wait(predicate) returns when predicate() holds. It looks before it returns an error, too.
  template <class Lock, class Predicate>
  requires std::is_invocable_r_v<bool, Predicate&>
  [[nodiscard]] std::error_code wait(Lock& lock, Predicate predicate, Timeout timeout = {}) {
    if (const auto error = detail::admit_wait()) return error;
    if (predicate()) return {};
    if (!timeout.may_wait()) return detail::to_error(corothread::Wake::timed_out);
    const TimePoint deadline = timeout.deadline();
    for (;;) {
      const std::error_code error = wait_until(lock, deadline);
      if (predicate()) return {};
      if (error) return error;
    }
  }

  void notify_one() noexcept;
  void notify_all() noexcept;

 private:
  template <class Lock>
  std::error_code wait_until(Lock& lock, TimePoint deadline) {
    detail::LoneWaiter self{"condition variable"};
    if (const auto error = enter(self)) return error;
    try {
      lock.unlock();
    } catch (...) {  // it wasn't held
      static_cast<void>(leave(self, TimePoint{}));
      throw;
    }
    const std::error_code error = leave(self, deadline);
    lock.lock();
    return error;
  }

  std::error_code enter(detail::LoneWaiter& waiter) noexcept;
  std::error_code leave(detail::LoneWaiter& waiter, TimePoint deadline) noexcept;

  detail::WaitQueue queue_;
};

}  // namespace evcoro
