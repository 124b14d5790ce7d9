#include <corothread/timer_wheel.hpp>

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <vector>

#include <support/catch.hpp>
#include <support/test_timer.hpp>

using namespace evcoro::corothread;
using namespace std::chrono_literals;

namespace {

constexpr auto tick = std::chrono::nanoseconds{1 << 20U};

struct Fixture {
  using Timer = support::TestTimer;
  using Fired = std::vector<Timer*>;

  // A timer that logs that it fired, and then does what it is told.
  Timer& timer(std::function<void()> then = nullptr) {
    return timers.emplace_back(fired, std::move(then));
  }

  // What fires at a time.
  Fired fire_at(TimePoint time) {
    fired.clear();
    wheel.expire(time);
    return fired;
  }

  TimerWheel wheel;
  TimePoint start{1h};
  Fired fired;
  std::deque<Timer> timers;
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a wheel without timers has nothing to do") {
  REQUIRE(wheel.empty());
  REQUIRE(wheel.size() == 0);
  REQUIRE(wheel.next_deadline() == never);
  REQUIRE(fire_at(start).empty());
}

TEST_CASE_METHOD(Fixture, "a timer fires at its deadline, and not a nanosecond before") {
  for (const auto delay : {0ns, 1ns, 999'999ns, 1'000'000ns, 1'048'576ns, 63'000'000ns}) {
    Timer& one = timer();
    wheel.expire(start);
    wheel.arm(one, start + delay);
    REQUIRE(one.is_armed());
    REQUIRE(one.deadline() == start + delay);
    REQUIRE(wheel.next_deadline() == start + delay);
    REQUIRE(fire_at(start + delay - 1ns).empty());
    REQUIRE(fire_at(start + delay) == Fired{&one});
    REQUIRE_FALSE(one.is_armed());
    REQUIRE(fire_at(start + delay + 1h).empty());
    start += delay + 1h;
  }
}

TEST_CASE_METHOD(Fixture, "timers of every distance fire on time, also in one jump") {
  const bool in_steps = GENERATE(true, false);
  std::vector<std::chrono::nanoseconds> delays;
  for (auto delay = 1ns; delay < 24h * 365 * 20; delay *= 3) delays.push_back(delay);
  wheel.expire(start);
  Fired all;
  for (const auto delay : delays) {
    all.push_back(&timer());
    wheel.arm(*all.back(), start + delay);
  }
  if (in_steps) {
    for (std::size_t i = 0; i < delays.size(); ++i) {
      REQUIRE(wheel.next_deadline() == start + delays[i]);
      REQUIRE(fire_at(start + delays[i] - 1ns).empty());
      REQUIRE(fire_at(start + delays[i]) == Fired{all[i]});
    }
  } else {
    REQUIRE(fire_at(start + delays.back()) == all);
  }
  REQUIRE(wheel.empty());
}

TEST_CASE_METHOD(Fixture, "a deadline that has passed fires at the next look") {
  wheel.expire(start);
  Timer& past = timer();
  Timer& epoch = timer();
  wheel.arm(past, start - 1h);
  wheel.arm(epoch, TimePoint{});
  REQUIRE(wheel.next_deadline() <= start);
  REQUIRE(fire_at(start) == Fired{&past, &epoch});
}

TEST_CASE_METHOD(Fixture, "the farthest deadline that there is can be armed") {
  Timer& far = timer();
  Timer& near = timer();
  wheel.expire(start);
  wheel.arm(far, never - 1ns);
  wheel.arm(near, start + 1s);
  REQUIRE(wheel.next_deadline() == start + 1s);
  REQUIRE(fire_at(start + 24h * 365 * 100) == Fired{&near});
  REQUIRE(wheel.next_deadline() == never - 1ns);
  REQUIRE(fire_at(never - 1ns) == Fired{&far});
}

TEST_CASE_METHOD(Fixture, "timers of one tick fire in the order in which they were armed") {
  wheel.expire(start);
  const TimePoint later = start + 100 * tick;
  Timer& first = timer();
  Timer& second = timer();
  Timer& third = timer();
  for (Timer* one : {&first, &second, &third}) wheel.arm(*one, later);
  REQUIRE(fire_at(later) == Fired{&first, &second, &third});
}

TEST_CASE_METHOD(Fixture, "timers of different ticks fire in the order of their deadlines") {
  wheel.expire(start);
  Timer& third = timer();
  Timer& first = timer();
  Timer& second = timer();
  wheel.arm(third, start + 5000 * tick);
  wheel.arm(first, start + 3 * tick);
  wheel.arm(second, start + 70 * tick);
  REQUIRE(fire_at(start + 24h) == Fired{&first, &second, &third});
}

TEST_CASE_METHOD(Fixture, "a disarmed timer doesn't fire") {
  Timer& one = timer();
  Timer& other = timer();
  wheel.arm(one, start + 1s);
  wheel.arm(other, start + 1s);
  wheel.disarm(one);
  wheel.disarm(one);  // again: nothing
  REQUIRE_FALSE(one.is_armed());
  REQUIRE(wheel.size() == 1);
  REQUIRE(fire_at(start + 1s) == Fired{&other});
  wheel.arm(one, start + 2s);
  wheel.disarm(one);
  REQUIRE(wheel.next_deadline() == never);
}

TEST_CASE_METHOD(Fixture, "a timer that is armed anew fires once, at its new deadline") {
  Timer& later = timer();
  Timer& sooner = timer();
  wheel.expire(start);
  wheel.arm(later, start + 1s);
  wheel.arm(later, start + 3s);
  wheel.arm(sooner, start + 3s);
  wheel.arm(sooner, start + 1s);
  REQUIRE(later.deadline() == start + 3s);
  REQUIRE(wheel.next_deadline() == start + 1s);
  REQUIRE(fire_at(start + 1s) == Fired{&sooner});
  REQUIRE(fire_at(start + 3s - 1ns).empty());
  REQUIRE(fire_at(start + 3s) == Fired{&later});
  REQUIRE(wheel.empty());
}

TEST_CASE_METHOD(Fixture, "a timer that was put off doesn't hide one that is due behind it") {
  Timer& put_off = timer();
  Timer& due = timer();
  wheel.expire(start);
  wheel.arm(put_off, start + 5 * tick);
  wheel.arm(due, start + 7 * tick);
  wheel.arm(put_off, start + 1h);
  REQUIRE(fire_at(start + 10 * tick) == Fired{&due});
  REQUIRE(fire_at(start + 1h) == Fired{&put_off});
}

TEST_CASE_METHOD(Fixture, "a timer that is disarmed lazily may be armed again") {
  Timer& one = timer();
  Timer& other = timer();
  wheel.expire(start);
  wheel.arm(one, start + 1s);
  wheel.arm(other, start + 1s);
  TimerWheel::disarm_lazily(one);
  TimerWheel::disarm_lazily(other);
  REQUIRE_FALSE(one.is_armed());
  wheel.arm(one, start + 2s);
  REQUIRE(one.is_armed());
  REQUIRE(fire_at(start + 2s) == Fired{&one});
  REQUIRE(wheel.empty());
  REQUIRE(wheel.next_deadline() == never);
}

TEST_CASE_METHOD(Fixture, "a timer may arm itself again while it fires") {
  Timer* self = nullptr;
  int rounds = 0;
  self = &timer([&] {
    if (++rounds < 5) wheel.arm(*self, start + rounds * 1ms);
  });
  wheel.arm(*self, start);
  REQUIRE(fire_at(start) == Fired{self});
  REQUIRE(wheel.next_deadline() == start + 1ms);
  REQUIRE(fire_at(start + 1s).size() == 4);  // each of them is due by then
  REQUIRE(rounds == 5);
}

TEST_CASE_METHOD(Fixture, "a timer that fires may disarm others that are due with it") {
  Timer* second = nullptr;
  Timer* third = nullptr;
  Timer* elsewhere = nullptr;
  Timer& first = timer([&] {
    wheel.disarm(*second);
    wheel.disarm(*elsewhere);
  });
  second = &timer();
  third = &timer();
  elsewhere = &timer();
  for (Timer* one : {&first, second, third}) wheel.arm(*one, start);
  wheel.arm(*elsewhere, start + 1s);
  REQUIRE(fire_at(start + 2s) == Fired{&first, third});
  REQUIRE(wheel.empty());
}

TEST_CASE_METHOD(Fixture, "a timer that fires may arm others, near and far") {
  Timer* same_slot = nullptr;
  Timer* past = nullptr;
  Timer* far = nullptr;
  Timer& first = timer([&] {
    wheel.arm(*same_slot, start);
    wheel.arm(*past, start - 1s);
    wheel.arm(*far, start + 1h);
  });
  same_slot = &timer();
  past = &timer();
  far = &timer();
  wheel.arm(first, start);
  REQUIRE(fire_at(start) == Fired{&first, same_slot, past});
  REQUIRE(wheel.next_deadline() == start + 1h);
  REQUIRE(fire_at(start + 1h) == Fired{far});
}

TEST_CASE_METHOD(Fixture, "two hundred thousand timers fire, each at its time") {
  constexpr int count = 200'000;
  wheel.expire(start);
  for (int i = 0; i < count; ++i) {
    wheel.arm(timer(), start + (std::int64_t{i} * 7919 % count) * 1ms + 1ns);
  }
  REQUIRE(wheel.size() == count);
  std::size_t total = 0;
  for (auto time = 0ms; time < count * 1ms; time += 250ms) total += fire_at(start + time).size();
  REQUIRE(total == count - 250);
  REQUIRE(fire_at(start + count * 1ms).size() == 250);
  REQUIRE(wheel.empty());
}
