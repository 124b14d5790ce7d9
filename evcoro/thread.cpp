#include <evcoro/thread.hpp>

#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/timer.hpp>
#include <stacks/report.hpp>

namespace evcoro {
namespace detail {

using corothread::Scheduler;
using corothread::Wake;

ThreadTask* current_thread() noexcept {
  return static_cast<ThreadTask*>(Scheduler::current_task());
}

std::error_code ThreadTask::wait_for_end(Timeout timeout) noexcept {
  if (has_ended()) return {};
  const ThreadTask* const caller = current_thread();
  if (caller == nullptr) return Errc::not_in_a_thread;
  if (&caller->core_ != &core_) return Errc::wrong_loop;
  if (caller->is_cancelled()) return to_error(Scheduler::refuse_to_wait());
  if (!timeout.may_wait()) return to_error(Wake::timed_out);
  return to_error(Scheduler::join(*this, timeout.deadline()));
}

void ThreadTask::request_stop(CancelReason reason) noexcept {
  if (!has_ended()) scheduler()->cancel(*this, reason);
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
    const Wake how = Scheduler::park(deadline, {"wake-up"});
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
  core_.report(describe(), failure());
}

void ThreadTask::drop_owned() noexcept {
  while (!owned_.empty()) delete &owned_.pop_front();
}

void ThreadTask::on_end() noexcept {
  drop_owned();
  if (is_detached_) {
    drop_result();
    report_failure();
    drop_owned();  // what these two made the thread own
  }
  timers_.for_each([](Timer& timer) { timer.orphan(); });  // last: what is owned may have some
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
      .spawned_at = std::string(identity().file()) + ":" + std::to_string(identity().line())};
  if (wait.descriptor >= 0) info.wait_reason += " fd " + std::to_string(wait.descriptor);
  return info;
}

}  // namespace detail

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

}  // namespace this_thread
}  // namespace evcoro
