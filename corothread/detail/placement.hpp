// Placement: control blocks at the start of their own stacks.
#pragma once

#include <cstddef>
#include <new>
#include <system_error>
#include <utility>

#include <stacks/export.hpp>
#include <stacks/stack_pool.hpp>

namespace evcoro::corothread::detail {

// take_stack() takes a stack from pool for a control block of size bytes; nullptr with the reason
// in error if there is none, or E2BIG if the block would take more than half of it.
EVCORO_API stacks::Stack* take_stack(stacks::StackPool& pool, std::size_t size,
                                     std::error_code& error) noexcept;

// construct_on_stack() constructs a T at the start of a stack of pool and calls its place_on(stack,
// block), where block is the lowest address of the T. Returns nullptr as take_stack() does. What
// T's constructor throws passes through, and the stack goes back.
template <class T, class... Arguments>
T* construct_on_stack(stacks::StackPool& pool, std::error_code& error, Arguments&&... arguments) {
  constexpr std::size_t size = (sizeof(T) + 63) / 64 * 64;
  static_assert(alignof(T) <= 64, "over-aligned captures don't fit a stack's start");
  stacks::Stack* const stack = take_stack(pool, size, error);
  if (stack == nullptr) return nullptr;
  std::byte* const block = stack->start - size;
  try {
    T* const object = new (block) T(std::forward<Arguments>(arguments)...);
    object->place_on(*stack, block);
    return object;
  } catch (...) {
    pool.give_back(*stack);
    throw;
  }
}

}  // namespace evcoro::corothread::detail
