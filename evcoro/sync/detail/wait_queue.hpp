// WaitQueue: those who wait for a primitive of evcoro/sync, first come first served. They may be
// threads of any loop, and OS threads.
//
//   std::error_code Flag::wait(Timeout timeout) noexcept {
//     if (const auto error = admit_wait()) return error;
//     std::unique_lock lock{queue_.lock()};
//     if (is_set_) return {};
//     LoneWaiter self{"flag"};
//     return queue_.wait(lock, self, timeout);        // no error: someone has granted it
//   }
//   void Flag::set() noexcept {
//     Wakeups wakeups;                                // goes after the lock
//     const std::lock_guard lock{queue_.lock()};
//     is_set_ = true;
//     queue_.grant_all(wakeups);
//   }
//
// What a waiter waits for is handed to it while the lock is held, and the hand-over is final: who
// has it granted at the moment of its deadline or cancellation has it. So nothing is lost, and
// nobody who came later gets ahead.
//
//   waiting --grant--> granted --the wake-up arrives--> returns no error
//      |
//      +-- deadline, cancellation --> has given up --> leaves the queue, returns the error
//
// A waiter lies on its own stack. One that is woken by another OS thread stays there until the
// wake-up has arrived by way of its loop's inbox, whatever happens meanwhile; but what it has
// waited for may be gone by then. One that has given up stays in the queue until it leaves, and the
// queue's destructor waits for that.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <system_error>

#include <corothread/detail/running_task.hpp>
#include <corothread/scheduler.hpp>
#include <corothread/task.hpp>
#include <evcoro/detail/remote_wake.hpp>
#include <evcoro/error.hpp>
#include <evcoro/sync/detail/spin_lock.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>
#include <stacks/intrusive_list.hpp>

namespace evcoro::detail {

class Inbox;
struct OsThreadParker;

// A cancelled thread's blocking call is refused: it returns refuse_wait() instead of beginning.
// admit_wait() is both in one.
inline bool is_refused() noexcept {
  const corothread::Task* const task = corothread::detail::running_task();
  return task != nullptr && task->is_cancelled();
}
EVCORO_API std::error_code refuse_wait() noexcept;
inline std::error_code admit_wait() noexcept { return is_refused() ? refuse_wait() : no_error; }

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
  void add(Inbox& inbox) noexcept;
  void send() noexcept;

  Inbox* inbox_ = nullptr;  // counted
};

// Sleeper is who waits: a thread, or an OS thread outside of one.
class EVCORO_API Sleeper {
 public:
  enum class Queues : bool { one, many };

  // what is static text, for people; holder, if there is one, is the caller_id() of who holds what
  // is waited for, with bit 0 of no meaning.
  explicit Sleeper(const char* what, const std::atomic<std::uintptr_t>* holder = nullptr,
                   Queues queues = Queues::one) noexcept;

  // The same for who knows the running task, and its place_.
  Sleeper(corothread::Task* task, void* place, const char* what,
          const std::atomic<std::uintptr_t>* holder, Queues queues) noexcept
      : remote_{.task = task},
        place_(place),
        is_in_many_(queues == Queues::many),
        what_(what),
        holder_(holder) {}
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;

  // may_sleep() is false in a callback of a loop; admit() then is the error.
  bool may_sleep() const noexcept;
  std::error_code admit() const noexcept;

  // sleep() waits until wake(), deadline or cancellation. Ready means that wake() was called, or
  // that the thread was made ready for another reason.
  corothread::Wake sleep(TimePoint deadline) noexcept;

  // claim() gives the right to call wake() to one caller; false if somebody has it, or the sleeper
  // has given up. By who holds the lock of a list that the sleeper is in: if it is in no other, and
  // of this OS thread, nobody else can be about to decide.
  bool claim() noexcept {
    const bool is_undisputed = !is_in_many_ && place_ == &corothread::detail::this_os_thread;
    return decide(State::claimed, is_undisputed || is_single_threaded());
  }

  // give_up() is for the sleeper itself, and needs no lock; false if somebody has claimed it.
  bool give_up() noexcept { return decide(State::given_up, is_single_threaded()); }
  bool has_given_up() const noexcept {
    return state_.load(std::memory_order_relaxed) == State::given_up;
  }

  // wake() lets sleep() return. Who calls it has claimed the sleeper.
  void wake(Wakeups& wakeups) noexcept {
    if (place_ != &corothread::detail::this_os_thread) [[unlikely]]
      return wake_elsewhere(wakeups);
    remote_.is_delivered = true;
    remote_.task->scheduler()->wake(*remote_.task, corothread::Wake::ready);
  }

  // await_wake() is for a sleep() that ended otherwise, if give_up() is false: the wake-up is about
  // to come, or has.
  void await_wake() noexcept;

  // is_woken() is for the sleeper itself: that wake() has reached it.
  bool is_woken() const noexcept { return remote_.is_delivered; }

  // thread() is nullptr of an OS thread.
  corothread::Task* thread() const noexcept { return remote_.task; }
  const char* what() const noexcept { return what_; }
  const std::atomic<std::uintptr_t>* holder() const noexcept { return holder_; }

 private:
  enum class State : std::uint8_t { waiting, claimed, given_up };

  // decide() is true if nothing was decided before.
  bool decide(State state, bool is_undisputed) noexcept {
    State expected = State::waiting;
    if (is_undisputed) {
      if (state_.load(std::memory_order_relaxed) != expected) return false;
      state_.store(state, std::memory_order_relaxed);
      return true;
    }
    return state_.compare_exchange_strong(expected, state, std::memory_order_acq_rel);
  }

  corothread::Wake sleep_in_os_thread(TimePoint deadline) noexcept;

  void wake_elsewhere(Wakeups& wakeups) noexcept;
  void wake_os_thread() noexcept;
  OsThreadParker& parker() const noexcept { return *static_cast<OsThreadParker*>(place_); }

  RemoteWake remote_;  // its task is the thread; nullptr: an OS thread
  void* const place_;  // the thread's OS thread; or the OS thread's parker
  std::atomic<State> state_{State::waiting};
  const bool is_in_many_;
  const char* const what_;
  const std::atomic<std::uintptr_t>* const holder_;
};

// WaitNode is a sleeper's place in a list of those who wait.
struct WaitNode : stacks::ListLink {
  explicit WaitNode(Sleeper& its_sleeper) noexcept : sleeper(its_sleeper) {}
  Sleeper& sleeper;
  bool is_granted = false;  // under the lock of the list, or by the sleeper after its wake-up
};

// WaitList is such a list; whoever has one has a lock for it, which is held for all of its calls.
class WaitList {
 public:
  bool empty() const noexcept { return nodes_.empty(); }
  WaitNode& first() noexcept { return nodes_.front(); }

  // first_waiting() leaves out those who have given up; nullptr if there is nobody else.
  WaitNode* first_waiting() const noexcept {
    return nodes_.find([](WaitNode& node) { return !node.sleeper.has_given_up(); });
  }
  void enqueue(WaitNode& node) noexcept { nodes_.push_back(node); }
  void enqueue_first(WaitNode& node) noexcept { nodes_.push_front(node); }

  // claim() takes node out of the list. It is false, and node stays until it leaves, if its sleeper
  // has given up, or is woken for another list's. wake() is to follow.
  static bool claim(WaitNode& node) noexcept {
    const bool is_ours = node.sleeper.claim();
    if (is_ours) node.unlink();
    return is_ours;
  }

  // first_claimed() is the first of which claim() is true; nullptr if there is none.
  WaitNode* first_claimed() noexcept { return nodes_.find(claim); }

  static void wake(WaitNode& node, Wakeups& wakeups) noexcept {
    node.is_granted = true;
    node.sleeper.wake(wakeups);
  }

  // grant() is claim() and wake().
  static bool grant(WaitNode& node, Wakeups& wakeups) noexcept {
    const bool is_ours = claim(node);
    if (is_ours) wake(node, wakeups);
    return is_ours;
  }

  // grant_first() is false if nobody waits.
  bool grant_first(Wakeups& wakeups) noexcept {
    WaitNode* const node = first_claimed();
    if (node != nullptr) wake(*node, wakeups);
    return node != nullptr;
  }

  void grant_all(Wakeups& wakeups) noexcept {
    nodes_.for_each([&](WaitNode& node) { grant(node, wakeups); });
  }

  template <class Visit>
  void for_each(Visit&& visit) const {
    nodes_.for_each(visit);
  }
  template <class Predicate>
  WaitNode* find(Predicate&& matches) const {
    return nodes_.find(matches);
  }

 private:
  stacks::IntrusiveList<WaitNode> nodes_;
};

// LoneWaiter is a sleeper that is in one list.
class LoneWaiter : public Sleeper, public WaitNode {
 public:
  explicit LoneWaiter(const char* what,
                      const std::atomic<std::uintptr_t>* holder = nullptr) noexcept
      : Sleeper(what, holder), WaitNode(static_cast<Sleeper&>(*this)) {}
};

// require_nobody() is for the destructor of what has list, whose lock is lock. It waits for those
// who have given up, and are about to leave. If somebody waits it ends the process; but not if he
// never runs again: when the process ends, or a coroutine thread of the parent's, in a child
// process.
EVCORO_API void require_nobody(WaitList& list, SpinLock& lock) noexcept;

// WaitQueue is a list with its lock.
class EVCORO_API WaitQueue : public WaitList {
 public:
  WaitQueue() noexcept = default;

  // What is destroyed while somebody waits for it is a misuse. The destructor waits for who has
  // granted something last, and is about to leave: so who has got it may destroy the primitive.
  ~WaitQueue() { require_nobody(*this, lock_); }

  SpinLock& lock() const noexcept { return lock_; }

  // wait() is called with the lock held, releases it, and waits for waiter's grant, as last or
  // first of all. If it fails the lock is held again, and has been since waiter left the queue: so
  // that those behind can be served. If not it isn't, and may be gone.
  enum class Place : bool { last, first };
  std::error_code wait(std::unique_lock<SpinLock>& lock, LoneWaiter& waiter, Timeout timeout,
                       Place place = Place::last) noexcept;

  // await() is the latter half, for who has enqueued waiter and released the lock.
  corothread::Wake await(LoneWaiter& waiter, TimePoint deadline) noexcept;

 private:
  mutable SpinLock lock_;
};

}  // namespace evcoro::detail
