// Timer: a one-shot or periodic timer that belongs to the thread that made it.
//
//   Timer timer;
//   timer.start_periodic(100ms);
//   while (auto ticks = timer.wait()) draw(*ticks);   // 1, or more if some were missed
//
// A timer that expires while its thread waits for something else is counted, and disturbs nothing.
// When the thread ends, its timers stop. A Timer is used by its own thread only.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include <corothread/timer_wheel.hpp>
#include <evcoro/result.hpp>
#include <evcoro/thread.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>
#include <stacks/intrusive_list.hpp>

namespace evcoro {

namespace detail {
class TimerSelectCase;
}

class EVCORO_API Timer : public stacks::ListLink, private corothread::TimerNode {
 public:
  // Making one outside a thread is a misuse, which terminates.
  Timer() noexcept;

  // For the C face: a timer of a thread that may not have been started yet. wait_any() knows
  // nothing of it, but wait_any_of_c() does.
  explicit Timer(detail::ThreadTask& owner) noexcept : Timer(owner, true) {}
  ~Timer();

  // start() lets the timer expire once, after a duration or at a point in time; start_periodic()
  // again and again. Either restarts a timer that is running, and forgets expirations that were not
  // waited for. A period of less than a microsecond is taken as one.
  void start(Timeout expiry) noexcept { arm(expiry, std::chrono::nanoseconds::zero()); }
  template <class Representation, class Period>
  void start_periodic(std::chrono::duration<Representation, Period> period) noexcept {
    const auto at_least = std::max<std::chrono::nanoseconds>(detail::to_nanoseconds(period),
                                                             std::chrono::microseconds{1});
    arm(at_least, at_least);
  }

  // cancel() stops the timer and forgets its expirations.
  void cancel() noexcept;

  bool is_running() const noexcept { return is_armed(); }

  // has_expired() says whether there are expirations that were not waited for.
  bool has_expired() const noexcept { return expirations_ > 0; }

  // wait() waits until the timer has expired, and returns how often it has since the last wait().
  // Errors: timed_out, operation_canceled, Errc::not_the_owner, and invalid_argument if it isn't
  // running and has not expired.
  Result<std::uint64_t> wait(Timeout timeout = {}) noexcept;

  // wait_any() waits until any timer of the calling thread has expired, and returns it: of several,
  // the one that was first. Its own wait() then returns at once. Errors as for wait().
  static Result<Timer*> wait_any(Timeout timeout = {}) noexcept {
    return wait_any_of(false, timeout);
  }
  static Result<Timer*> wait_any_of_c(Timeout timeout) noexcept {
    return wait_any_of(true, timeout);
  }

 private:
  friend class detail::ThreadTask;
  friend class detail::TimerSelectCase;
  Timer(detail::ThreadTask& owner, bool is_of_c) noexcept;
  static Result<Timer*> wait_any_of(bool c, Timeout timeout) noexcept;
  static void on_fire(TimerNode& node) noexcept;
  void arm(Timeout first, std::chrono::nanoseconds period) noexcept;
  void orphan() noexcept;  // the thread ends

  detail::ThreadTask* owner_;
  const bool is_of_c_;
  std::chrono::nanoseconds period_{0};  // 0: one-shot
  std::uint64_t expirations_ = 0;
  TimePoint expired_at_{};  // the first of them
};

}  // namespace evcoro
