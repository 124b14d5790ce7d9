// What the scheduler asks of the loop's clock: to be woken for the earliest deadline, never late,
// and not at all when nobody waits for one.
#include <corothread/scheduler.hpp>

#include <chrono>
#include <vector>

#include <support/catch.hpp>
#include <support/task_fixture.hpp>
#include <support/test_timer.hpp>

using namespace evcoro::corothread;
using namespace std::chrono_literals;
using support::TaskFixture;

TEST_CASE_METHOD(TaskFixture, "the loop is asked to wake up for the earliest deadline") {
  const TimePoint start = now();
  for (const auto delay : {3s, 1s, 2s})
    spawn([&, delay] { Scheduler::park(start + delay, {"test"}); });
  REQUIRE(loop.wake_up == never);
  run();
  REQUIRE(loop.wake_up == start + 1s);
  advance(1s);
  REQUIRE(loop.wake_up == start + 2s);
  advance(1s);
  REQUIRE(loop.wake_up == start + 3s);
  advance(1s);
  REQUIRE(loop.wake_up == never);
  REQUIRE(loop.wake_ups == 3);
}

TEST_CASE_METHOD(TaskFixture, "nobody who waits for a deadline: no wake-up remains") {
  Task& ends = spawn([&] { Scheduler::park(now() + 1s, {"test"}); });
  Task& waits = spawn([&] {
    Scheduler::park(now() + 1s, {"test"});
    Scheduler::park(never, {"test"});
  });
  Task& cancelled = spawn([&] { Scheduler::park(now() + 1s, {"test"}); });
  run();
  REQUIRE(loop.wake_up != never);
  scheduler.wake(ends, Wake::ready);
  scheduler.wake(waits, Wake::ready);
  scheduler.cancel(cancelled, CancelReason::user);
  run();
  REQUIRE(loop.wake_up == never);
  scheduler.wake(waits, Wake::ready);
  run();
}

TEST_CASE_METHOD(TaskFixture, "a wake-up is never late, whatever was armed and disarmed before") {
  int on_time = 0;
  Task& restless = spawn([&] {
    for (int i = 0; i < 50; ++i) Scheduler::park(now() + 10ms + 37us * i, {"recv"});
  });
  spawn([&] {
    for (int i = 1; i <= 100; ++i) {
      const TimePoint deadline = now() + 3ms * (i % 7) + 1us * i;
      if (Scheduler::park(deadline, {"sleep"}) == Wake::timed_out && now() == deadline) ++on_time;
    }
  });
  run();
  for (int step = 0; step < 1000 && loop.wake_up != never; ++step) {
    advance(std::max(loop.wake_up - now(), TimePoint::duration{0}));
    if (step % 3 == 0 && scheduler.wake(restless, Wake::ready)) run();
  }
  REQUIRE(on_time == 100);
}

TEST_CASE_METHOD(TaskFixture, "rearming a timeout with each operation costs few wake-ups") {
  Task& reader = spawn([&] {
    for (int i = 0; i < 1000; ++i) CHECK(Scheduler::park(now() + 3s, {"recv"}) == Wake::ready);
  });
  run();
  for (int i = 0; i < 1000; ++i) {
    advance(10ms);
    scheduler.wake(reader, Wake::ready);
    run();
  }
  REQUIRE(reader.has_ended());
  REQUIRE(loop.wake_ups <= 10);  // in ten seconds
}

TEST_CASE_METHOD(TaskFixture, "timers beside those of tasks fire by the same clock") {
  std::vector<support::TestTimer*> fired;
  support::TestTimer first{fired};
  support::TestTimer second{fired};
  support::TestTimer disarmed{fired};
  REQUIRE(scheduler.now() == now());
  scheduler.arm(second, now() + 2s);
  scheduler.arm(first, now() + 1s);
  scheduler.arm(disarmed, now() + 1s);
  scheduler.disarm(disarmed);
  REQUIRE(loop.wake_up == now() + 1s);
  advance(1s);
  REQUIRE(fired == std::vector{&first});
  advance(1s);
  REQUIRE(fired == std::vector{&first, &second});
}

TEST_CASE_METHOD(TaskFixture, "a timer that is armed in a task's turn asks for its wake-up") {
  std::vector<support::TestTimer*> fired;
  support::TestTimer timer{fired};
  spawn([&] { scheduler.arm(timer, now() + 1s); });
  run();
  REQUIRE(loop.wake_up == now() + 1s);
  advance(1s);
  REQUIRE(fired.size() == 1);
}

TEST_CASE_METHOD(TaskFixture, "a timer that arms itself again hides no nearer deadline") {
  std::vector<support::TestTimer*> fired;
  support::TestTimer periodic{fired, [&] { scheduler.arm(periodic, now() + 10s); }};
  scheduler.arm(periodic, now() + 1s);
  const TimePoint deadline = now() + 1500ms;
  Task& sleeper = spawn([&] { Scheduler::park(deadline, {"sleep"}); });
  run();
  advance(1s);
  REQUIRE(fired.size() == 1);
  REQUIRE(loop.wake_up == deadline);
  advance(500ms);
  REQUIRE(sleeper.has_ended());
  scheduler.disarm(periodic);
  advance(10s);  // that wake-up finds nothing, and asks for none
}

TEST_CASE("timers that are armed when their scheduler goes can be armed in another") {
  support::ManualLoop loop;
  std::vector<support::TestTimer*> fired;
  support::TestTimer timer{fired};
  {
    Scheduler first{loop};
    first.arm(timer, loop.time + 1s);
  }
  REQUIRE(!timer.is_armed());
  Scheduler second{loop};
  second.arm(timer, loop.time + 2s);
  loop.advance(second, 2s);
  REQUIRE(fired.size() == 1);
}
