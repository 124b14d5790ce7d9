#include <event2/event.h>

#include <support/loop_fixture.hpp>

TEST_CASE_METHOD(support::LoopFixture, "a loop has the back end that this suite runs on") {
  REQUIRE(event_base_get_method(loop->base()) == support::back_end);
}
