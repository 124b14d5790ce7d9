// SharedMutex: many readers, or one writer.
//
//   evcoro::SharedMutex mutex;
//   { const std::shared_lock lock{mutex}; look_up(table); }
//   { const std::scoped_lock lock{mutex}; change(table); }
//
// First come, first served: a reader who comes while a writer waits, waits behind that one; the
// readers next to each other in the queue are let in together. As with Mutex, only a try_ form may
// get ahead of who is about to enter, once. All else is as of Mutex. A reader
// that locks it once more may wait for a writer who waits for him: don't.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <system_error>

#include <evcoro/sync/detail/wait_queue.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

namespace evcoro {

class EVCORO_API SharedMutex {
 public:
  SharedMutex() noexcept = default;
  ~SharedMutex();
  SharedMutex(const SharedMutex&) = delete;
  SharedMutex& operator=(const SharedMutex&) = delete;

  // For a writer; errors and misuse as of Mutex.
  void lock() noexcept;
  [[nodiscard]] std::error_code lock(Timeout timeout) noexcept;
  bool try_lock() noexcept;
  template <class Representation, class Period>
  bool try_lock_for(std::chrono::duration<Representation, Period> duration) noexcept {
    return !lock(Timeout{duration});
  }
  bool try_lock_until(TimePoint deadline) noexcept { return !lock(Timeout{deadline}); }
  void unlock() noexcept;

  // For a reader. resource_deadlock_would_occur: the caller is the writer.
  void lock_shared() noexcept;
  [[nodiscard]] std::error_code lock_shared(Timeout timeout) noexcept;
  bool try_lock_shared() noexcept;
  template <class Representation, class Period>
  bool try_lock_shared_for(std::chrono::duration<Representation, Period> duration) noexcept {
    return !lock_shared(Timeout{duration});
  }
  bool try_lock_shared_until(TimePoint deadline) noexcept {
    return !lock_shared(Timeout{deadline});
  }
  void unlock_shared() noexcept;

 private:
  enum class Kind { exclusive, shared };
  struct Node;

  bool can_enter(Kind kind) const noexcept;
  void enter(Kind kind, std::uintptr_t caller) noexcept;
  void serve(detail::Wakeups& wakeups) noexcept;
  bool try_enter(Kind kind) noexcept;
  std::error_code wait_to_enter(Kind kind, Timeout timeout) noexcept;
  void wait_out(Kind kind) noexcept;

  std::atomic<std::uintptr_t> writer_{0};  // its caller_id(); this and the next: under the lock
  std::size_t readers_ = 0;
  detail::WaitQueue queue_;
};

}  // namespace evcoro
