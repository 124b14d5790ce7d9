// What a switch costs here: a yield of public Threads through the run queue, in rings, and resuming
// a Coroutine that yields, with an int both ways. One item is one yield, or one of the two switches
// of a pair.
#include <benchmark/benchmark.h>

#include <cstddef>

#include <corothread/coroutine.hpp>
#include <evcoro/loop.hpp>
#include <evcoro/thread.hpp>
#include <stacks/stack_pool.hpp>

namespace {

constexpr std::size_t stack_size = 16 * 1024;
constexpr int turns = 10'000;  // of each member of a ring, which all yield in the same place

void coroutine_pair(benchmark::State& state) {
  evcoro::stacks::StackPool pool{{.capacity = 1, .stack_size = stack_size}};
  evcoro::corothread::Coroutine<int(int)> other{pool, [](auto& yield, int value) -> int {
                                                  for (;;) value = yield(value);
                                                }};
  int value = 0;
  other.start(value);
  for (auto _ : state) value = *other.resume(value);
  state.SetItemsProcessed(state.iterations() * 2);
}
BENCHMARK(coroutine_pair)->Name("pair/evcoro");

void take_turns() {
  for (int i = 0; i < turns; ++i) evcoro::this_thread::yield();
}

void thread_ring(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  evcoro::stacks::StackPool pool{{.capacity = size, .stack_size = stack_size}};
  evcoro::Loop loop{pool};
  while (state.KeepRunningBatch(turns)) {
    for (std::size_t i = 0; i < size; ++i) {
      loop.spawn({.name = "member"}, take_turns).value().detach();
    }
    loop.run();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(thread_ring)->Name("ring/evcoro")->Arg(2)->Arg(10)->Arg(1000);

}  // namespace
