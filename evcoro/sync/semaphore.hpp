// Semaphore: a number of permits; who takes one when none is left waits. It limits concurrent work.
//
//   evcoro::Semaphore downloads{8};                       // at most 8 at a time
//   if (const auto error = downloads.acquire(3s)) return error;
//   const evcoro::Permit permit{downloads};               // released when this goes
//
// First come, first served, also among those who take several permits at once: who wants few does
// not get ahead of who wants many. A permit is nobody's: who releases it need not have acquired it.
//
// Any OS thread may call all of these. An OS thread that drives a loop must not wait outside of the
// loop's threads, in a callback.
#pragma once

#include <chrono>
#include <cstddef>
#include <system_error>

#include <evcoro/sync/detail/wait_queue.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

namespace evcoro {

class EVCORO_API Semaphore {
 public:
  explicit Semaphore(std::size_t permits) noexcept : available_(permits) {}
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;

  // acquire() takes one permit, or count at once. Errors: timed_out, operation_canceled,
  // Errc::not_in_a_thread in a callback of a loop. Then nothing is taken.
  [[nodiscard]] std::error_code acquire(Timeout timeout = {}) noexcept {
    return acquire(1, timeout);
  }
  [[nodiscard]] std::error_code acquire(std::size_t count, Timeout timeout = {}) noexcept;

  // try_acquire() never waits, and works in a cancelled thread.
  bool try_acquire(std::size_t count = 1) noexcept;
  template <class Representation, class Period>
  bool try_acquire_for(std::chrono::duration<Representation, Period> duration) noexcept {
    return !acquire(Timeout{duration});
  }
  bool try_acquire_until(TimePoint deadline) noexcept { return !acquire(Timeout{deadline}); }

  // release() adds count permits and hands them to those who wait.
  void release(std::size_t count = 1) noexcept;

  // available() is how many there are for who comes now; others may take them meanwhile.
  std::size_t available() const noexcept;

 private:
  struct Node;
  bool take(std::size_t count) noexcept;  // this and the next: with the lock held
  void serve(detail::Wakeups& wakeups) noexcept;

  std::size_t available_;  // under the queue's lock
  detail::WaitQueue queue_;
};

// Permit releases a permit that has been acquired, when it goes.
class [[nodiscard]] Permit {
 public:
  explicit Permit(Semaphore& semaphore) noexcept : semaphore_(semaphore) {}
  ~Permit() { semaphore_.release(); }
  Permit(const Permit&) = delete;
  Permit& operator=(const Permit&) = delete;

 private:
  Semaphore& semaphore_;
};

}  // namespace evcoro
