#include <evcoro/thread.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <vector>

#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/local.hpp>
#include <evcoro/scope.hpp>
#include <evcoro/timer.hpp>
#include <stacks/report.hpp>

namespace evcoro {
namespace detail {

using corothread::Scheduler;
using corothread::Wake;

std::uint64_t new_local_key() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

ThreadTask* current_thread() noexcept {
  return static_cast<ThreadTask*>(Scheduler::current_task());
}

std::error_code ThreadTask::wait_for_end(Timeout timeout) noexcept {
  if (has_ended()) return {};
  if (core_.is_foreign()) return Errc::parents_loop;
  const ThreadTask* const caller = current_thread();
  if (caller == nullptr) return Errc::not_in_a_thread;
  if (&caller->core_ != &core_) return Errc::wrong_loop;
  if (caller->is_cancelled()) return to_error(Scheduler::refuse_to_wait());
  if (!timeout.may_wait()) return to_error(Wake::timed_out);
  return to_error(Scheduler::join(*this, timeout.deadline()));
}

void ThreadTask::request_stop(CancelReason reason) noexcept {
  if (has_ended() || stop_reason_ != CancelReason::none) return;
  stop_reason_ = reason;
  settle_cancellation();
  Scope::cancel_those_of(*this, reason);
}

void ThreadTask::acknowledge_cancellation() noexcept {
  stop_reason_ = CancelReason::none;
  Scope::acknowledge_those_of(*this);
  settle_cancellation();
}

void ThreadTask::settle_cancellation() noexcept {
  const CancelReason reason = Scope::reason_for(*this);
  if (reason == CancelReason::none) {
    Task::acknowledge_cancellation();
  } else {
    core_.scheduler().cancel(*this, reason);
  }
}

void ThreadTask::abandon() noexcept {
  if (!has_ended() && core_.is_foreign()) return;  // a child process: the thread is the parent's
  request_stop(CancelReason::user);
  ThreadTask* const caller = current_thread();
  // A thread of a loop on another base would wait for ever: nobody dispatches this one's meanwhile.
  const bool can_wait = caller != nullptr && caller->core().base() == core_.base();
  if (!has_ended() && can_wait) {
    caller->shield();
    Scheduler::join(*this, never);
    caller->unshield();
  }
  if (!has_ended() && !core_.drive_until_ended(*this)) {
    stacks::misuse(
        "a Thread handle was destroyed where its thread can't run to its end; join() or "
        "detach() it before");
  }
  report_failure();
  Scheduler::free_ended(*this);
}

void ThreadTask::detach() noexcept {
  is_detached_ = true;
  if (has_ended()) report_failure();
  Scheduler::detach(*this);
}

std::error_code ThreadTask::wait_for_wake(Timeout timeout) noexcept {
  if (is_cancelled()) return to_error(Scheduler::refuse_to_wait());
  const TimePoint deadline = timeout.deadline();
  while (!is_woken_) {
    if (!timeout.may_wait()) return to_error(Wake::timed_out);
    waits_for_wake_ = true;
    const Wake how = Scheduler::park(deadline, {"wake-up", corothread::WaitReason::of_threads});
    waits_for_wake_ = false;
    if (how != Wake::ready && !is_woken_) return to_error(how);
  }
  is_woken_ = false;
  return {};
}

void ThreadTask::wake_up() noexcept {
  is_woken_ = true;
  if (waits_for_wake_) scheduler()->wake(*this, Wake::ready);
}

void ThreadTask::report_failure() noexcept {
  if (failure() == nullptr) return;
  if (scheduler() == nullptr) {
    stacks::report(
        "evcoro: a thread ended with an exception, and so did its loop before anyone joined\n");
    return;
  }
  core_.report(*this, failure());
}

// The scope takes what a detached thread's failure would be reported for.
void ThreadTask::end_membership() noexcept {
  if (Scope* const scope = membership_.scope) scope->on_thread_end(*this);
}

void ThreadTask::on_end() noexcept {
  owned_.clear();
  if (is_detached_) {
    drop_result();
    if (membership_.scope == nullptr) report_failure();
    owned_.clear();  // what these two made the thread own
  }
  timers_.for_each([](Timer& timer) { timer.orphan(); });  // last: what is owned may have some
  end_membership();
  core_.wake_end_waiters();
}

ThreadInfo ThreadTask::describe() const {
  const corothread::WaitReason wait = wait_reason();
  ThreadInfo info{
      .id = identity().id(),
      .name = std::string(identity().name()),
      .state = state(),
      .wait_reason = wait.what,
      .cancel_reason = cancel_reason(),
      .spawned_at = std::string(identity().file()) + ":" + std::to_string(identity().line()),
      .priority = priority(),
      .parks = parks(),
      .parked_since = parked_since()};
  if (wait.descriptor >= 0) info.wait_reason += " fd " + std::to_string(wait.descriptor);
  return info;
}

}  // namespace detail

std::string to_string(const ThreadInfo& thread) {
  std::string text = "'" + thread.name + "' (id " + std::to_string(thread.id) + "), spawned at " +
                     thread.spawned_at + ", " + corothread::to_string(thread.state);
  if (thread.state == TaskState::parked) {
    const std::chrono::duration<double> waited = corothread::read_clock() - thread.parked_since;
    char seconds[32];
    std::snprintf(seconds, sizeof seconds, " for %.1f s: ", std::max(waited.count(), 0.0));
    text += seconds + thread.wait_reason;
  }
  if (thread.cancel_reason != CancelReason::none) {
    text += std::string(", cancelled (") + corothread::to_string(thread.cancel_reason) + ")";
  }
  return text;
}

Result<std::size_t> wait_any(std::span<const ThreadRef> threads, Timeout timeout) {
  const detail::ThreadTask* const caller = detail::current_thread();
  if (caller == nullptr) return Errc::not_in_a_thread;
  std::vector<corothread::Task*> tasks;
  for (const ThreadRef& each : threads) {
    tasks.push_back(each.task());
    const auto& task = static_cast<const detail::ThreadTask&>(*each.task());
    if (!task.has_ended() && &task.core() != &caller->core()) return Errc::wrong_loop;
  }
  const auto first_ended = [&] {
    return std::find_if(tasks.begin(), tasks.end(), [](auto* task) { return task->has_ended(); });
  };
  if (first_ended() == tasks.end()) {
    if (caller->is_cancelled()) return detail::to_error(corothread::Scheduler::refuse_to_wait());
    if (!timeout.may_wait()) return detail::to_error(corothread::Wake::timed_out);
    const auto how = corothread::Scheduler::join_any(tasks, timeout.deadline());
    if (how != corothread::Wake::ready) return detail::to_error(how);
  }
  return static_cast<std::size_t>(first_ended() - tasks.begin());
}

namespace this_thread {

using detail::require_thread;

evcoro::detail::ThreadTask& detail::require_thread(const char* what) noexcept {
  auto* const thread = evcoro::detail::current_thread();
  if (thread == nullptr) stacks::misuse(what);
  return *thread;
}

std::error_code sleep_until(TimePoint deadline) noexcept {
  if (evcoro::detail::current_thread() == nullptr) return Errc::not_in_a_thread;
  const auto how = corothread::Scheduler::park(Timeout{deadline}.deadline(), {"sleep"});
  return how == corothread::Wake::timed_out ? std::error_code{} : evcoro::detail::to_error(how);
}

const stacks::Stack& stack() noexcept {
  return require_thread("this_thread::stack() outside a thread").stack();
}

std::uint64_t id() noexcept {
  const auto* const thread = evcoro::detail::current_thread();
  return thread == nullptr ? 0 : thread->identity().id();
}

std::string_view name() noexcept {
  const auto* const thread = evcoro::detail::current_thread();
  return thread == nullptr ? std::string_view{} : thread->identity().name();
}

CancelReason cancel_reason() noexcept {
  return require_thread("this_thread::cancel_reason() outside a thread").cancel_reason();
}

void acknowledge_cancellation() noexcept {
  require_thread("this_thread::acknowledge_cancellation() outside a thread")
      .acknowledge_cancellation();
}

TimePoint deadline() noexcept {
  const Scope* const scope =
      require_thread("this_thread::deadline() outside a thread").current_scope();
  return scope == nullptr ? never : scope->deadline();
}

void set_priority(Priority priority) noexcept {
  require_thread("this_thread::set_priority() outside a thread").set_priority(priority);
}

}  // namespace this_thread
}  // namespace evcoro
