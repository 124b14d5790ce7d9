// CoroutinePool: pools that go, or whose loop does.
#include <evcoro/coroutine_pool.hpp>

#include <csignal>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <evcoro/sync/event.hpp>
#include <support/contains.hpp>
#include <support/sync.hpp>
#include <support/workers.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::contains;
using support::is_canceled;
using support::long_time;
using support::report_of;
using support::until_parked;
using support::Workers;

namespace {

const CoroutinePoolOptions one_worker{.size = 1, .stack_size = support::test_stack_size};

}  // namespace

TEST_CASE_METHOD(Workers, "a pool that goes stops its threads and waits for them") {
  make(3);
  const auto work = [&] {
    CHECK(is_canceled(this_thread::sleep_until(never)));
    order.push_back(1);
  };
  SECTION("in a thread, also a cancelled one") {
    const bool is_cancelled = GENERATE(false, true);
    in_thread([&] {
      Thread thread = loop->spawn([&] {
                            for (int i = 0; i < 3; ++i) workers->spawn(work).value().detach();
                            CHECK(!this_thread::sleep_for(1ms));
                            if (is_cancelled) {
                              CHECK(is_canceled(this_thread::sleep_until(never)));
                            }
                            workers.reset();
                            CHECK(order.size() == 3);
                          })
                          .value();
      if (is_cancelled) {
        REQUIRE(support::eventually([&] { return workers->running() == 3; }));
        REQUIRE(until_parked(thread));
        REQUIRE(!this_thread::sleep_for(3ms));
        thread.request_stop();
      }
      REQUIRE(thread.join());
    });
  }
  SECTION("outside of threads, where it drives the loop") {
    for (int i = 0; i < 3; ++i) workers->try_spawn(work).value().detach();
    loop->run_once(no_wait);
    workers.reset();
  }
  REQUIRE(order.size() == 3);
}

TEST_CASE_METHOD(Workers, "a pool that goes waits for what its threads have to clean up") {
  make(1);
  struct CleansUp {
    std::vector<int>* order;
    ~CleansUp() {
      if (order == nullptr) return;
      this_thread::acknowledge_cancellation();
      CHECK(!this_thread::sleep_for(3ms));
      order->push_back(1);
    }
    CleansUp(std::vector<int>* its_order) : order(its_order) {}
    CleansUp(CleansUp&& other) noexcept : order(std::exchange(other.order, nullptr)) {}
  };
  in_thread([&] {
    workers
        ->spawn([&] {
          this_thread::own(CleansUp{&order});
          (void)this_thread::sleep_until(never);
        })
        .value()
        .detach();
    REQUIRE(!this_thread::yield());
    workers.reset();
  });
  REQUIRE(order == std::vector{1});
}

TEST_CASE_METHOD(Workers, "a shutdown waits for a thread whose pool goes meanwhile, too") {
  make(1);
  bool may_end = false;
  in_thread([&] {
    workers
        ->spawn([&] {
          while (!may_end) {
            (void)this_thread::sleep_for(1ms);
            this_thread::acknowledge_cancellation();
          }
        })
        .value()
        .detach();
    Thread ending = loop->spawn([&] { workers.reset(); }).value();
    REQUIRE(until_parked(ending));
    REQUIRE(ending.info().wait_reason == "the end of a pool's threads");
    REQUIRE(loop->shutdown(3ms).size() == 2);  // the worker, and this
    REQUIRE(!ending.has_ended());
    may_end = true;
    REQUIRE(loop->shutdown(long_time).empty());
    REQUIRE(ending.join());
  });
}

TEST_CASE_METHOD(Workers, "a pool may go after its loop") {
  make(1);
  workers->try_spawn([] { (void)this_thread::sleep_until(never); }).value().detach();
  loop->run_once(no_wait);
  loop.reset();
  REQUIRE(workers->available() == 1);
  REQUIRE(workers->try_spawn([] {}).error() == Errc::no_loop);
  REQUIRE(workers->spawn([] {}).error() == Errc::no_loop);
  REQUIRE(workers->wait_idle() == Errc::no_loop);
  workers.reset();
}

TEST_CASE("a pool that goes in the wrong place is a misuse") {
  REQUIRE_THAT(report_of([](Loop& loop) {
                 std::optional<CoroutinePool> pool{std::in_place, loop, one_worker};
                 (void)pool->spawn([&] { pool.reset(); }).value().join();
               }),
               contains("a CoroutinePool was destroyed by a thread of its own"));
  REQUIRE_THAT(report_of([](Loop& loop) {
                 std::optional<CoroutinePool> pool{std::in_place, loop, one_worker};
                 Thread kept = pool->spawn([] {}).value();
                 pool.reset();
               }),
               contains("while there are handles of its threads"));
  REQUIRE_THAT(report_of([](Loop& loop) {
                 std::optional<CoroutinePool> pool{std::in_place, loop, one_worker};
                 Thread kept = pool->spawn([] {}).value();
                 loop.spawn([&] { (void)pool->spawn([] {}); }).value().detach();
                 (void)this_thread::yield();
                 pool.reset();
               }),
               contains("while a thread waits in its spawn()"));
  REQUIRE_THAT(report_of([](Loop& loop) {
                 std::optional<CoroutinePool> pool{std::in_place, loop, one_worker};
                 pool->spawn([] {
                       (void)this_thread::sleep_until(never);
                       this_thread::acknowledge_cancellation();
                       (void)this_thread::sleep_until(never);
                     })
                     .value()
                     .detach();
                 (void)this_thread::yield();
                 loop.post([&] { pool.reset(); });
                 (void)this_thread::sleep_until(never);
               }),
               contains("where its threads can't run to their end"));
}
