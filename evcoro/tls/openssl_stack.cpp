#include <evcoro/tls/detail/openssl_stack.hpp>

#include <cerrno>
#include <memory>
#include <new>
#include <vector>

#include <corothread/coroutine.hpp>
#include <evcoro/error.hpp>
#include <evcoro/local.hpp>
#include <evcoro/loop.hpp>
#include <stacks/stack_pool.hpp>

namespace evcoro::detail {
namespace {

struct Call {
  void (*function)(void*) noexcept;
  void* argument;
};

// CallStack is a stack with a coroutine on it that does one call after the other.
class CallStack {
 public:
  explicit CallStack(std::size_t size) : pool_({.capacity = 1, .stack_size = size}) {}

  std::size_t size() const noexcept { return pool_.stack_size(); }
  void run(const Call& call) {
    const corothread::CoroutineState state = caller_.state();
    if (state == corothread::CoroutineState::suspended) [[likely]] {
      caller_.resume(&call);
    } else if (state == corothread::CoroutineState::initial) {
      caller_.start(&call);
    } else {
      call.function(call.argument);  // within a call, which is on this stack already
    }
  }

 private:
  stacks::StackPool pool_;
  corothread::Coroutine<void(const Call*)> caller_{pool_, [](auto& yield, const Call* call) {
                                                     while (true) {
                                                       call->function(call->argument);
                                                       call = yield();
                                                     }
                                                   }};
};

// One for each size that contexts ask for.
class CallStacks {
 public:
  CallStack& of_size(std::size_t size) {
    for (const auto& stack : stacks_) {
      if (stack->size() >= size) return *stack;
    }
    stacks_.push_back(std::make_unique<CallStack>(size));
    return *stacks_.back();
  }

 private:
  std::vector<std::unique_ptr<CallStack>> stacks_;
};

CallStacks& stacks_of(Loop& loop) {
  static const LoopLocal<CallStacks> stacks;
  return stacks.get(loop);
}

}  // namespace

std::error_code run_on_openssl_stack(std::size_t size, void (*function)(void*) noexcept,
                                     void* argument) noexcept {
  Loop* const loop = Loop::current();
  if (size == 0 || loop == nullptr) {
    function(argument);
    return {};
  }
  try {
    stacks_of(*loop).of_size(size).run({function, argument});
  } catch (const std::system_error& error) {
    return error.code();
  } catch (const std::bad_alloc&) {
    return system_error(ENOMEM);
  }
  return {};
}

}  // namespace evcoro::detail
