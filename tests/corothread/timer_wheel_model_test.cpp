// The wheel against a model of it: random operations, the same effects.
#include <corothread/timer_wheel.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <random>
#include <vector>

#include <support/catch.hpp>
#include <support/process.hpp>
#include <support/test_timer.hpp>

using namespace evcoro::corothread;
using namespace std::chrono_literals;

namespace {

class Model {
 public:
  using Timer = support::TestTimer;

  explicit Model(unsigned seed) : random_(seed) {
    for (int i = 0; i < 200; ++i) timers_.emplace_back(fired_);
    wheel_.expire(now_);
  }

  // One operation, and whether the wheel then agrees. arm_once leaves out what makes
  // next_deadline() early: to disarm, and to arm anew.
  void step(bool arm_once) {
    switch (below(5)) {
      case 0:
      case 1:
        arm(arm_once);
        break;
      case 2:
        if (!arm_once) disarm();
        break;
      case 3:
        advance_by(power_of_two(48));
        break;
      default:
        advance_to_next();
    }
    check(arm_once);
  }

 private:
  std::uint64_t below(std::uint64_t limit) {
    return std::uniform_int_distribution<std::uint64_t>{0, limit - 1}(random_);
  }

  // Anything from a nanosecond to 2^most, each order of magnitude alike.
  std::chrono::nanoseconds power_of_two(std::uint64_t most) {
    const std::uint64_t limit = std::uint64_t{1} << (below(most) + 1);
    return std::chrono::nanoseconds{below(limit)};
  }

  Timer& any() { return timers_[below(timers_.size())]; }

  void arm(bool arm_once) {
    Timer& timer = any();
    if (arm_once && armed_.count(&timer) != 0) return;
    const auto distance = power_of_two(57);
    const TimePoint deadline =
        below(10) == 0 ? now_ - std::min(distance, 1000 * 1ns * (1 << 20)) : now_ + distance;
    wheel_.arm(timer, deadline);
    armed_[&timer] = deadline;
  }

  void disarm() {
    Timer& timer = any();
    if (below(2) == 0) {
      wheel_.disarm(timer);
    } else {
      TimerWheel::disarm_lazily(timer);
    }
    armed_.erase(&timer);
  }

  void advance_to_next() {
    const TimePoint next = wheel_.next_deadline();
    if (next != never) advance_by(std::max(next - now_, TimePoint::duration{0}));
  }

  void advance_by(std::chrono::nanoseconds duration) {
    if (duration > never - now_ - 24h * 3650) return;
    now_ += duration;
    std::multimap<TimePoint, Timer*> due;
    for (const auto& [timer, deadline] : armed_) {
      if (deadline <= now_) due.emplace(deadline, timer);
    }
    fired_.clear();
    wheel_.expire(now_);

    REQUIRE(fired_.size() == due.size());
    std::int64_t last_tick = 0;
    for (Timer* const timer : fired_) {
      const auto found = armed_.find(timer);
      REQUIRE(found != armed_.end());
      REQUIRE(found->second <= now_);
      // Those that were overdue when they were armed come with the tick in which they were.
      const std::int64_t tick = std::max(tick_of(found->second), tick_of(before_));
      REQUIRE(tick >= last_tick);
      last_tick = tick;
      armed_.erase(found);
    }
    before_ = now_;
  }

  void check(bool exact) {
    TimePoint earliest = never;
    for (const auto& [timer, deadline] : armed_) {
      REQUIRE(timer->is_armed());
      REQUIRE(timer->deadline() == deadline);
      earliest = std::min(earliest, deadline);
    }
    REQUIRE(wheel_.next_deadline() <= earliest);
    if (!exact) return;
    REQUIRE(wheel_.next_deadline() == earliest);
    REQUIRE(wheel_.size() == armed_.size());
    REQUIRE(wheel_.empty() == armed_.empty());
  }

  static std::int64_t tick_of(TimePoint time) { return time.time_since_epoch().count() >> 20U; }

  std::mt19937_64 random_;
  std::vector<Timer*> fired_;
  std::deque<Timer> timers_;
  TimerWheel wheel_;
  std::map<Timer*, TimePoint> armed_;
  TimePoint now_{1h};
  TimePoint before_{1h};
};

void compare(bool arm_once) {
  const int steps = support::running_on_valgrind() ? 1000 : 10'000;
  for (const unsigned seed : {1U, 20U, 300U, 4000U}) {
    INFO("seed " << seed);
    Model model{seed};
    for (int i = 0; i < steps; ++i) model.step(arm_once);
  }
}

}  // namespace

TEST_CASE("random timers fire as a model says, and the next deadline is exact") { compare(true); }

TEST_CASE("random timers that are disarmed and armed anew fire as a model says") { compare(false); }

TEST_CASE("going from one next deadline to the next gets to every timer") {
  std::mt19937_64 random{5};
  std::vector<support::TestTimer*> fired;
  std::deque<support::TestTimer> timers;
  TimerWheel wheel;
  TimePoint now{1h};
  wheel.expire(now);
  constexpr int count = 500;
  for (int i = 0; i < count; ++i) {
    wheel.arm(timers.emplace_back(fired),
              now + std::chrono::nanoseconds{random() >> (20U + i % 40)});
  }
  for (int i = 0; i < count; i += 2) wheel.disarm(timers[static_cast<std::size_t>(i)]);
  int looks = 0;
  while (!wheel.empty()) {
    REQUIRE(wheel.next_deadline() >= now);
    now = wheel.next_deadline();
    wheel.expire(now);
    ++looks;
  }
  REQUIRE(fired.size() == count / 2);
  REQUIRE(looks <= 2 * count);
}
