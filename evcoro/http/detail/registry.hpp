// Registry: the connections of a Server on one loop, for it to drain them.
//
// All of it is for the loop's OS thread, but for is_draining.
#pragma once

#include <atomic>
#include <utility>

#include <evcoro/net/socket.hpp>
#include <evcoro/thread.hpp>
#include <evcoro/timeout.hpp>
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

  // cancel() cancels the thread at the deadline of a drain; until last_word() it may still answer.
  void cancel(TimePoint last_word) noexcept {
    last_word_ = last_word;
    end();
  }
  bool is_cancelled() const noexcept { return last_word_ != never; }
  TimePoint last_word() const noexcept { return last_word_; }

  // end_output() lets the peer see the end, if HTTP is spoken on the socket itself, which
  // set_socket() says.
  void set_socket(Socket& socket) noexcept { socket_ = &socket; }
  void end_output() noexcept {
    if (socket_ != nullptr) static_cast<void>(socket_->shutdown(Socket::Shutdown::write));
  }

 private:
  const std::atomic<bool>& is_draining_;
  evcoro::detail::ThreadTask* const thread_;
  bool is_idle_ = false;
  bool was_ended_idle_ = false;
  TimePoint last_word_ = never;
  Socket* socket_ = nullptr;
};

// LastWord is a while in which a thread that was cancelled can send, nevertheless: in its thread.
// Should it be cancelled once more meanwhile, as by its loop's end, that holds.
class LastWord {
 public:
  explicit LastWord(bool is_granted) noexcept
      : is_needed_(is_granted && this_thread::stop_requested()) {
    if (is_needed_) this_thread::acknowledge_cancellation();
  }
  LastWord(const LastWord&) = delete;
  LastWord& operator=(const LastWord&) = delete;
  ~LastWord() {
    if (is_needed_) evcoro::detail::current_thread()->request_stop(CancelReason::shutdown);
  }

 private:
  const bool is_needed_;
};

}  // namespace evcoro::http::detail
