// What a scope costs: ten threads that are spawned into one and end with it, against ten that are
// spawned bare and joined by their handles. One item is one thread; 10,000 scopes are one
// iteration.
#include <benchmark/benchmark.h>

#include <array>
#include <cstddef>

#include <evcoro/loop.hpp>
#include <evcoro/scope.hpp>
#include <evcoro/thread.hpp>
#include <stacks/stack_pool.hpp>

namespace {

constexpr std::size_t stack_size = 16 * 1024;
constexpr int threads = 10;
constexpr int scopes = 10'000;

// Calls once() so often in a thread of a loop.
template <class Once>
void run(benchmark::State& state, Once&& once) {
  evcoro::stacks::StackPool pool{{.capacity = threads + 1, .stack_size = stack_size}};
  evcoro::Loop loop{pool};
  int runs = 0;
  auto spawner = loop.spawn({.name = "spawner"}, [&] {
    for (auto _ : state) {
      for (int i = 0; i < scopes; ++i) once(loop, runs);
    }
  });
  spawner.value().detach();
  loop.run();
  if (runs != state.iterations() * scopes * threads) state.SkipWithError("a thread did not run");
  state.SetItemsProcessed(runs);
}

void bare(benchmark::State& state) {
  run(state, [](evcoro::Loop& loop, int& runs) {
    std::array<evcoro::Thread<>, threads> handles;
    for (auto& handle : handles)
      handle = loop.spawn({.name = "spawned"}, [&runs] { ++runs; }).value();
    for (auto& handle : handles) handle.join().value();
  });
}
BENCHMARK(bare)->Name("scopes/bare");

void scope(benchmark::State& state) {
  run(state, [](evcoro::Loop&, int& runs) {
    evcoro::Scope scope;
    for (int i = 0; i < threads; ++i) scope.spawn({.name = "spawned"}, [&runs] { ++runs; }).value();
    scope.wait();
  });
}
BENCHMARK(scope)->Name("scopes/scope");

}  // namespace
