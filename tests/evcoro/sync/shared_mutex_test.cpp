// SharedMutex, in one loop.
#include <evcoro/sync/event.hpp>
#include <evcoro/sync/shared_mutex.hpp>

#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include <support/sync.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::is_canceled;
using support::is_deadlock;
using support::is_timed_out;
using support::long_time;

namespace {

class SharedMutexFixture : public support::LoopFixture {
 public:
  // spawn_reader() and spawn_writer() spawn threads that note their letter when they are in, and
  // leave at once; they return why they couldn't enter.
  Thread<std::error_code> spawn_reader(char letter, Timeout timeout = {}) {
    return loop
        ->spawn([=, this] {
          const std::error_code error = mutex.lock_shared(timeout);
          if (error) return error;
          order += letter;
          mutex.unlock_shared();
          return error;
        })
        .value();
  }
  Thread<std::error_code> spawn_writer(char letter, Timeout timeout = {}) {
    return loop
        ->spawn([=, this] {
          const std::error_code error = mutex.lock(timeout);
          if (error) return error;
          order += letter;
          mutex.unlock();
          return error;
        })
        .value();
  }

  // can_read() and can_write() say whether somebody else could enter now.
  bool can_read() {
    if (!mutex.try_lock_shared()) return false;
    mutex.unlock_shared();
    return true;
  }
  bool can_write() {
    if (!mutex.try_lock()) return false;
    mutex.unlock();
    return true;
  }

  SharedMutex mutex;
  std::string order;
};

}  // namespace

TEST_CASE_METHOD(SharedMutexFixture, "readers share a mutex, a writer has it alone") {
  in_thread([&] {
    {
      const std::shared_lock first{mutex};
      REQUIRE(can_read());
      REQUIRE(!can_write());
      REQUIRE(!spawn_reader('r', no_wait).join().value());
      REQUIRE(is_timed_out(spawn_writer('w', no_wait).join().value()));
      REQUIRE(is_timed_out(spawn_writer('w', 1ms).join().value()));
      const std::shared_lock second{mutex};
    }
    REQUIRE(can_write());
    {
      const std::scoped_lock lock{mutex};
      REQUIRE(!can_read());
      REQUIRE(!can_write());
      REQUIRE(is_timed_out(spawn_reader('r', no_wait).join().value()));
      REQUIRE(is_timed_out(spawn_reader('r', 1ms).join().value()));
      REQUIRE(is_timed_out(spawn_writer('w', 1ms).join().value()));
    }
    REQUIRE(can_write());
    REQUIRE(order == "r");
  });
}

TEST_CASE_METHOD(SharedMutexFixture, "readers and writers exclude each other at all times") {
  int readers = 0;
  int writers = 0;
  int most_readers = 0;
  int turns = 0;
  for (int i = 0; i < 9; ++i) {
    spawn([&, i] {
      for (int turn = 0; turn < 60; ++turn, ++turns) {
        if ((turn + i) % 3 == 0) {
          const std::scoped_lock lock{mutex};
          CHECK(++writers + readers == 1);
          (void)this_thread::yield();
          --writers;
        } else {
          const std::shared_lock lock{mutex};
          most_readers = std::max(most_readers, ++readers);
          CHECK(writers == 0);
          (void)this_thread::yield();
          --readers;
        }
      }
    });
  }
  loop->run();
  REQUIRE(turns == 9 * 60);
  REQUIRE(most_readers > 1);
}

TEST_CASE_METHOD(SharedMutexFixture, "a reader who comes while a writer waits, waits behind it") {
  in_thread([&] {
    mutex.lock_shared();
    Thread writer = spawn_writer('w');
    Thread reader = spawn_reader('r');
    REQUIRE(support::until_parked(reader));
    REQUIRE(writer.info().wait_reason == "shared mutex");
    REQUIRE(reader.info().wait_reason == "shared mutex, as a reader");
    REQUIRE(!can_read());
    REQUIRE(is_timed_out(spawn_reader('x', no_wait).join().value()));
    mutex.unlock_shared();
    REQUIRE(!reader.join().value());
    REQUIRE(!writer.join().value());
    REQUIRE(order == "wr");
  });
}

TEST_CASE_METHOD(SharedMutexFixture, "a shared mutex is entered in order of coming") {
  in_thread([&] {
    mutex.lock();
    std::vector<Thread<std::error_code>> threads;
    for (const char letter : std::string{"abXcYZde"}) {
      const bool writes = letter < 'a';
      threads.push_back(writes ? spawn_writer(letter) : spawn_reader(letter));
    }
    REQUIRE(support::until_parked(threads.back()));
    mutex.unlock();
    for (auto& each : threads) REQUIRE(!each.join().value());
    REQUIRE(order == "abXcYZde");
    REQUIRE(can_write());
  });
}

TEST_CASE_METHOD(SharedMutexFixture,
                 "try_lock() gets ahead of who is offered a shared mutex, once") {
  in_thread([&] {
    mutex.lock();
    Thread reader = spawn_reader('r');
    Thread writer = spawn_writer('w');
    REQUIRE(support::until_parked(writer));
    mutex.unlock();
    REQUIRE(mutex.try_lock());
    REQUIRE(!this_thread::yield());
    REQUIRE(order.empty());
    mutex.unlock();
    REQUIRE(!mutex.try_lock());
    REQUIRE(!reader.join().value());
    REQUIRE(!writer.join().value());
    REQUIRE(order == "rw");
  });
}

TEST_CASE_METHOD(SharedMutexFixture, "a reader who comes behind one that is about to enter, too") {
  in_thread([&] {
    mutex.lock();
    Event may_leave{Event::Reset::manual};
    Thread first = loop->spawn([&] {
                         const std::shared_lock lock{mutex};
                         return may_leave.wait();
                       })
                       .value();
    REQUIRE(support::until_parked(first));
    mutex.unlock();  // it is offered to the first, who hasn't run yet
    REQUIRE(!mutex.lock_shared(support::long_time));
    mutex.unlock_shared();
    may_leave.set();
    REQUIRE(!first.join().value());
  });
}

TEST_CASE_METHOD(SharedMutexFixture, "readers next to each other are let in together") {
  int inside = 0;
  int together = 0;
  in_thread([&] {
    mutex.lock();
    for (int i = 0; i < 3; ++i) {
      spawn([&] {
        const std::shared_lock lock{mutex};
        ++inside;
        CHECK(!this_thread::yield());
        together = std::max(together, inside);
        --inside;
      });
    }
    Thread writer = spawn_writer('w');
    Thread behind = spawn_reader('r');
    REQUIRE(support::until_parked(behind));
    mutex.unlock();
    REQUIRE(!behind.join().value());
    REQUIRE(!writer.join().value());
    REQUIRE(together == 3);
    REQUIRE(order == "wr");
  });
}

TEST_CASE_METHOD(SharedMutexFixture, "a writer that leaves the queue lets the readers behind in") {
  in_thread([&] {
    mutex.lock_shared();
    const bool is_cancelled = GENERATE(false, true);
    Thread writer = spawn_writer('w', is_cancelled ? Timeout{} : Timeout{1ms});
    Thread first = spawn_reader('1');
    Thread second = spawn_reader('2');
    Thread next = spawn_writer('n');
    Thread last = spawn_reader('3');
    if (is_cancelled) {
      REQUIRE(support::until_parked(last));
      writer.request_stop();
    }
    const std::error_code error = writer.join().value();
    REQUIRE((is_cancelled ? is_canceled(error) : is_timed_out(error)));
    REQUIRE(!first.join().value());
    REQUIRE(!second.join().value());
    REQUIRE(order == "12");
    REQUIRE(!next.has_ended());
    REQUIRE(!last.has_ended());
    mutex.unlock_shared();
    REQUIRE(!last.join().value());
    REQUIRE(!next.join().value());
    REQUIRE(order == "12n3");
    REQUIRE(can_write());
  });
}

TEST_CASE_METHOD(SharedMutexFixture, "a reader that leaves the queue leaves nothing behind") {
  in_thread([&] {
    mutex.lock();
    Thread late = spawn_reader('l', 1ms);
    Thread cancelled = spawn_reader('c');
    Thread writer = spawn_writer('w');
    REQUIRE(is_timed_out(late.join().value()));
    cancelled.request_stop();
    REQUIRE(is_canceled(cancelled.join().value()));
    REQUIRE(!writer.has_ended());
    mutex.unlock();
    REQUIRE(!writer.join().value());
    REQUIRE(order == "w");
    REQUIRE(can_write());
  });
}

TEST_CASE_METHOD(SharedMutexFixture,
                 "what a shared mutex has granted is not lost by a cancellation at the same time") {
  const bool unlocks_first = GENERATE(true, false);
  const bool writes = GENERATE(true, false);
  in_thread([&] {
    mutex.lock();
    Thread waiter = loop->spawn([&] {
                          CHECK(!(writes ? mutex.lock(never) : mutex.lock_shared(never)));
                          CHECK(is_canceled(this_thread::sleep_for(1us)));
                          CHECK(!can_write());
                          writes ? mutex.unlock() : mutex.unlock_shared();
                        })
                        .value();
    Thread next = spawn_writer('w');
    REQUIRE(support::until_parked(next));
    if (unlocks_first) mutex.unlock();
    waiter.request_stop();
    if (!unlocks_first) mutex.unlock();
    REQUIRE(waiter.join());
    REQUIRE(!next.join().value());
    REQUIRE(can_write());
  });
}

TEST_CASE_METHOD(SharedMutexFixture, "a cancelled thread waits by lock_shared() and by lock()") {
  const bool writes = GENERATE(true, false);
  in_thread([&] {
    mutex.lock();
    bool is_in = false;
    Thread waiter = loop->spawn([&] {
                          CHECK(is_canceled(mutex.lock(never)));
                          CHECK(is_canceled(mutex.lock_shared(never)));
                          CHECK(!mutex.try_lock_for(1h));
                          CHECK(!mutex.try_lock_shared_for(1h));
                          writes ? mutex.lock() : mutex.lock_shared();
                          is_in = true;
                          writes ? mutex.unlock() : mutex.unlock_shared();
                          CHECK(is_canceled(mutex.lock(never)));  // free as it is
                          CHECK(is_canceled(mutex.lock_shared(never)));
                          CHECK(can_read());
                          CHECK(can_write());
                        })
                        .value();
    REQUIRE(support::until_parked(waiter));
    waiter.request_stop();
    for (int i = 0; i < 5; ++i) REQUIRE(!this_thread::yield());
    REQUIRE(!is_in);
    mutex.unlock();
    REQUIRE(waiter.join());
    REQUIRE(is_in);
  });
}

TEST_CASE_METHOD(SharedMutexFixture, "the writer that locks once more is told so") {
  in_thread([&] {
    mutex.lock();
    REQUIRE(is_deadlock(mutex.lock(never)));
    REQUIRE(is_deadlock(mutex.lock(no_wait)));
    REQUIRE(is_deadlock(mutex.lock_shared(never)));
    REQUIRE(is_deadlock(mutex.lock_shared(1ms)));
    REQUIRE(!can_read());
    REQUIRE(!can_write());
    mutex.unlock();
    REQUIRE(can_write());
  });
}

TEST_CASE_METHOD(SharedMutexFixture, "locks of the standard library take a shared mutex") {
  in_thread([&] {
    {
      std::shared_lock reader{mutex, 1ms};
      REQUIRE(reader.owns_lock());
      const std::shared_lock another{mutex, std::try_to_lock};
      REQUIRE(another.owns_lock());
      REQUIRE(!std::unique_lock{mutex, std::try_to_lock});
      REQUIRE(!std::unique_lock{mutex, 1ms});
      REQUIRE(!std::unique_lock{mutex, Clock::now() + 1ms});
      reader.unlock();
      REQUIRE(reader.try_lock_until(TimePoint{}));
    }
    {
      const std::unique_lock writer{mutex, 1ms};
      REQUIRE(writer.owns_lock());
      REQUIRE(!std::shared_lock{mutex, std::try_to_lock});
      REQUIRE(is_timed_out(spawn_reader('r', 1ms).join().value()));
    }
    SharedMutex other;
    const std::scoped_lock both{mutex, other};
    REQUIRE(!can_read());
    REQUIRE(!other.try_lock_shared());
  });
}

TEST_CASE_METHOD(SharedMutexFixture, "a shared mutex that main holds is left in a callback") {
  mutex.lock();
  Thread reader = spawn_reader('r', long_time);
  loop->run_once(no_wait);
  REQUIRE(reader.info().state == TaskState::parked);
  loop->post([&] { mutex.unlock(); });
  loop->run();
  REQUIRE(!reader.join().value());
  REQUIRE(can_write());
}
