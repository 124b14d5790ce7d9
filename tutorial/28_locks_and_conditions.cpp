// Chapter 28: threads that work on the same things, and wait for each other.
//
//   28_locks_and_conditions [deadlock]    with it: what can go wrong
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <deque>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#include <evcoro/deadlock.hpp>
#include <evcoro/loop.hpp>
#include <evcoro/result.hpp>
#include <evcoro/scope.hpp>
#include <evcoro/sync/condition_variable.hpp>
#include <evcoro/sync/event.hpp>
#include <evcoro/sync/mutex.hpp>
#include <evcoro/sync/semaphore.hpp>
#include <evcoro/sync/wait_group.hpp>
#include <evcoro/thread.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/report.hpp>

using evcoro::Loop;
using evcoro::Mutex;
using evcoro::Result;
using evcoro::Scope;
namespace this_thread = evcoro::this_thread;
using namespace std::chrono_literals;

namespace {

// [sing]
// Two lines that belong together. In between others run, as they do wherever a thread waits.
void sing(const char* who) {
  std::printf("  %s: row, row, row your boat\n", who);
  this_thread::yield();
  std::printf("  %s: gently down the stream\n", who);
}

void sing_at_once() {
  Scope scope;
  for (const char* who : {"ann", "bob"}) scope.spawn([who] { sing(who); }).value();
}
// [/sing]

// [mutex]
void sing_in_turn() {
  Mutex stage;
  const auto sing_alone = [&](const char* who) {
    const std::scoped_lock lock{stage};
    sing(who);
  };
  Scope scope;
  for (const char* who : {"ann", "bob"}) scope.spawn([&, who] { sing_alone(who); }).value();
  this_thread::yield();  // so that ann is first
  if (const auto error = stage.lock(evcoro::no_wait))
    std::printf("  and the stage is taken: %s\n", error.message().c_str());
}
// [/mutex]

// [condition]
class Queue {
 public:
  void push(int item) {
    const std::scoped_lock lock{mutex_};
    items_.push_back(item);
    not_empty_.notify_one();
  }

  Result<int> pop(evcoro::Timeout timeout) {
    std::unique_lock lock{mutex_};
    const auto has_items = [&] { return !items_.empty(); };
    if (const auto error = not_empty_.wait(lock, has_items, timeout)) return error;
    const int item = items_.front();
    items_.pop_front();
    return item;
  }

 private:
  Mutex mutex_;
  evcoro::ConditionVariable not_empty_;
  std::deque<int> items_;
};

void add_what_comes() {
  Queue queue;
  std::thread producer{[&] {
    for (int i = 1; i <= 100; ++i) queue.push(i);
  }};
  int sum = 0;
  for (int i = 1; i <= 100; ++i) sum += queue.pop(10s).value();
  producer.join();
  std::printf("sum: %d; one more: %s\n", sum, queue.pop(10ms).error().message().c_str());
}
// [/condition]

// [semaphore]
void download_all() {
  evcoro::Semaphore slots{2};
  int now = 0;
  int most = 0;
  const auto download = [&]() -> std::error_code {
    if (const auto error = slots.acquire(10s)) return error;
    const evcoro::Permit permit{slots};  // gives it back
    most = std::max(most, ++now);
    this_thread::sleep_for(5ms);
    --now;
    return {};
  };
  Scope scope;
  for (int i = 0; i < 5; ++i) scope.spawn(download).value();
  const bool failed{scope.wait()};
  std::printf("downloads: %s, %d at once\n", failed ? "failed" : "done", most);
}
// [/semaphore]

// [event]
void race() {
  evcoro::Event start{evcoro::Event::Reset::manual};
  evcoro::WaitGroup runners;
  for (const char* who : {"ann", "bob"}) {
    const auto run = [&, who] {
      if (!start.wait()) std::printf("  %s runs\n", who);
      runners.done();
    };
    runners.add();
    Loop::current()->spawn(run).value().detach();
  }
  this_thread::yield();  // both of them wait
  std::puts("go:");
  start.set();
  if (!runners.wait()) std::puts("  all have arrived");
}
// [/event]

// [deadlock]
Mutex tea;
Mutex milk;

void take_one_by_one(const char* who, Mutex& first, Mutex& second) {
  const std::scoped_lock lock{first};
  this_thread::yield();
  const std::error_code error = second.lock(evcoro::never);
  std::printf("%s: %s\n", who, error ? error.message().c_str() : "has both");
  if (!error) second.unlock();
}

Loop* stuck = nullptr;

void print_and_abort(const char* text, std::size_t size) noexcept {
  std::fwrite(text, 1, size, stdout);
  stuck->abort();
}

void deadlock(Loop& loop) {
  stuck = &loop;
  evcoro::stacks::set_report_sink(print_and_abort);
  evcoro::set_deadlock_reports(true);
  loop.spawn({.name = "ann"}, [] { take_one_by_one("ann", tea, milk); }).value().detach();
  loop.spawn({.name = "bob"}, [] { take_one_by_one("bob", milk, tea); }).value().detach();
  loop.run();
}
// [/deadlock]

}  // namespace

// [main]
int main(int argc, char**) try {
  Loop loop{{.capacity = 10}};
  if (argc > 1) {
    deadlock(loop);
    return 0;
  }
  const auto all = [] {
    std::puts("at once:");
    sing_at_once();
    std::puts("in turn:");
    sing_in_turn();
    add_what_comes();
    download_all();
    race();
  };
  loop.spawn({.name = "all"}, all).value().detach();
  loop.run();
} catch (const std::exception& error) {
  std::fprintf(stderr, "28_locks_and_conditions: %s\n", error.what());
  return 1;
}
// [/main]
