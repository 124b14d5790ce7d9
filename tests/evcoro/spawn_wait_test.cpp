// Loop::spawn_wait(): waiting for a stack.
#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

#include <support/loop_fixture.hpp>

using namespace evcoro;
using namespace std::chrono_literals;

namespace {

// A loop whose threads wait for the stacks of a second, small pool.
class SmallPool : public support::LoopFixture {
 public:
  stacks::StackPool small{{.capacity = 1, .stack_size = 64 * 1024}};
  SpawnOptions on_small{.stacks = &small};
  std::vector<int> order;

  // A thread that waits for a stack, and runs one that records number on it.
  Thread<std::error_code> waiter(int number, Timeout timeout = {}) {
    return loop
        ->spawn({.name = "waiter"},
                [this, number, timeout] {
                  Result thread = loop->spawn_wait(
                      on_small, [this, number] { order.push_back(number); }, timeout);
                  if (thread) (void)thread->join();
                  return thread.error();
                })
        .value();
  }

  Thread<std::error_code> holder() {
    return loop->spawn(on_small, [] { return this_thread::sleep_until(never); }).value();
  }
};

}  // namespace

TEST_CASE_METHOD(SmallPool, "spawn_wait spawns at once when there is a stack") {
  in_thread([&] {
    REQUIRE(loop->spawn_wait(
                    on_small, [] { return 3; }, no_wait)
                .value()
                .join()
                .value() == 3);
  });
}

TEST_CASE_METHOD(SmallPool, "spawn_wait serves first who came first") {
  in_thread([&] {
    Thread held = holder();
    std::vector<Thread<std::error_code>> waiters;
    for (int i = 0; i < 5; ++i) waiters.push_back(waiter(i));
    REQUIRE(!this_thread::yield());
    REQUIRE(waiters[0].info().wait_reason == "a stack");
    REQUIRE(order.empty());
    held.request_stop();
    REQUIRE(held.join().has_value());
    for (auto& each : waiters) REQUIRE(!each.join().value());
    REQUIRE(order == std::vector{0, 1, 2, 3, 4});
  });
}

TEST_CASE_METHOD(SmallPool, "spawn_wait returns timed_out when no stack becomes free in time") {
  in_thread([&] {
    Thread held = holder();
    REQUIRE(waiter(1, no_wait).join().value() == std::errc::timed_out);
    const auto start = Clock::now();
    REQUIRE(waiter(2, 3ms).join().value() == std::errc::timed_out);
    REQUIRE(Clock::now() - start >= 3ms);
    REQUIRE(order.empty());
  });
}

TEST_CASE_METHOD(SmallPool, "spawn_wait is cancelled like every blocking call") {
  in_thread([&] {
    SECTION("while it waits") {
      Thread held = holder();
      Thread thread = waiter(1);
      REQUIRE(!this_thread::yield());
      thread.request_stop();
      REQUIRE(thread.join().value() == std::errc::operation_canceled);
    }
    SECTION("before it is called though a stack is free") {
      Thread thread = waiter(1);
      thread.request_stop();
      REQUIRE(thread.join().value() == std::errc::operation_canceled);
    }
    REQUIRE(order.empty());
  });
}

TEST_CASE_METHOD(SmallPool, "a stack that a waiter no longer wants goes to the next") {
  in_thread([&] {
    Thread held = loop->spawn(on_small, [] {}).value();
    REQUIRE(!this_thread::yield());
    REQUIRE(held.has_ended());  // its stack is free when it is joined
    std::optional<Thread<std::error_code>> first;
    SECTION("since it was cancelled just before") {
      first = waiter(1);
      Thread second = waiter(2);
      REQUIRE(!this_thread::yield());
      first->request_stop();
      REQUIRE(held.join().has_value());
      REQUIRE(!second.join(1h).value());
      REQUIRE(first->join().value() == std::errc::operation_canceled);
    }
    SECTION("since what it would spawn is too large") {
      first = loop->spawn([&] {
                    const std::array<char, 40 * 1024> huge{};
                    return loop->spawn_wait(on_small, [huge] { (void)huge; }).error();
                  })
                  .value();
      Thread second = waiter(2);
      REQUIRE(!this_thread::yield());
      REQUIRE(held.join().has_value());
      REQUIRE(second.join(5s).has_value());
      REQUIRE(first->join().value() == std::errc::argument_list_too_long);
    }
    REQUIRE(order == std::vector{2});
  });
}

TEST_CASE_METHOD(SmallPool, "spawn_wait works in threads of its own loop only") {
  REQUIRE(loop->spawn_wait(on_small, [] {}).error() == Errc::not_in_a_thread);
  stacks::StackPool other_pool{{.capacity = 1, .stack_size = support::test_stack_size}};
  Loop other{other_pool};
  in_thread([&] { REQUIRE(other.spawn_wait({}, [] {}).error() == Errc::wrong_loop); });
}

TEST_CASE("a thousand threads run on ten stacks") {
  Loop loop{{.capacity = 10, .stack_size = support::test_stack_size}};
  stacks::StackPool spawner_pool{{.capacity = 1, .stack_size = support::test_stack_size}};
  int ended = 0;
  std::size_t most = 0;
  Thread spawner = loop.spawn({.stacks = &spawner_pool},
                              [&] {
                                for (int i = 0; i < 1000; ++i) {
                                  loop.spawn_wait({},
                                                  [&, i] {
                                                    if (i % 3 == 0)
                                                      (void)this_thread::sleep_for(10us);
                                                    if (i % 3 == 1) (void)this_thread::yield();
                                                    ++ended;
                                                  })
                                      .value()
                                      .detach();
                                  most = std::max(most, loop.stacks().in_use());
                                }
                              })
                       .value();
  loop.run();
  REQUIRE(spawner.join().has_value());
  REQUIRE(ended == 1000);
  REQUIRE(most == 10);
  REQUIRE(loop.stacks().statistics().peak_in_use == 10);
  REQUIRE(loop.stacks().in_use() == 0);
}

TEST_CASE_METHOD(SmallPool, "who is told of a stack and comes too late for it stays first") {
  in_thread([&] {
    Thread holding = holder();
    std::vector<Thread<std::error_code>> waiters;
    for (const int number : {1, 2}) {
      waiters.push_back(waiter(number));
      REQUIRE(!this_thread::yield());
    }
    holding.request_stop();
    REQUIRE(holding.join().has_value());
    // The first waiter has been told, and has not run yet: this one takes the stack.
    Thread newcomer = holder();
    REQUIRE(!this_thread::sleep_for(1ms));
    newcomer.request_stop();
    REQUIRE(newcomer.join().has_value());
    for (auto& each : waiters) REQUIRE(!each.join().value());
    REQUIRE(order == std::vector{1, 2});
  });
}
