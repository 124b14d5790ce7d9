// Deadlock reports: what is none, since somebody may go on.
#include <event2/event.h>

#include <latch>

#include <evcoro/deadlock.hpp>
#include <evcoro/offload.hpp>
#include <evcoro/scope.hpp>
#include <evcoro/sync/channel.hpp>
#include <evcoro/sync/select.hpp>
#include <evcoro/timer.hpp>
#include <support/application.hpp>
#include <support/deadlock.hpp>
#include <support/group.hpp>
#include <support/pipe.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::DeadlockFixture;
using support::group_options;
using support::is_canceled;
using support::long_time;
using support::OsThread;

TEST_CASE_METHOD(DeadlockFixture, "who sleeps, or waits with a deadline, may go on") {
  block();
  SECTION("sleep") {
    spawn([] { CHECK(is_canceled(this_thread::sleep_for(1h))); });
  }
  SECTION("timer") {
    spawn([] {
      Timer timer;
      timer.start(1h);
      CHECK(is_canceled(timer.wait().error()));
    });
  }
  SECTION("deadline") {
    spawn([&] { CHECK(is_canceled(never_set.wait(1h))); });
  }
  SECTION("deadline of a scope") {
    spawn([&] {
      const Scope scope{1h};
      CHECK(is_canceled(never_set.wait()));
    });
  }
  SECTION("timeout of a select") {
    spawn([&] { CHECK(!select(on_event(never_set), on_timeout(1h))); });
  }
  REQUIRE(stays_silent());
}

TEST_CASE_METHOD(DeadlockFixture, "who waits for a descriptor may go on") {
  const support::RawPipe pipe;
  auto [socket, peer] = support::connected_pair(*loop);
  block();
  SECTION("a socket") {
    spawn([&reader = socket] { CHECK(is_canceled(support::receive(reader, 1, never).error)); });
  }
  SECTION("a descriptor of a select") {
    spawn([&] { CHECK(!select(on_event(never_set), on_readable(pipe.reader()))); });
  }
  REQUIRE(stays_silent());
  end_all();
}

TEST_CASE_METHOD(DeadlockFixture, "an event of the application's may wake somebody") {
  const support::RawPipe pipe;
  event* const application = event_new(
      loop->base(), pipe.reader(), EV_READ | EV_PERSIST, [](evutil_socket_t, short, void*) {},
      nullptr);
  event_add(application, nullptr);
  block();
  REQUIRE(stays_silent());
  event_del(application);
  REQUIRE(run_until_report());
  event_free(application);
}

TEST_CASE_METHOD(DeadlockFixture, "a worker at work may wake somebody") {
  std::latch begins{1};
  std::latch ends{1};
  block();
  spawn([&] {
    (void)offload([&] {
      begins.count_down();
      ends.wait();
    });
  });
  REQUIRE(stays_silent());
  begins.wait();
  REQUIRE(stays_silent());
  ends.count_down();
  REQUIRE(run_until_report());
}

TEST_CASE_METHOD(DeadlockFixture, "an OS thread that is not ours may wake somebody") {
  std::latch ends{1};
  OsThread other{[&] { ends.wait(); }};
  block();
  REQUIRE(stays_silent());
  ends.count_down();
  other.join();
  REQUIRE(run_until_report());
}

TEST_CASE_METHOD(DeadlockFixture, "another loop whose threads go on may wake somebody") {
  LoopGroup group{group_options(2)};
  auto blocked = group.spawn_on(0, [&] { return never_set.wait(); });
  auto sleeper = group.spawn_on(1, [&] {
    (void)this_thread::sleep_for(10ms);
    never_set.set();
  });
  REQUIRE(!blocked.join().value());
  REQUIRE(sleeper.join());
  REQUIRE(reports.text().empty());
}

TEST_CASE_METHOD(DeadlockFixture, "an OS thread that waits up to a deadline goes on") {
  LoopGroup group{group_options(1)};
  auto blocked = group.spawn([&] { return never_set.wait(); });
  REQUIRE(support::is_timed_out(blocked.join(10ms).error()));
  REQUIRE(reports.text().empty());
  never_set.set();
  REQUIRE(!blocked.join().value());
}

TEST_CASE_METHOD(DeadlockFixture, "who is handed something across loops is in no deadlock") {
  LoopGroup group{group_options(2)};
  const int rounds = support::rounds(5000);
  Channel<int> there;
  Channel<int> back;
  auto echo = group.spawn_on(0, [&] {
    for (const int each : there) (void)back.send(int{each});
  });
  auto asker = group.spawn_on(1, [&] {
    int right = 0;
    for (int i = 0; i < rounds; ++i) {
      if (!there.send(int{i}) && back.receive().value() == i) ++right;
    }
    there.close();
    return right;
  });
  REQUIRE(asker.join().value() == rounds);
  REQUIRE(echo.join());
  REQUIRE(reports.text().empty());
}

TEST_CASE_METHOD(DeadlockFixture, "a loop without threads is in no deadlock") {
  LoopGroup group{group_options(2)};
  REQUIRE(loop->run() == Loop::End::idle);
  Event event;
  group.go([&] { event.set(); });
  REQUIRE(!event.wait());
  REQUIRE(reports.text().empty());
}

TEST_CASE_METHOD(DeadlockFixture, "whose loop is run pass by pass may wake somebody in between") {
  spawn([&] { (void)never_set.wait(); });
  loop->run_once(no_wait);
  loop->run_once(no_wait);
  CHECK(reports.text().empty());
  never_set.set();
  loop->run();
  REQUIRE(reports.text().empty());
}

TEST_CASE("an application that looks at its base now and then may wake somebody in between") {
  support::Reports reports;
  const support::Base base = support::make_base();
  Loop loop{{.capacity = 4, .stack_size = support::test_stack_size}, base.get()};
  Event event;
  loop.spawn([&] { (void)event.wait(); }).value().detach();
  event_base_loop(base.get(), EVLOOP_NONBLOCK);
  event_base_loop(base.get(), EVLOOP_NONBLOCK);
  CHECK(reports.text().empty());
  event.set();
  event_base_dispatch(base.get());
  REQUIRE(loop.thread_count() == 0);
}
