// The C headers beside the C++ ones, where evcoro::stacks is a namespace: a global variable of that
// name is ::stacks then.
#include <cstdint>

#include <corothread/cthread.h>
#include <stacks/stacks.h>
#include <corothread/coroutine.hpp>
#include <stacks/stack_pool.hpp>
#include <stacks/stacks_c.hpp>
#include <support/catch.hpp>

using namespace evcoro;

static STACKS stacks;

TEST_CASE("both faces run on one pool") {
  REQUIRE(STACKS_init(&::stacks, 2, 17) == 0);
  evcoro::stacks::StackPool* const pool = evcoro::stacks::pool_of(&::stacks);
  REQUIRE(pool != nullptr);
  REQUIRE(pool->size_setting() == "pages_per_stack of STACKS_init");
  corothread::Coroutine<int()> coroutine{
      *pool, [](auto& yield) {
        CTHREAD* const thread =
            CTHREAD_init(&::stacks, [](VALUES*) { CTHREAD_set_return_value("%d", 42); });
        VALUES* values = nullptr;
        std::int32_t number = 0;
        CTHREAD_start(thread, &values, nullptr);
        VALUES_scan(values, "%d", &number);
        CTHREAD_free(thread);
        yield(number);
      }};
  REQUIRE(coroutine.start() == 42);
  REQUIRE(STACKS_destroy(&::stacks) == -1);
  coroutine.kill();
  coroutine = corothread::Coroutine<int()>{*pool, [](auto&) {}};
  REQUIRE(STACKS_available(&::stacks) == 1);
}

TEST_CASE("there is no pool behind a STACKS that isn't initialised") {
  STACKS zeroed{};
  errno = 0;
  REQUIRE(evcoro::stacks::pool_of(&zeroed) == nullptr);
  REQUIRE(errno == EINVAL);
  REQUIRE(evcoro::stacks::pool_of(nullptr) == nullptr);
}
