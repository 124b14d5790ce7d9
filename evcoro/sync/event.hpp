// Event: a flag that can be waited for.
//
//   evcoro::Event ready{evcoro::Event::Reset::manual};
//   ready.set();                                    // lets all pass, until reset()
//   if (const auto error = ready.wait(3s)) return error;
//
// With Reset::automatic each set() lets one pass: the one who has waited longest, or else the next
// to come. Set twice meanwhile, it still lets one pass; see Semaphore to have them counted.
//
// Any OS thread may call all of these. An OS thread that drives a loop must not wait outside of the
// loop's threads, in a callback.
#pragma once

#include <system_error>

#include <evcoro/sync/detail/wait_queue.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

namespace evcoro {

namespace detail {
class EventSelectCase;
}

class EVCORO_API Event {
 public:
  enum class Reset { automatic, manual };

  explicit Event(Reset reset = Reset::automatic, bool is_set = false) noexcept
      : reset_(reset), is_set_(is_set) {}
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  // set() lets those who wait pass: one (automatic), or all and who comes (manual).
  void set() noexcept;

  // reset() lets those who come wait.
  void reset() noexcept;

  // wait() returns when the event has let the caller pass. Errors: timed_out, operation_canceled,
  // Errc::not_in_a_thread in a callback of a loop.
  [[nodiscard]] std::error_code wait(Timeout timeout = {}) noexcept;

  // try_wait() never waits, and works in a cancelled thread.
  bool try_wait() noexcept;

  bool is_set() const noexcept;

 private:
  friend class detail::EventSelectCase;
  bool pass() noexcept;

  const Reset reset_;
  bool is_set_;  // under the queue's lock; with automatic reset only while nobody waits
  detail::WaitQueue queue_;
};

}  // namespace evcoro
