#include <chrono>
#include <string>
#include <utility>

#include <corothread/scheduler.hpp>
#include <stacks/stack_pool.hpp>
#include <support/catch.hpp>
#include <support/manual_loop.hpp>
#include <support/task_fixture.hpp>

using namespace evcoro::corothread;
using namespace std::chrono_literals;
using support::TaskFixture;

namespace {

class Fixture : public TaskFixture {
 public:
  // Starts at once a task that frees itself.
  template <class Function>
  void start_at_once(Function&& function) {
    Task& task = support::make_function_task(pool, std::forward<Function>(function));
    Scheduler::detach(task);
    scheduler.start_at_once(task);
  }

  std::string order;
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a task that is started at once runs before its start returns") {
  start_at_once([&] {
    order += "a";
    CHECK(Scheduler::yield() == Wake::ready);  // alone, but the loop's turn is next
    order += "c";
  });
  order += "b";
  REQUIRE(order == "ab");
  REQUIRE(scheduler.live_tasks() == 1);
  run();
  REQUIRE(order == "abc");
}

TEST_CASE_METHOD(Fixture, "a task that is started at once and ends leaves nothing behind") {
  start_at_once([&] { order += "a"; });
  REQUIRE(order == "a");
  REQUIRE(scheduler.live_tasks() == 0);
  REQUIRE(loop.drain_requested);  // for the loop to see that it has no work
  run();
}

TEST_CASE_METHOD(Fixture, "a task that starts another at once goes on next") {
  spawn([&] {
    order += "a";
    start_at_once([&] {
      order += "b";
      CHECK(Scheduler::yield() == Wake::ready);
      order += "e";
    });
    order += "c";
  });
  spawn([&] { order += "d"; });
  run();
  REQUIRE(order == "abcde");
}

TEST_CASE_METHOD(Fixture, "starting at once nests, and each starter goes on in turn") {
  spawn([&] {
    order += "(";
    start_at_once([&] {
      order += "[";
      start_at_once([&] { order += "<>"; });
      order += "]";
    });
    order += ")";
  });
  run();
  REQUIRE(order == "([<>])");
}

TEST_CASE_METHOD(Fixture, "a starter goes on next also where the loop's turn would have come") {
  start_at_once([&] {
    order += "(";
    start_at_once([&] { order += "[]"; });
    order += ")";
  });
  REQUIRE(order == "([])");
  run();
}

TEST_CASE_METHOD(Fixture, "starting at once outside leaves what is ready to the loop") {
  spawn([&] { order += "later"; });
  start_at_once([&] {
    order += "now,";
    CHECK(Scheduler::park(never, {"test"}) == Wake::ready);
    order += ",woken";
  });
  REQUIRE(order == "now,");
  Task* parked = nullptr;
  scheduler.for_each_live_task([&](Task& task) {
    if (task.state() == TaskState::parked) parked = &task;
  });
  run();
  REQUIRE(order == "now,later");
  REQUIRE(scheduler.wake(*parked, Wake::ready));
  run();
  REQUIRE(order == "now,later,woken");
}

TEST_CASE_METHOD(Fixture, "a deadline of a task that was started at once wakes the loop") {
  start_at_once([&] { CHECK(Scheduler::park(now() + 3s, {"test"}) == Wake::timed_out); });
  REQUIRE(loop.wake_up == now() + 3s);
  advance(3s);
}

TEST_CASE_METHOD(Fixture, "a task can be started at once by a thread of another scheduler") {
  support::ManualLoop other_loop;
  Scheduler other{other_loop};
  Task& task = support::make_function_task(pool, [&] {
    order += "a";
    start_at_once([&] {
      order += "b";
      CHECK(Scheduler::current() == &scheduler);
      CHECK(Scheduler::yield() == Wake::ready);
      order += "d";
    });
    CHECK(Scheduler::current() == &other);
    order += "c";
  });
  Scheduler::detach(task);
  other.start(task);
  other_loop.run(other);
  REQUIRE(order == "abc");
  run();
  REQUIRE(order == "abcd");
}
