// WaitGroup, in one loop.
#include <evcoro/sync/wait_group.hpp>

#include <vector>

#include <support/sync.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::is_canceled;
using support::is_timed_out;

namespace {

class WaitGroupFixture : public support::LoopFixture {
 public:
  Thread<std::error_code> spawn_waiter(Timeout timeout = {}) {
    return loop->spawn([this, timeout] { return group.wait(timeout); }).value();
  }
  Thread<std::error_code> spawn_waiter_for(std::uint64_t target, Timeout timeout = {}) {
    return loop->spawn([=, this] { return group.wait_done(target, timeout); }).value();
  }

  WaitGroup group;
};

}  // namespace

TEST_CASE_METHOD(WaitGroupFixture, "a wait group waits until all is done") {
  in_thread([&] {
    int done = 0;
    for (int i = 0; i < 5; ++i) {
      group.add();
      spawn([&, i] {
        for (int step = 0; step < i; ++step) (void)this_thread::yield();
        ++done;
        group.done();
      });
    }
    REQUIRE(group.missing() == 5);
    REQUIRE(is_timed_out(group.wait(no_wait)));
    REQUIRE(!group.wait());
    REQUIRE(done == 5);
    REQUIRE(group.missing() == 0);
    REQUIRE(group.done_count() == 5);
  });
}

TEST_CASE_METHOD(WaitGroupFixture, "nothing to do is not waited for") {
  in_thread([&] {
    REQUIRE(!group.wait());
    REQUIRE(!group.wait(no_wait));
    REQUIRE(!group.wait_done(0));
    REQUIRE(!group.wait_done(7));
    group.add(0);
    REQUIRE(!group.wait());
    WaitGroup two{2};
    REQUIRE(two.missing() == 2);
    REQUIRE(!two.wait_done(0, no_wait));
    two.done();
    REQUIRE(is_timed_out(two.wait(no_wait)));
    REQUIRE(is_timed_out(two.wait(1ms)));
    two.done();
    REQUIRE(!two.wait());
  });
}

TEST_CASE_METHOD(WaitGroupFixture, "what is added while it is waited for is waited for, too") {
  in_thread([&] {
    group.add();
    Thread waiter = spawn_waiter();
    REQUIRE(support::until_parked(waiter));
    REQUIRE(waiter.info().wait_reason == "wait group");
    group.add(2);
    group.done();
    group.done();
    REQUIRE(!this_thread::yield());
    REQUIRE(!waiter.has_ended());
    group.done();
    REQUIRE(!waiter.join().value());
  });
}

TEST_CASE_METHOD(WaitGroupFixture, "all who wait go on, whatever is added right after") {
  in_thread([&] {
    group.add();
    std::vector<Thread<std::error_code>> waiters;
    for (int i = 0; i < 3; ++i) waiters.push_back(spawn_waiter());
    REQUIRE(support::until_parked(waiters.back()));
    group.done();
    group.add();  // before any of them has run
    for (auto& each : waiters) REQUIRE(!each.join().value());
    REQUIRE(group.missing() == 1);
    group.done();
  });
}

TEST_CASE_METHOD(WaitGroupFixture, "a wait group can be used again") {
  in_thread([&] {
    for (int round = 1; round <= 3; ++round) {
      group.add(2);
      Thread waiter = spawn_waiter();
      REQUIRE(support::until_parked(waiter));
      group.done();
      REQUIRE(!this_thread::yield());
      REQUIRE(!waiter.has_ended());
      group.done();
      REQUIRE(!waiter.join().value());
      REQUIRE(group.done_count() == 2 * static_cast<std::uint64_t>(round));
    }
  });
}

TEST_CASE_METHOD(WaitGroupFixture, "wait_done waits until so many are done") {
  in_thread([&] {
    group.add(4);
    Thread three = spawn_waiter_for(3);
    Thread one = spawn_waiter_for(1);
    Thread all = spawn_waiter();
    REQUIRE(support::until_parked(all));
    REQUIRE(is_timed_out(group.wait_done(1, no_wait)));
    group.done();
    REQUIRE(!one.join().value());
    REQUIRE(!group.wait_done(1));
    group.done();
    REQUIRE(!this_thread::yield());
    REQUIRE(!three.has_ended());
    group.done();
    REQUIRE(!three.join().value());
    REQUIRE(!all.has_ended());
    group.done();
    REQUIRE(!all.join().value());
    REQUIRE(!group.wait_done(3, no_wait));  // it has been, for ever
  });
}

TEST_CASE_METHOD(WaitGroupFixture, "wait_done for more than there are ends when nothing is left") {
  in_thread([&] {
    group.add(2);
    Thread waiter = spawn_waiter_for(5);
    REQUIRE(support::until_parked(waiter));
    group.done();
    REQUIRE(!this_thread::yield());
    REQUIRE(!waiter.has_ended());
    group.done();
    REQUIRE(!waiter.join().value());
  });
}

TEST_CASE_METHOD(WaitGroupFixture, "who leaves a wait group leaves the others waiting") {
  in_thread([&] {
    group.add();
    Thread late = spawn_waiter(1ms);
    Thread late_for_some = spawn_waiter_for(1, 1ms);
    Thread cancelled = spawn_waiter();
    Thread last = spawn_waiter();
    REQUIRE(is_timed_out(late.join().value()));
    REQUIRE(is_timed_out(late_for_some.join().value()));
    cancelled.request_stop();
    REQUIRE(is_canceled(cancelled.join().value()));
    REQUIRE(!last.has_ended());
    group.done();
    REQUIRE(!last.join().value());
  });
}

TEST_CASE_METHOD(WaitGroupFixture, "what is done at the time of a cancellation is no error") {
  const bool is_done_first = GENERATE(true, false);
  in_thread([&] {
    group.add();
    Thread waiter = spawn_waiter();
    REQUIRE(support::until_parked(waiter));
    if (is_done_first) group.done();
    waiter.request_stop();
    if (!is_done_first) group.done();
    REQUIRE(!waiter.join().value());
  });
}

TEST_CASE_METHOD(WaitGroupFixture, "a cancelled thread waits for no group, but is done itself") {
  in_thread([&] {
    group.add();
    Thread thread = loop->spawn([&] {
                          CHECK(is_canceled(group.wait()));
                          group.done();
                          CHECK(is_canceled(group.wait()));  // nothing is missing
                          CHECK(is_canceled(group.wait_done(1, no_wait)));
                          CHECK(group.missing() == 0);
                        })
                        .value();
    thread.request_stop();
    REQUIRE(!group.wait());
    REQUIRE(thread.join());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a wait group may go as soon as it has been waited for") {
  in_thread([&] {
    for (int round = 0; round < 50; ++round) {
      WaitGroup group{3};
      for (int i = 0; i < 3; ++i) {
        spawn([&group] {
          (void)this_thread::yield();
          group.done();
        });
      }
      REQUIRE(!group.wait());
    }
  });
}
