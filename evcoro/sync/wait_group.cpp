#include <evcoro/sync/wait_group.hpp>

#include <limits>
#include <mutex>

#include <evcoro/error.hpp>
#include <stacks/report.hpp>

namespace evcoro {

struct WaitGroup::Node : detail::LoneWaiter {
  explicit Node(std::uint64_t its_target) noexcept : LoneWaiter("wait group"), target(its_target) {}
  const std::uint64_t target;
};

void WaitGroup::add(std::size_t count) noexcept {
  const std::lock_guard lock{queue_.lock()};
  missing_ += count;
}

void WaitGroup::done() noexcept {
  detail::Wakeups wakeups;
  const std::lock_guard lock{queue_.lock()};
  if (missing_ == 0)
    stacks::misuse("done() of a WaitGroup that waits for nobody; call add() before");
  --missing_;
  ++done_;
  queue_.for_each([&](detail::WaitNode& each) {
    if (missing_ == 0 || static_cast<Node&>(each).target <= done_) queue_.grant(each, wakeups);
  });
}

std::error_code WaitGroup::wait(Timeout timeout) noexcept {
  return wait_done(std::numeric_limits<std::uint64_t>::max(), timeout);
}

std::error_code WaitGroup::wait_done(std::uint64_t target, Timeout timeout) noexcept {
  if (const auto error = detail::admit_wait()) return error;
  std::unique_lock lock{queue_.lock()};
  if (missing_ == 0 || target <= done_) return {};
  Node self{target};
  return queue_.wait(lock, self, timeout);
}

std::size_t WaitGroup::missing() const noexcept {
  const std::lock_guard lock{queue_.lock()};
  return missing_;
}

std::uint64_t WaitGroup::done_count() const noexcept {
  const std::lock_guard lock{queue_.lock()};
  return done_;
}

}  // namespace evcoro
