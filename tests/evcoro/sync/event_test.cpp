// Event, in one loop.
#include <evcoro/sync/event.hpp>

#include <vector>

#include <support/sync.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::is_canceled;
using support::is_timed_out;

namespace {

class EventFixture : public support::LoopFixture {
 public:
  Thread<std::error_code> spawn_waiter(Event& event, Timeout timeout = {}) {
    return loop->spawn([&event, timeout] { return event.wait(timeout); }).value();
  }

  // spawn_waiters() spawns four and lets them wait.
  std::vector<Thread<std::error_code>> spawn_waiters(Event& event) {
    std::vector<Thread<std::error_code>> threads;
    for (int i = 0; i < 4; ++i) threads.push_back(spawn_waiter(event));
    REQUIRE(support::until_parked(threads.back()));
    return threads;
  }

  Event automatic;
  Event manual{Event::Reset::manual};
};

}  // namespace

TEST_CASE_METHOD(EventFixture, "an event that is set lets one pass, or all until it is reset") {
  in_thread([&] {
    automatic.set();
    automatic.set();  // once more is no more
    REQUIRE(automatic.is_set());
    REQUIRE(!automatic.wait());
    REQUIRE(!automatic.is_set());
    REQUIRE(is_timed_out(automatic.wait(no_wait)));
    REQUIRE(is_timed_out(automatic.wait(1ms)));
    manual.set();
    for (int i = 0; i < 3; ++i) REQUIRE(!manual.wait(no_wait));
    REQUIRE(manual.try_wait());
    REQUIRE(manual.is_set());
    manual.reset();
    REQUIRE(!manual.is_set());
    REQUIRE(!manual.try_wait());
    REQUIRE(is_timed_out(manual.wait(1ms)));
  });
}

TEST_CASE_METHOD(EventFixture, "an event can be set from the beginning") {
  Event once{Event::Reset::automatic, true};
  Event always{Event::Reset::manual, true};
  in_thread([&] {
    REQUIRE(!once.wait(no_wait));
    REQUIRE(is_timed_out(once.wait(no_wait)));
    REQUIRE(!always.wait(no_wait));
    REQUIRE(!always.wait(no_wait));
  });
}

TEST_CASE_METHOD(EventFixture, "an automatic event is given to who has waited longest") {
  in_thread([&] {
    auto waiters = spawn_waiters(automatic);
    REQUIRE(waiters.front().info().wait_reason == "event");
    for (std::size_t i = 0; i < waiters.size(); ++i) {
      automatic.set();
      REQUIRE(!automatic.is_set());  // it is spoken for
      REQUIRE(!automatic.try_wait());
      REQUIRE(!waiters[i].join().value());
      if (i + 1 < waiters.size()) REQUIRE(!waiters[i + 1].has_ended());
    }
    REQUIRE(!automatic.is_set());
  });
}

TEST_CASE_METHOD(EventFixture, "an automatic event that is set often lets as many waiters pass") {
  in_thread([&] {
    auto waiters = spawn_waiters(automatic);
    for (int i = 0; i < 3; ++i) automatic.set();
    for (std::size_t i = 0; i < 3; ++i) REQUIRE(!waiters[i].join().value());
    REQUIRE(!waiters[3].has_ended());
    automatic.set();
    REQUIRE(!waiters[3].join().value());
  });
}

TEST_CASE_METHOD(EventFixture, "a manual event lets all pass who wait, whatever follows") {
  in_thread([&] {
    auto waiters = spawn_waiters(manual);
    manual.set();
    manual.reset();  // before any of them has run
    Thread late = spawn_waiter(manual);
    for (auto& each : waiters) REQUIRE(!each.join().value());
    REQUIRE(support::until_parked(late));
    manual.set();
    REQUIRE(!late.join().value());
    REQUIRE(!manual.wait(no_wait));
  });
}

TEST_CASE_METHOD(EventFixture, "reset() takes back what nobody has had") {
  in_thread([&] {
    automatic.set();
    automatic.reset();
    REQUIRE(!automatic.try_wait());
    Thread waiter = spawn_waiter(automatic);
    REQUIRE(support::until_parked(waiter));
    automatic.reset();  // nothing to take back, and the waiter stays
    REQUIRE(!this_thread::yield());
    REQUIRE(!waiter.has_ended());
    automatic.set();
    automatic.reset();  // too late
    REQUIRE(!waiter.join().value());
  });
}

TEST_CASE_METHOD(EventFixture, "an event passes over who has waited in vain") {
  in_thread([&] {
    Thread late = spawn_waiter(automatic, 1ms);
    Thread cancelled = spawn_waiter(automatic);
    Thread last = spawn_waiter(automatic);
    REQUIRE(is_timed_out(late.join().value()));
    cancelled.request_stop();
    REQUIRE(is_canceled(cancelled.join().value()));
    automatic.set();
    REQUIRE(!last.join().value());
    REQUIRE(is_timed_out(spawn_waiter(automatic, 1ms).join().value()));
    automatic.set();
    REQUIRE(automatic.is_set());  // nobody is left to have it
  });
}

TEST_CASE_METHOD(EventFixture, "an event that comes with a cancellation is not lost") {
  const bool sets_first = GENERATE(true, false);
  in_thread([&] {
    for (Event* const event : {&automatic, &manual}) {
      Thread first = spawn_waiter(*event);
      Thread second = spawn_waiter(*event);
      REQUIRE(support::until_parked(second));
      if (sets_first) event->set();
      first.request_stop();
      if (!sets_first) event->set();
      REQUIRE(!first.join().value());
      REQUIRE(second.has_ended() == (event == &manual));
      event->set();
      REQUIRE(!second.join().value());
    }
  });
}

TEST_CASE_METHOD(EventFixture, "a cancelled thread passes an event by try_wait() only") {
  automatic.set();
  manual.set();
  in_thread([&] {
    Thread thread = loop->spawn([&] {
                          CHECK(is_canceled(automatic.wait()));
                          CHECK(is_canceled(automatic.wait(no_wait)));
                          CHECK(is_canceled(manual.wait()));
                          CHECK(automatic.is_set());
                          CHECK(automatic.try_wait());
                          CHECK(!automatic.try_wait());
                          CHECK(manual.try_wait());
                        })
                        .value();
    thread.request_stop();
    REQUIRE(thread.join());
  });
}

TEST_CASE_METHOD(EventFixture, "an event is set outside of threads") {
  Thread waiter = spawn_waiter(automatic);
  Thread another = spawn_waiter(automatic);
  loop->run_once(no_wait);
  REQUIRE(another.info().state == TaskState::parked);
  automatic.set();                       // while the loop doesn't run
  loop->post([&] { automatic.set(); });  // in a callback
  loop->run();
  REQUIRE(!waiter.join().value());
  REQUIRE(!another.join().value());
}
