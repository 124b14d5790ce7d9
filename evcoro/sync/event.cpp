#include <evcoro/sync/event.hpp>

#include <mutex>

#include <evcoro/error.hpp>

namespace evcoro {

void Event::set() noexcept {
  detail::Wakeups wakeups;
  const std::lock_guard lock{queue_.lock()};
  if (reset_ == Reset::automatic && queue_.grant_first(wakeups)) return;
  is_set_ = true;
  queue_.grant_all(wakeups);
}

void Event::reset() noexcept {
  const std::lock_guard lock{queue_.lock()};
  is_set_ = false;
}

bool Event::pass() noexcept {
  const bool may_pass = is_set_;
  if (reset_ == Reset::automatic) is_set_ = false;
  return may_pass;
}

std::error_code Event::wait(Timeout timeout) noexcept {
  if (const auto error = detail::admit_wait()) return error;
  std::unique_lock lock{queue_.lock()};
  if (pass()) return {};
  detail::LoneWaiter self{"event"};
  return queue_.wait(lock, self, timeout);
}

bool Event::try_wait() noexcept {
  const std::lock_guard lock{queue_.lock()};
  return pass();
}

bool Event::is_set() const noexcept {
  const std::lock_guard lock{queue_.lock()};
  return is_set_;
}

}  // namespace evcoro
