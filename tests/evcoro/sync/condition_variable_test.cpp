// ConditionVariable, in one loop.
#include <evcoro/sync/condition_variable.hpp>

#include <atomic>
#include <deque>
#include <mutex>
#include <shared_mutex>
#include <vector>

#include <evcoro/sync/event.hpp>
#include <evcoro/sync/mutex.hpp>
#include <evcoro/sync/recursive_mutex.hpp>
#include <evcoro/sync/shared_mutex.hpp>
#include <support/sync.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::is_canceled;
using support::is_timed_out;

namespace {

class ConditionFixture : public support::LoopFixture {
 public:
  // spawn_waiter() spawns a thread that waits once, and returns with what error.
  Thread<std::error_code> spawn_waiter(Timeout timeout = {}) {
    return loop
        ->spawn([this, timeout] {
          std::unique_lock lock{mutex};
          const std::error_code error = changed.wait(lock, timeout);
          CHECK(lock.owns_lock());
          CHECK(mutex.is_held_by_caller());
          return error;
        })
        .value();
  }

  Mutex mutex;
  ConditionVariable changed;
};

}  // namespace

TEST_CASE_METHOD(ConditionFixture, "what one thread puts into a queue another one takes out") {
  std::deque<int> queue;
  std::vector<int> taken;
  spawn([&] {
    while (taken.size() < 100) {
      std::unique_lock lock{mutex};
      REQUIRE(!changed.wait(lock, [&] { return !queue.empty(); }));
      taken.push_back(queue.front());
      queue.pop_front();
    }
  });
  spawn([&] {
    for (int i = 0; i < 100; ++i) {
      {
        const std::scoped_lock lock{mutex};
        queue.push_back(i);
      }
      changed.notify_one();
      if (i % 7 == 0) (void)this_thread::yield();
    }
  });
  loop->run();
  REQUIRE(taken.size() == 100);
  REQUIRE(std::ranges::is_sorted(taken));
}

TEST_CASE_METHOD(ConditionFixture, "notify_one wakes who has waited longest") {
  in_thread([&] {
    changed.notify_one();  // nobody waits: it is lost
    std::vector<Thread<std::error_code>> waiters;
    for (int i = 0; i < 4; ++i) waiters.push_back(spawn_waiter());
    REQUIRE(support::until_parked(waiters.back()));
    REQUIRE(waiters.back().info().wait_reason == "condition variable");
    for (std::size_t i = 0; i < waiters.size(); ++i) {
      changed.notify_one();
      REQUIRE(!waiters[i].join().value());
      for (std::size_t later = i + 1; later < waiters.size(); ++later) {
        REQUIRE(!waiters[later].has_ended());
      }
    }
  });
}

TEST_CASE_METHOD(ConditionFixture, "notify_all wakes all who wait, and nobody later") {
  in_thread([&] {
    std::vector<Thread<std::error_code>> waiters;
    for (int i = 0; i < 4; ++i) waiters.push_back(spawn_waiter());
    REQUIRE(support::until_parked(waiters.back()));
    changed.notify_all();
    Thread late = spawn_waiter();
    for (auto& each : waiters) REQUIRE(!each.join().value());
    REQUIRE(support::until_parked(late));
    changed.notify_all();
    REQUIRE(!late.join().value());
    changed.notify_all();
  });
}

TEST_CASE_METHOD(ConditionFixture, "the lock is held after every error, and free meanwhile") {
  in_thread([&] {
    REQUIRE(is_timed_out(spawn_waiter(no_wait).join().value()));
    Thread late = spawn_waiter(1ms);
    REQUIRE(!this_thread::yield());
    REQUIRE(mutex.try_lock());
    mutex.unlock();
    REQUIRE(is_timed_out(late.join().value()));
    Thread cancelled = spawn_waiter();
    REQUIRE(support::until_parked(cancelled));
    cancelled.request_stop();
    REQUIRE(is_canceled(cancelled.join().value()));
    Thread never_begins = spawn_waiter();
    never_begins.request_stop();
    REQUIRE(is_canceled(never_begins.join().value()));
    REQUIRE(mutex.try_lock());
    mutex.unlock();
  });
}

TEST_CASE_METHOD(ConditionFixture, "who has waited in vain is skipped by a notification") {
  in_thread([&] {
    Thread late = spawn_waiter(1ms);
    Thread cancelled = spawn_waiter();
    Thread last = spawn_waiter();
    REQUIRE(is_timed_out(late.join().value()));
    cancelled.request_stop();
    REQUIRE(is_canceled(cancelled.join().value()));
    changed.notify_one();
    REQUIRE(!last.join().value());
  });
}

TEST_CASE_METHOD(ConditionFixture, "a notification that comes with a cancellation is not lost") {
  const bool notifies_first = GENERATE(true, false);
  in_thread([&] {
    Thread first = spawn_waiter();
    Thread second = spawn_waiter();
    REQUIRE(support::until_parked(second));
    if (notifies_first) changed.notify_one();
    first.request_stop();
    if (!notifies_first) changed.notify_one();
    REQUIRE(!first.join().value());
    REQUIRE(!second.has_ended());
    changed.notify_one();
    REQUIRE(!second.join().value());
  });
}

TEST_CASE_METHOD(ConditionFixture, "a cancelled thread waits for the lock before it returns") {
  in_thread([&] {
    Thread waiter = spawn_waiter();
    REQUIRE(support::until_parked(waiter));
    mutex.lock();
    waiter.request_stop();
    for (int i = 0; i < 5; ++i) REQUIRE(!this_thread::yield());
    REQUIRE(!waiter.has_ended());
    REQUIRE(waiter.info().wait_reason == "mutex");
    mutex.unlock();
    REQUIRE(is_canceled(waiter.join().value()));
  });
}

TEST_CASE_METHOD(ConditionFixture, "a predicate is looked at before anything is waited for") {
  in_thread([&] {
    std::unique_lock lock{mutex};
    int calls = 0;
    const auto holds = [&] { return ++calls > 0; };
    REQUIRE(!changed.wait(lock, holds));
    REQUIRE(!changed.wait(lock, holds, no_wait));
    REQUIRE(!changed.wait(lock, holds, 1ms));
    REQUIRE(calls == 3);
    const auto never_holds = [&] { return ++calls < 0; };
    REQUIRE(is_timed_out(changed.wait(lock, never_holds, no_wait)));
    REQUIRE(calls == 4);
    REQUIRE(lock.owns_lock());
  });
}

TEST_CASE_METHOD(ConditionFixture, "a predicate that holds counts for more than the deadline") {
  in_thread([&] {
    // It holds from the second look on, and there is no notification.
    const auto wait = [&](Timeout timeout) {
      std::unique_lock lock{mutex};
      int looks = 0;
      const auto error = changed.wait(
          lock, [&] { return ++looks == 2; }, timeout);
      CHECK(looks == 2);
      return error;
    };
    REQUIRE(!wait(1ms));
    Thread cancelled = loop->spawn([&] { return wait(never); }).value();
    REQUIRE(support::until_parked(cancelled));
    cancelled.request_stop();
    REQUIRE(!cancelled.join().value());
  });
}

TEST_CASE_METHOD(ConditionFixture, "a predicate that doesn't hold is waited for until the end") {
  in_thread([&] {
    int looks = 0;
    Thread waiter = loop->spawn([&] {
                          std::unique_lock lock{mutex};
                          return changed.wait(lock, [&] { return ++looks == 4; });
                        })
                        .value();
    for (int i = 1; i < 4; ++i) {
      REQUIRE(support::until_parked(waiter));
      REQUIRE(looks == i);
      changed.notify_all();
      REQUIRE(!this_thread::yield());
    }
    REQUIRE(!waiter.join().value());
    REQUIRE(looks == 4);
    Thread in_vain = loop->spawn([&] {
                           std::unique_lock lock{mutex};
                           return changed.wait(
                               lock, [] { return false; }, 3ms);
                         })
                         .value();
    while (!in_vain.has_ended()) {
      changed.notify_all();  // doesn't lengthen the wait
      REQUIRE(!this_thread::sleep_for(100us));
    }
    REQUIRE(is_timed_out(in_vain.join().value()));
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a condition variable works with whatever can be locked") {
  ConditionVariable changed;
  bool is_ready = false;
  // One waits, the other one takes the lock meanwhile, and notifies.
  const auto exchange = [&](auto& lock, auto& other) {
    is_ready = false;
    Thread notifier = loop->spawn([&] {
                            other.lock();
                            is_ready = true;
                            other.unlock();
                            changed.notify_one();
                          })
                          .value();
    REQUIRE(!changed.wait(lock, [&] { return is_ready; }));
    REQUIRE(is_timed_out(changed.wait(lock, 1ms)));
    REQUIRE(notifier.join());
  };
  in_thread([&] {
    Mutex mutex;
    mutex.lock();
    exchange(mutex, mutex);
    REQUIRE(mutex.is_held_by_caller());
    mutex.unlock();
    RecursiveMutex recursive;
    std::unique_lock lock{recursive};
    exchange(lock, recursive);
    REQUIRE(recursive.is_held_by_caller());
    SharedMutex shared;
    {
      std::unique_lock writer{shared};
      exchange(writer, shared);
      REQUIRE(!shared.try_lock_shared());
    }
    std::shared_lock reader{shared};
    exchange(reader, shared);
    REQUIRE(!shared.try_lock());
  });
}

namespace {

// Gate is a lock whose unlock() waits.
struct Gate {
  void lock() noexcept {}
  void unlock() {
    is_unlocking.set();
    CHECK(!opens.wait());
    has_passed = true;
  }
  Event is_unlocking;
  Event opens;
  std::atomic<bool> has_passed{false};
};

}  // namespace

TEST_CASE_METHOD(ConditionFixture, "a notification while the lock is being given back is kept") {
  in_thread([&] {
    Gate gate;
    const auto wait = [&] { return changed.wait(gate); };
    Thread waiter = loop->spawn(wait).value();
    REQUIRE(!gate.is_unlocking.wait());
    changed.notify_one();
    REQUIRE(!this_thread::yield());
    REQUIRE(!gate.has_passed);
    gate.opens.set();
    REQUIRE(!waiter.join().value());

    Gate other;
    std::error_code error;
    support::OsThread os_thread{[&] { error = changed.wait(other); }};
    REQUIRE(!other.is_unlocking.wait());
    REQUIRE(
        support::eventually([&] { return support::running_on_valgrind() || os_thread.sleeps(); }));
    changed.notify_one();
    other.opens.set();
    os_thread.join();
    REQUIRE(!error);
  });
}
