// The C headers in a C++ program that uses the namespace and calls its variables as C programs do.
#include <corothread/cthread.h>
#include <stacks/stacks.h>

#include <cstdint>

#include <support/catch.hpp>

namespace evcoro {}
using namespace evcoro;

STACKS stacks;

namespace {

void double_it(VALUES* values) {
  std::int32_t number = 0;
  while (VALUES_scan(values, "%d", &number) == 0 && CTHREAD_yield(&values, "%d", 2 * number) == 0) {
  }
}

}  // namespace

TEST_CASE("C++ code may use the C headers with names as in C") {
  REQUIRE(STACKS_init(&stacks, 1, 17) == 0);
  CTHREAD* const thread = CTHREAD_init_named(&stacks, double_it, "double");
  VALUES* values = nullptr;
  std::int32_t number = 0;
  REQUIRE(CTHREAD_start(thread, &values, "%d", 21) == 0);
  REQUIRE(VALUES_scan(values, "%d", &number) == 0);
  REQUIRE(number == 42);
  REQUIRE(CTHREAD_free(thread) == 0);
  REQUIRE(STACKS_destroy(&stacks) == 0);
}
