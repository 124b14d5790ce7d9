#include <evcoro/offload.hpp>

#include <pthread.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <evcoro/scope.hpp>
#include <support/application.hpp>
#include <support/every_park.hpp>
#include <support/failing_new.hpp>
#include <support/network.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::long_time;

namespace {

// Gate holds jobs up until it is opened. It is shared with them.
class Gate {
 public:
  void open() { opener_.set_value(); }
  auto pass() const {
    return [opened = opened_, entered = entered_] {
      ++*entered;
      opened.wait();
    };
  }
  bool was_entered() const { return *entered_ > 0; }
  bool is_entered() const {
    return support::eventually([&] { return was_entered(); });
  }

 private:
  std::promise<void> opener_;
  std::shared_future<void> opened_ = opener_.get_future().share();
  std::shared_ptr<std::atomic<int>> entered_ = std::make_shared<std::atomic<int>>(0);
};

// soon() is support::eventually() outside of threads: nothing of the loop runs meanwhile.
template <class Condition>
bool soon(Condition&& condition) {
  const auto deadline = Clock::now() + long_time;
  while (!condition() && Clock::now() < deadline) std::this_thread::sleep_for(1ms);
  return condition();
}

class OffloadFixture : public support::LoopFixture {
 public:
  Thread<std::error_code> spawn_offload(std::function<void()> function) {
    return loop
        ->spawn([this, f = std::move(function)] { return offload(workers, f, long_time).error(); })
        .value();
  }
  bool waits(std::size_t count) {
    return support::eventually([&] { return workers.counters().waiting == count; });
  }

  WorkerPool workers{{.max_workers = 1, .queue_limit = 1}};
};

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "offload runs in another OS thread and returns the result") {
  in_thread([&] {
    const auto here = std::this_thread::get_id();
    REQUIRE(offload([] { return std::this_thread::get_id(); }, long_time).value() != here);
    REQUIRE(*offload([] { return std::make_unique<int>(7); }).value() == 7);
    auto input = std::make_unique<int>(8);  // a function that can only be moved, and run once
    REQUIRE(*offload([i = std::move(input)]() mutable { return std::move(i); }).value() == 8);
    bool ran = false;
    REQUIRE(offload([&] { ran = true; }).has_value());
    REQUIRE(ran);
    const std::error_code code = make_error_code(std::errc::io_error);
    REQUIRE(offload([=] { return code; }).value() == code);
    REQUIRE(std::this_thread::get_id() == here);
  });
  REQUIRE(offload([] {}).error() == Errc::not_in_a_thread);
}

TEST_CASE_METHOD(support::LoopFixture, "what an offloaded function throws is thrown by offload") {
  in_thread([&] {
    try {
      (void)offload([]() -> int { throw std::runtime_error("from a worker"); });
      FAIL("no exception");
    } catch (const std::runtime_error& error) {
      REQUIRE(error.what() == std::string{"from a worker"});
    }
  });
}

TEST_CASE_METHOD(support::LoopFixture, "others run while a thread is parked in offload") {
  in_thread([&] {
    Gate gate;
    Thread blocked = loop->spawn([&] { return offload(gate.pass()).error(); }).value();
    REQUIRE(support::until_parked(blocked));
    REQUIRE(blocked.info().wait_reason == "a worker");
    REQUIRE(!this_thread::sleep_for(1ms));
    REQUIRE(!blocked.has_ended());
    gate.open();
    REQUIRE(!blocked.join().value());
  });
}

TEST_CASE_METHOD(OffloadFixture, "a job goes on after its deadline, and its result is destroyed") {
  in_thread([&] {
    Gate gate;
    auto live = std::make_shared<int>();
    const auto job = [pass = gate.pass(), live] {
      pass();
      return live;
    };
    do {  // perhaps it begins too late on a busy machine
      const auto error = offload(workers, job, 10ms).error();
      REQUIRE(error == std::errc::timed_out);
    } while (!gate.was_entered());
    REQUIRE(workers.counters().running == 1);
    gate.open();
    REQUIRE(support::eventually([&] { return workers.counters().running == 0; }));
    REQUIRE(support::eventually([&] { return live.use_count() == 2; }));  // this, and job
    REQUIRE(offload(
                workers, [] { return 1; }, long_time)
                .value() == 1);
  });
}

TEST_CASE_METHOD(OffloadFixture, "a job that has not begun when its caller leaves never runs") {
  in_thread([&] {
    Gate gate;
    Thread running = spawn_offload(gate.pass());
    REQUIRE(gate.is_entered());
    auto live = std::make_shared<int>();
    bool ran = false;
    const auto job = [&ran, live] { ran = true; };
    REQUIRE(offload(workers, job, 1ms).error() == std::errc::timed_out);
    REQUIRE(live.use_count() == 2);
    REQUIRE(workers.counters().waiting == 0);
    gate.open();
    REQUIRE(!running.join().value());
    REQUIRE(!offload(workers, [] {}).error());
    REQUIRE(!ran);
  });
}

TEST_CASE_METHOD(OffloadFixture, "a full queue is waited for in line, or refuses at once") {
  in_thread([&] {
    Gate gate;
    std::vector<int> order;
    std::vector<Thread<std::error_code>> threads;
    threads.push_back(spawn_offload(gate.pass()));
    REQUIRE(gate.is_entered());
    REQUIRE(offload(
                workers, [] {}, no_wait)
                .error() == std::errc::timed_out);
    for (int i = 0; i < 4; ++i) {
      threads.push_back(spawn_offload([&, i] { order.push_back(i); }));
      REQUIRE(support::until_parked(threads.back()));
    }
    REQUIRE(waits(4));
    REQUIRE(offload(workers, QueuePolicy::fail, [] {}).error() == Errc::queue_full);
    REQUIRE(offload(
                workers, [] {}, no_wait)
                .error() == Errc::queue_full);
    REQUIRE(offload(
                workers, QueuePolicy::wait, [] {}, 1ms)
                .error() == std::errc::timed_out);
    REQUIRE(workers.counters().workers == 1);
    threads[2].request_stop();
    REQUIRE(threads[2].join().value() == std::errc::operation_canceled);
    gate.open();
    for (auto& each : threads) {
      if (each.joinable()) REQUIRE(!each.join().value());
    }
    REQUIRE(order == std::vector{0, 2, 3});
    REQUIRE(offload(
                workers, QueuePolicy::fail, [] {}, long_time)
                .has_value());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a queue without a limit takes all") {
  WorkerPool workers{{.max_workers = 1, .queue_limit = SIZE_MAX}};
  in_thread([&] {
    REQUIRE(offload(
        workers, QueuePolicy::fail, [] {}, long_time));
  });
}

TEST_CASE_METHOD(support::LoopFixture, "workers start as needed, block signals, and end idle") {
  WorkerPool workers{{.max_workers = 3, .idle_time = 1ms}};
  REQUIRE(workers.counters().workers == 0);
  in_thread([&] {
    Gate gate;
    std::vector<Thread<std::error_code>> threads;
    for (int i = 0; i < 5; ++i) {
      threads.push_back(loop->spawn([&] { return offload(workers, gate.pass()).error(); }).value());
    }
    REQUIRE(support::eventually([&] { return workers.counters().running == 3; }));
    REQUIRE(workers.counters().workers == 3);
    REQUIRE(workers.counters().waiting == 2);
    gate.open();
    for (auto& each : threads) REQUIRE(!each.join().value());
    REQUIRE(support::eventually([&] { return workers.counters().workers == 0; }));
    const auto state = offload(workers, [] {
      sigset_t blocked;
      ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
      std::array<char, 16> name{};
      ::pthread_getname_np(::pthread_self(), name.data(), name.size());
      const bool right = sigismember(&blocked, SIGTERM) == 1 && sigismember(&blocked, SIGSEGV) == 0;
      return std::string{name.data()} + (right ? ": blocked" : ": not blocked");
    });
    REQUIRE(state.value() == "evcoro-worker: blocked");
    sigset_t here;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &here);
    REQUIRE(sigismember(&here, SIGTERM) == 0);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a thousand jobs of three loops share a pool") {
  constexpr int per_thread = 20;
  constexpr int threads = 17;
  WorkerPool workers{{.max_workers = 4, .queue_limit = 8}};
  std::atomic<int> right{0};
  std::vector<std::thread> os_threads;
  for (int i = 0; i < 3; ++i) {
    os_threads.emplace_back([&] {
      Loop own{{.capacity = threads, .stack_size = support::test_stack_size}};
      for (int thread = 0; thread < threads; ++thread) {
        own.spawn([&, thread] {
             for (int job = 0; job < per_thread; ++job) {
               const int number = thread * per_thread + job;
               const auto text = offload(workers, [=] { return std::to_string(number); });
               if (text && *text == std::to_string(number)) ++right;
             }
           })
            .value()
            .detach();
      }
      own.run();
    });
  }
  for (auto& each : os_threads) each.join();
  REQUIRE(right == 3 * threads * per_thread);
}

TEST_CASE_METHOD(support::LoopFixture, "waits that are left at random harm neither job nor loop") {
  WorkerPool workers{{.max_workers = 2, .queue_limit = 2, .idle_time = 1ms}};
  in_thread([&] {
    auto live = std::make_shared<int>();
    for (int round = 0; round < 50; ++round) {
      std::vector<Thread<void>> threads;
      for (int i = 0; i < 8; ++i) {
        threads.push_back(loop->spawn([&, i] {
                                const auto work = [live] {
                                  std::this_thread::sleep_for(50us);
                                  return live;
                                };
                                (void)offload(workers, work, i * 50us);
                              })
                              .value());
      }
      for (std::size_t i = 0; i < threads.size(); i += 3) threads[i].request_stop();
      for (auto& each : threads) each.join().value();
    }
    REQUIRE(support::eventually([&] { return live.use_count() == 1; }));
  });
}

TEST_CASE_METHOD(support::LoopFixture, "cancelled at each park: offload") {
  in_thread([&] {
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      std::error_code error;
      for (int i = 0; i < 3 && !error; ++i) {
        error = offload([] { std::this_thread::sleep_for(1ms); }, long_time).error();
      }
      CHECK((error == std::errc::operation_canceled) == cancelled);
    });
    CHECK(parks == 3);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a loop shuts down and goes while its jobs run") {
  Gate gate;
  auto live = std::make_shared<int>();
  std::error_code error;
  spawn([&] { error = offload([pass = gate.pass(), live] { return pass(), live; }).error(); });
  loop->run_once(no_wait);
  REQUIRE(soon([&] { return gate.was_entered(); }));
  REQUIRE(loop->shutdown(long_time).empty());
  REQUIRE(error == std::errc::operation_canceled);
  loop.reset();
  gate.open();
  REQUIRE(soon([&] { return live.use_count() == 1; }));
}

TEST_CASE_METHOD(support::LoopFixture, "a loop may be destroyed with a result on its way") {
  auto live = std::make_shared<int>();
  WorkerPool workers{{.max_workers = 1}};
  spawn([&] { (void)offload(workers, [live] { return live; }); });
  loop->run_once(no_wait);
  REQUIRE(soon([&] {
    const auto counters = workers.counters();
    return counters.running + counters.waiting == 0;
  }));
  loop.reset();
  REQUIRE(soon([&] { return live.use_count() == 1; }));
}

TEST_CASE_METHOD(support::LoopFixture,
                 "a pool that goes waits for what runs and refuses what waits") {
  in_thread([&] {
    Gate gate;
    auto workers = std::make_unique<WorkerPool>(WorkerPoolOptions{.max_workers = 1});
    Thread running =
        loop->spawn([&] { return offload(*workers, [pass = gate.pass()] { return pass(), 7; }); })
            .value();
    REQUIRE(support::until_parked(running));
    REQUIRE(gate.is_entered());
    bool ran = false;
    Thread waiting =
        loop->spawn([&] { return offload(*workers, [&] { ran = true; }).error(); }).value();
    REQUIRE(support::until_parked(waiting));
    // What waits is refused before what runs is waited for.
    bool was_refused = false;
    std::thread opener{[&gate, &was_refused, pool = workers.get()] {
      was_refused = soon([&] { return pool->counters().waiting == 0; });
      gate.open();
    }};
    workers.reset();
    opener.join();
    REQUIRE(was_refused);
    REQUIRE(running.join().value().value() == 7);
    REQUIRE(waiting.join().value() == std::errc::operation_canceled);
    REQUIRE(!ran);
  });
}

TEST_CASE_METHOD(support::Application, "a job keeps an application's base alive") {
  int result = 0;
  spawn([&] {
    result = offload([] { return std::this_thread::sleep_for(10ms), 5; }, long_time).value();
  });
  dispatch();
  REQUIRE(result == 5);
}

TEST_CASE_METHOD(OffloadFixture,
                 "in a child process a pool is the parent's, the shared one its own") {
  in_thread([&] {
    REQUIRE(!offload(
                 workers, [] {}, long_time)
                 .error());
    REQUIRE(!offload([] {}, long_time).error());
    WorkerPool& shared = WorkerPool::shared();
    const auto ended = support::in_child_with_loop([&](std::optional<Loop>& own) {
      std::puts(offload(workers, [] {}).error() == Errc::parents_pool ? "named" : "not named");
      std::puts(offload(shared, [] {}).error() == Errc::parents_pool ? "named" : "not named");
      std::puts(workers.counters().workers == 0 ? "none" : "some");
      (void)own;
      const WorkerPool gone{};
    });
    REQUIRE(ended.output == "named\nnamed\nnone\n");
    // To Valgrind, what the parent's workers have on their stacks is lost in the child.
    REQUIRE((ended.status == 0 || support::running_on_valgrind()));
    REQUIRE(offload(
                workers, [] { return 1; }, long_time)
                .value() == 1);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a child process can offload in a loop of its own") {
  if (support::under_sanitizer()) support::skip("sanitizers start no threads after fork()");
  in_thread([&] { REQUIRE(!offload([] {}, long_time).error()); });
  const auto ended = support::in_child_with_loop([](std::optional<Loop>& own) {
    own->spawn([] { std::puts(offload([] { return "ran"; }, long_time).value()); })
        .value()
        .detach();
    own->run();
  });
  REQUIRE(ended.output == "ran\n");
}

TEST_CASE_METHOD(support::LoopFixture, "cancelled at each park: offload in line for a full queue") {
  in_thread([&] {
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      Gate gate;
      WorkerPool workers{{.max_workers = 1, .queue_limit = 1}};
      const auto ran = std::make_shared<std::atomic<bool>>(false);
      const auto spawn_job = [&](auto function) {
        return loop->spawn([&workers, function] { return offload(workers, function).error(); })
            .value();
      };
      auto first = spawn_job(gate.pass());
      while (!gate.was_entered()) (void)this_thread::yield();
      auto second = spawn_job([] {});
      while (workers.counters().waiting == 0) (void)this_thread::yield();
      auto opener = loop->spawn([&] {
                          const auto in_line = [&] { return workers.counters().waiting == 2; };
                          while (!cancelled && !in_line()) (void)this_thread::yield();
                          (void)this_thread::sleep_for(100us);
                          gate.open();
                        })
                        .value();
      const auto error = offload(workers, [ran] { *ran = true; }).error();
      CHECK((error == std::errc::operation_canceled) == cancelled);
      if (!cancelled) CHECK(*ran);
      const Scope cleaning_up{long_time, Scope::Shielded{}};
      CHECK(!first.join().value());
      CHECK(!second.join().value());
      CHECK(opener.join());
    });
    CHECK(parks >= 1);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "without memory nothing is offloaded, and later it is") {
  in_thread([&] {
    const int failed = support::fail_each_new([&](support::FailingNew& failing) {
      WorkerPool workers{{.max_workers = 1}};
      const auto job = [] { return 1; };
      const auto result = failing.run([&] { return offload(workers, job, long_time); });
      if (failing.has_failed()) {
        const bool says_so = !result || result->error() == std::errc::not_enough_memory;
        REQUIRE(says_so);
        const auto counters = workers.counters();
        REQUIRE(counters.workers + counters.running + counters.waiting == 0);
      } else {
        REQUIRE(result->value() == 1);
      }
      REQUIRE(offload(workers, job, long_time).value() == 1);
    });
    REQUIRE(failed >= 4);  // the job, its offer, a worker, and its OS thread
  });
}
