// Registry: the connections of a Server on one loop, for it to drain them.
//
// All of it is for the loop's OS thread, but for is_draining.
#pragma once

#include <atomic>
#include <utility>

#include <evcoro/thread.hpp>
#include <stacks/intrusive_list.hpp>

namespace evcoro::http::detail {

// RegistryEntry is a connection's; it lies on the stack of its thread.
class RegistryEntry : public stacks::ListLink {
 public:
  explicit RegistryEntry(const std::atomic<bool>& is_draining) noexcept
      : is_draining_(is_draining), thread_(evcoro::detail::current_thread()) {}

  bool is_draining() const noexcept { return is_draining_.load(std::memory_order_relaxed); }

  // Idle, a connection waits for a request, and can be ended without loss.
  void set_idle(bool is_idle) noexcept { is_idle_ = is_idle; }
  bool is_idle() const noexcept { return is_idle_; }

  // end() cancels the thread. was_ended_idle() is true once if it was idle then: should a request
  // have come at the same time, the thread takes the cancellation back, and serves it.
  void end() noexcept {
    was_ended_idle_ = is_idle_;
    thread_->request_stop(CancelReason::shutdown);
  }
  bool take_ended_idle() noexcept { return std::exchange(was_ended_idle_, false); }

 private:
  const std::atomic<bool>& is_draining_;
  evcoro::detail::ThreadTask* const thread_;
  bool is_idle_ = false;
  bool was_ended_idle_ = false;
};

}  // namespace evcoro::http::detail
