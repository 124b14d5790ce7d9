// Stack overflows of real coroutines and tasks: what is reported before the process dies.
#include <stacks/overflow.hpp>

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <thread>

#include <corothread/coroutine.hpp>
#include <corothread/scheduler.hpp>
#include <support/catch.hpp>
#include <support/contains.hpp>
#include <support/process.hpp>
#include <support/task_fixture.hpp>

using namespace evcoro::corothread;
using evcoro::stacks::install_overflow_handler;
using evcoro::stacks::StackPool;
using support::contains;
using support::Ended;

namespace {

const volatile int too_deep = std::numeric_limits<int>::max();

[[gnu::noinline]] int recurse(int depth) {
  volatile char frame[128];
  frame[0] = static_cast<char>(depth);
  if (depth == too_deep) return 0;
  return recurse(depth + 1) + frame[0];
}

[[gnu::noinline]] void use_large_frame() {
  volatile char frame[60 * 1024];
  frame[0] = 1;
  asm volatile("" ::"r"(frame));  // all of it is in use, for what the compiler knows
}

// Larger than the guard: probed page by page, it can't step over it.
[[gnu::noinline]] void use_huge_frame() {
  volatile char frame[1024 * 1024];
  frame[0] = 1;
  asm volatile("" ::"r"(frame));
}

// The sizes that a report gives.
struct Sizes {
  std::size_t stack = 0;
  std::size_t used = 0;
};

Sizes sizes_in(const std::string& report) {
  Sizes sizes;
  const std::size_t at = report.find("stack size ");
  if (at != std::string::npos) {
    std::sscanf(report.c_str() + at, "stack size %zu bytes, used %zu;", &sizes.stack, &sizes.used);
  }
  return sizes;
}

// Runs body in a coroutine 'culprit' of a child process, with the handler or without.
Ended overflow_in_coroutine(const std::function<void()>& body, bool with_handler = true) {
  return support::in_child([&] {
    if (with_handler) install_overflow_handler();
    StackPool pool{{.capacity = 3, .stack_size = 32 * 1024, .size_setting = "--pages"}};
    Coroutine<void()> other{pool, [](auto& yield) { yield(); }, {.name = "other"}};
    other.start();
    const Origin origin{.name = "culprit"};
    Coroutine<void()> culprit{pool, [&](auto&) { body(); }, origin};
    std::printf("expect (id %llu), spawned at %s:%u\n",
                static_cast<unsigned long long>(culprit.identity().id()), origin.where.file,
                origin.where.line);
    std::fflush(stdout);
    culprit.start();
    std::printf("survived\n");
  });
}

void require_report(const Ended& ended) {
  INFO(ended.output);
  REQUIRE(support::died_of_a_fault(ended));
  const std::size_t at = ended.output.find("(id ");
  const std::string expected = ended.output.substr(at, ended.output.find('\n', at) - at);
  REQUIRE_THAT(expected, contains("overflow_test.cpp:"));
  REQUIRE_THAT(ended.output,
               contains("stack overflow in coroutine thread 'culprit' " + expected + "\n"));
  REQUIRE_THAT(ended.output, contains("; raise --pages\n"));
  const Sizes sizes = sizes_in(ended.output);
  REQUIRE(sizes.stack >= 32 * 1024);
  REQUIRE(sizes.stack <= 40 * 1024);
  REQUIRE(sizes.used > sizes.stack);
  REQUIRE(sizes.used <= sizes.stack + evcoro::stacks::guard_size);
}

}  // namespace

TEST_CASE("a recursion that overflows is reported") {
  require_report(overflow_in_coroutine([] { recurse(0); }));
}

TEST_CASE("a single frame of 60 KiB that overflows is reported") {
  require_report(overflow_in_coroutine(use_large_frame));
}

TEST_CASE("a single frame that is larger than stack and guard is reported") {
#if defined(__clang__)
  support::skip("clang 14 doesn't probe large frames");
#endif
  require_report(overflow_in_coroutine(use_huge_frame));
}

TEST_CASE("an overflow after many switches names the coroutine that runs") {
  require_report(overflow_in_coroutine([] {
    StackPool pool{{.capacity = 1, .stack_size = 64 * 1024}};
    Coroutine<void()> inner{pool, [](auto& yield) {
                              while (true) yield();
                            }};
    inner.start();
    for (int i = 0; i < 1000; ++i) inner.resume();
    recurse(0);
  }));
}

TEST_CASE("without the handler nothing is reported") {
  const Ended ended = overflow_in_coroutine([] { recurse(0); }, false);
  REQUIRE(support::died_of_a_fault(ended));
  REQUIRE_THAT(ended.output, !contains("evcoro"));
  REQUIRE_THAT(ended.output, !contains("survived"));
}

TEST_CASE("another fault in a coroutine is not reported as an overflow") {
  const Ended ended = overflow_in_coroutine([] {
    const volatile std::uintptr_t address = 64;
    *reinterpret_cast<volatile char*>(address) = 1;
  });
  REQUIRE(support::died_of_a_fault(ended));
  REQUIRE_THAT(ended.output, !contains("stack overflow in"));
}

TEST_CASE("a task that overflows in a second OS thread is reported") {
  const Origin origin{.name = "reader"};
  const Ended ended = support::in_child([&] {
    install_overflow_handler();
    std::thread{[&] {
      StackPool pool{{.capacity = 1, .stack_size = 16 * 1024}};
      support::ManualLoop loop;
      Scheduler scheduler{loop};
      scheduler.start(support::make_function_task(
          pool, [] { recurse(0); }, origin));
      loop.run(scheduler);
    }}.join();
  });
  INFO(ended.output);
  REQUIRE(support::died_of_a_fault(ended));
  REQUIRE_THAT(ended.output, contains("stack overflow in coroutine thread 'reader' (id "));
  REQUIRE_THAT(ended.output,
               contains("overflow_test.cpp:" + std::to_string(origin.where.line) + "\n"));
  REQUIRE_THAT(ended.output, contains("raise StackPool::Options::stack_size\n"));
}

TEST_CASE("a coroutine inside a task is reported by its own name, one without a name by its id") {
  const Ended ended = support::in_child([] {
    install_overflow_handler();
    StackPool pool{{.capacity = 2, .stack_size = 32 * 1024}};
    support::ManualLoop loop;
    Scheduler scheduler{loop};
    scheduler.start(support::make_function_task(
        pool,
        [&] {
          Coroutine<void()> inner{pool, [](auto&) { recurse(0); }};
          std::printf("as (id %llu)\n", static_cast<unsigned long long>(inner.identity().id()));
          std::fflush(stdout);
          inner.start();
        },
        {.name = "task"}));
    loop.run(scheduler);
  });
  INFO(ended.output);
  REQUIRE(support::died_of_a_fault(ended));
  unsigned long long id = 0;
  std::sscanf(ended.output.c_str() + ended.output.find("as (id "), "as (id %llu)", &id);
  REQUIRE_THAT(ended.output,
               contains("stack overflow in coroutine thread (id " + std::to_string(id) + ")"));
}

TEST_CASE("an application's handler is called after the report, on a stack that it can use") {
  const Ended ended = support::in_child([] {
    std::signal(SIGSEGV, [](int) {
      volatile char frame[8 * 1024];
      frame[0] = 42;
      static_cast<void>(::write(STDOUT_FILENO, "handled\n", 8));
      ::_exit(frame[0]);
    });
    install_overflow_handler();
    StackPool pool{{.capacity = 1, .stack_size = 32 * 1024}};
    Coroutine<void()> culprit{pool, [](auto&) { recurse(0); }, {.name = "culprit"}};
    culprit.start();
  });
  REQUIRE_THAT(ended.output, contains("stack overflow in coroutine thread 'culprit'"));
  REQUIRE_THAT(ended.output, contains("handled\n"));
  REQUIRE(ended.status == 42);
}
