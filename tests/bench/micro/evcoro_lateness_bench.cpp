// How late sleeping threads wake up: as in lateness_bench.cpp, each timer a thread that sleeps.
#include <benchmark/benchmark.h>

#include <cstddef>

#include <evcoro/loop.hpp>
#include <evcoro/thread.hpp>
#include <stacks/stack_pool.hpp>

#include "tests/bench/micro/lateness_bench.hpp"

namespace {

constexpr std::size_t stack_size = 16 * 1024;

void evcoro_lateness(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  evcoro::stacks::StackPool pool{{.capacity = size, .stack_size = stack_size}};
  evcoro::Loop loop{pool};
  for (auto _ : state) {
    lateness_bench::Worst worst;
    lateness_bench::Delays delays;
    for (std::size_t i = 0; i < size; ++i) {
      auto sleeper = loop.spawn({.name = "sleeper"}, [&worst, delay = delays.next()] {
        const auto due = lateness_bench::Clock::now() + delay;
        evcoro::this_thread::sleep_for(delay);
        worst.note(due);
      });
      sleeper.value().detach();
    }
    loop.run();
    worst.report(state);
  }
}
BENCHMARK(evcoro_lateness)->Name("lateness/evcoro")->Apply(lateness_bench::sizes);

}  // namespace
