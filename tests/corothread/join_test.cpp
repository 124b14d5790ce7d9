#include <corothread/coroutine.hpp>
#include <corothread/scheduler.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include <support/catch.hpp>
#include <support/task_fixture.hpp>

using namespace evcoro::corothread;
using namespace std::chrono_literals;
using support::TaskFixture;

namespace {

// Adds its number to a list when it is destroyed.
struct Freed {
  Freed(std::vector<int>& order, int number) : order_(&order), number_(number) {}
  Freed(Freed&& other) noexcept
      : order_(std::exchange(other.order_, nullptr)), number_(other.number_) {}
  ~Freed() {
    if (order_ != nullptr) order_->push_back(number_);
  }

 private:
  std::vector<int>* order_;
  int number_;
};

}  // namespace

TEST_CASE_METHOD(TaskFixture, "join waits until the task has ended") {
  std::vector<int> order;
  Task& worker = spawn([&] {
    Scheduler::park(now() + 1s, {"test"});
    order.push_back(1);
  });
  Task& joiner = spawn([&] {
    CHECK(Scheduler::join(worker, never) == Wake::ready);
    order.push_back(2);
    CHECK(Scheduler::join(worker, never) == Wake::ready);  // it stays ended
  });
  run();
  REQUIRE(std::string(joiner.wait_reason().what) == "join");
  advance(1s);
  REQUIRE(order == std::vector{1, 2});
}

TEST_CASE_METHOD(TaskFixture, "join can time out, and be tried again") {
  Task& worker = spawn([&] { Scheduler::park(now() + 2s, {"test"}); });
  std::vector<Wake> wakes;
  spawn([&] {
    for (int i = 0; i < 2; ++i) wakes.push_back(Scheduler::join(worker, now() + 1500ms));
  });
  run();
  advance(1500ms);
  REQUIRE(wakes == std::vector{Wake::timed_out});
  advance(500ms);
  REQUIRE(wakes == std::vector{Wake::timed_out, Wake::ready});
}

TEST_CASE_METHOD(TaskFixture, "a cancelled joiner leaves the place to another") {
  Task& worker = spawn([&] { Scheduler::park(now() + 1s, {"test"}); });
  Task& joiner = spawn([&] {
    CHECK(Scheduler::join(worker, never) == Wake::cancelled);
    CHECK(Scheduler::join(worker, never) == Wake::cancelled);  // sticky
  });
  run();
  scheduler.cancel(joiner, CancelReason::user);
  run();
  Wake second = Wake::cancelled;
  spawn([&] { second = Scheduler::join(worker, never); });
  run();
  advance(1s);
  REQUIRE(second == Wake::ready);
}

TEST_CASE_METHOD(TaskFixture, "a task that ended in the pass of the joiner's timeout was joined") {
  Task& worker = spawn([&] { Scheduler::park(now() + 1s, {"test"}); });
  Wake how = Wake::cancelled;
  spawn([&] { how = Scheduler::join(worker, now() + 1s); });
  run();
  advance(1s);
  REQUIRE(how == Wake::ready);
}

TEST_CASE_METHOD(TaskFixture, "a cancelled task can still be joined if it has ended") {
  Task& worker = spawn([] {});
  Task& joiner = spawn([&] {
    Scheduler::park(never, {"test"});
    CHECK(Scheduler::join(worker, never) == Wake::ready);
  });
  run();
  scheduler.cancel(joiner, CancelReason::user);
  run();
  REQUIRE(joiner.has_ended());
}

TEST_CASE_METHOD(TaskFixture, "what leaves a task is kept for who joins it") {
  Task& failing = disown(spawn([] { throw std::runtime_error("kept"); }));
  Task& other = disown(spawn([] { throw 17; }));
  Task& fine = spawn([] {});
  run();
  REQUIRE_THROWS_WITH(std::rethrow_exception(failing.failure()), "kept");
  REQUIRE_THROWS_AS(std::rethrow_exception(other.failure()), int);
  REQUIRE(fine.failure() == nullptr);
  Scheduler::free_ended(failing);
  Scheduler::free_ended(other);
}

TEST_CASE_METHOD(TaskFixture,
                 "a task that nobody has joined keeps its stack, detached it doesn't") {
  Task& kept = disown(spawn([] {}));
  Task& detached_before = disown(spawn([] {}));
  Scheduler::detach(detached_before);
  run();
  REQUIRE(pool.in_use() == 1);
  Scheduler::detach(kept);  // after its end
  REQUIRE(pool.in_use() == 0);
}

TEST_CASE_METHOD(TaskFixture, "a detached task is freed as soon as the next one runs") {
  std::vector<int> order;
  spawn_detached([kept = Freed{order, 1}] {});
  spawn([&] {
    CHECK(pool.in_use() == 1);
    order.push_back(2);
  });
  run();
  REQUIRE(order == std::vector{1, 2});
}

TEST_CASE_METHOD(TaskFixture, "the last detached task is freed by the loop that it returns to") {
  std::vector<int> order;
  spawn_detached([kept = Freed{order, 1}] {});
  run();
  REQUIRE(order == std::vector{1});
  REQUIRE(pool.in_use() == 0);
}

TEST_CASE_METHOD(TaskFixture, "the stack of a task that has just ended can be taken at once") {
  evcoro::stacks::StackPool single{{.capacity = 1, .stack_size = 64 * 1024}};
  int ran = 0;
  for (int i = 0; i < 3; ++i) {
    Task& task = support::make_function_task(single, [&] { ++ran; });
    scheduler.start(task);
    Scheduler::detach(task);
    run();
  }
  REQUIRE(ran == 3);
  REQUIRE(single.statistics().refused == 0);
}

TEST_CASE_METHOD(TaskFixture, "what is freed with a detached task belongs to no task") {
  struct AsksWhoRuns {
    AsksWhoRuns(std::vector<Task*>& seen_here) : seen(&seen_here) {}
    AsksWhoRuns(AsksWhoRuns&& other) noexcept : seen(std::exchange(other.seen, nullptr)) {}
    ~AsksWhoRuns() {
      if (seen != nullptr) seen->push_back(Scheduler::current_task());
    }
    std::vector<Task*>* seen;
  };
  std::vector<Task*> seen;
  Task* next = nullptr;
  spawn_detached([kept = AsksWhoRuns{seen}] {});
  next = &spawn([&] { CHECK(Scheduler::current_task() == next); });
  spawn_detached([kept = AsksWhoRuns{seen}] {});
  run();
  REQUIRE(seen == std::vector<Task*>{nullptr, nullptr});
}

TEST_CASE_METHOD(TaskFixture, "a task of one scheduler may join one of another") {
  support::ManualLoop other_loop;
  Scheduler other{other_loop};
  Task& worker = support::make_function_task(pool, [] { Scheduler::park(never, {"test"}); });
  other.start(worker);
  other_loop.run(other);
  bool joined = false;
  spawn([&] {
    joined = Scheduler::join(worker, never) == Wake::ready;
    CHECK(Scheduler::current() == &scheduler);
  });
  run();
  other.wake(worker, Wake::ready);
  other_loop.run(other);
  REQUIRE_FALSE(joined);  // it is the joiner's own loop that lets it go on
  run();
  REQUIRE(joined);
  Scheduler::free_ended(worker);
}

TEST_CASE("tasks that have ended outlive their scheduler") {
  evcoro::stacks::StackPool pool{{.capacity = 1, .stack_size = 64 * 1024}};
  support::ManualLoop loop;
  std::optional<Scheduler> scheduler{std::in_place, loop};
  evcoro::corothread::Task& task = support::make_function_task(pool, [] {});
  scheduler->start(task);
  loop.run(*scheduler);
  scheduler.reset();
  REQUIRE(task.has_ended());
  REQUIRE(task.scheduler() == nullptr);
  Scheduler::free_ended(task);
  REQUIRE(pool.in_use() == 0);
}

TEST_CASE_METHOD(TaskFixture, "what a detached task owns may be a suspended coroutine") {
  Coroutine<void()> suspended{pool, [](auto& yield) { yield(); }};
  suspended.start();
  spawn_detached([owned = std::make_unique<Coroutine<void()>>(std::move(suspended))] {});
  int others = 0;
  for (int i = 0; i < 3; ++i) spawn([&] { others += Scheduler::yield() == Wake::ready ? 1 : 0; });
  run();
  REQUIRE(others == 3);
}
