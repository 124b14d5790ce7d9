#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include <evcoro/detail/deadlock_watch.hpp>
#include <evcoro/detail/inbox.hpp>
#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/detail/process.hpp>
#include <evcoro/sync/detail/sleeper_inline.hpp>
#include <stacks/report.hpp>

namespace evcoro::detail {

using corothread::Wake;

namespace {

// Pause is for a loop around what another OS thread is about to do.
class Pause {
 public:
  void operator()() noexcept {
    if (++turns_ < 64) {
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    } else {
      std::this_thread::yield();  // perhaps it is not running
    }
  }

 private:
  int turns_ = 0;
};

}  // namespace

void SpinLock::lock_slowly() noexcept {
  Pause pause;
  do {
    while (is_taken_.load(std::memory_order_relaxed)) pause();
  } while (is_taken_.exchange(true, std::memory_order_acquire));
}

std::error_code refuse_wait() noexcept { return to_error(corothread::Scheduler::refuse_to_wait()); }

// --- Wakeups ---

void Wakeups::add(Inbox& inbox) noexcept {
  if (inbox_ != nullptr) send();
  inbox_ = &inbox;
}

void Wakeups::send() noexcept {
  inbox_->notify();
  std::exchange(inbox_, nullptr)->unref();
}

// --- Sleeper ---

// OsThreadParker is where an OS thread sleeps.
struct OsThreadParker {
  std::mutex mutex;  // guards what follows, and whether a sleeper of its is woken
  std::condition_variable condition;
  const Sleeper* idle = nullptr;  // who is, as DeadlockWatch knows

  // become_idle() may tell the sink of reports, and so holds no lock then.
  void become_idle(const Sleeper& sleeper) noexcept {
    DeadlockWatch& watch = DeadlockWatch::of_process();
    if (!watch.is_on()) return;
    {
      const std::lock_guard lock{mutex};
      if (sleeper.is_woken()) return;
      idle = &sleeper;
    }
    watch.add_idle();
  }

  // With the lock held.
  void end_idleness(const Sleeper& sleeper) noexcept {
    if (idle != &sleeper) return;
    idle = nullptr;
    DeadlockWatch::of_process().remove_idle();
  }
};

OsThreadParker& parker_of_this_os_thread() noexcept {
  thread_local OsThreadParker parker;
  return parker;
}

Sleeper::Sleeper(const char* what, const std::atomic<std::uintptr_t>* holder,
                 Queues queues) noexcept
    : Sleeper(corothread::detail::running_task(), place_for(corothread::detail::running_task()),
              what, holder, queues) {}

Wake Sleeper::sleep_in_os_thread(TimePoint deadline) noexcept {
  OsThreadParker& parker = this->parker();
  if (deadline == never) parker.become_idle(*this);
  std::unique_lock lock{parker.mutex};
  const auto is_awake = [&] { return is_woken(); };
  if (deadline == never) {
    parker.condition.wait(lock, is_awake);
  } else if (!parker.condition.wait_until(lock, deadline, is_awake)) {
    return Wake::timed_out;
  }
  return Wake::ready;
}

void Sleeper::wake_os_thread() noexcept {
  const std::lock_guard lock{parker().mutex};
  remote_.is_delivered = true;
  parker().end_idleness(*this);
  parker().condition.notify_one();  // under the lock: then its thread can't be gone
}

namespace {

Inbox& inbox_of(const corothread::Task& task) noexcept {
  return static_cast<const ThreadTask&>(task).core().inbox();
}

}  // namespace

void Sleeper::wake_elsewhere(Wakeups& wakeups) noexcept {
  if (remote_.task == nullptr) return wake_os_thread();
  Inbox& inbox = inbox_of(*remote_.task);
  inbox.ref();  // since the loop may go as soon as its thread knows
  if (inbox.add(remote_)) {
    wakeups.add(inbox);
  } else {
    inbox.unref();
  }
}

void Sleeper::await_wake() noexcept {
  if (remote_.task == nullptr) {
    sleep_in_os_thread(never);
    return;
  }
  for (Pause pause; !remote_.is_delivered; pause()) inbox_of(*remote_.task).deliver_wakes();
}

// --- WaitQueue ---

std::error_code WaitQueue::wait(std::unique_lock<SpinLock>& lock, LoneWaiter& waiter,
                                Timeout timeout, Place place) noexcept {
  std::error_code error = waiter.admit();
  if (!timeout.may_wait()) error = to_error(Wake::timed_out);
  if (error) return error;
  place == Place::first ? enqueue_first(waiter) : enqueue(waiter);
  lock.unlock();
  const Wake how = await_grant(waiter, timeout.deadline());
  if (how == Wake::ready) return lock.release(), no_error;
  lock.lock();
  waiter.unlink();
  return to_error(how);
}

Wake WaitQueue::await(LoneWaiter& waiter, TimePoint deadline) noexcept {
  return detail::await(waiter, waiter, lock_, deadline);
}

namespace {

bool is_over_for(const Sleeper& sleeper) noexcept {
  const auto* const thread = static_cast<const ThreadTask*>(sleeper.thread());
  return is_leaving || (thread != nullptr && thread->core().is_foreign());
}

}  // namespace

// The last who has granted something may not have released the lock yet.
void require_nobody(WaitList& list, SpinLock& lock) noexcept {
  for (Pause pause;; pause()) {
    const std::lock_guard held{lock};
    if (list.empty()) return;
    const Sleeper& sleeper = list.first().sleeper;
    if (is_over_for(sleeper)) return;
    if (sleeper.has_given_up()) continue;
    stacks::ReportLine{} << "evcoro: somebody waits for it: " << sleeper.what() << "\n"
                         << stacks::ReportLine::send;
    stacks::misuse(
        "what is waited for was destroyed; let those who wait end before, or let it live longer");
  }
}

}  // namespace evcoro::detail
