// LoopCore, the end: of a loop, and of threads whose handle goes; and what is said of threads.
#include <poll.h>

#include <chrono>
#include <cstddef>
#include <exception>
#include <new>
#include <string>
#include <utility>

#include <evcoro/detail/loop_libevent.hpp>
#include <stacks/report.hpp>

namespace evcoro::detail {
namespace {

using namespace std::chrono_literals;

// How long ~Loop lets cancelled threads run that keep each other ready, or wait for other OS
// threads.
constexpr auto grace_time = 1s;

}  // namespace

// EndWaiter is a thread that waits for others to end, all of them in shutdown().
struct LoopCore::EndWaiter : stacks::ListLink {
  EndWaiter(corothread::Task& waiting, const char* waits_in, bool waits_for_all) noexcept
      : task(waiting), what(waits_in), is_in_shutdown(waits_for_all) {}
  corothread::Task& task;
  const char* const what;
  const bool is_in_shutdown;
};

// Runs ready threads without polling: all that can be done inside a callback of the base.
void LoopCore::drive_directly(TimePoint deadline) noexcept {
  while (scheduler_.has_ready_tasks() && now() < deadline) scheduler_.drain();
}

bool LoopCore::drive_until(const std::function<bool()>& is_over) {
  const TimePoint deadline = now() + grace_time;
  while (!is_over() && scheduler_.has_ready_tasks() && now() < deadline) scheduler_.drain();
  while (!is_over() && !is_dispatching() && pass(never)) {
  }
  leave_stop();
  return is_over();
}

bool LoopCore::drive_until_ended(const corothread::Task& task) {
  return drive_until([&] { return task.has_ended(); });
}

void LoopCore::cancel_all(const corothread::Task* except) noexcept {
  scheduler_.for_each_live_task([&](corothread::Task& task) {
    if (&task != except) static_cast<ThreadTask&>(task).request_stop(CancelReason::shutdown);
  });
}

// False if none has ended until deadline.
bool LoopCore::wait_for_others(EndWaiter& self, TimePoint deadline) noexcept {
  end_waiters_.push_back(self);
  self.task.shield();  // a cancelled thread can end its loop, too
  const auto how = corothread::Scheduler::park(deadline, {self.what});
  self.task.unshield();
  self.unlink();
  return how == corothread::Wake::ready;
}

void LoopCore::wake_end_waiters() noexcept {
  end_waiters_.for_each([](EndWaiter& waiter) {
    waiter.task.scheduler()->wake(waiter.task, corothread::Wake::ready);
  });
}

bool LoopCore::is_ending_others(const corothread::Task& task) const noexcept {
  bool is = false;
  end_waiters_.for_each(
      [&](const EndWaiter& waiter) { is |= waiter.is_in_shutdown && &waiter.task == &task; });
  return is;
}

std::size_t LoopCore::threads_in_shutdown() const noexcept {
  std::size_t count = 0;
  end_waiters_.for_each([&](const EndWaiter& waiter) { count += waiter.is_in_shutdown ? 1 : 0; });
  return count;
}

std::vector<ThreadInfo> LoopCore::shutdown(Timeout timeout) {
  require_own_process("Loop::shutdown");
  const TimePoint deadline = timeout.deadline();
  corothread::Task* const self = corothread::Scheduler::current() == &scheduler_
                                     ? corothread::Scheduler::current_task()
                                     : nullptr;
  const std::size_t remaining = self != nullptr ? 1 : 0;
  const Counted counted{shutdowns_};
  clients_.for_each([](LoopClient& client) { client.on_shutdown(); });
  cancel_all(self);
  wake_end_waiters();  // threads that are in here don't wait for each other
  while (scheduler_.live_tasks() > remaining + threads_in_shutdown() && now() < deadline) {
    if (self != nullptr) {
      EndWaiter waiter{*self, "shutdown", true};
      if (!wait_for_others(waiter, deadline)) break;
    } else if (is_dispatching() || !pass(deadline)) {
      drive_directly(deadline);
      break;
    }
  }
  leave_stop();
  return threads(self);
}

bool LoopCore::end_threads_on(const stacks::StackPool& pool) noexcept {
  const auto for_each = [&](auto&& visit) {
    scheduler_.for_each_live_task([&](corothread::Task& task) {
      if (task.stack().pool == &pool) visit(static_cast<ThreadTask&>(task));
    });
  };
  const auto have_ended = [&] {
    bool have = true;
    for_each([&](const ThreadTask&) { have = false; });
    return have;
  };
  for_each([](ThreadTask& task) { task.request_stop(CancelReason::user); });
  ThreadTask* const caller = current_thread();
  if (caller == nullptr || caller->core().base() != base_) return drive_until(have_ended);
  while (!have_ended()) {
    EndWaiter waiter{*caller, "the end of a pool's threads", false};
    wait_for_others(waiter, never);
  }
  return true;
}

bool LoopCore::is_busy_elsewhere() const noexcept {
  return scheduler_.is_draining() && corothread::Scheduler::current() != &scheduler_;
}

bool LoopCore::can_be_destroyed() const noexcept {
  if (is_foreign()) return true;
  return callbacks == 0 && !scheduler_.is_draining() && !(owns_base_ && is_dispatching());
}

// Whether a thread doesn't hear of its cancellation: it waits for a lock, which may come from
// another OS thread.
bool LoopCore::waits_for_other_os_thread() const noexcept {
  bool waits = false;
  scheduler_.for_each_live_task([&](const corothread::Task& task) {
    waits |= task.cancel_reason() != CancelReason::none && !task.is_cancelled();
  });
  return waits;
}

// Waits for another OS thread to wake somebody; false if none does until deadline.
bool LoopCore::await_inbox(TimePoint deadline) noexcept {
  using std::chrono::milliseconds;
  pollfd descriptor{.fd = inbox_->descriptor(), .events = POLLIN, .revents = 0};
  const auto rest = std::chrono::ceil<milliseconds>(deadline - now());
  if (rest <= 0ms || ::poll(&descriptor, 1, static_cast<int>(rest.count())) == 0) return false;
  inbox_->acknowledge();
  inbox_->deliver_wakes();
  return true;
}

void LoopCore::end_threads() noexcept {
  if (corothread::Scheduler::current() == &scheduler_) {
    stacks::misuse(
        "a Loop was destroyed by a thread of its own; stop() it, and destroy it outside");
  }
  if (callbacks != 0) {
    stacks::misuse(
        "a Loop was destroyed by a function that it called (posted, or an acceptor's); stop() it, "
        "and destroy it outside");
  }
  if (owns_base_ && is_dispatching()) {
    stacks::misuse("a Loop was destroyed by a callback of its own event_base; stop() it before");
  }
  const Counted counted{shutdowns_};
  cancel_all(nullptr);
  const TimePoint deadline = now() + grace_time;
  drive_directly(deadline);
  while (waits_for_other_os_thread() && await_inbox(deadline)) drive_directly(deadline);
  if (scheduler_.live_tasks() == 0) return;
  for (const ThreadInfo& each : threads()) {
    stacks::report(
        "evcoro: a Loop was destroyed, and this thread does not stop: " + to_string(each) + "\n");
  }
  stacks::misuse(
      "a Loop was destroyed with threads that do not stop; call Loop::shutdown() before");
}

std::vector<ThreadInfo> LoopCore::threads(const corothread::Task* except) const {
  std::vector<ThreadInfo> result;
  scheduler_.for_each_live_task([&](const corothread::Task& task) {
    if (&task == except || (except != nullptr && is_ending_others(task))) return;
    result.push_back(static_cast<const ThreadTask&>(task).describe());
  });
  return result;
}

namespace {

void report_as_text(const ThreadInfo& thread, const std::exception_ptr& exception) {
  std::string what = "an exception that is no std::exception";
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& error) {
    what = error.what();
  } catch (...) {
  }
  std::string who = "'" + thread.name + "'";
  if (thread.id != 0) {
    who = "thread " + who + " (id " + std::to_string(thread.id) + ")";
    if (!thread.spawned_at.empty()) who += ", spawned at " + thread.spawned_at + ",";
  }
  stacks::report("evcoro: " + who + " ended with an exception: " + what + "\n");
}

}  // namespace

void LoopCore::report(const ThreadInfo& thread, std::exception_ptr exception) noexcept {
  if (const auto handler = exception_handler) try {  // which may set another
      return (*handler)(thread, std::move(exception));
    } catch (...) {
      stacks::misuse("a loop's exception handler threw; it must not");
    }
  try {
    report_as_text(thread, exception);
  } catch (const std::bad_alloc&) {
    stacks::ReportLine{} << "evcoro: '" << thread.name << "' (id " << thread.id
                         << ") ended with an exception, and there is no memory to say which\n"
                         << stacks::ReportLine::send;
  }
}

void LoopCore::report(const ThreadTask& thread, std::exception_ptr exception) noexcept {
  ThreadInfo info;
  try {
    info = thread.describe();
  } catch (const std::bad_alloc&) {
    info.id = thread.identity().id();
  }
  report(info, std::move(exception));
}

}  // namespace evcoro::detail
