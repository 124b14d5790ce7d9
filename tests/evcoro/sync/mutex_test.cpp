// Mutex and RecursiveMutex, in one loop.
#include <evcoro/sync/mutex.hpp>

#include <mutex>
#include <vector>

#include <evcoro/sync/recursive_mutex.hpp>
#include <support/sync.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::is_canceled;
using support::is_deadlock;
using support::is_timed_out;
using support::long_time;

namespace {

class MutexFixture : public support::LoopFixture {
 public:
  // spawn_locker() spawns a thread that locks, and returns why it couldn't.
  Thread<std::error_code> spawn_locker(Timeout timeout = {}) {
    return loop
        ->spawn([this, timeout] {
          const std::error_code error = mutex.lock(timeout);
          if (!error) mutex.unlock();
          return error;
        })
        .value();
  }

  Mutex mutex;
};

}  // namespace

TEST_CASE_METHOD(MutexFixture, "one thread at a time holds a mutex") {
  int inside = 0;
  int turns = 0;
  for (int i = 0; i < 8; ++i) {
    spawn([&] {
      for (int turn = 0; turn < 50; ++turn) {
        const std::scoped_lock lock{mutex};
        CHECK(++inside == 1);
        if (turn % 2 == 0) (void)this_thread::yield();
        --inside;
        ++turns;
      }
    });
  }
  loop->run();
  REQUIRE(turns == 8 * 50);
}

TEST_CASE_METHOD(MutexFixture, "a mutex is handed to who has waited longest") {
  in_thread([&] {
    std::vector<int> order;
    mutex.lock();
    for (int i = 0; i < 5; ++i) {
      spawn([&, i] {
        const std::scoped_lock lock{mutex};
        order.push_back(i);
        (void)this_thread::yield();
      });
    }
    REQUIRE(!this_thread::yield());
    mutex.unlock();
    REQUIRE(!mutex.is_held_by_caller());
    const std::scoped_lock lock{mutex};  // nobody gets ahead
    REQUIRE(order == std::vector{0, 1, 2, 3, 4});
  });
}

TEST_CASE_METHOD(MutexFixture, "try_lock() gets ahead of who is offered a mutex, once") {
  in_thread([&] {
    std::vector<int> order;
    mutex.lock();
    for (int i = 0; i < 2; ++i) {
      spawn([&, i] {
        const std::scoped_lock lock{mutex};
        order.push_back(i);
      });
    }
    REQUIRE(!this_thread::yield());
    mutex.unlock();
    REQUIRE(mutex.try_lock());
    REQUIRE(!this_thread::yield());  // the first finds it taken, and waits once more
    REQUIRE(order.empty());
    mutex.unlock();
    REQUIRE(!mutex.try_lock());
    const std::scoped_lock lock{mutex};
    REQUIRE(order == std::vector{0, 1});
  });
}

TEST_CASE_METHOD(MutexFixture, "who was offered a mutex in vain may still be cancelled") {
  in_thread([&] {
    mutex.lock();
    Thread first = spawn_locker(never);
    Thread second = spawn_locker(never);
    REQUIRE(support::until_parked(second));
    mutex.unlock();
    REQUIRE(mutex.try_lock());
    REQUIRE(!this_thread::yield());
    first.request_stop();
    REQUIRE(first.join().value() == std::errc::operation_canceled);
    mutex.unlock();
    REQUIRE(!second.join().value());
    REQUIRE(mutex.try_lock());
    mutex.unlock();
  });
}

TEST_CASE_METHOD(MutexFixture, "a mutex that is held is waited for until the deadline") {
  in_thread([&] {
    const std::scoped_lock lock{mutex};
    const auto began = Clock::now();
    Thread in_vain = spawn_locker(2ms);
    Thread at_once = spawn_locker(no_wait);
    Thread tries = loop->spawn([&] {
                         CHECK(!mutex.try_lock());
                         CHECK(!mutex.try_lock_for(1ms));
                         CHECK(!mutex.try_lock_until(Clock::now() + 1ms));
                         CHECK(!mutex.try_lock_until(TimePoint{}));
                       })
                       .value();
    REQUIRE(is_timed_out(at_once.join().value()));
    REQUIRE(is_timed_out(in_vain.join().value()));
    REQUIRE(Clock::now() - began >= 2ms);
    REQUIRE(tries.join());
  });
  in_thread([&] {
    REQUIRE(mutex.try_lock_for(1ms));
    mutex.unlock();
    REQUIRE(mutex.try_lock_until(TimePoint{}));
    mutex.unlock();
    REQUIRE(!mutex.lock(no_wait));
    mutex.unlock();
  });
}

TEST_CASE_METHOD(MutexFixture, "who has waited for a mutex in vain is skipped") {
  in_thread([&] {
    mutex.lock();
    Thread too_late = spawn_locker(1ms);
    Thread cancelled = spawn_locker();
    Thread last = spawn_locker();
    REQUIRE(is_timed_out(too_late.join().value()));
    REQUIRE(last.info().wait_reason == "mutex");
    cancelled.request_stop();
    REQUIRE(is_canceled(cancelled.join().value()));
    REQUIRE(!last.has_ended());
    mutex.unlock();
    REQUIRE(!last.join().value());
    REQUIRE(mutex.try_lock());
    mutex.unlock();
  });
}

TEST_CASE_METHOD(MutexFixture,
                 "when the last who waits for a mutex has left it is free for anybody") {
  in_thread([&] {
    mutex.lock();
    REQUIRE(is_timed_out(spawn_locker(1ms).join().value()));
    mutex.unlock();
    REQUIRE(!spawn_locker(no_wait).join().value());
  });
}

TEST_CASE_METHOD(MutexFixture,
                 "a mutex that is handed over is not lost by a cancellation at the same time") {
  const bool unlocks_first = GENERATE(true, false);
  in_thread([&] {
    mutex.lock();
    Thread waiter = loop->spawn([&] {
                          CHECK(!mutex.lock(never));
                          CHECK(mutex.is_held_by_caller());
                          CHECK(is_canceled(this_thread::sleep_for(1us)));
                          mutex.unlock();
                        })
                        .value();
    Thread next = spawn_locker();
    REQUIRE(support::until_parked(next));
    if (unlocks_first) mutex.unlock();
    waiter.request_stop();
    if (!unlocks_first) mutex.unlock();
    REQUIRE(waiter.join());
    REQUIRE(!next.join().value());
  });
}

TEST_CASE_METHOD(MutexFixture, "a cancelled thread waits for a mutex by lock(), and only so") {
  in_thread([&] {
    mutex.lock();
    bool got_it = false;
    Thread waiter = loop->spawn([&] {
                          CHECK(is_canceled(mutex.lock(never)));
                          CHECK(is_canceled(mutex.lock(no_wait)));
                          CHECK(!mutex.try_lock_for(1h));
                          mutex.lock();
                          got_it = true;
                          mutex.unlock();
                          CHECK(is_canceled(mutex.lock(never)));  // free as it is
                          CHECK(mutex.try_lock());
                          mutex.unlock();
                        })
                        .value();
    REQUIRE(support::until_parked(waiter));
    waiter.request_stop();
    for (int i = 0; i < 5; ++i) REQUIRE(!this_thread::yield());
    REQUIRE(!got_it);
    REQUIRE(!waiter.has_ended());
    mutex.unlock();
    REQUIRE(waiter.join());
    REQUIRE(got_it);
  });
}

TEST_CASE_METHOD(MutexFixture, "locks of the standard library take a mutex") {
  in_thread([&] {
    {
      const std::unique_lock tried{mutex, std::try_to_lock};
      REQUIRE(tried.owns_lock());
    }
    std::unique_lock lock{mutex, 1ms};
    REQUIRE(lock.owns_lock());
    Thread in_vain = loop->spawn([&] {
                           CHECK(!std::unique_lock{mutex, std::try_to_lock});
                           CHECK(!std::unique_lock{mutex, 1ms});
                           CHECK(!std::unique_lock{mutex, Clock::now() + 1ms});
                         })
                         .value();
    REQUIRE(in_vain.join());
    lock.unlock();
    REQUIRE(!mutex.is_held_by_caller());
    REQUIRE(lock.try_lock_until(TimePoint{}));
  });
  REQUIRE(!mutex.is_held_by_caller());
}

TEST_CASE_METHOD(MutexFixture,
                 "two mutexes at once are no deadlock by std::scoped_lock and std::lock") {
  Mutex other;
  int inside = 0;
  int turns = 0;
  const auto enter = [&] {
    CHECK(++inside == 1);
    (void)this_thread::yield();
    --inside;
    ++turns;
  };
  for (int i = 0; i < 2; ++i) {
    spawn([&, i] {
      auto& first = i % 2 == 0 ? mutex : other;
      auto& second = i % 2 == 0 ? other : mutex;
      for (int turn = 0; turn < 50; ++turn) {
        const std::scoped_lock both{first, second};
        enter();
      }
      for (int turn = 0; turn < 50; ++turn) {
        std::unique_lock one{first, std::defer_lock};
        std::unique_lock two{second, std::defer_lock};
        std::lock(one, two);
        enter();
      }
    });
  }
  loop->run();
  REQUIRE(turns == 2 * 100);
}

TEST_CASE_METHOD(MutexFixture,
                 "a mutex is held by the thread that locked it, or by the OS thread") {
  mutex.lock();
  REQUIRE(mutex.is_held_by_caller());
  bool had_it = false;
  spawn([&] {
    CHECK(!mutex.is_held_by_caller());
    CHECK(!mutex.try_lock());
    const std::scoped_lock lock{mutex};
    had_it = mutex.is_held_by_caller();
  });
  loop->run_once(no_wait);
  loop->post([&] {  // which is outside of threads, too
    CHECK(mutex.is_held_by_caller());
    mutex.unlock();
    CHECK(!mutex.is_held_by_caller());
  });
  loop->run();
  REQUIRE(had_it);
  REQUIRE(!mutex.is_held_by_caller());
}

TEST_CASE_METHOD(
    MutexFixture,
    "a mutex that was locked before there were OS threads can be unlocked afterwards") {
  in_thread([&] {
    mutex.lock();
    Thread waiter = spawn_locker(long_time);
    REQUIRE(support::until_parked(waiter));
    std::error_code there = make_error_code(std::errc::io_error);
    support::OsThread other{[&] {
      there = mutex.lock(long_time);
      if (!there) mutex.unlock();
    }};
    mutex.unlock();
    REQUIRE(!waiter.join().value());
    other.join();
    REQUIRE(!there);
  });
}

TEST_CASE_METHOD(MutexFixture, "who locks a mutex that he holds is told so") {
  in_thread([&] {
    mutex.lock();
    REQUIRE(is_deadlock(mutex.lock(never)));
    REQUIRE(is_deadlock(mutex.lock(1ms)));
    REQUIRE(is_deadlock(mutex.lock(no_wait)));
    REQUIRE(!mutex.try_lock());
    REQUIRE(!mutex.try_lock_for(1h));
    mutex.unlock();
    REQUIRE(!mutex.lock(never));
    mutex.unlock();
  });
  mutex.lock();
  REQUIRE(is_deadlock(mutex.lock(never)));
  mutex.unlock();
}

TEST_CASE_METHOD(support::LoopFixture, "a recursive mutex is free when it is unlocked as often") {
  RecursiveMutex mutex;
  in_thread([&] {
    bool has_it = false;
    mutex.lock();
    REQUIRE(!mutex.lock(no_wait));
    REQUIRE(mutex.try_lock());
    REQUIRE(mutex.try_lock_for(1ms));
    REQUIRE(mutex.try_lock_until(TimePoint{}));
    Thread other = loop->spawn([&] {
                         const std::scoped_lock lock{mutex};
                         const std::scoped_lock again{mutex};
                         has_it = true;
                         (void)this_thread::yield();
                         CHECK(mutex.is_held_by_caller());
                       })
                       .value();
    for (int depth = 5; depth > 0; --depth) {
      REQUIRE(!this_thread::yield());
      REQUIRE(!has_it);
      REQUIRE(mutex.is_held_by_caller());
      mutex.unlock();
    }
    REQUIRE(!mutex.is_held_by_caller());
    mutex.lock();
    REQUIRE(has_it);
    mutex.unlock();
    REQUIRE(other.join());
  });
}
