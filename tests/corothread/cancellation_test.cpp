#include <corothread/scheduler.hpp>

#include <chrono>
#include <vector>

#include <support/catch.hpp>
#include <support/task_fixture.hpp>

using namespace evcoro::corothread;
using namespace std::chrono_literals;
using support::TaskFixture;

TEST_CASE_METHOD(TaskFixture, "cancellation is sticky: every later wait fails at once") {
  Task& task = spawn([&] {
    for (int i = 0; i < 3; ++i) CHECK(Scheduler::park(never, {"test"}) == Wake::cancelled);
    CHECK(Scheduler::current_task()->cancel_reason() == CancelReason::user);
  });
  run();
  REQUIRE(task.cancel_reason() == CancelReason::none);
  scheduler.cancel(task, CancelReason::user);
  REQUIRE(task.is_cancelled());
  run();
  REQUIRE(task.has_ended());
}

TEST_CASE_METHOD(TaskFixture, "the first reason stays") {
  Task& task = spawn([&] {
    Scheduler::park(never, {"test"});
    CHECK(Scheduler::current_task()->cancel_reason() == CancelReason::deadline);
  });
  run();
  scheduler.cancel(task, CancelReason::deadline);
  scheduler.cancel(task, CancelReason::shutdown);
  run();
  REQUIRE(task.cancel_reason() == CancelReason::deadline);
}

TEST_CASE_METHOD(TaskFixture, "a task that acknowledges can wait again, and be cancelled again") {
  std::vector<Wake> wakes;
  Task& task = spawn([&] {
    wakes.push_back(Scheduler::park(never, {"test"}));
    Scheduler::current_task()->acknowledge_cancellation();
    wakes.push_back(Scheduler::park(now() + 1s, {"test"}));
    wakes.push_back(Scheduler::park(never, {"test"}));
  });
  run();
  scheduler.cancel(task, CancelReason::user);
  run();
  REQUIRE_FALSE(task.is_cancelled());
  REQUIRE(task.cancel_reason() == CancelReason::none);
  advance(1s);
  scheduler.cancel(task, CancelReason::shutdown);
  run();
  REQUIRE(wakes == std::vector{Wake::cancelled, Wake::timed_out, Wake::cancelled});
}

TEST_CASE_METHOD(TaskFixture, "a task that is cancelled before it first runs does run") {
  bool ran = false;
  Task& task = spawn([&] {
    ran = true;
    CHECK(Scheduler::park(never, {"test"}) == Wake::cancelled);
  });
  scheduler.cancel(task, CancelReason::user);
  run();
  REQUIRE(ran);
}

TEST_CASE_METHOD(TaskFixture, "a task that is woken and then cancelled learns of both") {
  std::vector<Wake> wakes;
  Task& task = spawn([&] {
    for (int i = 0; i < 2; ++i) wakes.push_back(Scheduler::park(never, {"test"}));
  });
  run();
  scheduler.wake(task, Wake::ready);
  scheduler.cancel(task, CancelReason::user);
  run();
  REQUIRE(wakes == std::vector{Wake::ready, Wake::cancelled});
}

TEST_CASE_METHOD(TaskFixture,
                 "a shielded task waits on, and learns of its cancellation afterwards") {
  std::vector<Wake> wakes;
  Task& task = spawn([&] {
    Task& self = *Scheduler::current_task();
    self.shield();
    self.shield();
    wakes.push_back(Scheduler::park(now() + 1s, {"clean-up"}));
    self.unshield();
    CHECK_FALSE(self.is_cancelled());
    wakes.push_back(Scheduler::yield());
    wakes.push_back(Scheduler::park(now() + 1s, {"clean-up"}));
    self.unshield();
    CHECK(self.is_cancelled());
    wakes.push_back(Scheduler::park(never, {"test"}));
  });
  run();
  scheduler.cancel(task, CancelReason::user);
  REQUIRE(task.state() == TaskState::parked);
  REQUIRE(task.cancel_reason() == CancelReason::user);
  advance(1s);
  advance(1s);
  REQUIRE(wakes == std::vector{Wake::timed_out, Wake::ready, Wake::timed_out, Wake::cancelled});
}

TEST_CASE_METHOD(TaskFixture, "yielding says that the task is cancelled, and yields all the same") {
  std::vector<int> order;
  Task& task = spawn([&] {
    Scheduler::park(never, {"test"});
    order.push_back(1);
    CHECK(Scheduler::yield() == Wake::cancelled);
    order.push_back(3);
  });
  run();
  scheduler.cancel(task, CancelReason::user);
  spawn([&] { order.push_back(2); });
  run();
  REQUIRE(order == std::vector{1, 2, 3});
}

TEST_CASE_METHOD(TaskFixture, "cancelling a task that has ended does nothing") {
  Task& task = spawn([] {});
  run();
  scheduler.cancel(task, CancelReason::user);
  REQUIRE(task.cancel_reason() == CancelReason::none);
}

TEST_CASE_METHOD(TaskFixture, "a task may cancel itself and others") {
  Task& other = spawn([] { CHECK(Scheduler::park(never, {"test"}) == Wake::cancelled); });
  spawn([&] {
    scheduler.cancel(other, CancelReason::user);
    scheduler.cancel(*Scheduler::current_task(), CancelReason::user);
    CHECK(Scheduler::park(never, {"test"}) == Wake::cancelled);
  });
  run();
  REQUIRE(other.has_ended());
}
