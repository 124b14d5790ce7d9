// errno and the C++ exception globals are per coroutine.
#include <corothread/coroutine.hpp>

#include <cerrno>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include <support/catch.hpp>
#include <support/task_fixture.hpp>

using namespace evcoro::corothread;
using evcoro::stacks::StackPool;

namespace {

// Throws and catches text, switches inside the catch block, and returns what `throw;` then throws.
template <class Switch>
std::string rethrown_after(const std::string& text, Switch switch_away) {
  try {
    try {
      throw std::runtime_error(text);
    } catch (...) {
      switch_away();
      throw;
    }
  } catch (const std::exception& exception) {
    return exception.what();
  }
}

// Switches in its destructor, and keeps how many exceptions were in flight before and after.
template <class Switch>
struct SwitchesInDestructor {
  ~SwitchesInDestructor() {
    uncaught.push_back(std::uncaught_exceptions());
    switch_away();
    uncaught.push_back(std::uncaught_exceptions());
  }
  Switch& switch_away;
  std::vector<int>& uncaught;
};

template <class Switch>
std::string unwinds_across(const std::string& text, Switch switch_away,
                           std::vector<int>& uncaught) {
  try {
    const SwitchesInDestructor<Switch> guard{switch_away, uncaught};
    throw std::runtime_error(text);
  } catch (const std::exception& exception) {
    return exception.what();
  }
}

struct Fixture {
  StackPool pool{{.capacity = 2, .stack_size = 128 * 1024}};
};

}  // namespace

TEST_CASE_METHOD(Fixture, "errno is per coroutine") {
  Coroutine<int()> coroutine{pool, [](auto& yield) {
                               yield(errno);
                               errno = 2;
                               yield(errno);
                               return errno;
                             }};
  errno = 1;
  REQUIRE(coroutine.start() == 0);  // a fresh one has none
  REQUIRE(errno == 1);
  REQUIRE(coroutine.resume() == 2);
  REQUIRE(errno == 1);
  errno = 3;
  REQUIRE(coroutine.resume() == 2);
  REQUIRE(errno == 3);
}

TEST_CASE_METHOD(support::TaskFixture, "errno is per task") {
  for (int number = 1; number <= 3; ++number) {
    spawn([&, number] {
      CHECK(errno == 0);
      for (int i = 0; i < 3; ++i) {
        errno = 10 * number + i;
        if (i == 1) {
          Scheduler::park(now() + std::chrono::seconds{1}, {"test"});
        } else {
          Scheduler::yield();
        }
        CHECK(errno == 10 * number + i);
      }
    });
  }
  errno = 99;
  run();
  advance(std::chrono::seconds{1});
  REQUIRE(errno == 99);
}

namespace {

struct SetsErrnoInDestructor {
  SetsErrnoInDestructor() = default;
  SetsErrnoInDestructor(SetsErrnoInDestructor&& other) noexcept
      : live(std::exchange(other.live, false)) {}
  ~SetsErrnoInDestructor() {
    if (live) errno = 77;
  }
  bool live = true;
};

}  // namespace

TEST_CASE_METHOD(support::TaskFixture, "what is freed when a task ends leaves the others' errno") {
  spawn([&] {
    errno = 5;
    spawn_detached([kept = SetsErrnoInDestructor{}] {});
    Scheduler::yield();  // it runs, ends, and is freed by whom it switches to
    CHECK(errno == 5);
    CHECK(pool.in_use() == 1);
  });
  errno = 6;
  run();
  spawn_detached([kept = SetsErrnoInDestructor{}] {});
  errno = 7;
  run();
  REQUIRE(errno == 7);
}

TEST_CASE_METHOD(Fixture, "two coroutines and main yield inside catch at once") {
  std::vector<std::string> rethrown;
  const auto body = [&](const char* text) {
    return [&rethrown, text](auto& yield) {
      rethrown.push_back(rethrown_after(text, [&] { yield(); }));
      rethrown.push_back(rethrown_after(text + std::string(" again"), [&] { yield(); }));
    };
  };
  Coroutine<void()> first{pool, body("first")};
  Coroutine<void()> second{pool, body("second")};
  REQUIRE(rethrown_after("main", [&] {
            first.start();
            second.start();
            REQUIRE(rethrown_after("nested", [&] {
                      first.resume();
                      second.resume();
                    }) == "nested");
            REQUIRE(std::current_exception() != nullptr);
            first.resume();
          }) == "main");
  REQUIRE(std::current_exception() == nullptr);
  second.resume();
  REQUIRE(rethrown == std::vector<std::string>{"first", "second", "first again", "second again"});
}

TEST_CASE_METHOD(Fixture, "one coroutine throws and catches while another is inside catch") {
  Coroutine<void()> thrower{pool, [](auto& yield) {
                              while (true) {
                                try {
                                  throw 1;
                                } catch (int) {
                                }
                                yield();
                              }
                            }};
  thrower.start();
  Coroutine<std::string()> catcher{
      pool, [&](auto& yield) { return rethrown_after("kept", [&] { yield("inside"); }); }};
  REQUIRE(catcher.start() == "inside");
  for (int i = 0; i < 3; ++i) thrower.resume();
  REQUIRE(catcher.resume() == "kept");
}

TEST_CASE_METHOD(Fixture, "a coroutine that starts inside catch has no exception of its own") {
  bool clean = false;
  Coroutine<void()> coroutine{pool, [&](auto& yield) {
                                clean = std::current_exception() == nullptr &&
                                        std::uncaught_exceptions() == 0;
                                yield();
                              }};
  rethrown_after("main", [&] { coroutine.start(); });
  REQUIRE(clean);
}

TEST_CASE_METHOD(Fixture, "coroutines switch in destructors while exceptions unwind them") {
  std::vector<std::string> caught;
  std::vector<int> uncaught[3];
  const auto body = [&](int number) {
    return [&, number](auto& yield) {
      caught.push_back(unwinds_across(
          std::to_string(number), [&] { yield(); }, uncaught[number]));
    };
  };
  Coroutine<void()> first{pool, body(1)};
  Coroutine<void()> second{pool, body(2)};
  const auto resume_both = [&] {
    if (first.state() == CoroutineState::initial) {
      first.start();
      second.start();
      return;
    }
    second.resume();
    first.resume();
  };
  REQUIRE(unwinds_across("main", resume_both, uncaught[0]) == "main");
  REQUIRE(std::uncaught_exceptions() == 0);
  resume_both();
  for (const auto& counts : uncaught) REQUIRE(counts == std::vector{1, 1});
  REQUIRE(caught == std::vector<std::string>{"2", "1"});
}

TEST_CASE_METHOD(support::TaskFixture, "tasks park inside catch and in destructors") {
  std::vector<std::string> caught;
  std::vector<int> uncaught;
  for (const char* const text : {"a", "b"}) {
    spawn([&, text] {
      const auto park = [&] {
        CHECK(Scheduler::park(now() + std::chrono::seconds{1}, {"test"}) == Wake::timed_out);
      };
      caught.push_back(rethrown_after(text, park));
      caught.push_back(unwinds_across(text, park, uncaught));
      caught.push_back(rethrown_after(text, [] { Scheduler::yield(); }));
    });
  }
  rethrown_after("main", [&] {
    run();
    advance(std::chrono::seconds{1});
  });
  advance(std::chrono::seconds{1});
  REQUIRE(caught == std::vector<std::string>{"a", "b", "a", "b", "a", "b"});
  REQUIRE(uncaught == std::vector{1, 1, 1, 1});
}
