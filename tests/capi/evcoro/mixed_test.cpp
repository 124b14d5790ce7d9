// C and C++ in one program.

#include <stdexcept>
#include <string>

#include <corothread/evthread.h>
#include <evcorothread/evthread.h>  // under the historic names, too
#include <evcoro/loop.hpp>
#include <evcoro/thread.hpp>
#include <support/loop_fixture.hpp>

using namespace evcoro;  // a C program's own `STACKS stacks;` must compile beside it
using namespace std::chrono_literals;

STACKS stacks;

TEST_CASE_METHOD(support::LoopFixture, "a thread that C++ code made can use the C face") {
  in_thread([] {
    EVTHREAD* const self = EVTHREAD_current();
    REQUIRE(self != nullptr);
    REQUIRE(EVTHREAD_current() == self);
    REQUIRE(EVTHREAD_loop(self) == nullptr);
    REQUIRE(EVTHREAD_delay(self, timeval{0, 1000}) == 0);
    REQUIRE(EVTHREAD_wake(self) == 0);
    REQUIRE(EVTHREAD_park(EVTIMEOUT_NOW) == 0);
    REQUIRE(EVSOCKET_open(self, AF_INET) != nullptr);  // closed when the thread ends
    REQUIRE(EVTIMER_start(EVTIMER_init(self, 1, EVTIMEOUT_NEVER)) == 0);
  });
}

TEST_CASE("a thread that C code made can use the C++ face") {
  REQUIRE(STACKS_init(&::stacks, 4, 65) == 0);
  EVLOOP* const loop = EVLOOP_init(&::stacks);
  bool ran = false;
  EVTHREAD* const thread = EVTHREAD_init(
      loop,
      [](EVTHREAD* self, EVSOCKET*, void* context) {
        REQUIRE(this_thread::id() == EVTHREAD_id(self));
        REQUIRE(!this_thread::sleep_for(1ms));
        auto sum = Loop::current()->spawn([] { return 1 + 2; });
        *static_cast<bool*>(context) = sum.value().join().value() == 3;
      },
      &ran);
  REQUIRE(EVTHREAD_start(thread, nullptr) == 0);
  REQUIRE(EVLOOP_run(loop) == 1);
  REQUIRE(ran);
  REQUIRE(EVLOOP_free(loop) == 0);
  REQUIRE(STACKS_destroy(&::stacks) == 0);
}

namespace {
std::string reported;
}

TEST_CASE(
    "an exception that leaves a function of the C face is reported, and ends its thread only") {
  reported.clear();
  evcoro::stacks::set_report_sink(
      [](const char* text, std::size_t size) noexcept { reported.append(text, size); });
  REQUIRE(STACKS_init(&::stacks, 4, 65) == 0);
  EVLOOP* const loop = EVLOOP_init(&::stacks);
  EVTHREAD_OPTIONS options{};
  options.name = "thrower";
  EVTHREAD* const thread = EVTHREAD_init_ex(
      loop,
      [](EVTHREAD* self, EVSOCKET*, void*) {
        EVSOCKET_open(self, AF_INET);  // closed all the same
        throw std::runtime_error("out of reach");
      },
      nullptr, &options);
  REQUIRE(EVTHREAD_start_joinable(thread, nullptr) == 0);
  REQUIRE(EVTHREAD_join(thread, EVTIMEOUT_NOW) == 0);
  REQUIRE(reported.find("thrower") != std::string::npos);
  REQUIRE(reported.find("out of reach") != std::string::npos);
  REQUIRE(EVLOOP_free(loop) == 0);
  REQUIRE(STACKS_destroy(&::stacks) == 0);
  evcoro::stacks::set_report_sink(nullptr);
}
