// WaitQueue: those who wait for a primitive of evcoro/sync, first come first served. They may be
// threads of any loop, and OS threads.
//
//   std::error_code Flag::wait(Timeout timeout) noexcept {
//     if (const auto error = admit_wait()) return error;
//     std::unique_lock lock{queue_.lock()};
//     if (is_set_) return {};
//     WaitNode self{"flag"};
//     return queue_.wait(lock, self, timeout);        // no error: someone has granted it
//   }
//   void Flag::set() noexcept {
//     Wakeups wakeups;                                // goes after the lock
//     const std::lock_guard lock{queue_.lock()};
//     is_set_ = true;
//     while (!queue_.empty()) queue_.grant_first(wakeups);
//   }
//
// What a waiter waits for is handed to it while the lock is held, and the hand-over is final: who
// has it granted at the moment of its deadline or cancellation has it. So nothing is lost, and
// nobody who came later gets ahead.
//
//   waiting --grant--> granted --the wake-up arrives--> returns no error
//      |
//      +-- deadline, cancellation --> leaves the queue, returns the error
//
// A waiter lies on its own stack. One that is woken by another OS thread stays there until the
// wake-up has arrived by way of its loop's inbox, whatever happens meanwhile.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <system_error>

#include <corothread/task.hpp>
#include <evcoro/detail/remote_wake.hpp>
#include <evcoro/sync/detail/spin_lock.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>
#include <stacks/intrusive_list.hpp>

namespace evcoro::detail {

class Inbox;
struct OsThreadParker;
class ThreadTask;

// admit_wait() is what a cancelled thread's blocking call returns instead of beginning.
EVCORO_API std::error_code admit_wait() noexcept;

// Wakeups are the notifications that are owed to other loops. They are sent when it goes: after the
// lock, if it is made before.
class EVCORO_API Wakeups {
 public:
  Wakeups() noexcept = default;
  ~Wakeups() {
    if (inbox_ != nullptr) [[unlikely]]
      send();
  }
  Wakeups(const Wakeups&) = delete;
  Wakeups& operator=(const Wakeups&) = delete;

 private:
  friend class Sleeper;
  void add(std::shared_ptr<Inbox> inbox) noexcept;
  void send() noexcept;

  std::shared_ptr<Inbox> inbox_;
};

// Sleeper is who waits: a thread, or an OS thread outside of one.
class EVCORO_API Sleeper {
 public:
  // what is static text, for people; holder, if there is one, is the caller_id() of who holds what
  // is waited for, with bit 0 of no meaning.
  explicit Sleeper(const char* what, const std::atomic<std::uintptr_t>* holder = nullptr) noexcept;
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;

  // admit() says why the caller can't wait at all, if so.
  std::error_code admit() const noexcept;

  // sleep() waits until wake(), deadline or cancellation; ready means that wake() was called.
  corothread::Wake sleep(TimePoint deadline) noexcept;

  // claim() makes the caller the only one who may call wake(), or, of the sleeper itself, lets
  // nobody do so any more; false if somebody has before. claim_locked() is for a sleeper that is in
  // one queue only, whose lock is held.
  bool claim() noexcept { return !is_claimed_.exchange(true, std::memory_order_acq_rel); }
  void claim_locked() noexcept { is_claimed_.store(true, std::memory_order_relaxed); }
  bool is_claimed() const noexcept { return is_claimed_.load(std::memory_order_relaxed); }

  // wake() lets sleep() return. Who calls it has claimed the sleeper.
  void wake(Wakeups& wakeups) noexcept;

  // await_wake() is for a sleep() that ended otherwise, if the sleeper has been claimed meanwhile:
  // the wake-up is about to come, or has.
  void await_wake() noexcept;

  const char* what() const noexcept { return what_; }
  const std::atomic<std::uintptr_t>* holder() const noexcept { return holder_; }

 private:
  corothread::Wake sleep_in_os_thread(TimePoint deadline) noexcept;

  ThreadTask* const task_;  // nullptr: an OS thread
  const void* const os_thread_;
  OsThreadParker* const parker_;  // of an OS thread
  RemoteWake remote_;
  std::atomic<bool> is_claimed_{false};
  const char* const what_;
  const std::atomic<std::uintptr_t>* const holder_;
};

// WaitNode is a sleeper that is in one queue.
class WaitNode : public stacks::ListLink, public Sleeper {
 public:
  using Sleeper::Sleeper;
};

class EVCORO_API WaitQueue {
 public:
  WaitQueue() noexcept = default;

  // What is destroyed while somebody waits for it is a misuse. The destructor waits for who has
  // granted something last, and is about to leave: so who has got it may destroy the primitive.
  ~WaitQueue();

  SpinLock& lock() const noexcept { return lock_; }

  // All of these are called with the lock held.
  bool empty() const noexcept { return nodes_.empty(); }
  WaitNode& first() noexcept { return nodes_.front(); }

  // wait() queues node and waits, without the lock, for its grant. When it fails, the lock is held
  // again, for the caller to set right what depends on who waits.
  std::error_code wait(std::unique_lock<SpinLock>& lock, WaitNode& node, Timeout timeout) noexcept;

  // enqueue() and await() are its two steps, for who has asked node.admit(). In between the lock
  // may be released.
  void enqueue(WaitNode& node) noexcept { nodes_.push_back(node); }
  corothread::Wake await(std::unique_lock<SpinLock>& lock, WaitNode& node,
                         TimePoint deadline) noexcept;

  // grant() takes node out of the queue and lets its wait() end without an error.
  void grant(WaitNode& node, Wakeups& wakeups) noexcept {
    node.unlink();
    node.claim_locked();
    node.wake(wakeups);
  }
  void grant_first(Wakeups& wakeups) noexcept { grant(first(), wakeups); }
  void grant_all(Wakeups& wakeups) noexcept {
    while (!empty()) grant_first(wakeups);
  }

  template <class Visit>
  void for_each(Visit&& visit) const {
    nodes_.for_each(visit);
  }

 private:
  mutable SpinLock lock_;
  stacks::IntrusiveList<WaitNode> nodes_;
};

}  // namespace evcoro::detail
