// TaskFixture: a pool, a scheduler and a loop with a clock that the test moves by hand, and the
// assertion that the test has left nothing behind: no task, no stack, no wake-up.
//
//   TEST_CASE_METHOD(support::TaskFixture, "a parked task times out") {
//     spawn([&] { CHECK(Scheduler::park(now() + 3s, {"test"}) == Wake::timed_out); });
//     advance(3s);
//   }
//
// Inside a task use CHECK rather than REQUIRE: what REQUIRE throws would stay in the task.
#pragma once

#include <chrono>
#include <exception>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

#include <corothread/scheduler.hpp>
#include <corothread/task.hpp>
#include <stacks/stack_pool.hpp>
#include <support/catch.hpp>
#include <support/manual_loop.hpp>

namespace support {

// FunctionTask is a task that runs a callable.
template <class Function>
class FunctionTask final : public evcoro::corothread::Task {
 public:
  FunctionTask(const evcoro::corothread::Origin& origin, Function function)
      : Task(origin), function_(std::move(function)) {}

 private:
  void run() override { function_(); }
  Function function_;
};

// make_function_task() makes one on a stack of pool; it throws when there is none.
template <class Function>
evcoro::corothread::Task& make_function_task(evcoro::stacks::StackPool& pool, Function&& function,
                                             const evcoro::corothread::Origin& origin = {}) {
  std::error_code error;
  auto* const task = evcoro::corothread::make_task<FunctionTask<std::decay_t<Function>>>(
      pool, error, origin, std::forward<Function>(function));
  if (task == nullptr) throw std::system_error(error);
  return *task;
}

class TaskFixture {
 public:
  using Task = evcoro::corothread::Task;
  using Scheduler = evcoro::corothread::Scheduler;

  ~TaskFixture() noexcept(false) {
    for (Task* const task : joinable_) {
      if (!task->has_ended()) continue;
      CHECK(task->failure() == nullptr);
      Scheduler::free_ended(*task);
    }
    if (std::uncaught_exceptions() > 0) return;  // the test has failed already
    CHECK(scheduler.live_tasks() == 0);
    CHECK(pool.in_use() == 0);
    CHECK(loop.wake_up == evcoro::corothread::never);
  }

  // spawn() starts a task that the fixture frees, spawn_detached() one that frees itself.
  template <class Function>
  Task& spawn(Function&& function, const evcoro::corothread::Origin& origin = {}) {
    Task& task = make_function_task(pool, std::forward<Function>(function), origin);
    joinable_.push_back(&task);
    scheduler.start(task);
    return task;
  }
  template <class Function>
  void spawn_detached(Function&& function) {
    Task& task = make_function_task(pool, std::forward<Function>(function));
    scheduler.start(task);
    Scheduler::detach(task);
  }

  // disown() leaves task to the test: to detach it, or to free it.
  Task& disown(Task& task) {
    std::erase(joinable_, &task);
    return task;
  }

  // run() runs until nobody is ready; advance() moves the clock first and fires what is due.
  void run() { loop.run(scheduler); }
  void advance(std::chrono::nanoseconds duration) { loop.advance(scheduler, duration); }
  evcoro::corothread::TimePoint now() const { return loop.time; }

  evcoro::stacks::StackPool pool{{.capacity = 64, .stack_size = 256 * 1024}};
  ManualLoop loop;
  Scheduler scheduler{loop};

 private:
  std::vector<Task*> joinable_;
};

}  // namespace support
