#include <corothread/scheduler.hpp>

#include <csignal>
#include <functional>
#include <optional>

#include <support/catch.hpp>
#include <support/contains.hpp>
#include <support/process.hpp>
#include <support/task_fixture.hpp>

using namespace evcoro::corothread;
using evcoro::stacks::StackPool;

namespace {

struct Bench {
  StackPool pool{{.capacity = 4, .stack_size = 256 * 1024}};
  support::ManualLoop loop;
  std::optional<Scheduler> scheduler{std::in_place, loop};

  template <class Function>
  Task& spawn(Function function) {
    Task& task = support::make_function_task(pool, function);
    scheduler->start(task);
    return task;
  }
  void run() { loop.run(*scheduler); }
};

// Does something in a child process, and requires that it ends by a report that has this text.
void require_misuse(const std::string& text, const std::function<void(Bench&)>& body) {
  const auto ended = support::in_child([&] {
    Bench bench;
    body(bench);
  });
  REQUIRE_THAT(ended.output, support::contains("evcoro: misuse: " + text));
  REQUIRE(ended.signal == SIGABRT);
}

}  // namespace

TEST_CASE("parking outside a task is a misuse") {
  require_misuse("park() outside a task", [](Bench&) { Scheduler::park(never, {"test"}); });
  require_misuse("park() outside a task", [](Bench& bench) {
    bench.spawn([] {});
    bench.run();
    Scheduler::park(never, {"test"});
  });
}

TEST_CASE("yielding outside a task is a misuse") {
  require_misuse("yield() outside a task", [](Bench&) { Scheduler::yield(); });
  require_misuse("yield() outside a task", [](Bench&) { Scheduler::yield_to_loop(); });
}

TEST_CASE("joining outside a task is a misuse") {
  require_misuse("join() outside a task",
                 [](Bench& bench) { Scheduler::join(bench.spawn([] {}), never); });
}

TEST_CASE("a task that joins itself is a misuse") {
  require_misuse("join() of a thread by itself", [](Bench& bench) {
    bench.spawn([] { Scheduler::join(*Scheduler::current_task(), never); });
    bench.run();
  });
}

TEST_CASE("a second joiner is a misuse") {
  require_misuse("join() of a thread that another thread is joining", [](Bench& bench) {
    Task& task = bench.spawn([] { Scheduler::park(never, {"test"}); });
    for (int i = 0; i < 2; ++i) bench.spawn([&] { Scheduler::join(task, never); });
    bench.run();
  });
}

TEST_CASE("destroying a scheduler with live tasks is a misuse") {
  require_misuse("a scheduler was destroyed while tasks were alive", [](Bench& bench) {
    bench.spawn([] { Scheduler::park(never, {"test"}); });
    bench.run();
    bench.scheduler.reset();
  });
}

TEST_CASE("driving a loop from one of its own tasks is a misuse") {
  require_misuse("a loop was driven by a thread of its own", [](Bench& bench) {
    bench.spawn([&] { bench.scheduler->drain(); });
    bench.run();
  });
}

TEST_CASE("detaching or freeing a task while another joins it is a misuse") {
  require_misuse("detach() of a thread that another is joining", [](Bench& bench) {
    Task& worker = bench.spawn([] { Scheduler::park(never, {"test"}); });
    bench.spawn([&] { Scheduler::join(worker, never); });
    bench.run();
    Scheduler::detach(worker);
  });
  require_misuse("a thread was freed while another is joining it", [](Bench& bench) {
    Task& worker = bench.spawn([] { Scheduler::park(never, {"test"}); });
    bench.spawn([&] { Scheduler::join(worker, never); });
    bench.run();
    bench.scheduler->wake(worker, Wake::ready);
    bench.spawn([&] { Scheduler::free_ended(worker); });
    bench.run();
  });
}

TEST_CASE("a second join of a task is a misuse also when it has just ended") {
  require_misuse("join() of a thread that another thread is joining", [](Bench& bench) {
    Task& worker = bench.spawn([] { Scheduler::park(never, {"test"}); });
    bench.spawn([&] { Scheduler::join(worker, never); });
    bench.run();
    // The worker ends, which makes its joiner ready, behind this one.
    bench.scheduler->wake(worker, Wake::ready);
    bench.spawn([&] { Scheduler::join(worker, never); });
    bench.run();
  });
}

TEST_CASE("a misuse in a task names the task") {
  require_misuse("join() of a thread by itself", [](Bench& bench) {
    Task* self = nullptr;
    self = &bench.spawn([&] { Scheduler::join(*self, never); });
    bench.run();
  });
  const auto ended = support::in_child([] {
    Bench bench;
    Task* self = nullptr;
    self = &support::make_function_task(bench.pool, [&] { Scheduler::join(*self, never); },
                                        {.name = "culprit"});
    bench.scheduler->start(*self);
    bench.run();
  });
  REQUIRE_THAT(ended.output, support::contains("in coroutine thread 'culprit' (id "));
  REQUIRE_THAT(ended.output, support::contains("scheduler_misuse_test.cpp:"));
}
