#include <evcoro/sync/latch.hpp>

#include <mutex>

#include <evcoro/error.hpp>
#include <stacks/report.hpp>

namespace evcoro {

void Latch::count_down(std::size_t count) noexcept {
  detail::Wakeups wakeups;
  const std::lock_guard lock{queue_.lock()};
  arrive(count, wakeups);
}

void Latch::arrive(std::size_t count, detail::Wakeups& wakeups) noexcept {
  if (count > missing_) stacks::misuse("a Latch was counted down below zero");
  missing_ -= count;
  if (missing_ == 0) queue_.grant_all(wakeups);
}

// In one step: who waits already may destroy it as soon as it is zero.
std::error_code Latch::arrive_and_wait(Timeout timeout) noexcept {
  const bool is_refused = detail::is_refused();
  detail::Wakeups wakeups;
  std::unique_lock lock{queue_.lock()};
  arrive(1, wakeups);
  if (is_refused || missing_ == 0) {
    lock.unlock();
    return is_refused ? detail::refuse_wait() : detail::no_error;
  }
  detail::LoneWaiter self{"latch"};
  return queue_.wait(lock, self, timeout);
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
