// What it costs here to spawn a thread with a name, run it to its end and join it, from another
// thread of the loop, on a pool of stacks that is warm. One item is one spawn with its join.
#include <benchmark/benchmark.h>

#include <cstddef>

#include <evcoro/loop.hpp>
#include <evcoro/thread.hpp>
#include <stacks/stack_pool.hpp>

namespace {

constexpr std::size_t stack_size = 16 * 1024;

void evcoro_spawn(benchmark::State& state) {
  evcoro::stacks::StackPool pool{{.capacity = 2, .stack_size = stack_size}};
  evcoro::Loop loop{pool};
  int runs = 0;
  auto spawner = loop.spawn({.name = "spawner"}, [&] {
    for (auto _ : state) {
      loop.spawn({.name = "spawned"}, [&runs] { ++runs; }).value().join().value();
    }
  });
  spawner.value().detach();
  loop.run();
  if (runs != state.iterations()) state.SkipWithError("a thread did not run");
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(evcoro_spawn)->Name("spawn/evcoro");

}  // namespace
