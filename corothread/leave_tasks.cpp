#include <corothread/detail/context.hpp>
#include <corothread/detail/leave_tasks.hpp>

namespace evcoro::corothread::detail {

void leave_tasks() noexcept { this_os_thread.set_scheduler(nullptr); }

}  // namespace evcoro::corothread::detail
