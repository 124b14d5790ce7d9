// Timeout: how long a blocking call may wait. Every blocking call takes one, last.
//
//   socket.recv(buffer, 3s);                      // three seconds from the beginning of this call
//   const auto deadline = Clock::now() + 3s;
//   socket.recv(buffer, deadline);                // until then, however many calls share it
//   socket.recv(buffer, evcoro::never);           // as long as it takes
//   socket.recv(buffer, evcoro::no_wait);         // what can be had at once
//   socket.recv(buffer);                          // no deadline of its own
//
// A call that reaches its deadline returns std::errc::timed_out.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include <corothread/timer_wheel.hpp>

namespace evcoro {

using corothread::Clock;
using corothread::TimePoint;

// never is the deadline that doesn't come.
using corothread::never;

namespace detail {

// to_nanoseconds() rounds up, and cuts what is out of range: at zero, where what is negative or no
// number goes too, and at nanoseconds::max().
template <class Representation, class Period>
constexpr std::chrono::nanoseconds to_nanoseconds(
    std::chrono::duration<Representation, Period> value) noexcept {
  using namespace std::chrono;
  if (!(value > value.zero())) return nanoseconds::zero();
  // Compared as seconds in floating point: the conversion to nanoseconds could overflow.
  if (duration<double>(value) >= duration<double>(nanoseconds::max())) return nanoseconds::max();
  return ceil<nanoseconds>(value);
}

}  // namespace detail

class Timeout {
 public:
  // No deadline of its own.
  constexpr Timeout() noexcept = default;

  // A duration, which begins when the call that is given it begins to wait. Negative is zero.
  template <class Representation, class Period>
  constexpr Timeout(
      std::chrono::duration<Representation, Period> duration) noexcept  // NOLINT: implicit
      : kind_(Kind::duration), nanoseconds_(detail::to_nanoseconds(duration).count()) {}

  // A deadline: a point of std::chrono::steady_clock, or never. All points before the clock's epoch
  // are as good as that.
  constexpr Timeout(TimePoint deadline) noexcept  // NOLINT: implicit on purpose
      : nanoseconds_(std::max(deadline, TimePoint{}).time_since_epoch().count()) {}

  // may_wait() is false if the call must not wait at all.
  constexpr bool may_wait() const noexcept { return kind_ == Kind::deadline || nanoseconds_ > 0; }

  // deadline() is when the wait must end; for a duration it reads the clock.
  TimePoint deadline() const noexcept {
    const std::chrono::nanoseconds value{nanoseconds_};
    if (kind_ == Kind::deadline) return TimePoint{value};
    const TimePoint now = corothread::read_clock();
    return value < never - now ? now + value : never;
  }

 private:
  enum class Kind : std::uint8_t { deadline, duration };

  Kind kind_ = Kind::deadline;
  std::int64_t nanoseconds_ = never.time_since_epoch().count();
};

// no_wait makes a blocking call return at once: std::errc::timed_out, if it would have had to wait.
inline constexpr Timeout no_wait{std::chrono::nanoseconds{0}};

}  // namespace evcoro
