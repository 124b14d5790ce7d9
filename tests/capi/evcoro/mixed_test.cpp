// C and C++ in one program.

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <corothread/evthread.h>
#include <evcoro/file.h>
#include <evcoro/offload.h>
#include <evcoro/scope.h>
#include <evcorothread/evthread.h>  // under the historic names, too
#include <evcoro/loop.hpp>
#include <evcoro/thread.hpp>
#include <evcoro/timer.hpp>
#include <support/contains.hpp>
#include <support/failing_new.hpp>
#include <support/loop_fixture.hpp>

using namespace evcoro;  // a C program's own `STACKS stacks;` must compile beside it
using namespace std::chrono_literals;

STACKS stacks;

TEST_CASE_METHOD(support::LoopFixture, "a thread that C++ code made can use the C face") {
  in_thread([] {
    EVTHREAD* const self = EVTHREAD_current();
    REQUIRE(self != nullptr);
    REQUIRE(EVTHREAD_current() == self);
    EVLOOP* const its_loop = EVTHREAD_loop(self);
    REQUIRE(its_loop != nullptr);
    REQUIRE(EVTHREAD_loop(self) == its_loop);
    REQUIRE(EVLOOP_base(its_loop) == Loop::current()->base());
    REQUIRE(EVTHREAD_init(
                its_loop, [](EVTHREAD*, EVSOCKET*, void*) {}, nullptr) != nullptr);
    REQUIRE(EVLOOP_free(its_loop) == -1);
    REQUIRE(errno == EBUSY);
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

TEST_CASE_METHOD(support::LoopFixture, "timers of both faces don't take each other's expiries") {
  in_thread([] {
    Timer timer;
    timer.start(1us);
    EVTHREAD* const self = EVTHREAD_current();
    REQUIRE(EVTIMER_start(EVTIMER_init(self, 7, timeval{0, 2})) == 0);
    REQUIRE(!this_thread::sleep_for(1ms));
    int id = 0;
    REQUIRE(EVTHREAD_wait_timer(&id, EVTIMEOUT_NOW) == 0);
    REQUIRE(id == 7);
    REQUIRE(EVTHREAD_wait_timer(&id, EVTIMEOUT_NOW) == -1);
    REQUIRE(Timer::wait_any(no_wait).value() == &timer);
  });
}

namespace {

// Holder closes an EVSOCKET when its thread ends.
struct Holder {
  explicit Holder(EVSOCKET* its_socket) : socket(its_socket) {}
  Holder(Holder&& other) noexcept : socket(std::exchange(other.socket, nullptr)) {}
  ~Holder() {
    if (socket != nullptr) EVSOCKET_close(socket);
  }
  EVSOCKET* socket;
};

// Late is a result that opens an EVSOCKET when it is dropped.
struct Late {
  Late() = default;
  Late(Late&& other) noexcept : is_last(std::exchange(other.is_last, false)) {}
  ~Late() {
    if (is_last) EVSOCKET_open(EVTHREAD_current(), AF_INET);
  }
  bool is_last = true;
};

std::string reported;

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "what a thread owns may have EVSOCKETs") {
  in_thread([] { this_thread::own(Holder{EVSOCKET_open(EVTHREAD_current(), AF_INET)}); });
}

TEST_CASE_METHOD(support::LoopFixture, "a result that is dropped may still make EVSOCKETs") {
  spawn([] { return Late{}; });
  loop->run();
}

TEST_CASE("what a thread of C code owns may have EVSOCKETs") {
  REQUIRE(STACKS_init(&::stacks, 4, 65) == 0);
  EVLOOP* const loop = EVLOOP_init(&::stacks);
  EVTHREAD* const thread = EVTHREAD_init(
      loop,
      [](EVTHREAD* self, EVSOCKET*, void*) {
        this_thread::own(Holder{EVSOCKET_open(self, AF_INET)});
      },
      nullptr);
  REQUIRE(EVTHREAD_start(thread, nullptr) == 0);
  REQUIRE(EVLOOP_run(loop) == 1);
  REQUIRE(EVLOOP_free(loop) == 0);
  REQUIRE(STACKS_destroy(&::stacks) == 0);
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

namespace {

// Heard is what the loop's exception handler has got.
struct Heard {
  explicit Heard(Loop& loop) {
    loop.set_exception_handler([this](const ThreadInfo& thread, std::exception_ptr exception) {
      all += thread.name + ": " + support::message_of([&] { std::rethrow_exception(exception); }) +
             "\n";
    });
  }
  std::string all;
};

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "an exception of a scope's function is a failure for C") {
  Heard heard{*loop};
  in_thread([&] {
    EVSCOPE* const scope = EVSCOPE_open(EVTIMEOUT_NEVER);
    const auto thrower = [](EVTHREAD*, void*) -> int { throw std::runtime_error("out of reach"); };
    EVTHREAD_OPTIONS options{};
    options.name = "thrower";
    REQUIRE(EVSCOPE_start(scope, thrower, nullptr, &options) == 0);
    REQUIRE(EVSCOPE_wait(scope, EVTIMEOUT_NEVER) == -1);
    REQUIRE(errno == ENOTRECOVERABLE);
    REQUIRE(EVSCOPE_cancel_reason(scope) == EVCANCEL_FAILURE);
    REQUIRE(EVSCOPE_close(scope) == 0);
  });
  REQUIRE(heard.all == "thrower: out of reach\n");
}

TEST_CASE_METHOD(support::LoopFixture, "an exception of an offloaded function is a failure for C") {
  Heard heard{*loop};
  int discarded = 0;
  in_thread([&] {
    const auto thrower = [](void*) -> int { throw std::runtime_error("out of reach"); };
    const auto discard = [](void* ctx) { ++*static_cast<int*>(ctx); };
    REQUIRE(EVOFFLOAD_run(nullptr, thrower, &discarded, discard, EVTIMEOUT_NEVER, nullptr) == -1);
    REQUIRE(errno == ENOTRECOVERABLE);
  });
  REQUIRE(discarded == 1);
  REQUIRE(heard.all == "test: out of reach\n");
}

TEST_CASE_METHOD(support::LoopFixture, "a descriptor that memory failed for stays its owner's") {
  support::skip_without_failing_new();
  in_thread([&] {
    EVTHREAD* const self = EVTHREAD_current();
    const int failed = support::fail_each_new([&](support::FailingNew& failing) {
      const int descriptor = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
      EVFILE* const file = failing.run([&] { return EVFILE_adopt(self, descriptor); }).value();
      REQUIRE((file == nullptr) == failing.has_failed());
      if (file != nullptr) {
        REQUIRE(EVFILE_close(file, EVTIMEOUT_NEVER) == 0);
      } else {
        REQUIRE(errno == ENOMEM);
        REQUIRE(::close(descriptor) == 0);
      }
    });
    REQUIRE(failed == 2);
  });
}
