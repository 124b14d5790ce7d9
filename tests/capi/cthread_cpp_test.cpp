// CTHREADs whose procedures are C++: exceptions, destructors, coroutines and tasks.
#include <corothread/cthread.h>

#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

#include <corothread/coroutine.hpp>
#include <corothread/cthread_c.hpp>
#include <corothread/scheduler.hpp>
#include <stacks/report.hpp>
#include <stacks/stacks_c.hpp>
#include <support/catch.hpp>
#include <support/contains.hpp>
#include <support/task_fixture.hpp>

using namespace evcoro::corothread;
using namespace std::chrono_literals;
using support::contains;

namespace {

std::string reported;

struct Fixture {
  Fixture() {
    CHECK(STACKS_init(&stacks, 4, 17) == 0);
    reported.clear();
    evcoro::stacks::set_report_sink(
        [](const char* text, std::size_t size) noexcept { reported.append(text, size); });
  }
  ~Fixture() {
    evcoro::stacks::set_report_sink(nullptr);
    CHECK(STACKS_destroy(&stacks) == 0);
  }

  STACKS stacks;
};

struct TaskFixture : Fixture, support::TaskFixture {};

using Events = std::vector<std::string>;
Events events;

// Adds its name to events when it is destroyed.
struct Traced {
  ~Traced() { events.emplace_back(name); }
  const char* name;
};

void throw_when_resumed(VALUES*) {
  const Traced traced{"unwound"};
  CTHREAD_yield(nullptr, nullptr);
  throw std::runtime_error("too bad");
}

// Sleeps in the scheduler of the fixture that it is given, yields, and sleeps once more.
void sleep_and_yield(VALUES* values) {
  TaskFixture* fixture = nullptr;
  int milliseconds = 0;
  VALUES_scan(values, "%p %d", &fixture, &milliseconds);
  CTHREAD* const self = CTHREAD_self();
  do {
    Scheduler::park(fixture->now() + std::chrono::milliseconds{milliseconds}, {"sleep"});
    CHECK(CTHREAD_self() == self);
    events.push_back(CTHREAD_name(self) + std::string{" slept"});
  } while (events.size() < 5 && CTHREAD_yield(nullptr, nullptr) == 0);
}

}  // namespace

TEST_CASE_METHOD(Fixture, "an exception ends the thread, is reported, and stops there") {
  CTHREAD* const thread = CTHREAD_init_named(&stacks, throw_when_resumed, "thrower");
  REQUIRE(CTHREAD_start(thread, nullptr, nullptr) == 0);
  VALUES some{};
  VALUES* values = &some;
  REQUIRE(CTHREAD_resume(thread, &values, nullptr) == -1);
  REQUIRE(errno == ENOTRECOVERABLE);
  REQUIRE(values == nullptr);
  REQUIRE(events == Events{"unwound"});
  REQUIRE(CTHREAD_state(thread) == CTHREAD_STATE_EXIT);
  REQUIRE(STACKS_available(&stacks) == 4);
  REQUIRE_THAT(reported, contains("CTHREAD 'thrower' (id " + std::to_string(CTHREAD_id(thread)) +
                                  "), spawned at "));
  REQUIRE_THAT(reported, contains("cthread_cpp_test.cpp:"));
  REQUIRE_THAT(reported, contains(": too bad\n"));
  REQUIRE(CTHREAD_free(thread) == 0);
}

TEST_CASE_METHOD(Fixture, "an exception while a thread is killed is told by kill, not by free") {
  for (const bool by_free : {false, true}) {
    CTHREAD* const thread = CTHREAD_init(&stacks, throw_when_resumed);
    REQUIRE(CTHREAD_start(thread, nullptr, nullptr) == 0);
    if (!by_free) {
      REQUIRE(CTHREAD_kill(thread) == -1);
      REQUIRE(errno == ENOTRECOVERABLE);
      REQUIRE(CTHREAD_kill(thread) == 0);
    }
    REQUIRE(CTHREAD_free(thread) == 0);
    REQUIRE_THAT(reported, contains(": too bad\n"));
    reported.clear();
  }
}

TEST_CASE_METHOD(Fixture, "an exception of any type ends the thread, and its children first") {
  static STACKS* pool;
  static CTHREAD* child;
  pool = &stacks;
  CTHREAD* const thread = CTHREAD_init(&stacks, [](VALUES*) {
    child = CTHREAD_init(pool, [](VALUES*) { CTHREAD_yield(nullptr, nullptr); });
    CTHREAD_start(child, nullptr, nullptr);
    throw 42;
  });
  REQUIRE(CTHREAD_start(thread, nullptr, nullptr) == -1);
  REQUIRE_THAT(reported, contains("not a std::exception"));
  REQUIRE(CTHREAD_state(child) == CTHREAD_STATE_EXIT);
  REQUIRE(CTHREAD_free(child) == 0);
  REQUIRE(CTHREAD_free(thread) == 0);
}

TEST_CASE_METHOD(Fixture, "a killed thread that returns runs its destructors") {
  events.clear();
  CTHREAD* const thread = CTHREAD_init(&stacks, [](VALUES*) {
    const Traced traced{"destroyed"};
    while (CTHREAD_yield(nullptr, nullptr) == 0) {
    }
  });
  REQUIRE(CTHREAD_start(thread, nullptr, nullptr) == 0);
  REQUIRE(CTHREAD_free(thread) == 0);
  REQUIRE(events == Events{"destroyed"});
}

TEST_CASE_METHOD(Fixture, "an exception that is being handled stays with its thread") {
  const auto body = [](VALUES*) {
    try {
      throw std::runtime_error("mine");
    } catch (const std::exception&) {
      CTHREAD_yield(nullptr, nullptr);
      try {
        throw;
      } catch (const std::exception& exception) {
        CTHREAD_set_return_value("%s", exception.what());
      }
    }
  };
  CTHREAD* const thread = CTHREAD_init(&stacks, body);
  REQUIRE(CTHREAD_start(thread, nullptr, nullptr) == 0);
  REQUIRE(std::current_exception() == nullptr);
  VALUES* values = nullptr;
  const char* what = "";
  REQUIRE(CTHREAD_resume(thread, &values, nullptr) == 1);
  REQUIRE(VALUES_scan(values, "%s", &what) == 0);
  REQUIRE(what == std::string{"mine"});
  REQUIRE(CTHREAD_free(thread) == 0);
}

TEST_CASE_METHOD(Fixture, "a C++ coroutine inside a thread is outside of it") {
  CTHREAD* const thread = CTHREAD_init(&stacks, [](VALUES* values) {
    STACKS* pool = nullptr;
    VALUES_scan(values, "%p", &pool);
    Coroutine<int()> coroutine{*evcoro::stacks::pool_of(pool), [](auto&) {
                                 errno = 0;
                                 return CTHREAD_yield(nullptr, nullptr) == -1 ? errno : 0;
                               }};
    CTHREAD_set_return_value("%d", coroutine.start().value());
  });
  VALUES* values = nullptr;
  int error = 0;
  REQUIRE(CTHREAD_start(thread, &values, "%p", static_cast<void*>(&stacks)) == 1);
  REQUIRE(VALUES_scan(values, "%d", &error) == 0);
  REQUIRE(error == EPERM);
  REQUIRE(CTHREAD_free(thread) == 0);
}

TEST_CASE_METHOD(TaskFixture, "threads block inside tasks, each whole chain for itself") {
  const auto run_sleeper = [this](const char* name, int milliseconds) {
    CTHREAD* const thread = CTHREAD_init_named(&stacks, sleep_and_yield, name);
    const std::string before = std::string{name} + " yields";
    CHECK(CTHREAD_start(thread, nullptr, "%p %d", this, milliseconds) == 0);
    events.push_back(before);
    CHECK(CTHREAD_resume(thread, nullptr, nullptr) == 1);
    CHECK(CTHREAD_free(thread) == 0);
  };
  events.clear();
  spawn([&] { run_sleeper("slow", 300); });
  spawn([&] { run_sleeper("fast", 200); });
  run();
  advance(200ms);
  REQUIRE(events == Events{"fast slept", "fast yields"});
  advance(100ms);
  REQUIRE(events == Events{"fast slept", "fast yields", "slow slept", "slow yields"});
  advance(100ms);
  REQUIRE(events.back() == "fast slept");
  advance(200ms);
  REQUIRE(events.back() == "slow slept");
}

TEST_CASE_METHOD(TaskFixture, "a thread that waits in a task is running, for other tasks") {
  CTHREAD* const thread = CTHREAD_init_named(&stacks, sleep_and_yield, "thread");
  events.clear();
  spawn([&] {
    CHECK(CTHREAD_start(thread, nullptr, "%p %d", this, 100) == 0);
    CHECK(CTHREAD_free(thread) == 0);
  });
  spawn([&] {
    CHECK(CTHREAD_state(thread) == CTHREAD_STATE_RUNNING);
    CHECK(CTHREAD_self() == nullptr);
    CHECK(CTHREAD_kill(thread) == -1);
    CHECK(errno == EBUSY);
    CHECK(CTHREAD_free(thread) == 0);  // when it has ended
  });
  run();
  advance(100ms);
  // Killed by the free of the one that had started it.
  REQUIRE(events == Events{"thread slept"});
}

TEST_CASE_METHOD(TaskFixture, "a CThreadParent kills what is started on its stack") {
  static CTHREAD* thread;
  events.clear();
  spawn([&] {
    const CThreadParent parent;
    thread = CTHREAD_init(&stacks, [](VALUES*) {
      CHECK(CTHREAD_yield(nullptr, nullptr) == 1);
      events.emplace_back("killed");
    });
    CHECK(CTHREAD_start(thread, nullptr, nullptr) == 0);
    CHECK(CTHREAD_self() == nullptr);  // a parent is no thread
    CHECK(CTHREAD_yield(nullptr, nullptr) == -1);
    Scheduler::park(now() + 1s, {"sleep"});
  });
  run();
  REQUIRE(events.empty());
  advance(1s);
  REQUIRE(events == Events{"killed"});
  REQUIRE(CTHREAD_state(thread) == CTHREAD_STATE_EXIT);
  REQUIRE(CTHREAD_free(thread) == 0);
}

TEST_CASE_METHOD(Fixture, "where a CThreadParent was, threads have no parent afterwards") {
  const auto yield = [](VALUES*) { CTHREAD_yield(nullptr, nullptr); };
  CTHREAD* const inside = CTHREAD_init(&stacks, yield);
  CTHREAD* const outside = CTHREAD_init(&stacks, yield);
  {
    const CThreadParent parent;
    REQUIRE(CTHREAD_start(inside, nullptr, nullptr) == 0);
  }
  REQUIRE(CTHREAD_state(inside) == CTHREAD_STATE_EXIT);
  REQUIRE(CTHREAD_start(outside, nullptr, nullptr) == 0);
  REQUIRE(CTHREAD_state(outside) == CTHREAD_STATE_SUSPENDED);
  REQUIRE(CTHREAD_free(inside) == 0);
  REQUIRE(CTHREAD_free(outside) == 0);
}
