#include <evcoro/sync/condition_variable.hpp>

namespace evcoro {

void ConditionVariable::notify_one() noexcept {
  detail::Wakeups wakeups;
  const std::lock_guard lock{queue_.lock()};
  if (!queue_.empty()) queue_.grant_first(wakeups);
}

void ConditionVariable::notify_all() noexcept {
  detail::Wakeups wakeups;
  const std::lock_guard lock{queue_.lock()};
  queue_.grant_all(wakeups);
}

void ConditionVariable::enter(detail::WaitNode& node) noexcept {
  const std::lock_guard lock{queue_.lock()};
  queue_.enqueue(node);
}

std::error_code ConditionVariable::leave(detail::WaitNode& node, TimePoint deadline) noexcept {
  std::unique_lock lock{queue_.lock()};
  return detail::to_error(queue_.await(lock, node, deadline));
}

}  // namespace evcoro
