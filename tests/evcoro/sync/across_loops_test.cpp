// evcoro/sync between loops in OS threads of their own, and OS threads that have none.
#include <array>
#include <atomic>
#include <deque>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

#include <evcoro/sync/barrier.hpp>
#include <evcoro/sync/condition_variable.hpp>
#include <evcoro/sync/event.hpp>
#include <evcoro/sync/latch.hpp>
#include <evcoro/sync/mutex.hpp>
#include <evcoro/sync/once.hpp>
#include <evcoro/sync/semaphore.hpp>
#include <evcoro/sync/shared_mutex.hpp>
#include <evcoro/sync/wait_group.hpp>
#include <support/sync.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::in_own_loop;
using support::is_timed_out;
using support::long_time;
using support::OsThread;

namespace {

// Errors counts what goes wrong in other OS threads.
class Errors {
 public:
  void check(bool is_right) {
    if (!is_right) ++count_;
  }
  void none(std::error_code error) { check(!error); }
  bool any() const { return count_ != 0; }

 private:
  std::atomic<int> count_{0};
};

// everywhere() runs function in 2 OS threads, and in 3 threads of each of 2 loops, at once.
constexpr int everywhere_count = 8;
void everywhere(const std::function<void()>& function) {
  OsThread first{function};
  OsThread second{function};
  OsThread loop{in_own_loop(function, 3)};
  OsThread another_loop{in_own_loop(function, 3)};
}

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "an OS thread waits for what a coroutine thread does") {
  Mutex mutex;
  Semaphore semaphore{0};
  Event event;
  WaitGroup group{1};
  Errors errors;
  Event locked;
  OsThread other{[&] {
    errors.none(locked.wait(long_time));
    errors.check(support::running_on_valgrind() || !mutex.try_lock());
    errors.none(mutex.lock(long_time));
    mutex.unlock();
    errors.none(semaphore.acquire(2, long_time));
    errors.none(event.wait());
    errors.none(group.wait());
  }};
  in_thread([&] {
    mutex.lock();
    locked.set();
    REQUIRE(support::eventually([&] { return support::running_on_valgrind() || other.sleeps(); }));
    mutex.unlock();
    semaphore.release();
    REQUIRE(!this_thread::sleep_for(1ms));
    semaphore.release();
    event.set();
    group.done();
  });
  other.join();
  REQUIRE(!errors.any());
}

TEST_CASE_METHOD(support::LoopFixture, "a coroutine thread waits for what an OS thread does") {
  Semaphore semaphore{0};
  Event begins;
  Event event{Event::Reset::manual};
  Latch latch{1};
  OsThread other{[&] {
    (void)begins.wait();
    semaphore.release(2);
    event.set();
    latch.count_down();
  }};
  bool goes_on = true;
  in_thread([&] {
    spawn([&] {  // the loop goes on meanwhile
      while (goes_on) CHECK(!this_thread::yield());
    });
    REQUIRE(is_timed_out(event.wait(1ms)));
    begins.set();
    REQUIRE(!semaphore.acquire(2, long_time));
    REQUIRE(!event.wait(long_time));
    REQUIRE(!latch.wait());
    goes_on = false;
  });
}

TEST_CASE_METHOD(support::LoopFixture, "an OS thread waits until its deadline, and is skipped") {
  Semaphore semaphore{0};
  Mutex mutex;
  Once once;
  const auto began = Clock::now();
  REQUIRE(is_timed_out(semaphore.acquire(3ms)));
  REQUIRE(Clock::now() - began >= 3ms);
  REQUIRE(is_timed_out(semaphore.acquire(Clock::now() + 1ms)));
  REQUIRE(is_timed_out(semaphore.acquire(no_wait)));
  semaphore.release();
  REQUIRE(semaphore.available() == 1);
  std::error_code there;
  mutex.lock();
  OsThread{[&] { there = mutex.lock(1ms); }}.join();
  REQUIRE(is_timed_out(there));
  mutex.unlock();
  REQUIRE(mutex.try_lock());
  mutex.unlock();
  REQUIRE(!once.call([&] { OsThread{[&] { there = once.call([] {}, 1ms); }}.join(); }));
  REQUIRE(is_timed_out(there));
}

TEST_CASE_METHOD(support::LoopFixture, "two loops hand something back and forth") {
  const int rounds = support::rounds(5000);
  Semaphore to_there{0};
  Event to_here;
  int owned = 0;  // by whose turn it is
  Errors errors;
  OsThread other{in_own_loop([&] {
    for (int i = 0; i < rounds; ++i) {
      errors.none(to_there.acquire(long_time));
      ++owned;
      to_here.set();
    }
  })};
  in_thread([&] {
    for (int i = 0; i < rounds; ++i) {
      to_there.release();
      const auto error = to_here.wait(long_time);
      if (error || owned != i + 1) FAIL("round " << i << ": " << error.message());
    }
  });
  other.join();
  REQUIRE(!errors.any());
}

TEST_CASE_METHOD(support::LoopFixture, "two loops and OS threads wait for one mutex") {
  const int turns = support::rounds(2000);
  Mutex mutex;
  int count = 0;
  everywhere([&] {
    for (int i = 0; i < turns; ++i) {
      const std::scoped_lock lock{mutex};
      ++count;
      if (i % 16 == 0 && Loop::current() != nullptr) (void)this_thread::yield();
    }
  });
  REQUIRE(count == everywhere_count * turns);
}

TEST_CASE_METHOD(support::LoopFixture, "readers and writers of two loops and OS threads") {
  const int turns = support::rounds(2000);
  SharedMutex mutex;
  std::array<int, 2> pair{};
  Errors errors;
  everywhere([&] {
    for (int i = 0; i < turns; ++i) {
      if (i % 4 == 0) {
        const std::scoped_lock lock{mutex};
        ++pair[0];
        if (i % 16 == 0 && Loop::current() != nullptr) (void)this_thread::yield();
        ++pair[1];
      } else {
        const std::shared_lock lock{mutex};
        errors.check(pair[0] == pair[1]);
      }
    }
  });
  REQUIRE(!errors.any());
  REQUIRE(pair[0] == everywhere_count * (turns / 4));
}

TEST_CASE_METHOD(support::LoopFixture, "a queue between loops and OS threads loses nothing") {
  const int items = support::rounds(1000);
  Mutex mutex;
  ConditionVariable not_empty;
  ConditionVariable not_full;
  std::deque<int> queue;
  std::atomic<int> roles{0};
  std::atomic<long> put{0};
  std::atomic<long> taken{0};
  Errors errors;
  everywhere([&] {
    const bool puts = roles++ % 2 == 0;
    for (int i = 0; i < items; ++i) {
      std::unique_lock lock{mutex};
      if (puts) {
        errors.none(not_full.wait(lock, [&] { return queue.size() < 3; }));
        queue.push_back(i);
        put += i;
        lock.unlock();
        not_empty.notify_one();
      } else {
        errors.none(not_empty.wait(lock, [&] { return !queue.empty(); }));
        taken += queue.front();
        queue.pop_front();
        lock.unlock();
        not_full.notify_one();
      }
    }
  });
  REQUIRE(!errors.any());
  REQUIRE(queue.empty());
  REQUIRE(put == taken);
}

TEST_CASE_METHOD(support::LoopFixture, "deadlines and grants that meet lose no permit") {
  const int turns = support::rounds(3000);
  Semaphore semaphore{3};
  std::atomic<int> inside{0};
  std::atomic<int> acquired{0};
  Errors errors;
  everywhere([&] {
    for (int i = 0; i < turns; ++i) {
      const std::size_t count = i % 3 == 0 ? 2 : 1;
      if (semaphore.acquire(count, i % 20 * 1us)) continue;
      errors.check((inside += static_cast<int>(count)) <= 3);
      if (i % 8 == 0 && Loop::current() != nullptr) (void)this_thread::yield();
      inside -= static_cast<int>(count);
      ++acquired;
      semaphore.release(count);
    }
  });
  REQUIRE(!errors.any());
  REQUIRE(acquired > 0);
  REQUIRE(semaphore.available() == 3);
}

TEST_CASE_METHOD(support::LoopFixture, "cancellations and grants of another OS thread that meet") {
  const int rounds = support::rounds(2000);
  Semaphore semaphore{0};
  std::atomic<int> released{0};
  std::atomic<bool> ends{false};
  OsThread other{[&] {
    while (!ends) {
      semaphore.release();
      ++released;
      while (semaphore.available() != 0 && !ends) std::this_thread::yield();
    }
  }};
  int acquired = 0;
  in_thread([&] {
    for (int i = 0; i < rounds; ++i) {
      Thread waiter = loop->spawn([&] { return semaphore.acquire(); }).value();
      for (int step = 0; step < i % 4; ++step) REQUIRE(!this_thread::yield());
      waiter.request_stop();
      if (!waiter.join().value()) ++acquired;
    }
  });
  ends = true;
  other.join();
  REQUIRE(semaphore.available() == static_cast<std::size_t>(released - acquired));
}

TEST_CASE_METHOD(support::LoopFixture, "threads of two loops and OS threads keep in step") {
  const int phases = support::rounds(1000);
  int arrived = 0;  // of this phase, beside what the completion counts
  int completed = 0;
  Mutex mutex;
  Errors errors;
  Barrier barrier{everywhere_count, [&] {
                    errors.check(arrived == everywhere_count);
                    arrived = 0;
                    ++completed;
                  }};
  everywhere([&] {
    for (int phase = 0; phase < phases; ++phase) {
      {
        const std::scoped_lock lock{mutex};
        errors.check(completed == phase);
        ++arrived;
      }
      errors.none(barrier.arrive_and_wait());
    }
  });
  REQUIRE(!errors.any());
  REQUIRE(completed == phases);
}

TEST_CASE_METHOD(support::LoopFixture, "something is done once among loops and OS threads") {
  Errors errors;
  for (int round = 0; round < 20; ++round) {
    Once once;
    int calls = 0;
    std::atomic<int> tries{0};
    everywhere([&] {
      try {
        errors.none(once.call([&] {
          if (++tries < 3) throw 1;
          ++calls;
        }));
        errors.check(calls == 1);
      } catch (int) {
      }
    });
    REQUIRE(calls == 1);
    REQUIRE(tries == 3);
  }
  REQUIRE(!errors.any());
}

TEST_CASE_METHOD(support::LoopFixture, "coroutine threads and OS threads wait in one queue") {
  if (support::running_on_valgrind()) return;  // sleeps() says nothing there
  Semaphore semaphore{0};
  std::vector<int> order;
  Mutex noting;
  const auto note = [&](int number) {
    (void)semaphore.acquire();
    const std::scoped_lock lock{noting};
    order.push_back(number);
  };
  std::deque<OsThread> os_threads;
  in_thread([&] {
    for (int i = 0; i < 6; ++i) {
      if (i % 2 == 0) {
        os_threads.emplace_back([&, i] { note(i); });
        REQUIRE(support::eventually([&] { return os_threads.back().sleeps(); }));
      } else {
        spawn([&, i] { note(i); });
        REQUIRE(!this_thread::yield());
      }
    }
    for (std::size_t served = 1; served <= 6; ++served) {
      semaphore.release();
      REQUIRE(support::eventually([&] {
        const std::scoped_lock lock{noting};
        return order.size() == served;
      }));
    }
  });
  os_threads.clear();
  REQUIRE(order == std::vector{0, 1, 2, 3, 4, 5});
}
