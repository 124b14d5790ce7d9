// caller_id(): tells threads, and OS threads, apart while they live.
#pragma once

#include <cstdint>

#include <corothread/detail/running_task.hpp>

namespace evcoro::detail {

// caller_id() is the address of the running task, or of what an OS thread has for itself: even, and
// not 0. It is read from two places of the OS thread's own, without a call.
inline std::uintptr_t caller_id() noexcept {
  const corothread::Task* const task = corothread::detail::running_task();
  const void* const caller =
      task != nullptr ? task : static_cast<const void*>(&corothread::detail::this_os_thread);
  return reinterpret_cast<std::uintptr_t>(caller);
}

}  // namespace evcoro::detail
