#include <algorithm>
#include <memory>
#include <new>
#include <system_error>
#include <vector>

#include <corothread/coroutine.hpp>
#include <evcoro/error.hpp>
#include <evcoro/local.hpp>
#include <evcoro/loop.hpp>
#include <evcoro/tls/detail/state.hpp>
#include <stacks/stack_pool.hpp>

namespace evcoro::detail {
namespace {

// One stack for each size that contexts ask for: what runs there does not block.
class HandshakeStacks {
 public:
  stacks::StackPool& of_size(std::size_t size) {
    for (const auto& pool : pools_) {
      if (pool->stack_size() >= size) return *pool;
    }
    pools_.push_back(std::make_unique<stacks::StackPool>(
        stacks::StackPool::Options{.capacity = 1, .stack_size = size}));
    return *pools_.back();
  }

 private:
  std::vector<std::unique_ptr<stacks::StackPool>> pools_;
};

HandshakeStacks& stacks_of(Loop& loop) {
  static const LoopLocal<HandshakeStacks> stacks;
  return stacks.get(loop);
}

}  // namespace

std::error_code run_on_handshake_stack(std::size_t size, void (*function)(void*),
                                       void* argument) noexcept {
  Loop* const loop = Loop::current();
  if (size == 0 || loop == nullptr) {
    function(argument);
    return {};
  }
  try {
    corothread::Coroutine<void()> run{stacks_of(*loop).of_size(size),
                                      [&](auto&) { function(argument); }};
    run.start();
  } catch (const std::system_error& error) {
    return error.code();
  } catch (const std::bad_alloc&) {
    return system_error(ENOMEM);
  }
  return {};
}

}  // namespace evcoro::detail
