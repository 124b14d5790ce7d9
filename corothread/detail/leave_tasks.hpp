// leave_tasks(): for a child of fork(2). The task that forked goes on there as if it were none, for
// good: what it runs on is the parent's task's, and can't park.
#pragma once

#include <stacks/export.hpp>

namespace evcoro::corothread::detail {

EVCORO_API void leave_tasks() noexcept;

}  // namespace evcoro::corothread::detail
