#include <evcoro/sync/latch.hpp>

#include <mutex>

#include <evcoro/error.hpp>
#include <stacks/report.hpp>

namespace evcoro {

void Latch::count_down(std::size_t count) noexcept {
  detail::Wakeups wakeups;
  const std::lock_guard lock{queue_.lock()};
  if (count > missing_) stacks::misuse("a Latch was counted down below zero");
  missing_ -= count;
  if (missing_ == 0) queue_.grant_all(wakeups);
}

std::error_code Latch::wait(Timeout timeout) noexcept {
  if (const auto error = detail::admit_wait()) return error;
  std::unique_lock lock{queue_.lock()};
  if (missing_ == 0) return {};
  detail::LoneWaiter self{"latch"};
  return queue_.wait(lock, self, timeout);
}

bool Latch::try_wait() const noexcept {
  const std::lock_guard lock{queue_.lock()};
  return missing_ == 0;
}

}  // namespace evcoro
