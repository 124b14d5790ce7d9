// CoroutinePool: a fixed number of workers for a loop's threads.
#include <evcoro/coroutine_pool.hpp>

#include <memory>
#include <stdexcept>
#include <system_error>
#include <vector>

#include <support/contains.hpp>
#include <support/sync.hpp>
#include <support/workers.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::contains;
using support::is_canceled;
using support::is_timed_out;
using support::long_time;
using support::until_parked;
using support::Workers;

namespace {

void stop(Thread<std::error_code>& thread) {
  thread.request_stop();
  REQUIRE(is_canceled(thread.join().value()));
}

const CoroutinePoolOptions one_worker{.size = 1, .stack_size = support::test_stack_size};

}  // namespace

TEST_CASE_METHOD(Workers, "a worker runs a function as a thread of the pool's name") {
  make(2);
  in_thread([&] {
    Thread worker = workers
                        ->spawn([&] {
                          CHECK(Loop::current() == &*loop);
                          CHECK(this_thread::name() == "worker");
                          CHECK(this_thread::stack().pool == &workers->stacks());
                          return 3;
                        })
                        .value();
    REQUIRE_THAT(worker.info().spawned_at, contains("coroutine_pool_test.cpp"));
    REQUIRE(workers->available() == 1);
    REQUIRE(workers->running() == 1);
    REQUIRE(worker.join().value() == 3);
    REQUIRE(workers->available() == 2);
    REQUIRE(workers->running() == 0);
    REQUIRE(workers->size() == 2);
  });
}

TEST_CASE_METHOD(Workers, "what leaves a worker's function comes out of its join") {
  make(1);
  in_thread([&] {
    Thread worker = workers->spawn([] { throw std::runtime_error("no"); }).value();
    REQUIRE_THROWS_AS(worker.join(), std::runtime_error);
    auto moved = std::make_unique<int>(4);
    REQUIRE(*workers->spawn([own = std::move(moved)]() mutable { return std::move(own); })
                 .value()
                 .join()
                 .value() == 4);
  });
}

TEST_CASE_METHOD(Workers, "who comes when all workers are busy waits, first come first served") {
  make(2);
  in_thread([&] {
    Thread first = keep_busy();
    Thread second = keep_busy();
    REQUIRE(workers->available() == 0);
    std::vector<Thread<std::error_code>> waiters;
    for (int i = 0; i < 5; ++i) waiters.push_back(spawn_waiter(i));
    REQUIRE(until_parked(waiters.back()));
    REQUIRE(waiters.front().info().wait_reason == "a stack");
    REQUIRE(order.empty());
    stop(first);
    for (auto& each : waiters) REQUIRE(!each.join().value());
    REQUIRE(!workers->spawn([&] { order.push_back(5); }).value().join().error());
    REQUIRE(order == std::vector{0, 1, 2, 3, 4, 5});
    stop(second);
  });
}

TEST_CASE_METHOD(Workers, "nobody gets ahead of who waits for a worker") {
  make(1);
  in_thread([&] {
    Thread busy = keep_busy();
    Thread waiter = spawn_waiter(1);
    REQUIRE(until_parked(waiter));
    stop(busy);  // the worker is free, and the waiter has not run
    REQUIRE(workers->try_spawn([] {}).error() == stacks::StackError::all_taken);
    REQUIRE(is_timed_out(workers->spawn([&] { order.push_back(2); }, no_wait).error()));
    Thread late = workers->spawn([&] { order.push_back(3); }).value();
    REQUIRE(late.join());
    REQUIRE(!waiter.join().value());
    REQUIRE(order == std::vector{1, 3});
  });
}

TEST_CASE_METHOD(Workers, "a deadline or a cancellation ends the wait for a worker") {
  make(1);
  in_thread([&] {
    Thread busy = keep_busy();
    REQUIRE(is_timed_out(workers->spawn([] {}, no_wait).error()));
    const auto began = Clock::now();
    Thread first = spawn_waiter(1, 3ms);
    Thread second = spawn_waiter(2, 3ms);
    REQUIRE(is_timed_out(first.join().value()));
    REQUIRE(is_timed_out(second.join().value()));
    REQUIRE(Clock::now() - began >= 3ms);
    Thread third = spawn_waiter(3);
    Thread fourth = spawn_waiter(4);
    Thread fifth = spawn_waiter(5);
    REQUIRE(until_parked(fifth));
    stop(fourth);
    stop(third);
    stop(busy);
    REQUIRE(!fifth.join().value());
    REQUIRE(!workers->wait_idle());
    REQUIRE(order == std::vector{5});
  });
}

TEST_CASE_METHOD(Workers, "a cancelled thread gets a worker by try_spawn only") {
  make(1);
  in_thread([&] {
    Thread thread = loop->spawn([&] {
                          CHECK(is_canceled(workers->spawn([] {}).error()));
                          CHECK(is_canceled(workers->wait_idle()));
                          workers->try_spawn([&] { order.push_back(1); }).value().detach();
                        })
                        .value();
    thread.request_stop();
    REQUIRE(thread.join());
    REQUIRE(!workers->wait_idle());
    REQUIRE(order == std::vector{1});
  });
}

TEST_CASE_METHOD(Workers, "try_spawn says at once that all workers are busy") {
  make(1);
  Thread busy = keep_busy();  // outside of threads
  REQUIRE(workers->try_spawn([] {}).error() == std::errc::resource_unavailable_try_again);
  REQUIRE(workers->running() == 1);
  in_thread([&] { stop(busy); });
}

TEST_CASE_METHOD(Workers, "a worker is busy until its handle has been joined") {
  make(1);
  in_thread([&] {
    Thread ended = workers->spawn([] {}).value();
    REQUIRE(!workers->wait_idle());
    REQUIRE(ended.has_ended());
    REQUIRE(workers->running() == 0);
    REQUIRE(workers->available() == 0);
    REQUIRE(is_timed_out(workers->spawn([] {}, 1ms).error()));
    ended.detach();
    REQUIRE(workers->available() == 1);
  });
}

TEST_CASE_METHOD(Workers, "more workers let those in who wait") {
  make(1);
  in_thread([&] {
    Thread busy = keep_busy();
    std::vector<Thread<std::error_code>> waiters;
    for (int i = 0; i < 3; ++i) waiters.push_back(spawn_waiter(i));
    REQUIRE(until_parked(waiters.back()));
    REQUIRE(!workers->resize(4));
    REQUIRE(workers->size() == 4);
    for (auto& each : waiters) REQUIRE(!each.join().value());
    stop(busy);
    REQUIRE(!workers->wait_idle());
    REQUIRE(order == std::vector{0, 1, 2});
    REQUIRE(workers->available() == 4);
  });
}

TEST_CASE_METHOD(Workers, "fewer workers let busy ones finish") {
  make(3);
  in_thread([&] {
    std::vector<Thread<std::error_code>> busy;
    for (int i = 0; i < 3; ++i) busy.push_back(keep_busy());
    REQUIRE(!workers->resize(1));
    REQUIRE(workers->size() == 1);
    Thread waiter = spawn_waiter(1);
    REQUIRE(until_parked(waiter));
    for (const std::size_t i : {0, 1}) {
      stop(busy[i]);
      REQUIRE(!this_thread::yield());
      REQUIRE(!busy[2].has_ended());
      REQUIRE(order.empty());
    }
    REQUIRE(workers->available() == 0);
    stop(busy[2]);
    REQUIRE(!waiter.join().value());
    REQUIRE(!workers->wait_idle());
    REQUIRE(workers->available() == 1);
    REQUIRE(workers->resize(0) == std::errc::invalid_argument);
    REQUIRE(workers->size() == 1);
  });
}

TEST_CASE_METHOD(Workers, "wait_idle waits until no function runs nor waits for a worker") {
  make(2);
  in_thread([&] {
    REQUIRE(!workers->wait_idle(no_wait));
    for (int i = 0; i < 6; ++i) {
      spawn([&, i] {
        workers
            ->spawn([&, i] {
              CHECK(!this_thread::sleep_for(1ms));
              order.push_back(i);
            })
            .value()
            .detach();
      });
    }
    REQUIRE(!this_thread::yield());
    REQUIRE(workers->running() == 6);
    REQUIRE(is_timed_out(workers->wait_idle(no_wait)));
    REQUIRE(!workers->wait_idle(long_time));
    REQUIRE(order.size() == 6);
    REQUIRE(workers->available() == 2);
  });
}

TEST_CASE_METHOD(Workers, "a thread of the pool does not wait for itself") {
  make(2);
  in_thread([&] {
    Thread worker = workers->spawn([&] { return workers->wait_idle(); }).value();
    REQUIRE(support::is_deadlock(worker.join().value()));
    // It may spawn others, though.
    Thread outer =
        workers->spawn([&] { return workers->spawn([] { return 5; }).value().join(); }).value();
    REQUIRE(outer.join().value().value() == 5);
  });
}

TEST_CASE_METHOD(Workers, "waiting for workers is for threads of the pool's own loop") {
  make(1);
  REQUIRE(workers->spawn([] {}).error() == Errc::not_in_a_thread);
  REQUIRE(workers->wait_idle() == Errc::not_in_a_thread);
  Loop other{{.capacity = 1, .stack_size = support::test_stack_size}};
  in_thread([&] {
    CoroutinePool others{other, one_worker};
    REQUIRE(others.spawn([] {}).error() == Errc::wrong_loop);
    REQUIRE(others.wait_idle() == Errc::wrong_loop);
  });
}

TEST_CASE_METHOD(Workers, "options that make no sense are refused") {
  REQUIRE_THROWS_AS(make(0), std::system_error);
  REQUIRE_THROWS_AS(workers.emplace(*loop, CoroutinePoolOptions{.stack_size = 0}),
                    std::system_error);
}

TEST_CASE_METHOD(support::LoopFixture, "a thousand functions run on ten workers") {
  CoroutinePool workers{*loop, {.size = 10, .stack_size = support::test_stack_size}};
  int ended = 0;
  int running = 0;
  int most = 0;
  in_thread([&] {
    for (int i = 0; i < 1000; ++i) {
      workers
          .spawn([&, i] {
            most = std::max(most, ++running);
            if (i % 3 == 0) (void)this_thread::sleep_for(10us);
            if (i % 3 == 1) (void)this_thread::yield();
            --running;
            ++ended;
          })
          .value()
          .detach();
    }
    REQUIRE(!workers.wait_idle());
  });
  REQUIRE(ended == 1000);
  REQUIRE(most == 10);
  REQUIRE(workers.stacks().statistics().mapped == 10);
}
