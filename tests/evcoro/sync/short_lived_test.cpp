// What is waited for may be destroyed as soon as the wait is over, although the OS thread that
// ended it is still about to leave set(), unlock() or the like. For the sanitizers, above all.
#include <atomic>
#include <cstddef>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <shared_mutex>
#include <thread>
#include <vector>

#include <evcoro/sync/barrier.hpp>
#include <evcoro/sync/channel.hpp>
#include <evcoro/sync/condition_variable.hpp>
#include <evcoro/sync/event.hpp>
#include <evcoro/sync/latch.hpp>
#include <evcoro/sync/mutex.hpp>
#include <evcoro/sync/once.hpp>
#include <evcoro/sync/select.hpp>
#include <evcoro/sync/semaphore.hpp>
#include <evcoro/sync/shared_mutex.hpp>
#include <evcoro/sync/wait_group.hpp>
#include <support/sync.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::long_time;
using support::OsThread;

namespace {

void let_others_run() {
  if (Loop::current() != nullptr) (void)this_thread::yield();
  std::this_thread::yield();
}

// errors_of() makes a Thing, again and again, on the stack of who calls wait(thing) and destroys it
// then, while another OS thread calls grant(thing). Either may be a coroutine thread. Returns how
// often wait() failed.
template <class Thing>
int errors_of(const std::function<std::error_code(Thing&)>& wait,
              const std::function<void(Thing&)>& grant) {
  const int rounds = support::rounds(1500);
  const bool waits_in_loop = GENERATE(true, false);
  const bool grants_in_loop = GENERATE(true, false);
  std::atomic<Thing*> next{nullptr};
  std::atomic<bool> ends{false};
  int errors = 0;
  const auto wait_often = [&] {
    for (int i = 0; i < rounds; ++i) {
      Thing thing;
      next = &thing;
      if (wait(thing)) ++errors;
    }
    ends = true;
  };
  const auto grant_often = [&] {
    while (!ends) {
      if (Thing* const thing = next.exchange(nullptr)) {
        grant(*thing);
      } else {
        let_others_run();
      }
    }
  };
  support::OsThread granter{grants_in_loop ? support::in_own_loop(grant_often) : grant_often};
  if (waits_in_loop) {
    support::in_own_loop(wait_often)();
  } else {
    wait_often();
  }
  return errors;
}

// Locked is a lock that is held by who grants it, from a time on that can be waited for.
template <class M>
struct Locked {
  Event is_held;
  M mutex;
};

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "an event goes while it is set") {
  REQUIRE(errors_of<Event>([](auto& event) { return event.wait(long_time); },
                           [](auto& event) { event.set(); }) == 0);
}

TEST_CASE_METHOD(support::LoopFixture, "a manual event goes while it is set") {
  struct ManualEvent : Event {
    ManualEvent() : Event(Reset::manual) {}
  };
  REQUIRE(errors_of<ManualEvent>([](auto& event) { return event.wait(); },
                                 [](auto& event) { event.set(); }) == 0);
}

TEST_CASE_METHOD(support::LoopFixture, "a semaphore goes while a permit is released") {
  struct Empty : Semaphore {
    Empty() : Semaphore(0) {}
  };
  REQUIRE(errors_of<Empty>([](auto& semaphore) { return semaphore.acquire(2, long_time); },
                           [](auto& semaphore) { semaphore.release(2); }) == 0);
}

TEST_CASE_METHOD(support::LoopFixture, "a wait group goes while the last is done") {
  struct Group : WaitGroup {
    Group() : WaitGroup(2) {}
  };
  REQUIRE(errors_of<Group>([](auto& group) { return group.wait(); },
                           [](auto& group) {
                             group.done();
                             group.done();
                           }) == 0);
}

TEST_CASE_METHOD(support::LoopFixture, "a latch goes while it is counted down") {
  struct OneLatch : Latch {
    OneLatch() : Latch(1) {}
  };
  REQUIRE(errors_of<OneLatch>([](auto& latch) { return latch.wait(long_time); },
                              [](auto& latch) { latch.count_down(); }) == 0);
}

TEST_CASE_METHOD(support::LoopFixture, "a barrier goes while the last arrives") {
  struct Pair : Barrier<> {
    Pair() : Barrier(2) {}
  };
  REQUIRE(errors_of<Pair>([](auto& barrier) { return barrier.arrive_and_wait(); },
                          [](auto& barrier) { (void)barrier.arrive(); }) == 0);
}

TEST_CASE_METHOD(support::LoopFixture, "a mutex goes while it is unlocked") {
  REQUIRE(errors_of<Locked<Mutex>>(
              [](auto& locked) {
                const auto error = locked.is_held.wait();
                const std::scoped_lock lock{locked.mutex};
                return error;
              },
              [](auto& locked) {
                const std::scoped_lock lock{locked.mutex};
                locked.is_held.set();
              }) == 0);
}

TEST_CASE_METHOD(support::LoopFixture, "a shared mutex goes while a reader leaves it") {
  REQUIRE(errors_of<Locked<SharedMutex>>(
              [](auto& locked) {
                const auto error = locked.is_held.wait();
                const std::scoped_lock lock{locked.mutex};
                return error;
              },
              [](auto& locked) {
                const std::shared_lock lock{locked.mutex};
                locked.is_held.set();
              }) == 0);
}

TEST_CASE_METHOD(support::LoopFixture, "a condition variable goes while it notifies") {
  struct Condition {
    Mutex mutex;
    ConditionVariable changed;
    bool is_ready = false;
  };
  REQUIRE(errors_of<Condition>(
              [](auto& condition) {
                std::unique_lock lock{condition.mutex};
                return condition.changed.wait(lock, [&] { return condition.is_ready; });
              },
              [](auto& condition) {
                const std::scoped_lock lock{condition.mutex};
                condition.is_ready = true;
                condition.changed.notify_one();
              }) == 0);
}

TEST_CASE_METHOD(support::LoopFixture, "a Once goes while it is done") {
  struct Begun {
    Event has_begun;
    Once once;
  };
  REQUIRE(errors_of<Begun>(
              [](auto& begun) {
                if (const auto error = begun.has_begun.wait()) return error;
                return begun.once.call([] { FAIL("twice"); });
              },
              [](auto& begun) { (void)begun.once.call([&] { begun.has_begun.set(); }); }) == 0);
}

TEST_CASE_METHOD(support::LoopFixture, "a latch goes while another arrives at it and waits") {
  struct Two {
    Latch latch{2};
  };
  REQUIRE(errors_of<Two>([](auto& two) { return two.latch.arrive_and_wait(); },
                         [](auto& two) { (void)two.latch.arrive_and_wait(); }) == 0);
}

TEST_CASE_METHOD(support::LoopFixture, "a barrier goes while another arrives at it last") {
  struct Two {
    Barrier<> barrier{2};
  };
  REQUIRE(errors_of<Two>([](auto& two) { return two.barrier.wait(two.barrier.arrive()); },
                         [](auto& two) { (void)two.barrier.arrive_and_wait(); }) == 0);
}

TEST_CASE_METHOD(support::LoopFixture, "a channel goes while a select has sent to it") {
  REQUIRE(errors_of<Channel<int>>([](auto& channel) { return channel.receive().error(); },
                                  [](auto& channel) {
                                    Event never_set;
                                    (void)select(on_send(channel, 1), on_event(never_set));
                                  }) == 0);
}

// On one loop it is sure to go first.
TEST_CASE_METHOD(support::LoopFixture, "a channel goes before who has sent to it by select runs") {
  in_thread([&] {
    auto channel = std::make_unique<Channel<int>>();
    Thread sender = loop->spawn([&channel = *channel] {
                          Event never_set;
                          return select(on_send(channel, 1), on_event(never_set)).value();
                        })
                        .value();
    REQUIRE(support::until_parked(sender));
    REQUIRE(channel->receive().value() == 1);
    channel.reset();
    REQUIRE(sender.join().value() == 0);
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "a sender that is cancelled as his value is received may find the channel gone") {
  in_thread([&] {
    alignas(Channel<int>) std::byte place[sizeof(Channel<int>)];
    auto* const channel = new (place) Channel<int>;
    Thread sender = loop->spawn([&] { return channel->send(7); }).value();
    REQUIRE(support::until_parked(sender));
    int received = 0;
    OsThread{[&] {
      received = channel->receive().value();
      channel->~Channel();
      std::memset(place, 0xff, sizeof place);  // its lock is never free any more
    }}.join();
    sender.request_stop();  // before the loop has heard of it
    REQUIRE(!sender.join().value());
    REQUIRE(received == 7);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a Once may go when one of those who wait has gone on") {
  in_thread([&] {
    alignas(Once) std::byte place[sizeof(Once)];
    auto* const once = new (place) Once;
    int calls = 0;
    Event begun;
    Event ends;
    OsThread first{[&] {
      (void)once->call([&] {
        ++calls;
        begun.set();
        (void)ends.wait();
      });
      once->~Once();
      std::memset(place, 0xff, sizeof place);
    }};
    REQUIRE(!begun.wait(long_time));
    std::vector<Thread<std::error_code>> others;
    for (int i = 0; i < 2; ++i) {
      others.push_back(loop->spawn([&] { return once->call([&] { ++calls; }); }).value());
      REQUIRE(support::until_parked(others.back()));
    }
    ends.set();
    first.join();  // it is gone before those of this loop run
    for (auto& each : others) REQUIRE(!each.join().value());
    REQUIRE(calls == 1);
  });
}
