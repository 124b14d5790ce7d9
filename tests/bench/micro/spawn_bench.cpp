// What it costs in other libraries to spawn a thread of control, run it to its end and join it, on
// a pool of stacks that is warm. One item is one spawn with its join.
#include <benchmark/benchmark.h>

#include <boost/fiber/fiber.hpp>
#include <boost/fiber/pooled_fixedsize_stack.hpp>
#include <cstddef>
#include <memory>

namespace {

namespace fibers = boost::fibers;

constexpr std::size_t stack_size = 16 * 1024;

void boost_fiber_spawn(benchmark::State& state, fibers::launch policy) {
  fibers::pooled_fixedsize_stack stacks(stack_size);
  int runs = 0;
  for (auto _ : state) {
    fibers::fiber(policy, std::allocator_arg, stacks, [&runs] { ++runs; }).join();
  }
  if (runs != state.iterations()) state.SkipWithError("a fiber did not run");
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK_CAPTURE(boost_fiber_spawn, post, fibers::launch::post)->Name("spawn/boost_fiber/post");
BENCHMARK_CAPTURE(boost_fiber_spawn, dispatch, fibers::launch::dispatch)
    ->Name("spawn/boost_fiber/dispatch");

}  // namespace
