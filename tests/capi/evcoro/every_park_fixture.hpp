// CFixture: an EVLOOP for tests of blocking calls of the C face, which are cancelled at each of
// their suspensions: -1 and ECANCELED, and nothing is left behind.
//
//   TEST_CASE_METHOD(support::CFixture, "cancelled at each park, in C: ...") {
//     CHECK(cancel_at_every_park([](EVTHREAD* self) { return EVTHREAD_delay(self, moment); }) ==
//     1);
//   }
#pragma once

#include <cerrno>
#include <exception>
#include <functional>
#include <utility>

#include <evcoro/evthread.h>
#include <evcoro/scope.h>
#include <evcoro/loop.hpp>
#include <support/every_park.hpp>
#include <support/network.hpp>
#include <support/process.hpp>

namespace support {

inline constexpr timeval moment{0, 100};

// An EVLOOP, and the check that nothing is left of its threads.
class CFixture {
 public:
  CFixture() {
    REQUIRE(STACKS_init(&stacks, 16, 65) == 0);
    loop = EVLOOP_init(&stacks);
    REQUIRE(loop != nullptr);
  }
  ~CFixture() noexcept(false) {
    if (std::uncaught_exceptions() > 0) return;
    CHECK(EVLOOP_free(loop) == 0);
    CHECK(STACKS_destroy(&stacks) == 0);
    CHECK(support::open_descriptors() == descriptors_before_);
  }

  // cancel_at_every_park() runs operation, which returns what a C function does, as the function of
  // that name does, and after it clean_up, which cancellation does not reach. Returns how often the
  // two park.
  int cancel_at_every_park(
      const std::function<int(EVTHREAD* self)>& operation,
      const std::function<void()>& clean_up = [] {}) {
    int parks = 0;
    const std::function<void()> enumerate = [&] {
      parks = support::cancel_at_every_park(*evcoro::Loop::current(), [&](bool& cancelled) {
        const bool failed = operation(EVTHREAD_current()) < 0;
        const int error = errno;
        CHECK(failed == cancelled);
        if (failed) CHECK(error == ECANCELED);
        EVSCOPE* const shielded = EVSCOPE_open_shielded(EVTIMEOUT_NEVER);
        helper_ = {};
        clean_up();
        CHECK(EVSCOPE_close(shielded) == 0);
      });
    };
    run(enumerate);
    return parks;
  }

  // trickle() starts a thread beside the operation that calls step a moment later, and again, up to
  // so many times, or until the operation has ended.
  template <class Step>
  void trickle(Step step, int times = 1'000'000) {
    helper_ = evcoro::Loop::current()
                  ->spawn([times, step]() mutable {
                    for (int i = 0; i < times; ++i) {
                      EVTHREAD_delay(EVTHREAD_current(), moment);
                      if (evcoro::this_thread::stop_requested()) return;
                      step();
                    }
                  })
                  .value();
  }

  // beside() starts a thread beside the operation that runs function, at once, until it first
  // waits.
  template <class Function>
  void beside(Function function) {
    helper_ = evcoro::Loop::current()->spawn({.at_once = true}, std::move(function)).value();
  }

  // start() starts a joinable thread that waits count times.
  EVTHREAD* start_pauses(const int& count) {
    const auto pause = [](EVTHREAD* self, EVSOCKET*, void* times) {
      for (int i = *static_cast<int*>(times); i > 0; --i) EVTHREAD_delay(self, moment);
    };
    EVTHREAD* const thread = EVTHREAD_init(loop, pause, const_cast<int*>(&count));
    CHECK(EVTHREAD_start_joinable(thread, nullptr) == 0);
    return thread;
  }

 private:
  void run(const std::function<void()>& function) {
    const auto call = [](EVTHREAD*, EVSOCKET*, void* context) {
      (*static_cast<const std::function<void()>*>(context))();
    };
    REQUIRE(EVTHREAD_start(EVTHREAD_init(loop, call, const_cast<std::function<void()>*>(&function)),
                           nullptr) == 0);
    REQUIRE(EVLOOP_run(loop) == 1);
  }

  evcoro::Thread<> helper_;
  std::size_t descriptors_before_ = support::open_descriptors();

 public:
  STACKS stacks{};
  EVLOOP* loop = nullptr;
};

// A connection of an EVSOCKET of the running thread.
struct CPair {
  explicit CPair(EVTHREAD* self) {
    const support::Listener listener;
    peer = support::RawSocket::connected_to(listener.address());
    socket = EVSOCKET_init(self, listener.accept().release(), 1);
  }
  ~CPair() { CHECK(EVSOCKET_close(socket) == 0); }
  CPair(const CPair&) = delete;
  CPair& operator=(const CPair&) = delete;

  support::RawSocket peer;
  EVSOCKET* socket = nullptr;
};

// after() calls clean_up, and returns result with its errno.
template <class CleanUp>
int after(int result, CleanUp&& clean_up) {
  const int error = errno;
  clean_up();
  errno = error;
  return result;
}

}  // namespace support
