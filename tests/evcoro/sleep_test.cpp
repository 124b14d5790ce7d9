// this_thread::sleep_for(), sleep_until() and yield().
#include <csignal>
#include <random>
#include <vector>

#include <support/contains.hpp>
#include <support/loop_fixture.hpp>

using namespace evcoro;
using namespace std::chrono_literals;

TEST_CASE_METHOD(support::LoopFixture, "no sleep is shorter than asked for") {
  std::mt19937 random{2};
  std::uniform_int_distribution<long> nanoseconds{0, 60'000'000};
  std::vector<std::chrono::nanoseconds> early;
  for (int i = 0; i < 60; ++i) {
    spawn([&early, duration = std::chrono::nanoseconds{nanoseconds(random)}] {
      const auto start = Clock::now();
      REQUIRE(!this_thread::sleep_for(duration));
      const auto slept = Clock::now() - start;
      if (slept < duration) early.push_back(duration - slept);
    });
  }
  loop->run();
  REQUIRE(early.empty());
}

TEST_CASE_METHOD(support::LoopFixture, "no short sleep in a row is early") {
  in_thread([] {
    for (int i = 0; i < 200; ++i) {
      const auto duration = i * 10us;
      const auto start = Clock::now();
      REQUIRE(!this_thread::sleep_for(duration));
      REQUIRE(Clock::now() - start >= duration);
    }
  });
}

TEST_CASE_METHOD(support::LoopFixture, "sleepers wake in the order of their deadlines") {
  std::vector<int> order;
  const auto start = Clock::now() + 10ms;
  for (const int i : {3, 1, 4, 0, 2}) {
    spawn([&order, i, start] {
      REQUIRE(!this_thread::sleep_until(start + i * 5ms));
      order.push_back(i);
    });
  }
  loop->run();
  REQUIRE(order == std::vector{0, 1, 2, 3, 4});
}

TEST_CASE_METHOD(support::LoopFixture, "sleeps that are over already return and let others run") {
  int turns = 0;
  in_thread([&] {
    const auto sleeps_to_try = {+[] { return this_thread::sleep_for(0s); },
                                +[] { return this_thread::sleep_for(-1h); },
                                +[] { return this_thread::sleep_for(std::chrono::hours::min()); },
                                +[] { return this_thread::sleep_until(Clock::now() - 1s); },
                                +[] { return this_thread::sleep_until(TimePoint{}); },
                                +[] { return this_thread::sleep_until(TimePoint::min()); }};
    for (const auto sleep : sleeps_to_try) {
      spawn([&] { ++turns; });
      REQUIRE(!sleep());
    }
  });
  REQUIRE(turns == 6);
}

TEST_CASE_METHOD(support::LoopFixture, "the longest sleeps do not overflow into short ones") {
  std::vector<Thread<std::error_code>> sleepers;
  const auto add = [&](auto duration) {
    sleepers.push_back(loop->spawn([=] { return this_thread::sleep_for(duration); }).value());
  };
  add(std::chrono::hours::max());
  add(std::chrono::seconds::max());
  add(std::chrono::nanoseconds::max());
  add(std::chrono::duration<double>{1e300});
  add(std::chrono::hours{24 * 365 * 100});
  add(72min);     // 2^32 microseconds
  add(50 * 24h);  // 2^32 milliseconds
  for (int i = 0; i < 3; ++i) loop->run_once(2ms);
  for (auto& each : sleepers) {
    REQUIRE(each.info().state == TaskState::parked);
    each.request_stop();
  }
  loop->run();
  for (auto& each : sleepers) REQUIRE(each.join().value() == std::errc::operation_canceled);
}

TEST_CASE_METHOD(support::LoopFixture, "a fraction of a second can be slept") {
  in_thread([] {
    const auto start = Clock::now();
    REQUIRE(!this_thread::sleep_for(std::chrono::duration<double>{0.0025}));
    REQUIRE(Clock::now() - start >= 2500us);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a sleep outside a thread is an error") {
  REQUIRE(this_thread::sleep_for(1h) == Errc::not_in_a_thread);
  REQUIRE(this_thread::sleep_until(never) == Errc::not_in_a_thread);
}

TEST_CASE_METHOD(support::LoopFixture, "questions about a thread outside one are misuses") {
  for (const auto use :
       {+[] { (void)this_thread::yield(); }, +[] { (void)this_thread::cancel_reason(); },
        +[] { this_thread::acknowledge_cancellation(); }}) {
    const support::Ended ended = support::in_child(use);
    REQUIRE(ended.signal == SIGABRT);
    REQUIRE_THAT(ended.output,
                 support::contains("evcoro: misuse: ") && support::contains("outside a t"));
  }
}

TEST_CASE_METHOD(support::LoopFixture, "yield lets every other thread run once") {
  std::vector<int> order;
  for (int i = 0; i < 3; ++i) {
    spawn([&order, i] {
      for (int round = 0; round < 3; ++round) {
        order.push_back(i);
        REQUIRE(!this_thread::yield());
      }
    });
  }
  loop->run();
  REQUIRE(order == std::vector{0, 1, 2, 0, 1, 2, 0, 1, 2});
}
