// running_task(): Scheduler::current_task() without a call, for the layers above.
#pragma once

#include <corothread/detail/context.hpp>
#include <corothread/task.hpp>

namespace evcoro::corothread::detail {

inline Task* running_task() noexcept {
  const OsThread& os_thread = this_os_thread;
  return os_thread.scheduler() == nullptr ? nullptr : static_cast<Task*>(os_thread.strand());
}

}  // namespace evcoro::corothread::detail
