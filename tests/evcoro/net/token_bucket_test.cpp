#include <evcoro/net/token_bucket.hpp>

#include <limits>
#include <vector>

#include <support/every_park.hpp>
#include <support/loop_fixture.hpp>
#include <support/network.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::long_time;

namespace {

constexpr Rate nothing_more{.per_second = 0, .burst = 10};

}  // namespace

TEST_CASE("a bucket begins full, and gives no more than it has") {
  TokenBucket bucket{nothing_more};
  REQUIRE(bucket.available() == 10);
  REQUIRE(bucket.try_take(4));
  REQUIRE(!bucket.try_take(7));
  REQUIRE(bucket.try_take(6));
  REQUIRE(bucket.available() == 0);
  REQUIRE(!bucket.try_take());
  REQUIRE(bucket.ready_at() == never);
  bucket.give_back(3);
  REQUIRE(bucket.available() == 3);
  bucket.give_back(100);
  REQUIRE(bucket.available() == 10);
}

TEST_CASE("a bucket fills with time, up to its burst") {
  TokenBucket bucket{{.per_second = 1e6, .burst = 1000}};
  REQUIRE(bucket.try_take(1000));
  const TimePoint ready = bucket.ready_at(1000);
  REQUIRE(ready <= Clock::now() + 1ms);
  while (Clock::now() < ready + 1ms) {
  }
  REQUIRE(bucket.available() == 1000);
}

TEST_CASE("a rate that makes no sense is the next that does") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const Rate rate : {Rate{-1, -1}, Rate{nan, nan}, Rate{0, 0}}) {
    TokenBucket bucket{rate};
    REQUIRE(bucket.rate().per_second == 0);
    REQUIRE(bucket.available() == 1);
  }
  const double infinity = std::numeric_limits<double>::infinity();
  TokenBucket endless{{infinity, infinity}};
  REQUIRE(endless.try_take(1'000'000'000'000));
  REQUIRE(endless.available() > 1'000'000'000'000);
}

TEST_CASE_METHOD(support::LoopFixture, "take waits until there are enough tokens") {
  in_thread([&] {
    TokenBucket bucket{{.per_second = 1000, .burst = 10}};
    const auto begin = Clock::now();
    REQUIRE(!bucket.take(60, long_time));  // more than the burst, in pieces
    REQUIRE(Clock::now() - begin >= 49ms);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "take that fails takes nothing") {
  in_thread([&] {
    TokenBucket bucket{nothing_more};
    REQUIRE(bucket.take(11, no_wait) == std::errc::timed_out);
    REQUIRE(bucket.take(11, 1ms) == std::errc::timed_out);
    REQUIRE(bucket.available() == 10);
    REQUIRE(!bucket.take(10, no_wait));
  });
  TokenBucket bucket{nothing_more};
  REQUIRE(bucket.take(1) == Errc::not_in_a_thread);
}

TEST_CASE_METHOD(support::LoopFixture, "who waits is served in order, and nobody passes by") {
  in_thread([&] {
    TokenBucket bucket{{.per_second = 0, .burst = 1}};
    REQUIRE(bucket.try_take());
    std::vector<int> order;
    for (int i = 0; i < 3; ++i) {
      spawn([&, i] {
        if (!bucket.take(1, long_time)) order.push_back(i);
      });
    }
    REQUIRE(support::eventually([&] { return loop->threads().back().wait_reason == "tokens"; }));
    for (std::size_t i = 0; i < 3; ++i) {
      bucket.give_back(1);
      REQUIRE(!bucket.try_take());  // it is for who has waited
      REQUIRE(support::eventually([&] { return order.size() == i + 1; }));
    }
    REQUIRE(order == std::vector{0, 1, 2});
  });
}

TEST_CASE_METHOD(support::LoopFixture, "one that takes many doesn't starve one that takes few") {
  in_thread([&] {
    TokenBucket bucket{{.per_second = 10000, .burst = 100}};
    bool greedy_ended = false;
    spawn([&] { greedy_ended = !bucket.take(5000, long_time); });
    REQUIRE(!this_thread::yield());
    for (int i = 0; i < 5; ++i) REQUIRE(!bucket.take(1, long_time));
    REQUIRE(!greedy_ended);
    REQUIRE(support::eventually([&] { return greedy_ended; }));
  });
}

TEST_CASE_METHOD(support::LoopFixture, "who waits first and gives up lets the next have its turn") {
  in_thread([&] {
    TokenBucket bucket{nothing_more};
    REQUIRE(bucket.try_take(8));
    Thread first = loop->spawn([&] { return bucket.take(5, 20ms); }).value();
    REQUIRE(support::until_parked(first));
    Thread second = loop->spawn([&] { return bucket.take(2, long_time); }).value();
    REQUIRE(first.join().value() == std::errc::timed_out);
    REQUIRE(!second.join().value());
    REQUIRE(bucket.available() == 0);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "another rate holds for who waits already") {
  in_thread([&] {
    TokenBucket bucket{nothing_more};
    Thread waiting = loop->spawn([&] { return bucket.take(1000, long_time); }).value();
    REQUIRE(support::until_parked(waiting));
    bucket.set_rate({.per_second = 1e6, .burst = 1000});
    REQUIRE(!waiting.join().value());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "cancelled at each park: take, and it takes nothing") {
  in_thread([&] {
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      TokenBucket bucket{nothing_more};
      const Thread filler = loop->spawn([&] {
                                  while (!this_thread::sleep_for(100us)) {
                                    if (bucket.available() == 0) bucket.give_back(10);
                                  }
                                })
                                .value();
      const auto error = bucket.take(30);
      CHECK((error == std::errc::operation_canceled) == cancelled);
      if (!cancelled) return;
      CHECK(bucket.available() >= 1);
      this_thread::acknowledge_cancellation();
      CHECK(!bucket.take(1, long_time));
    });
    CHECK(parks >= 2);
  });
}
