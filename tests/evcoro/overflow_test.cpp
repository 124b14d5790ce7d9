// Stack overflows of threads on real loops; the report itself is tested in the layers below.
#include <csignal>
#include <optional>
#include <thread>

#include <stacks/overflow.hpp>
#include <support/contains.hpp>
#include <support/loop_fixture.hpp>

using namespace evcoro;

namespace {

const volatile int too_deep = 1 << 30;

[[gnu::noinline]] int recurse(int depth) {
  volatile char frame[128];
  frame[0] = static_cast<char>(depth);
  if (depth == too_deep) return 0;
  return recurse(depth + 1) + frame[0];
}

void overflow_in_a_loop() {
  stacks::StackPool pool{{.capacity = 2, .stack_size = 32 * 1024, .size_setting = "--pages"}};
  Loop loop{pool};
  loop.spawn({.name = "bystander"}, [] { return this_thread::sleep_until(never); })
      .value()
      .detach();
  loop.spawn({.name = "culprit"}, [] { recurse(0); }).value().detach();
  loop.run();
}

void require_report(const support::Ended& ended) {
  INFO(ended.output);
  REQUIRE(support::died_of_a_fault(ended));
  REQUIRE_THAT(ended.output, support::contains("stack overflow in coroutine thread 'culprit'"));
  REQUIRE_THAT(ended.output, support::contains("overflow_test.cpp:"));
  REQUIRE_THAT(ended.output, support::contains("; raise --pages"));
}

}  // namespace

TEST_CASE("a thread's stack overflow is reported") {
  require_report(support::in_child([] {
    stacks::install_overflow_handler();
    overflow_in_a_loop();
  }));
}

TEST_CASE("a stack overflow is reported on a loop that runs in a second OS thread") {
  require_report(support::in_child([] {
    stacks::install_overflow_handler();
    std::thread{overflow_in_a_loop}.join();
  }));
}
