#include <evcoro/libevent/await_event.hpp>

#include <event2/thread.h>

#include <csignal>
#include <memory>
#include <thread>

#include <support/every_park.hpp>
#include <support/pipe.hpp>

#include "fixture.hpp"

using namespace evcoro;
using namespace std::chrono_literals;
using support::LibeventFixture;
using support::long_time;
using support::RawPipe;

namespace {

struct FreeEvent {
  void operator()(event* each) const noexcept { event_free(each); }
};
using Event = std::unique_ptr<event, FreeEvent>;

// An event whose callback counts.
class Counted {
 public:
  Counted(event_base* base, int descriptor, short what)
      : event_(event_new(base, descriptor, what, count, this)) {}

  event* get() const noexcept { return event_.get(); }
  void add(std::chrono::milliseconds timeout = 0ms) const {
    const timeval time{.tv_sec = 0, .tv_usec = timeout.count() * 1000};
    event_add(get(), timeout == 0ms ? nullptr : &time);
  }
  void activate() const { event_active(get(), EV_READ, 0); }
  int calls() const noexcept { return calls_; }

 private:
  static void count(evutil_socket_t, short, void* self) { ++static_cast<Counted*>(self)->calls_; }

  int calls_ = 0;
  Event event_;
};

}  // namespace

TEST_CASE_METHOD(LibeventFixture, "a thread waits for an application's timer") {
  const Counted timer{base.get(), -1, 0};
  in_thread([&] {
    for (int i = 0; i < 3; ++i) {
      timer.add(1ms);
      const auto what = await_event(timer.get(), long_time);
      REQUIRE(what.value() == EV_TIMEOUT);
    }
  });
  REQUIRE(timer.calls() == 0);
  timer.add(1ms);
  dispatch();
  REQUIRE(timer.calls() == 1);  // it has its callback again
}

TEST_CASE_METHOD(LibeventFixture, "a thread waits for a descriptor's event, or its timeout") {
  const RawPipe pipe;
  const Counted readable{base.get(), pipe.reader(), EV_READ};
  in_thread([&] {
    readable.add(1ms);
    REQUIRE(await_event(readable.get(), long_time).value() == EV_TIMEOUT);
    readable.add();
    Thread writer = loop->spawn([&] { pipe.write("x"); }).value();
    REQUIRE(await_event(readable.get(), long_time).value() == EV_READ);
  });
  REQUIRE(readable.calls() == 0);
}

TEST_CASE_METHOD(LibeventFixture, "a thread waits for a signal's event, which stays pending") {
  if (support::running_on_valgrind()) support::skip("signals of libevent and Valgrind's mix");
  const Counted signal{base.get(), SIGUSR1, EV_SIGNAL | EV_PERSIST};
  signal.add();
  in_thread([&] {
    for (int i = 0; i < 3; ++i) {
      Thread sender = loop->spawn([] { ::raise(SIGUSR1); }).value();
      REQUIRE(await_event(signal.get(), long_time).value() == EV_SIGNAL);
    }
    REQUIRE(event_pending(signal.get(), EV_SIGNAL, nullptr) != 0);
    REQUIRE(signal.calls() == 0);
    ::raise(SIGUSR1);  // while nobody waits
    REQUIRE(support::eventually([&] { return signal.calls() == 1; }));
    event_del(signal.get());
  });
}

TEST_CASE_METHOD(LibeventFixture, "an event that is activated by hand is awaited, added or not") {
  const Counted manual{base.get(), -1, EV_PERSIST};
  in_thread([&] {
    Thread other = loop->spawn([&] { manual.activate(); }).value();
    REQUIRE(await_event(manual.get(), long_time).value() == EV_READ);
    manual.activate();  // before the wait begins
    REQUIRE(await_event(manual.get(), long_time).value() == EV_READ);
    REQUIRE(await_event(manual.get(), no_wait).error() == std::errc::timed_out);
  });
  REQUIRE(manual.calls() == 0);
}

TEST_CASE_METHOD(LibeventFixture, "after a timeout the callback is the application's again") {
  const Counted manual{base.get(), -1, EV_PERSIST};
  in_thread([&] {
    REQUIRE(await_event(manual.get(), 2ms).error() == std::errc::timed_out);
    void* argument = nullptr;
    event_callback_fn callback = nullptr;
    event_get_assignment(manual.get(), nullptr, nullptr, nullptr, &callback, &argument);
    REQUIRE(argument == &manual);
    manual.activate();
    REQUIRE(support::eventually([&] { return manual.calls() == 1; }));
  });
}

TEST_CASE_METHOD(LibeventFixture, "what can't be awaited is an error") {
  const Counted manual{base.get(), -1, EV_PERSIST};
  const support::Base other = support::make_base();
  const Counted foreign{other.get(), -1, EV_PERSIST};
  REQUIRE(await_event(manual.get()).error() == Errc::not_in_a_thread);
  in_thread([&] {
    REQUIRE(await_event(nullptr).error() == std::errc::invalid_argument);
    REQUIRE(await_event(foreign.get()).error() == Errc::wrong_loop);
    Thread waiter =
        loop->spawn([&] { return await_event(manual.get(), long_time).value(); }).value();
    REQUIRE(support::until_parked(waiter));
    const auto second = await_event(manual.get(), long_time).error();
    REQUIRE(second == Errc::second_waiter);
    REQUIRE(second == std::errc::device_or_resource_busy);
    manual.activate();
    REQUIRE(waiter.join().value() == EV_READ);
  });
}

TEST_CASE_METHOD(LibeventFixture, "waits for events can be cancelled wherever they park") {
  const Counted timer{base.get(), -1, 0};
  in_thread([&] {
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      for (int i = 0; i < 3; ++i) {
        timer.add(2ms);
        const auto what = await_event(timer.get(), long_time);
        CHECK((what.error() == std::errc::operation_canceled) == cancelled);
        event_del(timer.get());
        if (cancelled) return;
      }
    });
    REQUIRE(parks == 3);
  });
  REQUIRE(timer.calls() == 0);
}

TEST_CASE("events are awaited in a base with locks, too, and activated by another OS thread") {
  const bool locks = GENERATE(false, true);
  if (locks) REQUIRE(evthread_use_pthreads() == 0);
  LibeventFixture fixture;
  const RawPipe pipe;
  const Counted manual{fixture.base.get(), -1, EV_PERSIST};
  const Counted readable{fixture.base.get(), pipe.reader(), EV_READ};
  std::thread other;
  fixture.in_thread([&] {
    readable.add(1ms);
    REQUIRE(await_event(readable.get(), long_time).value() == EV_TIMEOUT);
    readable.add();
    pipe.write("x");
    REQUIRE(await_event(readable.get(), long_time).value() == EV_READ);
    REQUIRE(await_event(manual.get(), 1ms).error() == std::errc::timed_out);
    if (locks) {
      other = std::thread{[&] { manual.activate(); }};
    } else {
      manual.activate();
    }
    REQUIRE(await_event(manual.get(), long_time).value() == EV_READ);
  });
  if (locks) other.join();
  REQUIRE(manual.calls() == 0);
}
