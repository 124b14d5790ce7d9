// Once: does something once, whoever comes first; the others wait until it is done.
//
//   evcoro::Once connected;
//   if (const auto error = connected.call([&] { session = log_in(); }, 3s)) return error;
//
// If the function throws, that passes through, and the next of those who wait tries.
//
// Any OS thread may call call(). An OS thread that drives a loop must not wait outside of the
// loop's threads, in a callback.
#pragma once

#include <atomic>
#include <cstdint>
#include <system_error>
#include <utility>

#include <evcoro/sync/detail/wait_queue.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

namespace evcoro {

class EVCORO_API Once {
 public:
  Once() noexcept = default;
  Once(const Once&) = delete;
  Once& operator=(const Once&) = delete;

  // call() returns when function() has returned, called now or before: if before, it returns at
  // once, also in a cancelled thread. Errors: timed_out,
  // operation_canceled, resource_deadlock_would_occur if function() itself calls it,
  // Errc::not_in_a_thread in a callback of a loop.
  template <class Function>
  [[nodiscard]] std::error_code call(Function&& function, Timeout timeout = {}) {
    if (is_done()) return {};
    bool is_to_do = false;
    if (const auto error = begin(timeout, is_to_do); error || !is_to_do) return error;
    struct Attempt {
      Once& once;
      bool has_succeeded = false;
      ~Attempt() { once.end(has_succeeded); }
    } attempt{*this};
    std::forward<Function>(function)();
    attempt.has_succeeded = true;
    return {};
  }

  bool is_done() const noexcept { return caller_.load(std::memory_order_acquire) == done; }

 private:
  struct Node;
  static constexpr std::uintptr_t done = 1;

  // begin() returns when it is done, or when the caller is the one who is to do it.
  std::error_code begin(Timeout timeout, bool& is_to_do) noexcept;
  void end(bool has_succeeded) noexcept;

  std::atomic<std::uintptr_t> caller_{0};  // caller_id() of who does it, or done
  detail::WaitQueue queue_;
};

}  // namespace evcoro
