#include <evcoro/sync/semaphore.hpp>

#include <mutex>

#include <evcoro/error.hpp>

namespace evcoro {

struct Semaphore::Node : detail::LoneWaiter {
  explicit Node(std::size_t its_count) noexcept : LoneWaiter("semaphore"), count(its_count) {}
  const std::size_t count;
};

void Semaphore::serve(detail::Wakeups& wakeups) noexcept {
  queue_.find([&](detail::WaitNode& each) {
    const std::size_t count = static_cast<Node&>(each).count;
    if (count > available_) return true;  // nobody gets ahead of this one
    if (queue_.grant(each, wakeups)) available_ -= count;
    return false;
  });
}

std::error_code Semaphore::acquire(std::size_t count, Timeout timeout) noexcept {
  if (const auto error = detail::admit_wait()) return error;
  detail::Wakeups wakeups;
  std::unique_lock lock{queue_.lock()};
  if (take(count)) return {};
  Node self{count};
  const auto error = queue_.wait(lock, self, timeout);
  if (error) serve(wakeups);  // those who have waited behind this one may want less
  return error;
}

bool Semaphore::try_acquire(std::size_t count) noexcept {
  const std::lock_guard lock{queue_.lock()};
  return take(count);
}

bool Semaphore::take(std::size_t count) noexcept {
  if (count > available_ || queue_.first_waiting() != nullptr) return false;
  available_ -= count;
  return true;
}

void Semaphore::release(std::size_t count) noexcept {
  detail::Wakeups wakeups;
  const std::lock_guard lock{queue_.lock()};
  available_ += count;
  serve(wakeups);
}

std::size_t Semaphore::available() const noexcept {
  const std::lock_guard lock{queue_.lock()};
  return queue_.first_waiting() == nullptr ? available_ : 0;
}

}  // namespace evcoro
