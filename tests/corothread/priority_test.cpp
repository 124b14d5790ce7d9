// Priorities: urgent tasks go first, and the others still get their turn.
#include <corothread/scheduler.hpp>

#include <string>
#include <vector>

#include <support/catch.hpp>
#include <support/task_fixture.hpp>

using namespace evcoro::corothread;
using namespace std::chrono_literals;

namespace {

struct Fixture : support::TaskFixture {
  // A task that notes its name each time that it is woken, and ends when told.
  Task& spawn_noting(char name, Priority priority) {
    Task& task = spawn([this, name] {
      while (Scheduler::park(never, {"test"}) == Wake::ready) noted += name;
    });
    task.set_priority(priority);
    return task;
  }

  std::string noted;
};

}  // namespace

TEST_CASE_METHOD(Fixture, "urgent tasks run before others that were woken earlier") {
  Task& a = spawn_noting('a', Priority::normal);
  Task& b = spawn_noting('b', Priority::normal);
  Task& u = spawn_noting('u', Priority::urgent);
  Task& v = spawn_noting('v', Priority::urgent);
  run();
  for (Task* const task : {&a, &u, &b, &v}) scheduler.wake(*task, Wake::ready);
  run();
  REQUIRE(noted == "uvab");
  for (Task* const task : {&a, &u, &b, &v}) scheduler.cancel(*task, CancelReason::user);
  run();
}

TEST_CASE_METHOD(Fixture, "an urgent task that is woken by another runs next") {
  Task& u = spawn_noting('u', Priority::urgent);
  run();
  for (const char name : {'a', 'b', 'c'}) {
    spawn([this, name, &u] {
      noted += name;
      scheduler.wake(u, Wake::ready);
      Scheduler::yield();
      noted += static_cast<char>(name - 'a' + 'A');
    });
  }
  run();
  REQUIRE(noted == "aubucuABC");
  scheduler.cancel(u, CancelReason::user);
  run();
}

TEST_CASE_METHOD(Fixture, "urgent tasks that wake each other don't starve the rest, nor the loop") {
  bool stop = false;
  int turns[2] = {};
  Task* players[2] = {};
  for (int i = 0; i < 2; ++i) {
    players[i] = &spawn([&, i] {
      while (!stop) {
        ++turns[i];
        loop.time += 1us;
        scheduler.wake(*players[1 - i], Wake::ready);
        Scheduler::park(never, {"test"});
      }
      scheduler.wake(*players[1 - i], Wake::ready);
    });
    players[i]->set_priority(Priority::urgent);
  }
  int others = 0;
  spawn([&] {
    while (!stop) {
      ++others;
      loop.time += 1us;
      Scheduler::yield();
    }
  });
  for (int pass = 0; pass < 20; ++pass) {
    loop.drain_requested = loop.drain_after_poll_requested = false;
    scheduler.drain();
    REQUIRE(loop.drain_after_poll_requested);
  }
  REQUIRE(others > 100);
  REQUIRE(turns[0] + turns[1] > 4 * others);
  REQUIRE(turns[0] + turns[1] < 16 * others);
  stop = true;
  run();
}

TEST_CASE_METHOD(Fixture, "an urgent task that yields lets the others run") {
  for (const char name : {'a', 'b'}) {
    spawn([this, name] {
      for (int i = 0; i < 3; ++i) {
        noted += name;
        Scheduler::yield();
      }
    });
  }
  spawn([this] {
    for (int i = 0; i < 3; ++i) {
      noted += 'u';
      Scheduler::yield();
    }
  }).set_priority(Priority::urgent);
  run();
  REQUIRE(noted == "abuabuabu");  // it was made ready before it became urgent
}

TEST_CASE_METHOD(Fixture, "a task knows how often it has waited, and since when") {
  Task& task = spawn_noting('a', Priority::normal);
  run();
  REQUIRE(task.parks() == 1);
  REQUIRE(task.parked_since() == now());
  const TimePoint first = now();
  advance(3s);
  REQUIRE(task.parked_since() == first);
  scheduler.wake(task, Wake::ready);
  run();
  REQUIRE(task.parks() == 2);
  REQUIRE(task.parked_since() == first + 3s);
  scheduler.cancel(task, CancelReason::user);
  run();
}
