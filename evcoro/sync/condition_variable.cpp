#include <evcoro/sync/condition_variable.hpp>
#include <evcoro/sync/detail/sleeper_inline.hpp>

namespace evcoro {

void ConditionVariable::notify_one() noexcept {
  detail::Wakeups wakeups;
  const std::lock_guard lock{queue_.lock()};
  queue_.grant_first(wakeups);
}

void ConditionVariable::notify_all() noexcept {
  detail::Wakeups wakeups;
  const std::lock_guard lock{queue_.lock()};
  queue_.grant_all(wakeups);
}

std::error_code ConditionVariable::enter(detail::LoneWaiter& waiter) noexcept {
  if (const auto error = waiter.admit()) return error;
  const std::lock_guard lock{queue_.lock()};
  queue_.enqueue(waiter);
  return {};
}

std::error_code ConditionVariable::leave(detail::LoneWaiter& waiter, TimePoint deadline) noexcept {
  return detail::to_error(queue_.await(waiter, deadline));
}

}  // namespace evcoro
