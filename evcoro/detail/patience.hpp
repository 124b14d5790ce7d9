// Patience: how long a blocking call still waits. It resolves the call's Timeout into a deadline
// when the call first has to wait, and keeps it for the waits that follow. And functions for
// durations that are options, or libevent's.
#pragma once

#include <sys/time.h>

#include <algorithm>
#include <chrono>

#include <evcoro/timeout.hpp>

namespace evcoro::detail {

// clamp_option() cuts what is negative, and what is as good as for ever: with what it returns no
// clock overflows.
inline std::chrono::milliseconds clamp_option(std::chrono::milliseconds option) noexcept {
  constexpr std::chrono::milliseconds most = std::chrono::hours{24 * 365};
  return std::clamp(option, std::chrono::milliseconds{0}, most);
}

// to_timeval() rounds up to microseconds; what is negative is zero.
inline timeval to_timeval(std::chrono::nanoseconds duration) noexcept {
  const auto count =
      std::chrono::ceil<std::chrono::microseconds>(std::max(duration, duration.zero())).count();
  return {.tv_sec = count / 1'000'000, .tv_usec = count % 1'000'000};
}

class Patience {
 public:
  explicit Patience(Timeout timeout) noexcept : timeout_(timeout) {}

  bool may_wait() const noexcept { return timeout_.may_wait(); }

  // deadline() is that of the call; the first time it may read the clock.
  TimePoint deadline() noexcept {
    if (!resolved_) deadline_ = timeout_.deadline();
    resolved_ = true;
    return deadline_;
  }

  // rest() is what is left, for a call that this one makes.
  Timeout rest() noexcept { return may_wait() ? Timeout{deadline()} : timeout_; }

 private:
  Timeout timeout_;
  bool resolved_ = false;
  TimePoint deadline_ = never;
};

}  // namespace evcoro::detail
