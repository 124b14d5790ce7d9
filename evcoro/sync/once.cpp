#include <evcoro/sync/once.hpp>

#include <mutex>

#include <evcoro/error.hpp>
#include <evcoro/sync/detail/caller_id.hpp>

namespace evcoro {

struct Once::Node : detail::LoneWaiter {
  Node(std::uintptr_t its_caller, const std::atomic<std::uintptr_t>& doer) noexcept
      : LoneWaiter("once", &doer), caller(its_caller) {}
  const std::uintptr_t caller;
  bool is_to_do = false;  // when it is granted: by this one
};

std::error_code Once::begin(Timeout timeout, bool& is_to_do) noexcept {
  if (const auto error = detail::admit_wait()) return error;
  const std::uintptr_t caller = detail::caller_id();
  std::unique_lock lock{queue_.lock()};
  if (caller_ == done) return {};
  if (caller_ == caller) return make_error_code(std::errc::resource_deadlock_would_occur);
  if (caller_ == 0) {
    caller_ = caller;
    is_to_do = true;
    return {};
  }
  Node self{caller, caller_};
  const std::error_code error = queue_.wait(lock, self, timeout);
  is_to_do = self.is_to_do;
  return error;
}

void Once::end(bool has_succeeded) noexcept {
  detail::Wakeups wakeups;
  const std::lock_guard lock{queue_.lock()};
  caller_ = has_succeeded ? done : 0;
  if (has_succeeded) return queue_.grant_all(wakeups);
  detail::WaitNode* const next = queue_.first_claimed();
  if (next == nullptr) return;
  caller_ = static_cast<Node*>(next)->caller;
  static_cast<Node*>(next)->is_to_do = true;
  queue_.wake(*next, wakeups);
}

}  // namespace evcoro
