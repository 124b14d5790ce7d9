// How late sleeping threads wake up: as in lateness_bench.cpp, each timer a thread that sleeps. The
// many others are Timers of one thread.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstddef>
#include <vector>

#include <evcoro/loop.hpp>
#include <evcoro/thread.hpp>
#include <evcoro/timer.hpp>
#include <stacks/stack_pool.hpp>

#include "tests/bench/micro/lateness_bench.hpp"

namespace {

using lateness_bench::Clock;

constexpr std::size_t stack_size = 16 * 1024;

// The delays begin when all threads sleep already: what it takes to start that many is no matter of
// timers.
constexpr std::chrono::milliseconds time_to_start{100};

void sleep_until(Clock::time_point due, lateness_bench::Worst& worst) {
  evcoro::this_thread::sleep_until(due);
  worst.note(due);
}

void evcoro_lateness(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  evcoro::stacks::StackPool pool{{.capacity = size, .stack_size = stack_size}};
  evcoro::Loop loop{pool};
  for (auto _ : state) {
    lateness_bench::Worst worst;
    lateness_bench::Delays delays;
    const auto start = Clock::now() + time_to_start;
    for (std::size_t i = 0; i < size; ++i) {
      auto sleeper = loop.spawn({.name = "sleeper"},
                                [&worst, due = start + delays.next()] { sleep_until(due, worst); });
      sleeper.value().detach();
    }
    loop.run();
    worst.report(state);
  }
}
BENCHMARK(evcoro_lateness)->Name("lateness/evcoro")->Apply(lateness_bench::sizes);

void start_probes(evcoro::Loop& loop, lateness_bench::Worst& worst,
                  lateness_bench::Delays& delays) {
  const auto end = Clock::now() + lateness_bench::window;
  for (int i = 0; i < lateness_bench::probes; ++i) {
    auto probe = loop.spawn({.name = "probe"}, [&worst, &delays, end] {
      while (Clock::now() < end) sleep_until(Clock::now() + delays.next(), worst);
    });
    probe.value().detach();
  }
}

void evcoro_lateness_of_10(benchmark::State& state) {
  evcoro::stacks::StackPool pool{
      {.capacity = lateness_bench::probes + 1, .stack_size = stack_size}};
  evcoro::Loop loop{pool};
  for (auto _ : state) {
    lateness_bench::Worst worst;
    lateness_bench::Delays delays;
    auto owner = loop.spawn({.name = "owner"}, [&] {
      std::vector<evcoro::Timer> others(static_cast<std::size_t>(state.range(0)));
      lateness_bench::LongDelays long_delays;
      for (evcoro::Timer& timer : others) timer.start(long_delays.next());
      start_probes(loop, worst, delays);
      evcoro::this_thread::sleep_for(lateness_bench::window);
    });
    owner.value().detach();
    loop.run();
    worst.report(state);
  }
}
BENCHMARK(evcoro_lateness_of_10)
    ->Name("lateness_of_10/evcoro")
    ->Apply(lateness_bench::numbers_of_others);

}  // namespace
