// RemoteThread<T>: a handle of a coroutine thread on whatever loop, for threads of all loops and
// for OS threads.
//
//   RemoteThread<int> answer = group.spawn([] { return compute(); });
//   ...
//   const int value = answer.join(3s).value();
//
// It is what Thread is for the loop's own OS thread, with the same semantics: the destructor
// requests a stop and joins, detach() lets go, join() throws what left the function. One OS thread
// uses a handle at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

#include <evcoro/error.hpp>
#include <evcoro/result.hpp>
#include <evcoro/sync/event.hpp>
#include <evcoro/thread.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>
#include <stacks/report.hpp>

namespace evcoro {

class Loop;

namespace detail {

class Inbox;

// RemoteState is what the thread and its handle share.
class EVCORO_API RemoteState : public std::enable_shared_from_this<RemoteState> {
 public:
  explicit RemoteState(Loop& loop) noexcept;
  virtual ~RemoteState();
  RemoteState(const RemoteState&) = delete;
  RemoteState& operator=(const RemoteState&) = delete;

  // For the handle, in any OS thread.
  std::error_code wait(Timeout timeout) noexcept;
  void wait_out() noexcept;
  void request_stop(CancelReason reason);
  bool has_ended() const noexcept { return has_ended_.is_set(); }
  std::uint64_t id() const noexcept { return id_.load(std::memory_order_relaxed); }
  void detach() noexcept;
  void abandon() noexcept;
  // take_failure() leaves nothing behind, so that the exception goes where it is handled.
  std::exception_ptr take_failure() noexcept { return std::exchange(failure_, nullptr); }
  bool has_run() const noexcept { return has_run_; }

  // For the thread: run() is its whole function.
  template <class Function>
  void run(Function&& function) {
    begin();
    try {
      std::forward<Function>(function)();
      has_run_ = true;
    } catch (...) {
      failure_ = std::current_exception();
    }
    end();
  }

  // end_unstarted() is for a thread that can't be started any more.
  void end_unstarted(std::error_code reason) noexcept {
    unstarted_ = reason;
    has_ended_.set();
  }
  std::error_code unstarted() const noexcept { return unstarted_; }

 private:
  struct StopRequest;
  void begin() noexcept;
  void end();
  void report_failure() noexcept;

  Event has_ended_{Event::Reset::manual};
  Inbox& inbox_;  // of the thread's loop
  std::atomic<std::uint64_t> id_{0};
  ThreadTask* task_ = nullptr;  // while it runs; for the loop's OS thread
  CancelReason stop_before_start_ = CancelReason::none;
  bool has_run_ = false;
  std::error_code unstarted_;  // why it never ran
  std::atomic<bool> is_detached_{false};
  std::exception_ptr failure_;
};

template <class T>
class RemoteResult final : public RemoteState {
 public:
  using RemoteState::RemoteState;
  std::optional<T> value;
};

template <>
class EVCORO_API RemoteResult<void> final : public RemoteState {
 public:
  using RemoteState::RemoteState;
};

}  // namespace detail

template <class T = void>
class [[nodiscard]] RemoteThread {
 public:
  RemoteThread() noexcept = default;
  explicit RemoteThread(std::shared_ptr<detail::RemoteResult<T>> state) noexcept
      : state_(std::move(state)) {}
  RemoteThread(RemoteThread&& other) noexcept = default;
  RemoteThread& operator=(RemoteThread&& other) noexcept {
    if (this == &other) return *this;
    const RemoteThread doomed{std::move(*this)};
    state_ = std::move(other.state_);
    return *this;
  }

  // The destructor requests a stop and waits for the thread's end, also if the caller is cancelled.
  // A result is dropped, an exception reported.
  ~RemoteThread() {
    if (state_ != nullptr) state_->abandon();
  }

  // joinable() is false of an empty handle; to use that for anything else is a misuse.
  bool joinable() const noexcept { return state_ != nullptr; }

  // join() waits until the thread has ended; returns its result, or throws what left its function.
  // The handle is empty then. It stays as it was if the wait fails: timed_out, operation_canceled,
  // Errc::not_in_a_thread in a callback of a loop, Errc::parents_loop in a child process.
  // Errc::loop_shutting_down, or what spawning failed with: the thread was never started.
  Result<T> join(Timeout timeout = {}) {
    if (const auto error = state().wait(timeout)) return Failure{error};
    const auto state = std::move(state_);
    if (auto failure = state->take_failure()) std::rethrow_exception(std::move(failure));
    if (!state->has_run()) return Failure{state->unstarted()};
    if constexpr (std::is_void_v<T>) {
      return {};
    } else {
      return std::move(*state->value);
    }
  }

  // detach() gives the thread to its loop; the handle is empty then.
  void detach() noexcept {
    state().detach();
    state_ = nullptr;
  }

  // request_stop() cancels the thread, as soon as its loop hears of it. Throws std::bad_alloc.
  void request_stop(CancelReason reason = CancelReason::user) { state().request_stop(reason); }

  bool has_ended() const noexcept { return state().has_ended(); }

  // id() is the thread's, as in ThreadInfo and reports; 0 until it has begun to run.
  std::uint64_t id() const noexcept { return state().id(); }

 private:
  detail::RemoteResult<T>& state() const noexcept {
    if (state_ == nullptr) [[unlikely]]
      stacks::misuse("an empty RemoteThread handle was used; test joinable() first");
    return *state_;
  }

  std::shared_ptr<detail::RemoteResult<T>> state_;
};

}  // namespace evcoro
