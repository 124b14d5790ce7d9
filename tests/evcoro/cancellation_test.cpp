// Cancellation: an ordinary error, sticky, with a reason.
#include <functional>
#include <vector>

#include <evcoro/timer.hpp>
#include <support/loop_fixture.hpp>

using namespace evcoro;
using namespace std::chrono_literals;

TEST_CASE_METHOD(support::LoopFixture, "cancellation ends every kind of wait and is sticky") {
  in_thread([&] {
    Thread never_ends = loop->spawn([] { return this_thread::sleep_until(never); }).value();
    stacks::StackPool full{{.capacity = 1, .stack_size = support::test_stack_size}};
    Thread occupier =
        loop->spawn({.stacks = &full}, [] { return this_thread::sleep_until(never); }).value();
    const std::vector<std::function<std::error_code()>> calls{
        [] { return this_thread::sleep_for(1h); },
        [] { return this_thread::sleep_for(0s); },
        [] { return this_thread::sleep_until(never); },
        [] { return this_thread::yield(); },
        [&] { return never_ends.join(1h).error(); },
        [&] { return loop->spawn_wait({.stacks = &full}, [] {}).error(); },
        [] {
          Timer timer;
          timer.start(1h);
          return timer.wait().error();
        },
        [] {
          Timer timer;
          timer.start_periodic(1h);
          return Timer::wait_any().error();
        }};
    for (std::size_t first = 0; first < calls.size(); ++first) {
      CAPTURE(first);
      Thread thread = loop->spawn([&] {
                            std::vector<std::error_code> errors{calls[first]()};
                            for (const auto& call : calls) errors.push_back(call());
                            return errors;
                          })
                          .value();
      REQUIRE(!this_thread::yield());
      thread.request_stop();
      const auto errors = thread.join().value();
      for (std::size_t i = first == 1 || first == 3 ? 1 : 0; i < errors.size(); ++i) {
        CAPTURE(i);
        REQUIRE(errors[i] == std::errc::operation_canceled);
      }
    }
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "cancellation comes before what could be had without waiting") {
  in_thread([&] {
    Thread target = loop->spawn([] { return this_thread::sleep_until(never); }).value();
    Thread thread = loop->spawn([&] {
                          Timer timer;
                          timer.start(1ms);
                          REQUIRE(!this_thread::sleep_for(5ms));  // it has expired meanwhile
                          (void)this_thread::sleep_until(never);
                          REQUIRE(timer.wait().error() == std::errc::operation_canceled);
                          REQUIRE(timer.wait(no_wait).error() == std::errc::operation_canceled);
                          REQUIRE(Timer::wait_any().error() == std::errc::operation_canceled);
                          REQUIRE(target.join(no_wait).error() == std::errc::operation_canceled);
                          this_thread::acknowledge_cancellation();
                          REQUIRE(Timer::wait_any().value() == &timer);
                          REQUIRE(timer.wait().value() == 1);
                          REQUIRE(target.join(no_wait).error() == std::errc::timed_out);
                        })
                        .value();
    while (thread.info().wait_reason != "sleep") REQUIRE(!this_thread::yield());
    REQUIRE(!this_thread::sleep_for(10ms));
    thread.request_stop();
    REQUIRE(thread.join().has_value());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "the first reason for a cancellation stays") {
  in_thread([&] {
    for (const auto reason : {CancelReason::user, CancelReason::deadline, CancelReason::shutdown}) {
      Thread thread = loop->spawn([] {
                            const bool before = this_thread::stop_requested();
                            (void)this_thread::sleep_until(never);
                            return before ? CancelReason::none : this_thread::cancel_reason();
                          })
                          .value();
      REQUIRE(!this_thread::yield());
      thread.request_stop(reason);
      thread.request_stop(CancelReason::user);
      thread.request_stop(CancelReason::shutdown);
      REQUIRE(thread.info().cancel_reason == reason);
      REQUIRE(thread.join().value() == reason);
    }
  });
}

TEST_CASE_METHOD(support::LoopFixture, "after acknowledging blocking calls work again") {
  in_thread([&] {
    Thread thread = loop->spawn([] {
                          REQUIRE(this_thread::sleep_until(never));
                          REQUIRE(this_thread::sleep_until(never));
                          this_thread::acknowledge_cancellation();
                          REQUIRE(!this_thread::stop_requested());
                          REQUIRE(!this_thread::sleep_for(1ms));
                          return this_thread::sleep_until(never);
                        })
                        .value();
    REQUIRE(!this_thread::yield());
    thread.request_stop();
    while (thread.info().cancel_reason != CancelReason::none) REQUIRE(!this_thread::yield());
    REQUIRE(!this_thread::sleep_for(3ms));
    thread.request_stop(CancelReason::deadline);
    REQUIRE(thread.info().cancel_reason == CancelReason::deadline);
    REQUIRE(thread.join().value() == std::errc::operation_canceled);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a thread cancelled before its first run still runs") {
  in_thread([&] {
    bool ran = false;
    Thread thread = loop->spawn([&] {
                          ran = true;
                          return this_thread::sleep_for(1h);
                        })
                        .value();
    thread.request_stop();
    REQUIRE(thread.join().value() == std::errc::operation_canceled);
    REQUIRE(ran);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a thread may cancel itself") {
  in_thread([&] {
    Thread<std::error_code> self;
    self = loop->spawn([&] {
                 self.request_stop();
                 REQUIRE(this_thread::stop_requested());
                 return this_thread::sleep_for(1h);
               })
               .value();
    REQUIRE(!this_thread::yield());
    REQUIRE(self.join().value() == std::errc::operation_canceled);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a cancelled join can be repeated after acknowledging") {
  in_thread([&] {
    bool release = false;
    Thread target = loop->spawn([&] {
                          while (!release) REQUIRE(!this_thread::sleep_for(1ms));
                          return 9;
                        })
                        .value();
    Thread joiner = loop->spawn([&] {
                          REQUIRE(target.join().error() == std::errc::operation_canceled);
                          REQUIRE(target.joinable());
                          this_thread::acknowledge_cancellation();
                          release = true;
                          return target.join().value();
                        })
                        .value();
    REQUIRE(!this_thread::yield());
    joiner.request_stop();
    REQUIRE(joiner.join().value() == 9);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a wake-up that came before the cancellation counts") {
  in_thread([&] {
    Thread target = loop->spawn([] { return this_thread::sleep_until(never) ? 4 : 0; }).value();
    Thread joiner = loop->spawn([&] {
                          const int value = target.join().value();
                          const auto next = this_thread::sleep_for(1h);
                          return next == std::errc::operation_canceled ? value : 0;
                        })
                        .value();
    REQUIRE(!this_thread::yield());
    REQUIRE(!this_thread::yield());
    target.request_stop();
    Thread canceller = loop->spawn([&] { joiner.request_stop(); }).value();
    REQUIRE(canceller.join().has_value());
    REQUIRE(joiner.join().value() == 4);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "cancelling a thread that has ended does nothing") {
  Thread thread = loop->spawn([] { return 1; }).value();
  loop->run();
  thread.request_stop();
  REQUIRE(thread.info().cancel_reason == CancelReason::none);
  REQUIRE(thread.join().value() == 1);
}
