// Deadlock reports: what is reported, how, and how often.
#include <evcoro/deadlock.hpp>

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>

#include <evcoro/offload.hpp>
#include <evcoro/scope.hpp>
#include <evcoro/sync/channel.hpp>
#include <evcoro/sync/latch.hpp>
#include <evcoro/sync/mutex.hpp>
#include <evcoro/sync/select.hpp>
#include <evcoro/sync/semaphore.hpp>
#include <support/contains.hpp>
#include <support/deadlock.hpp>
#include <support/group.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::contains;
using support::DeadlockFixture;
using support::group_options;
using support::is_canceled;

namespace {

// lock_both() holds one mutex and waits for the other, when all have got so far.
std::error_code lock_both(Mutex& one, Mutex& other, Latch& all) {
  const std::scoped_lock lock{one};
  (void)all.arrive_and_wait();
  const std::error_code error = other.lock(never);
  if (!error) other.unlock();
  return error;
}

}  // namespace

TEST_CASE_METHOD(DeadlockFixture, "threads that lock two mutexes in turn are reported once") {
  Mutex a;
  Mutex b;
  Latch both{2};
  spawn([&] { (void)lock_both(a, b, both); }, {.name = "left"});
  spawn([&] { (void)lock_both(b, a, both); }, {.name = "right"});
  REQUIRE(run_until_report());
  REQUIRE(reports.count() == 1);
  const std::string text = reports.text();
  REQUIRE_THAT(text, contains("evcoro: deadlock: every thread waits for another\n"));
  REQUIRE_THAT(text, contains("'left' (id 1), spawned at ") && contains("deadlock_test.cpp:"));
  REQUIRE_THAT(text, contains("mutex, held by 'right' (id 2)\n"));
  REQUIRE_THAT(text, contains("mutex, held by 'left' (id 1)\n"));
  REQUIRE_THAT(text, contains("cycle: 'left' (id 1) -> 'right' (id 2) -> 'left' (id 1)\n"));
  REQUIRE(stays_silent());
  REQUIRE(stays_silent());
  end_all();
}

TEST_CASE_METHOD(DeadlockFixture, "a deadlock is reported again when something has run meanwhile") {
  Event event;
  spawn([&] {
    while (!event.wait()) {
    }
  });
  REQUIRE(run_until_report());
  REQUIRE(stays_silent());
  event.set();
  REQUIRE(run_until_report());
  REQUIRE(stays_silent());
  REQUIRE(reports.count() == 2);
  end_all();
}

TEST_CASE_METHOD(DeadlockFixture, "a thread that nobody sends to is reported, without a cycle") {
  Channel<int> channel;
  Channel<int> full;
  Semaphore semaphore{0};
  spawn([&] { (void)channel.receive(); }, {.name = "receiver"});
  spawn([&] { (void)full.send(1); }, {.name = "sender"});
  spawn([&] { (void)semaphore.acquire(); });
  spawn([&] { (void)select(on_receive(channel), on_event(never_set)); });
  REQUIRE(run_until_report());
  REQUIRE(reports.count() == 1);
  REQUIRE_THAT(reports.text(), contains("channel, to receive\n") &&
                                   contains("channel, to send\n") && contains("semaphore\n") &&
                                   contains("select\n") && !contains("cycle"));
  end_all();
}

TEST_CASE_METHOD(DeadlockFixture, "threads that join each other are reported") {
  Thread<void> first;
  Thread<void> second;
  first = loop->spawn({.name = "first"}, [&] { (void)second.join(); }).value();
  second = loop->spawn({.name = "second"}, [&] { (void)first.join(); }).value();
  REQUIRE(run_until_report());
  REQUIRE(reports.count() == 1);
  REQUIRE_THAT(reports.text(), contains("join of 'second' (id 2)\n"));
  REQUIRE_THAT(reports.text(),
               contains("cycle: 'first' (id 1) -> 'second' (id 2) -> 'first' (id 1)\n"));
  end_all();
}

TEST_CASE_METHOD(DeadlockFixture,
                 "a thread that waits for its scope, and that for a mutex of its") {
  Mutex mutex;
  spawn([&] {
    const std::scoped_lock lock{mutex};
    Scope scope;
    (void)scope.spawn({.name = "child"}, [&] { (void)mutex.lock(never); });
    (void)scope.wait();
  });
  REQUIRE(run_until_report());
  REQUIRE(reports.count() == 1);
  REQUIRE_THAT(reports.text(), contains("the threads of a scope") && contains("'child'"));
  end_all();
}

TEST_CASE_METHOD(DeadlockFixture, "threads of two loops that wait for each other are reported") {
  LoopGroup group{group_options(2)};
  Mutex a;
  Mutex b;
  Latch both{2};
  auto first = group.spawn_on(0, {.name = "left"}, [&] { return lock_both(a, b, both); });
  auto second = group.spawn_on(1, {.name = "right"}, [&] { return lock_both(b, a, both); });
  reports.then = [&] { group.loop(0).post([&] { first.request_stop(); }); };
  REQUIRE(is_canceled(first.join().value()));  // the test's OS thread waits, too
  REQUIRE(!second.join().value());
  REQUIRE(reports.count() == 1);
  REQUIRE_THAT(reports.text(),
               contains("held by 'left'") && contains("held by 'right'") && contains("cycle: "));
}

TEST_CASE_METHOD(DeadlockFixture, "an OS thread that waits for a thread that waits is reported") {
  LoopGroup group{group_options(2)};
  auto thread = group.spawn_on(1, {.name = "blocked"}, [&] { return never_set.wait(); });
  reports.then = [&] { group.loop(0).post([&] { never_set.set(); }); };
  REQUIRE(!thread.join().value());
  REQUIRE(reports.count() == 1);
  REQUIRE_THAT(reports.text(), contains("'blocked'"));
}

TEST_CASE_METHOD(DeadlockFixture, "idle workers are no hindrance to a report") {
  spawn([&] {
    REQUIRE(offload([] { return 1; }).value() == 1);
    (void)never_set.wait();
  });
  REQUIRE(run_until_report());
  REQUIRE(reports.count() == 1);
}

TEST_CASE_METHOD(DeadlockFixture, "reports can be switched off, and on again") {
  REQUIRE(deadlock_reports());
  set_deadlock_reports(false);
  REQUIRE(!deadlock_reports());
  block();
  REQUIRE(stays_silent());
  set_deadlock_reports(true);
  REQUIRE(run_until_report());
}

TEST_CASE("the environment says whether deadlocks are reported") {
  const char* const wish = GENERATE("0", "1");
  ::setenv("EVCORO_DEADLOCK_REPORTS", wish, 1);
  const support::Ended ended =
      support::in_child([&] { std::printf("%d", deadlock_reports() ? 1 : 0); });
  REQUIRE(ended.output == wish);
}
