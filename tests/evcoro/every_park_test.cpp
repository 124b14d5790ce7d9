// Each blocking operation, cancelled at each of its suspensions: it says so, what it was about can
// still be used, and nothing is left behind.
#include <array>
#include <deque>
#include <optional>

#include <corothread/coroutine.hpp>
#include <corothread/generator.hpp>
#include <evcoro/timer.hpp>
#include <support/every_park.hpp>
#include <support/loop_fixture.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::cancel_at_every_park;

namespace {

bool is_canceled(std::error_code error) { return error == std::errc::operation_canceled; }

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "cancelled at each park: sleeps") {
  in_thread([&] {
    const int parks = cancel_at_every_park(*loop, [](bool& cancelled) {
      std::error_code error;
      for (int i = 0; i < 3 && !error; ++i) error = this_thread::sleep_for(100us);
      CHECK(is_canceled(error) == cancelled);
      if (!cancelled) return;
      CHECK(is_canceled(this_thread::sleep_for(1us)));
      this_thread::acknowledge_cancellation();
      CHECK(!this_thread::sleep_for(1us));
    });
    CHECK(parks == 3);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "cancelled at each park: waits for timers") {
  in_thread([&] {
    const int parks = cancel_at_every_park(*loop, [](bool& cancelled) {
      std::deque<Timer> timers(3);
      for (Timer& each : timers) each.start_periodic(200us);
      std::error_code error;
      for (int i = 0; i < 3 && !error; ++i) {
        error = timers[static_cast<std::size_t>(i)].wait().error();
        timers[static_cast<std::size_t>(i)].cancel();
        if (!error && i < 2) error = Timer::wait_any().error();
      }
      CHECK(is_canceled(error) == cancelled);
    });
    CHECK(parks >= 1);  // several expire at once
  });
}

TEST_CASE_METHOD(support::LoopFixture, "cancelled at each park: join, and the other one goes on") {
  in_thread([&] {
    const int parks = cancel_at_every_park(*loop, [&](bool& cancelled) {
      Thread slow = loop->spawn([] { return !this_thread::sleep_for(200us) ? 7 : 0; }).value();
      const auto joined = slow.join();
      CHECK(is_canceled(joined.error()) == cancelled);
      if (!joined) {
        this_thread::acknowledge_cancellation();
        CHECK(slow.join().value() == 7);
      }
    });
    CHECK(parks == 1);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "cancelled at each park: a handle that goes") {
  in_thread([&] {
    const int parks = cancel_at_every_park(*loop, [&](bool&) {
      bool has_ended = false;
      {
        const Thread stubborn = loop->spawn([&] {
                                      for (int i = 0; i < 2; ++i) {
                                        this_thread::acknowledge_cancellation();
                                        (void)this_thread::sleep_for(100us);
                                      }
                                      has_ended = true;
                                    })
                                    .value();
        (void)this_thread::yield();
      }
      CHECK(has_ended);
    });
    CHECK(parks >= 1);
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "cancelled at each park: spawn_wait, and the stack is kept") {
  stacks::StackPool one{{.capacity = 1, .stack_size = support::test_stack_size}};
  in_thread([&] {
    const SpawnOptions there{.stacks = &one};
    const int parks = cancel_at_every_park(*loop, [&](bool& cancelled) {
      std::error_code error;
      for (int i = 0; i < 3 && !error; ++i) {
        auto thread = loop->spawn_wait(there, [] { (void)this_thread::sleep_for(100us); });
        error = thread.error();
        if (thread) thread->detach();
      }
      CHECK(is_canceled(error) == cancelled);
      if (!cancelled) return;
      this_thread::acknowledge_cancellation();
      CHECK(loop->spawn_wait(there, [] {}).value().join());
    });
    CHECK(parks >= 2);
  });
  CHECK(one.in_use() == 0);
}

TEST_CASE_METHOD(support::LoopFixture, "cancelled at each park: wait_for_wake") {
  in_thread([&] {
    const int parks = cancel_at_every_park(*loop, [&](bool& cancelled) {
      detail::ThreadTask& self = *detail::current_thread();
      Thread waker = loop->spawn([&] {
                           for (int i = 0; i < 2; ++i) {
                             (void)this_thread::sleep_for(100us);
                             self.wake_up();
                           }
                         })
                         .value();
      std::error_code error;
      for (int i = 0; i < 2 && !error; ++i) error = self.wait_for_wake(never);
      CHECK(is_canceled(error) == cancelled);
    });
    CHECK(parks >= 2);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "cancelled at each park: what blocks inside coroutines") {
  in_thread([&] {
    const int parks = cancel_at_every_park(*loop, [&](bool& cancelled) {
      using Yielder = corothread::Coroutine<int(int)>;
      corothread::Generator<int> numbers{
          pool, [&](auto& yield) {
            for (int i = 0; i < 2; ++i) {
              Yielder inner{pool, [&](auto&, int value) {
                              return this_thread::sleep_for(100us) ? -1 : value;
                            }};
              yield(*inner.start(i));
            }
          }};
      bool stopped = false;
      for (const int each : numbers) stopped |= each < 0;
      CHECK(stopped == cancelled);
    });
    CHECK(parks == 2);
  });
}

// A shutdown() can't be called off, only ended by its deadline. It cancels all other threads, so
// its own one is cancelled from outside.
TEST_CASE_METHOD(support::LoopFixture, "cancelled at each park: shutdown in a thread") {
  int parks = 0;
  for (bool was_cancelled = true; was_cancelled; ++parks) {
    was_cancelled = false;
    for (int i = 1; i <= 3; ++i) {
      spawn([i] {
        (void)this_thread::sleep_until(never);
        this_thread::acknowledge_cancellation();
        (void)this_thread::sleep_for(i * 100us);
      });
    }
    bool all_ended = false;
    Thread ending = loop->spawn([&] { all_ended = loop->shutdown(1h).empty(); }).value();
    while (!ending.has_ended()) {
      const ThreadInfo info = ending.info();
      if (!was_cancelled && info.state == TaskState::parked && info.parks > std::uint64_t(parks)) {
        was_cancelled = true;
        ending.request_stop();
      }
      loop->run_once(1s);
    }
    ending.join().value();
    CHECK(all_ended);
    CHECK(loop->run() == Loop::End::idle);
  }
  CHECK(parks >= 2);
}
