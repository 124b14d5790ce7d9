#include <evcoro/timeout.hpp>

#include <cmath>
#include <limits>

#include <support/catch.hpp>

using namespace evcoro;
using namespace std::chrono_literals;

namespace {

// How long a timeout lets wait, from now on, give or take the time of asking.
bool about(Timeout timeout, std::chrono::nanoseconds duration) {
  const auto before = Clock::now();
  const auto deadline = timeout.deadline();
  const auto after = Clock::now();
  return deadline >= before + duration && deadline <= after + duration;
}

}  // namespace

TEST_CASE("a timeout of nothing is never") {
  REQUIRE(Timeout{}.deadline() == never);
  REQUIRE(Timeout{}.may_wait());
  REQUIRE(Timeout{never}.deadline() == never);
}

TEST_CASE("a timeout of a duration counts from when it is asked") {
  REQUIRE(about(3s, 3s));
  REQUIRE(about(1ns, 1ns));
  REQUIRE(about(250ms, 250ms));
  REQUIRE(about(24h * 365, 24h * 365));
  REQUIRE(Timeout{1ns}.may_wait());
}

TEST_CASE("a timeout of a fraction is rounded up and never waits less") {
  REQUIRE(about(std::chrono::duration<double>{0.5}, 500ms));
  REQUIRE(about(std::chrono::duration<double, std::milli>{1.5}, 1500us));
  REQUIRE(about(std::chrono::duration<float>{0.25F}, 250ms));
  REQUIRE(about(std::chrono::duration<double, std::nano>{0.1}, 1ns));
  REQUIRE(about(std::chrono::duration<std::int64_t, std::pico>{1}, 1ns));
  REQUIRE(about(std::chrono::duration<std::int64_t, std::pico>{2001}, 3ns));
}

TEST_CASE("a timeout of zero or less does not wait") {
  REQUIRE(!no_wait.may_wait());
  REQUIRE(!Timeout{0s}.may_wait());
  REQUIRE(!Timeout{-1ns}.may_wait());
  REQUIRE(!Timeout{std::chrono::hours::min()}.may_wait());
  REQUIRE(!Timeout{std::chrono::duration<double>{-0.1}}.may_wait());
  REQUIRE(!Timeout{std::chrono::duration<double>{std::nan("")}}.may_wait());
  REQUIRE(
      !Timeout{std::chrono::duration<double>{-std::numeric_limits<double>::infinity()}}.may_wait());
  REQUIRE(about(-5s, 0s));
}

TEST_CASE("a timeout that no clock can hold is never") {
  REQUIRE(Timeout{std::chrono::hours::max()}.deadline() == never);
  REQUIRE(Timeout{std::chrono::minutes::max()}.deadline() == never);
  REQUIRE(Timeout{std::chrono::microseconds::max()}.deadline() == never);
  REQUIRE(Timeout{std::chrono::nanoseconds::max()}.deadline() == never);
  REQUIRE(Timeout{std::chrono::duration<double>{1e300}}.deadline() == never);
  REQUIRE(
      Timeout{std::chrono::duration<double>{std::numeric_limits<double>::infinity()}}.deadline() ==
      never);
  REQUIRE(Timeout{std::chrono::duration<std::uint64_t>{UINT64_MAX}}.deadline() == never);
}

TEST_CASE("a timeout of a point in time is that point") {
  const TimePoint point = Clock::now() + 5s;
  REQUIRE(Timeout{point}.deadline() == point);
  const TimePoint long_over = TimePoint{} + 1ms;
  REQUIRE(Timeout{long_over}.deadline() == long_over);
  REQUIRE(Timeout{TimePoint::min()}.deadline() < Clock::now());
}

TEST_CASE("a timeout can be a constant") {
  constexpr Timeout three_seconds{3s};
  static_assert(three_seconds.may_wait());
  static_assert(!no_wait.may_wait());
  REQUIRE(about(three_seconds, 3s));
}
