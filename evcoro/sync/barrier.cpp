#include <evcoro/sync/barrier.hpp>

#include <mutex>

#include <evcoro/error.hpp>
#include <stacks/report.hpp>

namespace evcoro::detail {

bool BarrierCore::arrive(std::size_t count, std::size_t dropped, std::uint64_t& phase) noexcept {
  const std::lock_guard lock{queue_.lock()};
  require_missing(count);
  phase = phase_;
  missing_ -= count;
  expected_ -= dropped;
  return missing_ == 0;
}

void BarrierCore::require_missing(std::size_t count) const noexcept {
  if (count > missing_) stacks::misuse("more arrived at a Barrier than it expects");
}

// In one step: who goes on first may destroy the barrier.
std::error_code BarrierCore::arrive_or_wait(bool& is_last, Timeout timeout) noexcept {
  const bool is_refused = detail::is_refused();
  std::unique_lock lock{queue_.lock()};
  require_missing(1);
  is_last = --missing_ == 0;
  if (is_refused || is_last) {
    lock.unlock();
    return is_refused ? refuse_wait() : no_error;
  }
  LoneWaiter self{"barrier"};
  return queue_.wait(lock, self, timeout);
}

void BarrierCore::end_phase() noexcept {
  Wakeups wakeups;
  const std::lock_guard lock{queue_.lock()};
  ++phase_;
  missing_ = expected_;
  queue_.grant_all(wakeups);
}

std::error_code BarrierCore::wait(std::uint64_t phase, Timeout timeout) noexcept {
  if (const auto error = admit_wait()) return error;
  std::unique_lock lock{queue_.lock()};
  if (phase != phase_) return {};
  LoneWaiter self{"barrier"};
  return queue_.wait(lock, self, timeout);
}

}  // namespace evcoro::detail
