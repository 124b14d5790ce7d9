// What all waits of evcoro/sync have in common: deadlines, cancellation, and where they may be.
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include <evcoro/scope.hpp>
#include <evcoro/sync/barrier.hpp>
#include <evcoro/sync/condition_variable.hpp>
#include <evcoro/sync/event.hpp>
#include <evcoro/sync/latch.hpp>
#include <evcoro/sync/mutex.hpp>
#include <evcoro/sync/once.hpp>
#include <evcoro/sync/recursive_mutex.hpp>
#include <evcoro/sync/semaphore.hpp>
#include <evcoro/sync/shared_mutex.hpp>
#include <evcoro/sync/wait_group.hpp>
#include <support/sync.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::is_canceled;
using support::is_timed_out;

namespace {

// One of each primitive, and all the ways to wait for one. Between block() and unblock(), which are
// for the same thread, there is nothing to be had of any.
class WaitFixture : public support::LoopFixture {
 public:
  struct Wait {
    std::string what;
    std::function<std::error_code(Timeout)> call;
  };

  void block() {
    mutex.lock();
    recursive.lock();
    to_read.lock();
    to_write.lock_shared();
    phase = barrier.arrive();
    doer = loop->spawn([&] { return once.call([&] { REQUIRE(!end_of_once.wait()); }); }).value();
    REQUIRE(support::until_parked(doer));
  }

  // unblock() lets one wait of each kind end, in this pass of the loop.
  void unblock() {
    mutex.unlock();
    recursive.unlock();
    to_read.unlock();
    to_write.unlock_shared();
    changed.notify_one();
    semaphore.release();
    automatic.set();
    manual.set();
    latch.count_down();
    group.done();
    (void)barrier.arrive();
    end_of_once.set();
  }

  // check_unblocked() sees to it that the waits before have left nothing behind: who waits now gets
  // what there is, all of it.
  void check_unblocked() {
    auto threads = spawn_waits(never);
    unblock();
    for (auto& each : threads) CHECK(!each.join().value());
    REQUIRE(!doer.join().value());
    CHECK(mutex.try_lock());
    mutex.unlock();
    CHECK(recursive.try_lock());
    recursive.unlock();
    CHECK(to_read.try_lock());
    to_read.unlock();
    CHECK(to_write.try_lock());
    to_write.unlock();
    CHECK(semaphore.available() == 0);
    CHECK(!automatic.is_set());
  }

  // spawn_waits() spawns a thread for each kind of wait and lets it begin.
  std::deque<Thread<std::error_code>> spawn_waits(Timeout timeout) {
    std::deque<Thread<std::error_code>> threads;
    for (const Wait& each : waits) {
      threads.push_back(loop->spawn([&each, timeout] { return each.call(timeout); }).value());
    }
    REQUIRE(!this_thread::yield());
    return threads;
  }

  template <class M>
  static std::error_code lock(M& mutex, Timeout timeout) {
    const auto error = mutex.lock(timeout);
    if (!error) mutex.unlock();
    return error;
  }
  std::error_code lock_shared(Timeout timeout) {
    const auto error = to_read.lock_shared(timeout);
    if (!error) to_read.unlock_shared();
    return error;
  }
  std::error_code wait_for_change(Timeout timeout) {
    Mutex own;
    const std::scoped_lock lock{own};
    return changed.wait(own, timeout);
  }

  Mutex mutex;
  RecursiveMutex recursive;
  SharedMutex to_read;
  SharedMutex to_write;
  ConditionVariable changed;
  Semaphore semaphore{0};
  Event automatic;
  Event manual{Event::Reset::manual};
  Latch latch{1};
  WaitGroup group{1};
  Barrier<> barrier{2};
  Barrier<>::Phase phase{};
  Once once;
  Event end_of_once;
  Thread<std::error_code> doer;

  const std::vector<Wait> waits{
      {"mutex", [&](Timeout timeout) { return lock(mutex, timeout); }},
      {"recursive mutex", [&](Timeout timeout) { return lock(recursive, timeout); }},
      {"reader", [&](Timeout timeout) { return lock_shared(timeout); }},
      {"writer", [&](Timeout timeout) { return lock(to_write, timeout); }},
      {"condition variable", [&](Timeout timeout) { return wait_for_change(timeout); }},
      {"semaphore", [&](Timeout timeout) { return semaphore.acquire(timeout); }},
      {"automatic event", [&](Timeout timeout) { return automatic.wait(timeout); }},
      {"manual event", [&](Timeout timeout) { return manual.wait(timeout); }},
      {"latch", [&](Timeout timeout) { return latch.wait(timeout); }},
      {"wait group", [&](Timeout timeout) { return group.wait(timeout); }},
      {"wait_done", [&](Timeout timeout) { return group.wait_done(1, timeout); }},
      {"barrier", [&](Timeout timeout) { return barrier.wait(phase, timeout); }},
      {"once", [&](Timeout timeout) { return once.call([] { FAIL("twice"); }, timeout); }},
  };
};

}  // namespace

TEST_CASE_METHOD(WaitFixture, "a wait ends at its deadline, and leaves nothing behind") {
  in_thread([&] {
    block();
    for (const Wait& each : waits) {
      CAPTURE(each.what);
      Thread waiter = loop->spawn([&] {
                            CHECK(is_timed_out(each.call(no_wait)));
                            const auto began = Clock::now();
                            CHECK(is_timed_out(each.call(1ms)));
                            CHECK(Clock::now() - began >= 1ms);
                            CHECK(is_timed_out(each.call(Clock::now() + 1ms)));
                            CHECK(is_timed_out(each.call(TimePoint{})));
                          })
                          .value();
      REQUIRE(waiter.join());
    }
    check_unblocked();
  });
}

TEST_CASE_METHOD(WaitFixture, "a wait ends with the cancellation, and leaves nothing behind") {
  in_thread([&] {
    block();
    auto threads = spawn_waits(never);
    auto later = spawn_waits(1h);
    for (std::size_t i = 0; i < waits.size(); ++i) {
      CAPTURE(waits[i].what);
      REQUIRE(threads[i].info().state == TaskState::parked);
      threads[i].request_stop();
      CHECK(is_canceled(threads[i].join().value()));
      later[i].request_stop();
    }
    for (auto& each : later) CHECK(is_canceled(each.join().value()));
    check_unblocked();
  });
}

TEST_CASE_METHOD(WaitFixture, "a wait of a thread that is cancelled does not begin") {
  in_thread([&] {
    block();
    for (const Wait& each : waits) {
      CAPTURE(each.what);
      Thread thread = loop->spawn([&] {
                            CHECK(is_canceled(each.call(never)));
                            CHECK(is_canceled(each.call(no_wait)));
                          })
                          .value();
      thread.request_stop();
      REQUIRE(thread.join());
    }
    check_unblocked();
  });
}

TEST_CASE_METHOD(WaitFixture, "a scope's deadline ends what is waited for within") {
  in_thread([&] {
    block();
    for (const Wait& each : waits) {
      CAPTURE(each.what);
      Thread thread = loop->spawn([&] {
                            const Scope scope{1ms};
                            CHECK(is_canceled(each.call(never)));
                          })
                          .value();
      REQUIRE(thread.join());
    }
    check_unblocked();
  });
}

TEST_CASE_METHOD(WaitFixture, "what is granted at the time of a cancellation is had") {
  const bool grants_first = GENERATE(true, false);
  in_thread([&] {
    block();
    auto threads = spawn_waits(never);
    if (grants_first) unblock();
    for (auto& each : threads) each.request_stop();
    if (!grants_first) unblock();
    for (std::size_t i = 0; i < waits.size(); ++i) {
      CAPTURE(waits[i].what);
      const auto error = threads[i].join().value();
      if (waits[i].what != "once") CHECK(!error);  // that takes its doer another pass
    }
    REQUIRE(!doer.join().value());
  });
}

TEST_CASE_METHOD(WaitFixture, "what is granted before the loop has seen the deadline is had") {
  in_thread([&] {
    block();
    auto threads = spawn_waits(50ms);
    while (threads.front().info().state == TaskState::parked &&
           Clock::now() < threads.front().info().parked_since + 60ms) {
      // the loop sees nothing meanwhile
    }
    unblock();
    for (std::size_t i = 0; i < waits.size(); ++i) {
      CAPTURE(waits[i].what);
      const auto error = threads[i].join().value();
      if (waits[i].what != "once") CHECK(!error);  // that takes its doer another pass
    }
    REQUIRE(!doer.join().value());
  });
}

TEST_CASE_METHOD(WaitFixture, "a callback of a loop must not wait") {
  in_thread([&] {
    block();
    bool was_called = false;
    loop->post([&] {
      for (const Wait& each : waits) {
        CAPTURE(each.what);
        CHECK(each.call(never) == Errc::not_in_a_thread);
        CHECK(each.call(1h) == Errc::not_in_a_thread);
        CHECK(is_timed_out(each.call(no_wait)));
      }
      was_called = true;
    });
    REQUIRE(support::eventually([&] { return was_called; }));
    check_unblocked();
  });
}

TEST_CASE_METHOD(WaitFixture, "a callback of a loop has what there is without waiting") {
  bool was_called = false;
  in_thread([&] {
    block();
    unblock();
    REQUIRE(!doer.join().value());
    loop->post([&] {
      for (const Wait& each : waits) {
        if (each.what == "condition variable") continue;  // there always is a wait
        CAPTURE(each.what);
        CHECK(!each.call(never));
      }
      was_called = true;
    });
    REQUIRE(support::eventually([&] { return was_called; }));
  });
}

TEST_CASE_METHOD(WaitFixture, "an OS thread waits until its deadline, or until it is served") {
  if (support::running_on_valgrind()) return;  // sleeps() says nothing there
  std::vector<std::error_code> in_vain;
  std::vector<std::error_code> served(waits.size());
  std::deque<support::OsThread> os_threads;
  in_thread([&] {
    block();
    support::OsThread{[&] {
      for (const Wait& each : waits) {
        in_vain.push_back(each.call(no_wait));
        in_vain.push_back(each.call(1ms));
      }
    }}.join();
    for (std::size_t i = 0; i < waits.size(); ++i) {
      os_threads.emplace_back([&, i] { served[i] = waits[i].call(support::long_time); });
      REQUIRE(support::eventually([&] { return os_threads.back().sleeps(); }));
    }
    unblock();
    REQUIRE(!doer.join().value());
  });
  os_threads.clear();
  REQUIRE(in_vain.size() == 2 * waits.size());
  for (const auto error : in_vain) REQUIRE(is_timed_out(error));
  for (const auto error : served) REQUIRE(!error);
}
