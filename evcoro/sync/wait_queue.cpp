#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include <corothread/scheduler.hpp>
#include <evcoro/detail/inbox.hpp>
#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/error.hpp>
#include <evcoro/sync/detail/wait_queue.hpp>
#include <stacks/report.hpp>

namespace evcoro::detail {

using corothread::Scheduler;
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

std::error_code admit_wait() noexcept {
  const ThreadTask* const thread = current_thread();
  if (thread == nullptr || !thread->is_cancelled()) return no_error;
  return to_error(Scheduler::refuse_to_wait());
}

// --- Wakeups ---

void Wakeups::add(std::shared_ptr<Inbox> inbox) noexcept {
  if (inbox_ != nullptr && inbox_ != inbox) send();
  inbox_ = std::move(inbox);
}

void Wakeups::send() noexcept { std::exchange(inbox_, nullptr)->notify(); }

// --- Sleeper ---

// OsThreadParker is where an OS thread sleeps.
struct OsThreadParker {
  std::mutex mutex;  // guards is_woken
  std::condition_variable condition;
  bool is_woken = false;
};

namespace {

OsThreadParker& parker_of_this_os_thread() noexcept {
  thread_local OsThreadParker parker;
  return parker;
}

}  // namespace

Sleeper::Sleeper(const char* what, const std::atomic<std::uintptr_t>* holder) noexcept
    : task_(current_thread()),
      os_thread_(&corothread::detail::this_os_thread),
      parker_(task_ != nullptr ? nullptr : &parker_of_this_os_thread()),
      what_(what),
      holder_(holder) {
  remote_.task = task_;
}

std::error_code Sleeper::admit() const noexcept {
  if (task_ == nullptr && is_driving_a_loop()) return Errc::not_in_a_thread;
  return no_error;
}

Wake Sleeper::sleep(TimePoint deadline) noexcept {
  if (task_ == nullptr) return sleep_in_os_thread(deadline);
  if (remote_.is_delivered) return Wake::ready;  // while something else was waited for
  return Scheduler::park(deadline, {what_});
}

Wake Sleeper::sleep_in_os_thread(TimePoint deadline) noexcept {
  std::unique_lock lock{parker_->mutex};
  const auto is_woken = [&] { return parker_->is_woken; };
  if (deadline == never) {
    parker_->condition.wait(lock, is_woken);
  } else if (!parker_->condition.wait_until(lock, deadline, is_woken)) {
    return Wake::timed_out;
  }
  parker_->is_woken = false;
  return Wake::ready;
}

void Sleeper::wake(Wakeups& wakeups) noexcept {
  if (task_ == nullptr) {
    const std::lock_guard lock{parker_->mutex};
    parker_->is_woken = true;
    parker_->condition.notify_one();  // under the lock: then its thread can't be gone
  } else if (os_thread_ == &corothread::detail::this_os_thread) {
    remote_.is_delivered = true;
    task_->scheduler()->wake(*task_, Wake::ready);
  } else {
    std::shared_ptr<Inbox> inbox = task_->core().inbox();
    if (inbox->add(remote_)) wakeups.add(std::move(inbox));
  }
}

void Sleeper::await_wake() noexcept {
  if (task_ == nullptr) {
    sleep_in_os_thread(never);
    return;
  }
  for (Pause pause; !remote_.is_delivered; pause()) task_->core().inbox()->deliver_wakes();
}

// --- WaitQueue ---

WaitQueue::~WaitQueue() {
  const std::lock_guard lock{lock_};
  if (empty()) return;
  stacks::ReportLine{} << "evcoro: somebody waits for it: " << first().what() << "\n"
                       << stacks::ReportLine::send;
  stacks::misuse("what is waited for was destroyed");
}

std::error_code WaitQueue::wait(std::unique_lock<SpinLock>& lock, WaitNode& node,
                                Timeout timeout) noexcept {
  if (!timeout.may_wait()) return to_error(Wake::timed_out);
  if (const auto error = node.admit()) return error;
  enqueue(node);
  return to_error(await(lock, node, timeout.deadline()));
}

Wake WaitQueue::await(std::unique_lock<SpinLock>& lock, WaitNode& node,
                      TimePoint deadline) noexcept {
  lock.unlock();
  const Wake how = node.sleep(deadline);
  if (how == Wake::ready) return how;
  lock.lock();
  if (!node.is_claimed()) {
    node.unlink();
    return how;
  }
  lock.unlock();
  node.await_wake();
  return Wake::ready;
}

}  // namespace evcoro::detail
