#include <evcoro/loop.hpp>

#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <support/contains.hpp>
#include <support/loop_fixture.hpp>

using namespace evcoro;
using namespace std::chrono_literals;

TEST_CASE_METHOD(support::LoopFixture, "run returns idle when nothing is left to do") {
  REQUIRE(loop->run() == Loop::End::idle);
  int runs = 0;
  spawn([&] {
    REQUIRE(!this_thread::sleep_for(1ms));
    ++runs;
  });
  REQUIRE(loop->run() == Loop::End::idle);
  REQUIRE(runs == 1);
  REQUIRE(loop->run() == Loop::End::idle);
}

TEST_CASE("a loop has a pool of its own when it is given the options of one") {
  Loop loop{{.capacity = 2, .stack_size = support::test_stack_size}};
  REQUIRE(loop.stacks().available() == 2);
  Thread thread = loop.spawn([] { return 1; }).value();
  REQUIRE(loop.stacks().available() == 1);
  loop.run();
  REQUIRE(thread.join().value() == 1);
  REQUIRE(loop.stacks().available() == 2);
}

TEST_CASE_METHOD(support::LoopFixture, "a stop by the last thread is for the run that it is in") {
  spawn([&] { loop->stop(); });
  REQUIRE(loop->run() == Loop::End::stopped);
  REQUIRE(loop->run() == Loop::End::idle);
}

TEST_CASE_METHOD(support::LoopFixture, "a stop leaves the threads as they were for the next run") {
  std::vector<int> steps;
  spawn([&] {
    for (int i = 0; i < 6; ++i) {
      steps.push_back(i);
      if (i == 2) loop->stop();
      REQUIRE(!this_thread::sleep_for(1ms));
    }
  });
  REQUIRE(loop->run() == Loop::End::stopped);
  REQUIRE(steps.size() < 6);
  REQUIRE(loop->thread_count() == 1);
  REQUIRE(loop->run() == Loop::End::idle);
  REQUIRE(steps == std::vector{0, 1, 2, 3, 4, 5});
}

TEST_CASE_METHOD(support::LoopFixture, "stop from another OS thread ends a run that only waits") {
  Thread thread = loop->spawn([] { return this_thread::sleep_until(never); }).value();
  for (int round = 0; round < 50; ++round) {
    std::thread other{[&] { loop->stop(); }};
    const Loop::End end = loop->run();
    other.join();
    REQUIRE(end == Loop::End::stopped);
  }
  thread.request_stop();
  REQUIRE(loop->run() == Loop::End::idle);
  REQUIRE(thread.join().value() == std::errc::operation_canceled);
}

TEST_CASE_METHOD(support::LoopFixture, "stop before run ends that run and no other") {
  int runs = 0;
  spawn([&] { ++runs; });
  loop->stop();
  loop->stop();
  REQUIRE(loop->run() == Loop::End::stopped);
  REQUIRE(runs == 0);
  REQUIRE(loop->run() == Loop::End::idle);
  REQUIRE(runs == 1);
}

TEST_CASE_METHOD(support::LoopFixture, "stop during run_once ends the next run") {
  int runs = 0;
  spawn([&] {
    loop->stop();
    REQUIRE(!this_thread::sleep_for(1ms));
    ++runs;
  });
  loop->run_once(no_wait);  // the thread stops the loop
  loop->run_once(no_wait);  // the stop arrives
  REQUIRE(loop->run() == Loop::End::stopped);
  REQUIRE(runs == 0);
  REQUIRE(loop->run() == Loop::End::idle);
  REQUIRE(runs == 1);
}

TEST_CASE_METHOD(support::LoopFixture, "stop from a posted function ends the run") {
  Thread thread = loop->spawn([] { return this_thread::sleep_until(never); }).value();
  SECTION("that was posted before") {
    loop->post([&] { loop->stop(); });
  }
  SECTION("that a thread posted") {
    spawn([&] { loop->post([&] { loop->stop(); }); });
  }
  REQUIRE(loop->run() == Loop::End::stopped);
  thread.request_stop();
  REQUIRE(loop->run() == Loop::End::idle);
  REQUIRE(thread.join().has_value());
}

TEST_CASE_METHOD(support::LoopFixture, "run_once does not wait when told so") {
  bool ran = false;
  Thread thread = loop->spawn([&] {
                        ran = true;
                        return this_thread::sleep_until(never);
                      })
                      .value();
  loop->run_once(no_wait);
  REQUIRE(ran);
  for (int i = 0; i < 10; ++i) loop->run_once(no_wait);
  REQUIRE(!thread.has_ended());
  thread.request_stop();
  loop->run_once(no_wait);
  REQUIRE(thread.join().value() == std::errc::operation_canceled);
}

TEST_CASE_METHOD(support::LoopFixture, "run_once waits until its timeout and not shorter") {
  Thread thread = loop->spawn([] { return this_thread::sleep_until(never); }).value();
  loop->run_once(no_wait);
  for (const auto timeout : {1ms, 5ms, 20ms}) {
    const auto start = Clock::now();
    loop->run_once(timeout);
    REQUIRE(Clock::now() - start >= timeout);
  }
  loop->run_once(Clock::now() - 1h);  // a deadline that is over
  thread.request_stop();
  loop->run();
  REQUIRE(thread.join().has_value());
}

TEST_CASE_METHOD(support::LoopFixture, "run_once returns when something has happened") {
  const auto start = Clock::now();
  SECTION("a thread ran") {
    spawn([] {});
    loop->run_once(1h);
    REQUIRE(loop->thread_count() == 0);
  }
  SECTION("a post came, and there is no thread") {
    bool called = false;
    std::thread other{[&] { loop->post([&] { called = true; }); }};
    while (!called) loop->run_once(1h);
    other.join();
  }
  REQUIRE(Clock::now() - start < 30min);
}

TEST_CASE_METHOD(support::LoopFixture, "a loop cannot be run by its own threads and callbacks") {
  SECTION("in a thread") {
    in_thread([&] {
      REQUIRE_THROWS_AS(loop->run(), std::logic_error);
      REQUIRE_THROWS_AS(loop->run_once(), std::logic_error);
      REQUIRE_THROWS_AS(loop->run_once(no_wait), std::logic_error);
    });
  }
  int refusals = 0;
  SECTION("in a function that was posted before") {
    loop->post([&] {
      CHECK_THROWS_AS(loop->run(), std::logic_error);
      CHECK_THROWS_AS(loop->run_once(no_wait), std::logic_error);
      ++refusals;
    });
    loop->run();
    REQUIRE(refusals == 1);
  }
  SECTION("in a function that is posted meanwhile") {
    spawn([&] {
      loop->post([&] {
        CHECK_THROWS_AS(loop->run(), std::logic_error);
        ++refusals;
      });
      REQUIRE(!this_thread::sleep_for(1ms));
    });
    loop->run();
    REQUIRE(refusals == 1);
  }
}

TEST_CASE_METHOD(support::LoopFixture, "current is the loop of the running thread") {
  REQUIRE(Loop::current() == nullptr);
  in_thread([&] { REQUIRE(Loop::current() == &*loop); });
  REQUIRE(Loop::current() == nullptr);
}

TEST_CASE_METHOD(support::LoopFixture, "two loops live on one OS thread and take turns") {
  stacks::StackPool other_pool{{.capacity = 2, .stack_size = support::test_stack_size}};
  Loop other{other_pool};
  std::vector<int> order;
  spawn([&] { order.push_back(1); });
  other
      .spawn([&] {
        REQUIRE(Loop::current() == &other);
        REQUIRE(!this_thread::sleep_for(1ms));
        order.push_back(2);
      })
      .value()
      .detach();
  REQUIRE(other.run() == Loop::End::idle);
  REQUIRE(loop->run() == Loop::End::idle);
  spawn([&] { order.push_back(3); });
  REQUIRE(loop->run() == Loop::End::idle);
  REQUIRE(order == std::vector{2, 1, 3});
}

TEST_CASE("every OS thread can have a loop") {
  std::vector<int> sums(4);
  std::vector<std::thread> os_threads;
  for (int& sum : sums) {
    os_threads.emplace_back([&sum] {
      Loop loop{{.capacity = 8, .stack_size = support::test_stack_size}};
      for (int i = 1; i <= 8; ++i) {
        loop.spawn([&sum, i] {
              if (!this_thread::sleep_for(1ms)) sum += i;
            })
            .value()
            .detach();
      }
      loop.run();
    });
  }
  for (auto& each : os_threads) each.join();
  REQUIRE(sums == std::vector{36, 36, 36, 36});
}

TEST_CASE_METHOD(support::LoopFixture,
                 "a thread that is driven directly can't run its loop either") {
  std::string message;
  {
    Thread thread = loop->spawn([&] {
                          (void)this_thread::sleep_until(never);
                          message = support::message_of([&] { loop->run(); });
                        })
                        .value();
  }
  REQUIRE_THAT(message, support::contains("Loop::run: the loop is running already"));
}

TEST_CASE_METHOD(support::LoopFixture, "exit() in a thread ends the process as ever") {
  const auto ended = support::in_child_with_loop([](std::optional<Loop>& child_loop) {
    child_loop->spawn([] { return this_thread::sleep_until(never); }).value().detach();
    child_loop->spawn([] { std::exit(7); }).value().detach();
    child_loop->run();
  });
  REQUIRE(ended.signal == 0);
  REQUIRE(ended.status == 7);
}

TEST_CASE_METHOD(support::LoopFixture, "run_once waits also when a stop is left for the next run") {
  loop->stop();
  loop->run_once(60s);  // ended by the stop
  const TimePoint begin = Clock::now();
  loop->run_once(20ms);
  REQUIRE(Clock::now() - begin >= 20ms);
  REQUIRE(loop->run() == Loop::End::stopped);
}
