// What a switch costs in other libraries: a bare jump of Boost.Context, in a pair and in rings, its
// public fibers in a pair, and a yield of Boost.Fiber, whose run queue is part of it. One item is
// one jump, or one yield.
#include <benchmark/benchmark.h>

#include <boost/context/detail/fcontext.hpp>
#include <boost/context/fiber.hpp>
#include <boost/context/fixedsize_stack.hpp>
#include <boost/fiber/fiber.hpp>
#include <boost/fiber/operations.hpp>
#include <boost/fiber/pooled_fixedsize_stack.hpp>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace {

namespace context = boost::context::detail;
namespace fibers = boost::fibers;

constexpr std::size_t stack_size = 16 * 1024;
constexpr int turns = 10'000;  // of each member of a ring of fibers, which all yield in one place
constexpr std::size_t stack_alignment = 4096;
constexpr std::size_t cache_line = 64;

class RawStack {
 public:
  RawStack() : memory_(static_cast<char*>(std::aligned_alloc(stack_alignment, stack_size))) {
    if (memory_ == nullptr) throw std::bad_alloc();
  }

  // make_context() returns a context that starts in `entry`. Its start address is shifted by a few
  // cache lines, different ones for stacks that follow each other: equal offsets in pages would
  // all compete for the same few lines of the cache.
  context::fcontext_t make_context(std::size_t index, void (*entry)(context::transfer_t)) {
    const std::size_t shift = index % 16 * cache_line;
    return context::make_fcontext(memory_.get() + stack_size - shift, stack_size - shift, entry);
  }

 private:
  struct Free {
    void operator()(char* memory) const { std::free(memory); }
  };
  std::unique_ptr<char, Free> memory_;
};

void jump_back_for_ever(context::transfer_t from) {
  for (;;) from = context::jump_fcontext(from.fctx, nullptr);
}

void fcontext_pair(benchmark::State& state) {
  RawStack stack;
  context::fcontext_t other = stack.make_context(0, jump_back_for_ever);
  for (auto _ : state) other = context::jump_fcontext(other, nullptr).fctx;
  state.SetItemsProcessed(state.iterations() * 2);
}
BENCHMARK(fcontext_pair)->Name("pair/fcontext");

void context_fiber_pair(benchmark::State& state) {
  using boost::context::fiber;
  fiber other{std::allocator_arg, boost::context::fixedsize_stack(stack_size), [](fiber&& from) {
                for (;;) from = std::move(from).resume();
                return std::move(from);
              }};
  for (auto _ : state) other = std::move(other).resume();
  state.SetItemsProcessed(state.iterations() * 2);
}
BENCHMARK(context_fiber_pair)->Name("pair/boost_context");

// A member of a ring of contexts. Whoever is jumped to notes where its predecessor stopped.
struct Member {
  context::fcontext_t where;
  Member* previous;
  Member* next;
};

Member* pass_on(Member* self) {
  const context::transfer_t from = context::jump_fcontext(self->next->where, self->next);
  self = static_cast<Member*>(from.data);
  self->previous->where = from.fctx;
  return self;
}

void pass_on_for_ever(context::transfer_t from) {
  auto* self = static_cast<Member*>(from.data);
  self->previous->where = from.fctx;
  for (;;) self = pass_on(self);
}

void fcontext_ring(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  std::vector<RawStack> stacks(size);
  std::vector<Member> ring(size);  // the first one is this function itself
  for (std::size_t i = 0; i < size; ++i) {
    ring[i] = {stacks[i].make_context(i, pass_on_for_ever), &ring[(i + size - 1) % size],
               &ring[(i + 1) % size]};
  }
  Member* self = ring.data();
  for (auto _ : state) self = pass_on(self);
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(fcontext_ring)->Name("ring/fcontext")->Arg(2)->Arg(10)->Arg(1000);

void take_turns() {
  for (int i = 0; i < turns; ++i) boost::this_fiber::yield();
}

void boost_fiber_ring(benchmark::State& state) {
  fibers::pooled_fixedsize_stack stacks(stack_size);
  while (state.KeepRunningBatch(turns)) {
    std::vector<fibers::fiber> members;
    for (auto i = state.range(0); i > 0; --i) {
      members.emplace_back(std::allocator_arg, stacks, take_turns);
    }
    for (fibers::fiber& member : members) member.join();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(boost_fiber_ring)->Name("ring/boost_fiber")->Arg(2)->Arg(10)->Arg(1000);

}  // namespace
