// Latch, Barrier and Once, in one loop.
#include <stdexcept>
#include <string>
#include <vector>

#include <evcoro/sync/barrier.hpp>
#include <evcoro/sync/latch.hpp>
#include <evcoro/sync/once.hpp>
#include <support/sync.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::is_canceled;
using support::is_deadlock;
using support::is_timed_out;

TEST_CASE_METHOD(support::LoopFixture, "a latch opens at zero, for all and for good") {
  in_thread([&] {
    Latch latch{4};
    std::vector<Thread<std::error_code>> waiters;
    for (int i = 0; i < 3; ++i)
      waiters.push_back(loop->spawn([&] { return latch.wait(); }).value());
    REQUIRE(support::until_parked(waiters.back()));
    REQUIRE(waiters.back().info().wait_reason == "latch");
    latch.count_down();
    latch.count_down(0);
    latch.count_down(2);
    REQUIRE(!latch.try_wait());
    REQUIRE(is_timed_out(latch.wait(no_wait)));
    REQUIRE(is_timed_out(latch.wait(1ms)));
    REQUIRE(!waiters.front().has_ended());
    latch.count_down();
    REQUIRE(latch.try_wait());
    for (auto& each : waiters) REQUIRE(!each.join().value());
    REQUIRE(!latch.wait());
    REQUIRE(!latch.wait(no_wait));
    latch.count_down(0);
    REQUIRE(!Latch{0}.wait());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "threads that arrive at a latch start together") {
  Latch latch{3};
  int started = 0;
  for (int i = 0; i < 3; ++i) {
    spawn([&, i] {
      for (int step = 0; step < i; ++step) CHECK(!this_thread::yield());
      CHECK(started == 0);
      CHECK(!latch.arrive_and_wait());
      ++started;
    });
  }
  loop->run();
  REQUIRE(started == 3);
}

TEST_CASE_METHOD(support::LoopFixture, "who leaves a latch has arrived all the same") {
  in_thread([&] {
    Latch latch{4};
    const auto arrive = [&](Timeout timeout) { return latch.arrive_and_wait(timeout); };
    Thread late = loop->spawn([&] { return arrive(1ms); }).value();
    Thread cancelled = loop->spawn([&] { return arrive(never); }).value();
    Thread stays = loop->spawn([&] { return arrive(never); }).value();
    REQUIRE(is_timed_out(late.join().value()));
    cancelled.request_stop();
    REQUIRE(is_canceled(cancelled.join().value()));
    Thread was_cancelled = loop->spawn([&] { return arrive(never); }).value();
    was_cancelled.request_stop();
    REQUIRE(is_canceled(was_cancelled.join().value()));
    REQUIRE(!stays.join().value());
    REQUIRE(latch.try_wait());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a barrier keeps threads in step, phase by phase") {
  constexpr int phases = 20;
  std::string steps;
  std::vector<std::string> by_phase;
  Barrier barrier{3, [&] { by_phase.push_back(std::exchange(steps, {})); }};
  for (int i = 0; i < 3; ++i) {
    spawn([&, i] {
      for (int phase = 0; phase < phases; ++phase) {
        for (int step = 0; step < i * phase % 5; ++step) (void)this_thread::yield();
        CHECK(by_phase.size() == static_cast<std::size_t>(phase));
        steps += static_cast<char>('a' + i);
        CHECK(!barrier.arrive_and_wait());
        CHECK(by_phase.size() > static_cast<std::size_t>(phase));  // it was called before
      }
    });
  }
  loop->run();
  REQUIRE(by_phase.size() == phases);
  for (auto& each : by_phase) {
    std::ranges::sort(each);
    REQUIRE(each == "abc");
  }
}

TEST_CASE_METHOD(support::LoopFixture, "the last to arrive calls a barrier's completion, once") {
  std::vector<std::string> callers;
  Barrier barrier{3, [&] { callers.emplace_back(this_thread::name()); }};
  const auto arrive = [&] { CHECK(!barrier.arrive_and_wait()); };
  for (const char* const name : {"first", "second", "third"}) spawn(arrive, {.name = name});
  loop->run();
  REQUIRE(callers == std::vector<std::string>{"third"});
}

TEST_CASE_METHOD(support::LoopFixture, "a barrier's phase can be waited for later") {
  in_thread([&] {
    int completed = 0;
    Barrier barrier{3, [&] { ++completed; }};
    const auto first = barrier.arrive();
    REQUIRE(is_timed_out(barrier.wait(first, no_wait)));
    REQUIRE(is_timed_out(barrier.wait(first, 1ms)));
    Thread waiter = loop->spawn([&] { return barrier.wait(first); }).value();
    REQUIRE(support::until_parked(waiter));
    REQUIRE(waiter.info().wait_reason == "barrier");
    REQUIRE(barrier.arrive(2) == first);
    REQUIRE(completed == 1);
    REQUIRE(!barrier.wait(first, no_wait));
    REQUIRE(!waiter.join().value());
    const auto second = barrier.arrive(2);
    REQUIRE(second != first);
    REQUIRE(!barrier.wait(first));  // over, long ago
    REQUIRE(is_timed_out(barrier.wait(second, no_wait)));
    (void)barrier.arrive();
    REQUIRE(!barrier.wait(second));
    REQUIRE(completed == 2);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a barrier expects one less when somebody has dropped out") {
  in_thread([&] {
    Barrier barrier{3};
    const auto first = barrier.arrive();
    barrier.arrive_and_drop();
    REQUIRE(is_timed_out(barrier.wait(first, no_wait)));  // this phase still expects three
    REQUIRE(barrier.arrive() == first);
    REQUIRE(!barrier.wait(first, no_wait));
    const auto second = barrier.arrive();
    REQUIRE(is_timed_out(barrier.wait(second, no_wait)));
    Thread other = loop->spawn([&] { return barrier.arrive_and_wait(no_wait); }).value();
    REQUIRE(!other.join().value());
    REQUIRE(!barrier.wait(second));
    barrier.arrive_and_drop();
    REQUIRE(!barrier.arrive_and_wait(no_wait));
  });
}

TEST_CASE_METHOD(support::LoopFixture, "who leaves a barrier has arrived all the same") {
  in_thread([&] {
    Barrier barrier{4};
    const auto arrive = [&](Timeout timeout) { return barrier.arrive_and_wait(timeout); };
    Thread late = loop->spawn([&] { return arrive(1ms); }).value();
    Thread cancelled = loop->spawn([&] { return arrive(never); }).value();
    Thread stays = loop->spawn([&] { return arrive(never); }).value();
    REQUIRE(is_timed_out(late.join().value()));
    cancelled.request_stop();
    REQUIRE(is_canceled(cancelled.join().value()));
    Thread was_cancelled = loop->spawn([&] { return arrive(never); }).value();
    REQUIRE(!stays.has_ended());
    was_cancelled.request_stop();
    REQUIRE(is_canceled(was_cancelled.join().value()));
    REQUIRE(!stays.join().value());
    const auto next = barrier.arrive(3);
    REQUIRE(is_timed_out(barrier.wait(next, no_wait)));
    REQUIRE(!barrier.arrive_and_wait());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a phase that ends with a cancellation is no error") {
  in_thread([&] {
    Barrier barrier{2};
    Thread waiter = loop->spawn([&] { return barrier.arrive_and_wait(); }).value();
    REQUIRE(support::until_parked(waiter));
    waiter.request_stop();
    REQUIRE(!barrier.arrive_and_wait());
    REQUIRE(!waiter.join().value());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "something is done once, and all wait for it") {
  Once once;
  int calls = 0;
  int after = 0;
  const auto function = [&] {
    for (int step = 0; step < 5; ++step) (void)this_thread::yield();
    CHECK(after == 0);
    ++calls;
  };
  for (int i = 0; i < 10; ++i) {
    spawn([&] {
      CHECK(!once.call(function));
      ++after;
    });
  }
  loop->run();
  REQUIRE(calls == 1);
  REQUIRE(after == 10);
  REQUIRE(once.is_done());
  REQUIRE(!once.call(function, no_wait));
  REQUIRE(calls == 1);
}

TEST_CASE_METHOD(support::LoopFixture, "when the function throws, who waits longest tries next") {
  Once once;
  std::vector<int> tried;
  int inside = 0;
  int thrown = 0;
  int good = 0;
  const auto attempt = [&](int number) {
    return once.call([&, number] {
      tried.push_back(number);
      CHECK(++inside == 1);
      for (int step = 0; step < 3; ++step) (void)this_thread::yield();
      --inside;
      if (tried.size() < 3) throw std::runtime_error("not yet");
    });
  };
  for (int i = 0; i < 5; ++i) {
    spawn([&, i] {
      std::error_code error;
      try {
        error = attempt(i);
      } catch (const std::runtime_error&) {
        ++thrown;
        error = attempt(i);  // behind those who wait
      }
      if (!error) ++good;
    });
  }
  loop->run();
  REQUIRE(tried == std::vector{0, 1, 2});
  REQUIRE(thrown == 2);
  REQUIRE(good == 5);
  REQUIRE(once.is_done());
}

TEST_CASE_METHOD(support::LoopFixture, "after a failure with nobody waiting the next call tries") {
  Once once;
  in_thread([&] {
    REQUIRE_THROWS_AS(once.call([] { throw 1; }), int);
    REQUIRE(!once.is_done());
    int calls = 0;
    REQUIRE(!once.call([&] { ++calls; }));
    REQUIRE(!once.call([&] { ++calls; }));
    REQUIRE(calls == 1);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a function that calls its own Once is told so") {
  Once once;
  in_thread([&] {
    std::error_code inner;
    REQUIRE(!once.call([&] {
      inner = once.call([] { FAIL("called"); });
      CHECK(is_deadlock(once.call([] { FAIL("called"); }, no_wait)));
    }));
    REQUIRE(is_deadlock(inner));
    REQUIRE(once.is_done());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "who doesn't wait for a Once until the end is skipped") {
  in_thread([&] {
    Once once;
    bool goes_on = false;
    std::vector<int> called;
    const auto spawn_caller = [&](int number, Timeout timeout) {
      return loop
          ->spawn([&, number, timeout] {
            return once.call([&] { called.push_back(number); }, timeout);
          })
          .value();
    };
    Thread first = loop->spawn([&] {
                         return once.call([&] {
                           while (!goes_on) (void)this_thread::yield();
                           throw std::runtime_error("in the end");
                         });
                       })
                       .value();
    Thread late = spawn_caller(1, 1ms);
    Thread cancelled = spawn_caller(2, never);
    Thread last = spawn_caller(3, never);
    REQUIRE(is_timed_out(late.join().value()));
    REQUIRE(is_timed_out(spawn_caller(4, no_wait).join().value()));
    REQUIRE(last.info().wait_reason == "once");
    cancelled.request_stop();
    REQUIRE(is_canceled(cancelled.join().value()));
    goes_on = true;
    REQUIRE_THROWS_WITH(first.join(), "in the end");
    REQUIRE(!last.join().value());
    REQUIRE(called == std::vector{3});
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a cancelled thread begins nothing, but sees what is done") {
  in_thread([&] {
    Once once;
    Thread thread = loop->spawn([&] {
                          CHECK(is_canceled(once.call([] { FAIL("called"); })));
                          CHECK(!once.is_done());
                          this_thread::acknowledge_cancellation();
                          CHECK(!once.call([] {}));
                        })
                        .value();
    thread.request_stop();
    REQUIRE(thread.join());
    Thread later = loop->spawn([&] { return once.call([] { FAIL("called"); }); }).value();
    later.request_stop();
    REQUIRE(!later.join().value());
  });
}
