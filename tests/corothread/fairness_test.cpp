// How long tasks may keep the loop from polling, and in what order things then happen.
#include <corothread/scheduler.hpp>

#include <chrono>
#include <vector>

#include <support/catch.hpp>
#include <support/task_fixture.hpp>

using namespace evcoro::corothread;
using namespace std::chrono_literals;

namespace {

struct Fixture : support::TaskFixture {
  // A task that never stops yielding; each time around, a microsecond passes.
  void spawn_spinner() {
    spawn([this] {
      while (!stop) {
        ++spins;
        loop.time += 1us;
        Scheduler::yield();
      }
    });
  }

  // One drain, as the loop would make it.
  void drain() {
    loop.drain_requested = loop.drain_after_poll_requested = false;
    scheduler.drain();
  }

  bool stop = false;
  int spins = 0;
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a task that never stops yielding lets the loop poll") {
  spawn_spinner();
  for (int pass = 0; pass < 10; ++pass) {
    spins = 0;
    drain();
    REQUIRE(spins > 100);   // it isn't starved either
    REQUIRE(spins < 1000);  // a fraction of a millisecond
    REQUIRE(loop.drain_after_poll_requested);
    REQUIRE_FALSE(loop.drain_requested);  // that would come before the poll
  }
  stop = true;
  run();
}

TEST_CASE_METHOD(Fixture, "tasks that keep waking each other let the loop poll") {
  Task* tasks[2] = {};
  const auto ping_pong = [&](int other) {
    return [&, other] {
      while (!stop) {
        loop.time += 1us;
        scheduler.wake(*tasks[other], Wake::ready);
        Scheduler::park(never, {"ping-pong"});
        ++spins;
      }
      scheduler.wake(*tasks[other], Wake::ready);
    };
  };
  tasks[0] = &spawn(ping_pong(1));
  tasks[1] = &spawn(ping_pong(0));
  for (int pass = 0; pass < 3; ++pass) {
    spins = 0;
    drain();
    REQUIRE(spins > 100);
    REQUIRE(spins < 1000);
    REQUIRE(loop.drain_after_poll_requested);
  }
  stop = true;
  run();
}

TEST_CASE_METHOD(Fixture, "what the poll made ready runs beside a task that never stops yielding") {
  int served = 0;
  Task& reader = spawn([&] {
    while (!stop) {
      Scheduler::park(never, {"recv"});
      ++served;
    }
  });
  spawn_spinner();
  for (int pass = 1; pass <= 5; ++pass) {
    drain();
    scheduler.wake(reader, Wake::ready);  // by an I/O callback of the poll
    drain();
    REQUIRE(served == pass);
  }
  stop = true;
  scheduler.wake(reader, Wake::ready);
  run();
}

TEST_CASE_METHOD(Fixture, "a task that never stops yielding doesn't hold up timers") {
  bool timed_out = false;
  spawn([&] { timed_out = Scheduler::park(now() + 5ms, {"sleep"}) == Wake::timed_out; });
  spawn_spinner();
  for (int pass = 0; pass < 100 && !timed_out; ++pass) {
    drain();
    if (loop.wake_up > loop.time) continue;
    loop.wake_up = never;
    scheduler.expire();
  }
  REQUIRE(timed_out);
  stop = true;
  run();
}

TEST_CASE_METHOD(Fixture, "all that one poll made ready runs in one drain") {
  evcoro::stacks::StackPool many{{.capacity = 1000, .stack_size = 32 * 1024}};
  std::vector<Task*> tasks;
  int done = 0;
  for (int i = 0; i < 1000; ++i) {
    tasks.push_back(&support::make_function_task(many, [&] {
      Scheduler::park(never, {"recv"});
      loop.time += 1us;
      ++done;
    }));
    scheduler.start(*tasks.back());
    Scheduler::detach(*tasks.back());
  }
  drain();
  for (Task* const task : tasks) scheduler.wake(*task, Wake::ready);
  drain();
  REQUIRE(done == 1000);
  REQUIRE_FALSE(loop.drain_after_poll_requested);
}

TEST_CASE_METHOD(Fixture, "yield_to_loop lets the loop poll each time, before anybody runs on") {
  std::vector<int> order;
  spawn([&] {
    for (int i = 0; i < 3; ++i) {
      order.push_back(loop.polls);
      Scheduler::yield_to_loop();
    }
  });
  spawn([&] { order.push_back(10 + loop.polls); });
  run();
  REQUIRE(order == std::vector{0, 11, 1, 2});
  REQUIRE(loop.polls == 3);
}

TEST_CASE_METHOD(Fixture, "a drain is requested once, and not while one runs") {
  int requests = 0;
  const auto count_request = [&] {
    if (std::exchange(loop.drain_requested, false)) ++requests;
  };
  Task& first = spawn([&] {
    Scheduler::park(never, {"test"});
    spawn_detached([] {});
    CHECK_FALSE(loop.drain_requested);
  });
  count_request();
  REQUIRE(requests == 1);
  spawn([] {});
  count_request();
  REQUIRE(requests == 1);
  scheduler.drain();
  scheduler.wake(first, Wake::ready);
  count_request();
  REQUIRE(requests == 2);
  scheduler.drain();
  count_request();
  REQUIRE(requests == 2);
}

TEST_CASE_METHOD(Fixture, "a drain with nobody ready does nothing") {
  drain();
  REQUIRE_FALSE(loop.drain_requested);
  REQUIRE_FALSE(loop.drain_after_poll_requested);
}

TEST_CASE_METHOD(Fixture,
                 "a cancelled task that goes on all the same lets others run, and the loop poll") {
  Task& stubborn = spawn([this] {
    while (!stop) {
      ++spins;
      loop.time += 1us;
      CHECK(Scheduler::park(never, {"test"}) == Wake::cancelled);
    }
  });
  scheduler.cancel(stubborn, CancelReason::user);
  drain();  // returns: the loop may poll
  REQUIRE(spins > 0);
  REQUIRE(loop.drain_after_poll_requested);
  spawn([this] { stop = true; });
  run();
}
