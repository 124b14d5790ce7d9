// Latch: a number that counts down, once; when it is zero all who wait for that go on, and nobody
// waits any more.
//
//   evcoro::Latch started{workers};
//   ...                                              // each worker: started.count_down();
//   if (const auto error = started.wait(3s)) return error;
//
// Any OS thread may call all of these. An OS thread that drives a loop must not wait outside of the
// loop's threads, in a callback. It may be destroyed when wait() has returned without an error.
#pragma once

#include <cstddef>
#include <system_error>

#include <evcoro/sync/detail/wait_queue.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

namespace evcoro {

class EVCORO_API Latch {
 public:
  explicit Latch(std::size_t expected) noexcept : missing_(expected) {}
  Latch(const Latch&) = delete;
  Latch& operator=(const Latch&) = delete;

  // count_down() by more than what is missing is a misuse.
  void count_down(std::size_t count = 1) noexcept;

  // wait() waits for zero. Errors: timed_out, operation_canceled, Errc::not_in_a_thread in a
  // callback of a loop.
  [[nodiscard]] std::error_code wait(Timeout timeout = {}) noexcept;

  // try_wait() says whether it is zero.
  bool try_wait() const noexcept;

  // arrive_and_wait() counts down in any case, and waits.
  [[nodiscard]] std::error_code arrive_and_wait(Timeout timeout = {}) noexcept;

 private:
  void arrive(std::size_t count, detail::Wakeups& wakeups) noexcept;

  std::size_t missing_;  // under the queue's lock
  detail::WaitQueue queue_;
};

}  // namespace evcoro
