// Chapter 6: a loop runs coroutine threads, and wakes each when what it waits for has happened.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>

#include <evcoro/loop.hpp>
#include <evcoro/thread.hpp>
#include <evcoro/timer.hpp>

using evcoro::Clock;
using evcoro::Loop;
using evcoro::TimePoint;
using evcoro::Timer;
namespace this_thread = evcoro::this_thread;
using namespace std::chrono_literals;

namespace {

// [sleep]
void prepare(const char* what, TimePoint ready_at) {
  std::printf("%s: started\n", what);
  this_thread::sleep_until(ready_at);
  std::printf("%s: ready\n", what);
}

void make_breakfast(Loop& loop) {
  const TimePoint start = Clock::now();
  const auto tea = [=] { prepare("tea", start + 300ms); };
  const auto toast = [=] { prepare("toast", start + 100ms); };
  const auto eggs = [=] { prepare("eggs", start + 200ms); };
  loop.spawn({.name = "tea"}, tea).value().detach();
  loop.spawn({.name = "toast"}, toast).value().detach();
  loop.spawn({.name = "eggs"}, eggs).value().detach();
  std::puts("main: nothing has run yet");
  loop.run();
  std::puts("main: breakfast is served");
}
// [/sleep]

// [join]
int slow_sum(int a, int b) {
  this_thread::sleep_for(20ms);
  return a + b;
}

void add_in_parallel(Loop& loop) {
  auto one = loop.spawn({.name = "one"}, [] { return slow_sum(1, 2); }).value();
  auto two = loop.spawn({.name = "two"}, [] { return slow_sum(3, 4); }).value();
  const int sum = one.join().value() + two.join().value();
  std::printf("sum: %d\n", sum);
}
// [/join]

// [timer]
void count_ticks() {
  Timer timer;
  timer.start_periodic(10ms);
  std::uint64_t ticks = 0;
  while (ticks < 5) {
    const auto passed = timer.wait(1s);
    if (!passed) return;  // cancelled
    ticks += *passed;     // more than 1 if we came late
  }
  std::puts("timer: five ticks, at least");
}
// [/timer]

}  // namespace

int main() try {
  Loop loop{{.capacity = 10}};
  make_breakfast(loop);
  // [main_thread]
  const auto main_thread = [&loop] {
    add_in_parallel(loop);
    count_ticks();
  };
  loop.spawn({.name = "main"}, main_thread).value().detach();
  loop.run();
  // [/main_thread]
} catch (const std::exception& error) {
  std::fprintf(stderr, "06_loop_and_timers: %s\n", error.what());
  return 1;
}
