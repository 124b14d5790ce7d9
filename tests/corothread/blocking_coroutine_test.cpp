// Coroutines and generators that block inside a task: the whole chain parks, and the innermost is
// resumed.
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <corothread/coroutine.hpp>
#include <corothread/generator.hpp>
#include <corothread/scheduler.hpp>
#include <support/catch.hpp>
#include <support/contains.hpp>
#include <support/task_fixture.hpp>

using namespace evcoro::corothread;
using namespace std::chrono_literals;

namespace {

struct Fixture : support::TaskFixture {
  void sleep(std::chrono::nanoseconds duration) {
    CHECK(Scheduler::park(now() + duration, {"sleep"}) == Wake::timed_out);
  }
  std::vector<std::string> order;
};

using Order = std::vector<std::string>;

}  // namespace

TEST_CASE_METHOD(Fixture, "a task parks from within a coroutine, and others run meanwhile") {
  spawn([&] {
    Coroutine<int()> coroutine{pool, [&](auto& yield) {
                                 sleep(1s);
                                 order.emplace_back("slept");
                                 yield(1);
                                 sleep(1s);
                                 return 2;
                               }};
    CHECK(coroutine.start() == 1);
    order.emplace_back("first");
    CHECK(coroutine.resume() == 2);
    order.emplace_back("second");
  });
  spawn([&] { order.emplace_back("other"); });
  run();
  REQUIRE(order == Order{"other"});
  advance(1s);
  REQUIRE(order == Order{"other", "slept", "first"});
  advance(1s);
  REQUIRE(order == Order{"other", "slept", "first", "second"});
}

TEST_CASE_METHOD(Fixture, "a chain of coroutines parks as a whole, many at once") {
  int sum = 0;
  for (int task = 0; task < 5; ++task) {
    spawn([&] {
      Coroutine<int()> outer{pool, [&](auto&) {
                               Coroutine<int()> inner{pool, [&](auto& yield) {
                                                        sleep(1s);
                                                        Scheduler::yield();
                                                        yield(20);
                                                        sleep(1s);
                                                        return 3;
                                                      }};
                               const int first = *inner.start();
                               sleep(1s);
                               return first + *inner.resume();
                             }};
      sum += *outer.start();
    });
  }
  run();
  REQUIRE(pool.in_use() == 15);
  for (int i = 0; i < 3; ++i) advance(1s);
  REQUIRE(sum == 5 * 23);
}

TEST_CASE_METHOD(Fixture, "a generator may block between its elements") {
  std::vector<int> got;
  spawn([&] {
    Generator<int> slow{pool, [&](auto& yield) {
                          for (int i = 1; i <= 3; ++i) {
                            sleep(1s);
                            yield(i);
                          }
                        }};
    for (const int value : slow) got.push_back(value);
  });
  run();
  REQUIRE(got.empty());
  advance(1s);
  REQUIRE(got == std::vector{1});
  advance(1s);
  REQUIRE(got == std::vector{1, 2});
  advance(1s);
  REQUIRE(got == std::vector{1, 2, 3});
}

TEST_CASE_METHOD(Fixture, "a coroutine that yielded in one task may be resumed by another") {
  std::optional<Coroutine<std::string()>> coroutine;
  coroutine.emplace(pool, [&](auto& yield) {
    yield(std::string{Scheduler::current_task()->identity().name()});
    sleep(1s);
    return std::string{Scheduler::current_task()->identity().name()};
  });
  std::optional<std::string> second;
  spawn([&] { CHECK(coroutine->start() == "a"); }, {.name = "a"});
  spawn([&] { second = coroutine->resume(); }, {.name = "b"});
  run();
  REQUIRE(coroutine->state() == CoroutineState::running);  // it blocks, in b
  advance(1s);
  REQUIRE(second == "b");
}

TEST_CASE_METHOD(Fixture, "a coroutine that blocks in one task can't be resumed by another") {
  std::optional<Coroutine<void()>> coroutine;
  coroutine.emplace(pool, [&](auto&) { sleep(1s); });
  spawn([&] { coroutine->start(); });
  spawn([&] {
    const auto is_running = support::contains("is running");
    CHECK_THAT(support::message_of([&] { coroutine->resume(); }), is_running);
    CHECK_THAT(support::message_of([&] { coroutine->kill(); }), is_running);
  });
  run();
  REQUIRE_THROWS_AS(coroutine->resume(), std::logic_error);
  advance(1s);
  REQUIRE(coroutine->state() == CoroutineState::ended);
}

TEST_CASE_METHOD(Fixture, "a coroutine that started outside of tasks may go on inside one") {
  Coroutine<int()> coroutine{pool, [&](auto& yield) {
                               yield(1);
                               sleep(1s);
                               yield(2);
                               return 3;
                             }};
  REQUIRE(coroutine.start() == 1);
  spawn([&] { CHECK(coroutine.resume() == 2); });
  run();
  advance(1s);
  REQUIRE(coroutine.resume() == 3);
}

TEST_CASE_METHOD(Fixture, "what a killed coroutine unwinds may block") {
  struct SleepsInDestructor {
    ~SleepsInDestructor() {
      fixture.sleep(1s);
      fixture.order.emplace_back("unwound");
    }
    Fixture& fixture;
  };
  spawn([&] {
    {
      Coroutine<void()> coroutine{pool, [&](auto& yield) {
                                    const SleepsInDestructor local{*this};
                                    yield();
                                  }};
      coroutine.start();
    }
    order.emplace_back("killed");
  });
  run();
  REQUIRE(order.empty());
  advance(1s);
  REQUIRE(order == Order{"unwound", "killed"});
}

TEST_CASE_METHOD(Fixture, "a wait inside a coroutine can be cancelled") {
  Task& task = spawn([&] {
    Coroutine<void()> coroutine{
        pool, [&](auto&) { CHECK(Scheduler::park(never, {"recv"}) == Wake::cancelled); }};
    coroutine.start();
    CHECK(Scheduler::park(never, {"recv"}) == Wake::cancelled);
  });
  run();
  scheduler.cancel(task, CancelReason::user);
  run();
  REQUIRE(task.has_ended());
}

TEST_CASE_METHOD(Fixture, "exceptions pass from a coroutine that has blocked to the task") {
  spawn([&] {
    Coroutine<void()> coroutine{pool, [&](auto&) {
                                  sleep(1s);
                                  throw std::runtime_error("after a second");
                                }};
    CHECK_THROWS_WITH(coroutine.start(), "after a second");
  });
  run();
  advance(1s);
}
