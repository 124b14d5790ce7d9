// RecursiveMutex: a Mutex that its holder may lock again; it is free when it has been unlocked as
// often.
//
//   evcoro::RecursiveMutex mutex;
//   void Registry::add(Item item) {
//     const std::scoped_lock lock{mutex};
//     if (is_full()) remove_oldest();      // locks it, too
//     ...
//   }
//
// Its holder may lock it also when cancelled. All else is as of Mutex. A ConditionVariable's wait()
// unlocks it once only: let it be locked once then.
#pragma once

#include <chrono>
#include <cstddef>
#include <system_error>

#include <evcoro/sync/mutex.hpp>
#include <evcoro/timeout.hpp>

namespace evcoro {

class RecursiveMutex {
 public:
  void lock() noexcept {
    if (!mutex_.is_held_by_caller()) mutex_.lock();
    ++depth_;
  }

  [[nodiscard]] std::error_code lock(Timeout timeout) noexcept {
    if (!mutex_.is_held_by_caller()) {
      if (const auto error = mutex_.lock(timeout)) return error;
    }
    ++depth_;
    return {};
  }

  bool try_lock() noexcept {
    if (!mutex_.is_held_by_caller() && !mutex_.try_lock()) return false;
    ++depth_;
    return true;
  }

  template <class Representation, class Period>
  bool try_lock_for(std::chrono::duration<Representation, Period> duration) noexcept {
    return !lock(Timeout{duration});
  }
  bool try_lock_until(TimePoint deadline) noexcept { return !lock(Timeout{deadline}); }

  void unlock() noexcept {
    if (!mutex_.is_held_by_caller() || --depth_ == 0) mutex_.unlock();
  }

  bool is_held_by_caller() const noexcept { return mutex_.is_held_by_caller(); }

 private:
  Mutex mutex_;
  std::size_t depth_ = 0;  // for the holder
};

}  // namespace evcoro
