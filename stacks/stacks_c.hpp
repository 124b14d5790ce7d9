// What the C faces of the layers above need from that of stacks: the pool behind a STACKS, and the
// way to errno.
//
//   StackPool* const pool = stacks::pool_of(stacks);
//   if (pool == nullptr) return -1;
#pragma once

#include <cerrno>
#include <system_error>

#include <stacks/stacks.h>
#include <stacks/export.hpp>
#include <stacks/stack_pool.hpp>

namespace evcoro::stacks {

// pool_of() is the pool behind stacks; nullptr with errno EINVAL if it isn't initialised.
EVCORO_API StackPool* pool_of(STACKS* stacks) noexcept;

// fail() sets errno and returns -1.
inline int fail(int error) noexcept {
  errno = error;
  return -1;
}
inline int fail(const std::error_code& error) noexcept {
  return fail(error.default_error_condition().value());
}

// fail_as_caught() does so for the exception that is being handled: what a std::system_error says,
// ENOMEM for std::bad_alloc. Any other is a defect of the library, which terminates.
EVCORO_API int fail_as_caught() noexcept;

}  // namespace evcoro::stacks
