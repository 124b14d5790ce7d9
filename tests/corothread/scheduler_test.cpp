#include <corothread/scheduler.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <numeric>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <support/catch.hpp>
#include <support/process.hpp>
#include <support/task_fixture.hpp>

using namespace evcoro::corothread;
using evcoro::stacks::StackPool;
using namespace std::chrono_literals;
using support::TaskFixture;

namespace {

using Order = std::vector<int>;

}  // namespace

TEST_CASE_METHOD(TaskFixture, "tasks run in the order in which they were started") {
  Order order;
  for (int i = 1; i <= 3; ++i) spawn([&order, i] { order.push_back(i); });
  REQUIRE(order.empty());  // spawning queues
  REQUIRE(scheduler.has_ready_tasks());
  REQUIRE(scheduler.live_tasks() == 3);
  run();
  REQUIRE(order == Order{1, 2, 3});
  REQUIRE(scheduler.live_tasks() == 0);
}

TEST_CASE_METHOD(TaskFixture, "tasks that yield take turns") {
  Order order;
  for (int i = 1; i <= 3; ++i) {
    spawn([&order, i] {
      for (int round = 0; round < 3; ++round) {
        order.push_back(10 * round + i);
        CHECK(Scheduler::yield() == Wake::ready);
      }
    });
  }
  run();
  REQUIRE(order == Order{1, 2, 3, 11, 12, 13, 21, 22, 23});
}

TEST_CASE_METHOD(TaskFixture, "tasks run in the order in which they were woken") {
  Order order;
  std::vector<Task*> tasks;
  for (int i = 0; i < 3; ++i) {
    tasks.push_back(&spawn([&order, i] {
      CHECK(Scheduler::park(never, {"test"}) == Wake::ready);
      order.push_back(i);
    }));
  }
  run();
  REQUIRE(order.empty());
  for (const std::size_t i : {1U, 2U, 0U}) REQUIRE(scheduler.wake(*tasks[i], Wake::ready));
  run();
  REQUIRE(order == Order{1, 2, 0});
}

TEST_CASE_METHOD(TaskFixture, "a task that is spawned by a task runs after those that are ready") {
  Order order;
  spawn([&] {
    spawn([&] { order.push_back(3); });
    order.push_back(1);
  });
  spawn([&] { order.push_back(2); });
  run();
  REQUIRE(order == Order{1, 2, 3});
}

TEST_CASE_METHOD(TaskFixture, "a parked task is woken ready, timed out, or cancelled") {
  std::vector<Wake> wakes;
  const auto park = [&] { wakes.push_back(Scheduler::park(now() + 3s, {"test"})); };
  Task& ready = spawn(park);
  run();
  scheduler.wake(ready, Wake::ready);
  run();
  Task& cancelled = spawn(park);
  run();
  scheduler.cancel(cancelled, CancelReason::user);
  run();
  spawn(park);
  run();
  advance(3s - 1ns);
  REQUIRE(wakes == std::vector{Wake::ready, Wake::cancelled});
  advance(1ns);
  REQUIRE(wakes == std::vector{Wake::ready, Wake::cancelled, Wake::timed_out});
}

TEST_CASE_METHOD(TaskFixture, "a deadline that has passed still lets the others run") {
  Order order;
  spawn([&] {
    CHECK(Scheduler::park(now() - 1s, {"test"}) == Wake::timed_out);
    order.push_back(2);
  });
  spawn([&] { order.push_back(1); });
  run();
  advance(0s);
  REQUIRE(order == Order{1, 2});
}

TEST_CASE_METHOD(TaskFixture,
                 "of I/O and a timeout in the same pass, the first wins and the other is lost") {
  std::vector<Wake> wakes;
  Task& task = spawn([&] {
    for (int i = 0; i < 2; ++i) wakes.push_back(Scheduler::park(now() + 1s, {"recv"}));
    wakes.push_back(Scheduler::park(now() + 5s, {"recv"}));
  });
  run();
  loop.time += 1s;
  REQUIRE(scheduler.wake(task, Wake::ready));  // I/O first
  REQUIRE_FALSE(scheduler.wake(task, Wake::ready));
  scheduler.expire();
  scheduler.cancel(task, CancelReason::none);
  run();
  REQUIRE(wakes == std::vector{Wake::ready});

  loop.time += 1s;
  scheduler.expire();  // the timeout first
  REQUIRE_FALSE(scheduler.wake(task, Wake::ready));
  run();
  REQUIRE(wakes == std::vector{Wake::ready, Wake::timed_out});
  advance(5s - 1ns);
  REQUIRE(wakes.size() == 2);  // the third wait has its own deadline
  advance(1ns);
  REQUIRE(wakes.back() == Wake::timed_out);
}

TEST_CASE_METHOD(TaskFixture, "a task that isn't parked can't be woken") {
  Task& task = spawn([] {});
  REQUIRE_FALSE(scheduler.wake(task, Wake::ready));  // ready already
  run();
  REQUIRE_FALSE(scheduler.wake(task, Wake::ready));  // ended
  REQUIRE_FALSE(scheduler.has_ready_tasks());
}

TEST_CASE_METHOD(TaskFixture, "a task shows its state and what it waits for") {
  Task* self = nullptr;
  Task& task = spawn(
      [&] {
        CHECK(self->state() == TaskState::running);
        CHECK(Scheduler::current_task() == self);
        CHECK(Scheduler::current() == &scheduler);
        Scheduler::park(never, {"recv", 7});
      },
      {.name = "reader"});
  self = &task;
  REQUIRE(task.identity().name() == "reader");
  REQUIRE(task.scheduler() == &scheduler);
  REQUIRE(task.state() == TaskState::ready);
  run();
  REQUIRE(task.state() == TaskState::parked);
  REQUIRE(std::string(task.wait_reason().what) == "recv");
  REQUIRE(task.wait_reason().descriptor == 7);
  scheduler.wake(task, Wake::ready);
  REQUIRE(task.state() == TaskState::ready);
  REQUIRE(std::string(task.wait_reason().what).empty());
  run();
  REQUIRE(task.state() == TaskState::ended);
  REQUIRE(task.has_ended());
  REQUIRE(Scheduler::current_task() == nullptr);
  REQUIRE(Scheduler::current() == nullptr);
  REQUIRE(std::string(to_string(TaskState::parked)) == "parked");
  REQUIRE(std::string(to_string(CancelReason::shutdown)) == "shutdown");
}

TEST_CASE_METHOD(TaskFixture, "the live tasks can be listed") {
  for (const char* const name : {"a", "b", "c"}) {
    spawn([&] { Scheduler::park(now() + 1s, {"test"}); }, {.name = name});
  }
  run();
  std::string names;
  scheduler.for_each_live_task([&](const Task& task) { names += task.identity().name(); });
  REQUIRE(names == "abc");
  advance(1s);
}

TEST_CASE_METHOD(TaskFixture, "a stack that a small task has left serves a large one") {
  spawn_detached([] {
    std::array<volatile char, 10'000> deep;
    for (volatile char& each : deep) each = 'x';
  });
  run();
  REQUIRE(pool.in_use() == 0);
  int sum = 0;
  std::array<int, 2000> numbers;
  numbers.fill(1);
  spawn_detached([&sum, numbers] { sum = std::accumulate(numbers.begin(), numbers.end(), 0); });
  run();
  REQUIRE(sum == 2000);
}

TEST_CASE_METHOD(TaskFixture, "a task without a stack is nullptr and EAGAIN, one too large E2BIG") {
  StackPool small{{.capacity = 1, .stack_size = 4096}};
  std::error_code error;
  evcoro::stacks::Stack* const stack = small.take(error);
  const auto nothing = [] {};
  const Origin origin;
  REQUIRE(make_task<support::FunctionTask<decltype(nothing)>>(small, error, origin, nothing) ==
          nullptr);
  REQUIRE(error == std::errc::resource_unavailable_try_again);
  small.give_back(*stack);
  const auto large = [bytes = std::array<char, 3000>{}] { static_cast<void>(bytes); };
  REQUIRE(make_task<support::FunctionTask<decltype(large)>>(small, error, origin, large) ==
          nullptr);
  REQUIRE(error == std::errc::argument_list_too_long);
}

TEST_CASE_METHOD(TaskFixture,
                 "two schedulers in one OS thread don't mix, also one inside the other") {
  support::ManualLoop inner_loop;
  Scheduler inner{inner_loop};
  Order order;
  Task& inner_task = support::make_function_task(pool, [&] {
    CHECK(Scheduler::current() == &inner);
    order.push_back(2);
    Scheduler::yield();
    order.push_back(3);
  });
  inner.start(inner_task);
  spawn([&] {
    order.push_back(1);
    inner_loop.run(inner);  // a loop within a task of another
    CHECK(Scheduler::current() == &scheduler);
    Scheduler::yield();
    order.push_back(5);
  });
  spawn([&] { order.push_back(4); });
  run();
  REQUIRE(order == Order{1, 2, 3, 4, 5});
  Scheduler::free_ended(inner_task);
}

TEST_CASE_METHOD(TaskFixture, "ten thousand tasks park, are woken, and time out") {
  const std::size_t count = support::running_on_valgrind() ? 1000 : 10'000;
  StackPool many{{.capacity = count, .stack_size = 32 * 1024}};
  std::vector<Task*> tasks;
  std::size_t woken = 0;
  std::size_t timed_out = 0;
  for (std::size_t i = 0; i < count; ++i) {
    Task& task = support::make_function_task(many, [&, i] {
      if (Scheduler::park(never, {"test"}) == Wake::ready) ++woken;
      if (Scheduler::park(now() + 1ms * (i % 100), {"test"}) == Wake::timed_out) ++timed_out;
    });
    tasks.push_back(&task);
    scheduler.start(task);
    Scheduler::detach(task);
  }
  run();
  REQUIRE(scheduler.live_tasks() == count);
  for (Task* const task : tasks) scheduler.wake(*task, Wake::ready);
  run();
  REQUIRE(woken == count);
  for (int i = 0; i < 100; ++i) advance(1ms);
  REQUIRE(timed_out == count);
  REQUIRE(many.in_use() == 0);
}
