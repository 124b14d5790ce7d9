// SpinLock: guards the few fields of a primitive, for the length of a few instructions. Nobody
// waits, switches or calls the application while holding one. (Wakeups for a second loop are sent
// with it held.)
//
// In a process that has one OS thread only nobody else can hold it: taking it is a store then, and
// no atomic read-modify-write.
#pragma once

#include <sys/single_threaded.h>

#include <atomic>

#include <stacks/export.hpp>

namespace evcoro::detail {

// is_single_threaded() is true as long as the process has never had a second OS thread.
inline bool is_single_threaded() noexcept { return __libc_single_threaded != 0; }

class EVCORO_API SpinLock {
 public:
  void lock() noexcept {
    if (is_single_threaded()) {
      is_taken_.store(true, std::memory_order_relaxed);
    } else if (is_taken_.exchange(true, std::memory_order_acquire)) [[unlikely]] {
      lock_slowly();
    }
  }

  void unlock() noexcept { is_taken_.store(false, std::memory_order_release); }

 private:
  void lock_slowly() noexcept;

  std::atomic<bool> is_taken_{false};
};

}  // namespace evcoro::detail
