// Loops that end while their threads wait for something of evcoro/sync, and misuse of that.
#include <atomic>
#include <csignal>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include <evcoro/sync/barrier.hpp>
#include <evcoro/sync/channel.hpp>
#include <evcoro/sync/condition_variable.hpp>
#include <evcoro/sync/event.hpp>
#include <evcoro/sync/latch.hpp>
#include <evcoro/sync/mutex.hpp>
#include <evcoro/sync/once.hpp>
#include <evcoro/sync/recursive_mutex.hpp>
#include <evcoro/sync/select.hpp>
#include <evcoro/sync/semaphore.hpp>
#include <evcoro/sync/shared_mutex.hpp>
#include <evcoro/sync/wait_group.hpp>
#include <support/contains.hpp>
#include <support/sync.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::contains;
using support::is_canceled;
using support::OsThread;
using support::report_of;

namespace {

// report_of_destroying() is what is said when what a thread waits for is destroyed.
template <class T>
std::string report_of_destroying(const std::function<std::unique_ptr<T>()>& make,
                                 const std::function<void(T&)>& wait) {
  const std::string report = report_of([&](Loop& loop) {
    std::unique_ptr<T> thing = make();
    loop.spawn([&] { wait(*thing); }).value().detach();
    (void)this_thread::yield();
    thing.reset();
  });
  CHECK_THAT(report, contains("what is waited for was destroyed"));
  return report;
}

// Holder is an OS thread that holds a mutex until let_go().
template <class M>
class Holder {
 public:
  explicit Holder(M& mutex)
      : thread_([&] {
          mutex.lock();
          holds_.set();
          (void)goes_.wait();
          mutex.unlock();
        }) {
    (void)holds_.wait();
  }
  ~Holder() { let_go(); }
  void let_go() { goes_.set(); }

 private:
  Event holds_;
  Event goes_{Event::Reset::manual};
  OsThread thread_;
};

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "a loop that goes ends those who wait up to a deadline") {
  Mutex mutex;
  SharedMutex shared;
  const Holder holder{mutex};
  const Holder writer{shared};
  std::vector<std::error_code> errors;
  spawn([&] { errors.push_back(mutex.lock(never)); });
  spawn([&] { errors.push_back(mutex.lock(1h)); });
  spawn([&] { errors.push_back(shared.lock(never)); });
  spawn([&] { errors.push_back(shared.lock_shared(never)); });
  loop->run_once(no_wait);
  loop.reset();  // nobody lets go
  REQUIRE(errors.size() == 4);
  for (const auto error : errors) REQUIRE(is_canceled(error));
}

TEST_CASE_METHOD(support::LoopFixture, "a loop that goes waits for locks of other OS threads") {
  Mutex mutex;
  SharedMutex shared;
  Holder holder{mutex};
  Holder writer{shared};
  int locked = 0;
  spawn([&] {
    const std::scoped_lock lock{mutex};
    ++locked;
  });
  spawn([&] {
    const std::scoped_lock lock{mutex};
    (void)this_thread::yield();
    ++locked;
  });
  spawn([&] {
    const std::shared_lock lock{shared};
    ++locked;
  });
  spawn([&] {
    const std::scoped_lock lock{shared};
    ++locked;
  });
  spawn([&] {
    CHECK(is_canceled(this_thread::sleep_until(never)));
    CHECK(locked == 0);
    holder.let_go();
    writer.let_go();
  });
  loop->run_once(no_wait);
  SECTION("when it is destroyed") { loop.reset(); }
  SECTION("when it is shut down") { REQUIRE(loop->shutdown(support::long_time).empty()); }
  REQUIRE(locked == 4);
}

TEST_CASE_METHOD(support::LoopFixture, "a loop that goes waits for the lock of a condition") {
  Mutex mutex;
  ConditionVariable changed;
  std::error_code error;
  spawn([&] {
    std::unique_lock lock{mutex};
    error = changed.wait(lock);
    CHECK(mutex.is_held_by_caller());
  });
  loop->run_once(no_wait);
  Holder holder{mutex};
  spawn([&] {
    CHECK(is_canceled(this_thread::sleep_until(never)));
    holder.let_go();
  });
  loop->run_once(no_wait);
  loop.reset();
  REQUIRE(is_canceled(error));
}

TEST_CASE_METHOD(support::LoopFixture, "what is granted to a loop that goes is not lost") {
  const int rounds = support::rounds(300);
  Semaphore semaphore{0};
  std::atomic<int> released{0};
  std::atomic<bool> ends{false};
  OsThread other{[&] {
    while (!ends) {
      if (semaphore.available() != 0) continue;
      semaphore.release();
      ++released;
    }
  }};
  int acquired = 0;
  for (int i = 0; i < rounds; ++i) {
    Loop brief{{.capacity = 3, .stack_size = support::test_stack_size}};
    for (int j = 0; j < 3; ++j) {
      brief
          .spawn([&] {
            while (!semaphore.acquire()) ++acquired;
          })
          .value()
          .detach();
    }
    brief.run_once(no_wait);
  }
  ends = true;
  other.join();
  REQUIRE(semaphore.available() == static_cast<std::size_t>(released - acquired));
}

TEST_CASE("a loop that goes tells of a lock that it doesn't get") {
  const support::Ended ended = support::in_child_with_loop([](std::optional<Loop>& loop) {
    Mutex mutex;
    mutex.lock();
    loop->spawn({.name = "locker"}, [&] { mutex.lock(); }).value().detach();
    loop->run_once(no_wait);
    loop.reset();
  });
  REQUIRE(ended.signal == SIGABRT);
  REQUIRE_THAT(ended.output, contains("this thread does not stop: 'locker'") && contains("mutex"));
}

TEST_CASE("to lock a mutex that one holds is a misuse") {
  const std::string held = "was locked by who holds it already";
  REQUIRE_THAT(report_of([](Loop&) {
                 Mutex mutex;
                 mutex.lock();
                 mutex.lock();
               }),
               contains("a Mutex " + held));
  REQUIRE_THAT(report_of([](Loop&) {
                 SharedMutex mutex;
                 mutex.lock();
                 mutex.lock();
               }),
               contains("a SharedMutex " + held));
  REQUIRE_THAT(report_of([](Loop&) {
                 SharedMutex mutex;
                 mutex.lock();
                 mutex.lock_shared();
               }),
               contains("a SharedMutex " + held));
  const support::Ended outside = support::in_child([] {
    Mutex mutex;
    mutex.lock();
    mutex.lock();
  });
  REQUIRE_THAT(outside.output, contains("a Mutex " + held));
}

TEST_CASE("to unlock a mutex that one doesn't hold is a misuse") {
  const std::string by_other = "was unlocked by somebody who ";
  REQUIRE_THAT(report_of([](Loop&) { Mutex{}.unlock(); }), contains("a Mutex " + by_other));
  REQUIRE_THAT(report_of([](Loop& loop) {
                 Mutex mutex;
                 mutex.lock();
                 loop.spawn([&] { mutex.unlock(); }).value().join().value();
               }),
               contains("a Mutex " + by_other));
  REQUIRE_THAT(report_of([](Loop& loop) {  // with somebody in the queue
                 Mutex mutex;
                 mutex.lock();
                 loop.spawn([&] { mutex.lock(); }).value().detach();
                 loop.spawn([&] { mutex.unlock(); }).value().join().value();
               }),
               contains("a Mutex " + by_other));
  REQUIRE_THAT(report_of([](Loop& loop) {
                 RecursiveMutex mutex;
                 mutex.lock();
                 mutex.lock();
                 loop.spawn([&] { mutex.unlock(); }).value().join().value();
               }),
               contains("a Mutex " + by_other));
  REQUIRE_THAT(report_of([](Loop&) {
                 RecursiveMutex mutex;
                 mutex.lock();
                 mutex.unlock();
                 mutex.unlock();
               }),
               contains("a Mutex " + by_other));
  REQUIRE_THAT(report_of([](Loop& loop) {
                 SharedMutex mutex;
                 mutex.lock();
                 loop.spawn([&] { mutex.unlock(); }).value().join().value();
               }),
               contains("a SharedMutex " + by_other));
  REQUIRE_THAT(report_of([](Loop&) {
                 SharedMutex mutex;
                 mutex.lock();
                 mutex.unlock_shared();
               }),
               contains("unlock_shared() of a SharedMutex that has no reader"));
}

TEST_CASE("to destroy a mutex that is held is a misuse") {
  const std::string while_locked = "was destroyed while it was locked";
  REQUIRE_THAT(report_of([](Loop&) { Mutex{}.lock(); }), contains("a Mutex " + while_locked));
  REQUIRE_THAT(report_of([](Loop&) { RecursiveMutex{}.lock(); }),
               contains("a Mutex " + while_locked));
  REQUIRE_THAT(report_of([](Loop&) { SharedMutex{}.lock(); }),
               contains("a SharedMutex " + while_locked));
  REQUIRE_THAT(report_of([](Loop&) { SharedMutex{}.lock_shared(); }),
               contains("a SharedMutex " + while_locked));
}

TEST_CASE("to wait for a mutex by lock() in a callback of a loop is a misuse") {
  const auto report_of_locking = [](auto lock) {
    return report_of([&](Loop& loop) {
      Mutex mutex;
      SharedMutex shared;
      const std::scoped_lock both{mutex, shared};
      loop.post([&] { lock(mutex, shared); });
      (void)this_thread::sleep_until(never);
    });
  };
  const std::string waits = "a callback of a loop waits for a ";
  REQUIRE_THAT(report_of_locking([](auto& mutex, auto&) { mutex.lock(); }),
               contains(waits + "Mutex"));
  REQUIRE_THAT(report_of_locking([](auto&, auto& shared) { shared.lock(); }),
               contains(waits + "SharedMutex"));
  REQUIRE_THAT(report_of_locking([](auto&, auto& shared) { shared.lock_shared(); }),
               contains(waits + "SharedMutex"));
}

TEST_CASE("to destroy what somebody waits for is a misuse") {
  const std::string waited_for = "somebody waits for it: ";
  REQUIRE_THAT(report_of_destroying<Semaphore>([] { return std::make_unique<Semaphore>(0); },
                                               [](auto& it) { (void)it.acquire(); }),
               contains(waited_for + "semaphore"));
  REQUIRE_THAT(report_of_destroying<Event>([] { return std::make_unique<Event>(); },
                                           [](auto& it) { (void)it.wait(1h); }),
               contains(waited_for + "event"));
  REQUIRE_THAT(report_of_destroying<Latch>([] { return std::make_unique<Latch>(1); },
                                           [](auto& it) { (void)it.wait(); }),
               contains(waited_for + "latch"));
  REQUIRE_THAT(report_of_destroying<WaitGroup>([] { return std::make_unique<WaitGroup>(1); },
                                               [](auto& it) { (void)it.wait(); }),
               contains(waited_for + "wait group"));
  REQUIRE_THAT(report_of_destroying<Barrier<>>([] { return std::make_unique<Barrier<>>(2); },
                                               [](auto& it) { (void)it.arrive_and_wait(); }),
               contains(waited_for + "barrier"));
  REQUIRE_THAT(
      report_of_destroying<ConditionVariable>([] { return std::make_unique<ConditionVariable>(); },
                                              [](auto& it) {
                                                Mutex mutex;
                                                const std::scoped_lock lock{mutex};
                                                (void)it.wait(mutex);
                                              }),
      contains(waited_for + "condition variable"));
}

TEST_CASE("to destroy a case of a select is a misuse, though another has happened") {
  const std::string report = report_of([](Loop& loop) {
    Channel<int> channel;
    auto event = std::make_unique<Event>();
    loop.spawn([&] { (void)select(on_receive(channel), on_event(*event)); }).value().detach();
    (void)this_thread::yield();
    if (channel.try_send(1)) return;
    event->set();
    event.reset();
  });
  CHECK_THAT(report, contains("what is waited for was destroyed"));
}

TEST_CASE("to count too far is a misuse") {
  REQUIRE_THAT(report_of([](Loop&) { WaitGroup{}.done(); }),
               contains("done() of a WaitGroup that waits for nobody"));
  REQUIRE_THAT(report_of([](Loop&) {
                 WaitGroup group{1};
                 group.done();
                 group.done();
               }),
               contains("done() of a WaitGroup that waits for nobody"));
  REQUIRE_THAT(report_of([](Loop&) { Latch{1}.count_down(2); }), contains("below zero"));
  REQUIRE_THAT(report_of([](Loop&) { (void)Latch{0}.arrive_and_wait(); }), contains("below zero"));
  REQUIRE_THAT(report_of([](Loop&) { (void)Barrier{2}.arrive(3); }),
               contains("more arrived at a Barrier than it expects"));
  REQUIRE_THAT(report_of([](Loop&) {
                 Barrier barrier{1};
                 barrier.arrive_and_drop();
                 (void)barrier.arrive();
               }),
               contains("more arrived at a Barrier than it expects"));
}
