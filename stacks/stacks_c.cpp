#include <stacks/stacks_c.hpp>

#include <memory>
#include <new>
#include <string>

#include <stacks/detail/guard.hpp>

using evcoro::stacks::fail;
using evcoro::stacks::fail_as_caught;
using evcoro::stacks::pool_of;
using evcoro::stacks::Stack;
using evcoro::stacks::StackPool;

namespace {

// Part of the binary interface.
static_assert(sizeof(STACKS) == 8 * sizeof(void*));

// The stack behind entry; nullptr with errno EINVAL if it isn't taken.
Stack* taken_stack(STACK_ENTRY* entry) noexcept {
  auto* const stack = reinterpret_cast<Stack*>(entry);
  if (stack != nullptr && stack->taken()) return stack;
  errno = EINVAL;
  return nullptr;
}

int init(STACKS* stacks, int pages, StackPool::Options options) noexcept try {
  if (stacks == nullptr || pages < 2) return fail(EINVAL);
  options.stack_size = static_cast<std::size_t>(pages - 1) * evcoro::stacks::detail::page_size();
  auto pool = std::make_unique<StackPool>(std::move(options));
  *stacks = {stacks, pool.release(), {}};
  return 0;
} catch (...) {
  return fail_as_caught();
}

}  // namespace

namespace evcoro::stacks {

StackPool* pool_of(STACKS* stacks) noexcept {
  // Neither zeroed storage nor a copy holds its own address.
  if (stacks != nullptr && stacks->self == stacks) return static_cast<StackPool*>(stacks->pool);
  errno = EINVAL;
  return nullptr;
}

int fail_as_caught() noexcept {
  try {
    throw;
  } catch (const std::system_error& error) {
    return fail(error.code());
  } catch (const std::bad_alloc&) {
    return fail(ENOMEM);
  }
}

}  // namespace evcoro::stacks

int STACKS_init(STACKS* stacks, int num_stacks, int pages_per_stack) noexcept {
  if (num_stacks < 1) return fail(EINVAL);
  return init(stacks, pages_per_stack,
              {.capacity = static_cast<std::size_t>(num_stacks),
               .size_setting = "pages_per_stack of STACKS_init"});
}

int STACKS_init_on_demand(STACKS* stacks, int num_stacks, int pages_per_stack) noexcept {
  if (num_stacks < 1 && num_stacks != -1) return fail(EINVAL);
  return init(
      stacks, pages_per_stack,
      {.capacity = num_stacks == -1 ? StackPool::unlimited : static_cast<std::size_t>(num_stacks),
       .allocation = StackPool::Allocation::on_demand,
       .size_setting = "pages_per_stack of STACKS_init_on_demand"});
}

int STACKS_destroy(STACKS* stacks) noexcept {
  StackPool* const pool = pool_of(stacks);
  if (pool == nullptr) return -1;
  if (pool->in_use() != 0) return fail(EBUSY);
  delete pool;
  *stacks = {};
  return 0;
}

STACK_ENTRY* STACKS_get(STACKS* stacks) noexcept {
  StackPool* const pool = pool_of(stacks);
  if (pool == nullptr) return nullptr;
  std::error_code error;
  Stack* const stack = pool->take(error);
  if (stack == nullptr) fail(error);
  return reinterpret_cast<STACK_ENTRY*>(stack);
}

int STACKS_release(STACK_ENTRY* entry) noexcept {
  Stack* const stack = taken_stack(entry);
  if (stack == nullptr) return -1;
  stack->pool->give_back(*stack);
  return 0;
}

size_t STACKS_get_stack_size(STACKS* stacks) noexcept {
  const StackPool* const pool = pool_of(stacks);
  return pool != nullptr ? pool->stack_size() : 0;
}

size_t STACKS_available(STACKS* stacks) noexcept {
  const StackPool* const pool = pool_of(stacks);
  return pool != nullptr ? pool->available() : 0;
}

int STACKS_trim(STACKS* stacks, size_t keep) noexcept {
  StackPool* const pool = pool_of(stacks);
  return pool != nullptr ? static_cast<int>(pool->trim(keep)) : -1;
}

int STACKS_statistics(STACKS* stacks, STACKS_STATISTICS* statistics) noexcept {
  const StackPool* const pool = pool_of(stacks);
  if (pool == nullptr) return -1;
  if (statistics == nullptr) return fail(EINVAL);
  const auto now = pool->statistics();
  *statistics = {now.capacity, now.mapped,  now.in_use,  now.peak_in_use,
                 now.taken,    now.refused, now.trimmed, {}};
  return 0;
}

void* STACK_ENTRY_limit(STACK_ENTRY* entry) noexcept {
  const Stack* const stack = taken_stack(entry);
  return stack != nullptr ? stack->limit : nullptr;
}

void* STACK_ENTRY_start(STACK_ENTRY* entry) noexcept {
  const Stack* const stack = taken_stack(entry);
  return stack != nullptr ? stack->start : nullptr;
}

size_t STACK_ENTRY_watermark(STACK_ENTRY* entry) noexcept {
  const Stack* const stack = taken_stack(entry);
  return stack != nullptr ? StackPool::watermark(*stack) : 0;
}
