#include <evcoro/sync/mutex.hpp>

#include <mutex>
#include <utility>

#include <corothread/scheduler.hpp>
#include <evcoro/detail/patience.hpp>
#include <evcoro/detail/process.hpp>
#include <evcoro/error.hpp>
#include <evcoro/sync/detail/shielded.hpp>
#include <stacks/report.hpp>

namespace evcoro {

// Node is who waits for the lock. Offered it, he stays in the queue until he runs, and may find it
// taken. Then he waits once more, in front, and gets it finally.
struct Mutex::Node : detail::LoneWaiter {
  enum class Turn : bool { offered, final };

  Node(std::uintptr_t its_caller, const std::atomic<std::uintptr_t>& state, Turn its_turn) noexcept
      : LoneWaiter("mutex", &state), caller(its_caller), turn(its_turn) {}
  const std::uintptr_t caller;
  const Turn turn;
  bool is_offered = false;  // under the queue's lock
};

Mutex::~Mutex() {
  if (holder() != 0 && !detail::is_leaving)
    stacks::misuse("a Mutex was destroyed while it was locked; unlock it before");
}

void Mutex::wait_out(std::uintptr_t caller) noexcept {
  const detail::Shielded shielded;
  const std::error_code error = lock_slowly(caller, never);
  if (!error) return;
  if (error == std::errc::resource_deadlock_would_occur)
    stacks::misuse("a Mutex was locked by who holds it already; see RecursiveMutex");
  stacks::misuse("a callback of a loop waits for a Mutex; use try_lock(), or spawn a thread");
}

std::error_code Mutex::lock(Timeout timeout) noexcept {
  if (const auto error = detail::admit_wait()) return error;
  const std::uintptr_t caller = detail::caller_id();
  return take_at_once(caller) ? detail::no_error : lock_slowly(caller, timeout);
}

bool Mutex::try_lock() noexcept {
  const std::uintptr_t caller = detail::caller_id();
  return take_at_once(caller) || take_offered(caller);
}

// Takes what is offered to somebody else.
bool Mutex::take_offered(std::uintptr_t caller) noexcept {
  std::uintptr_t offered = contended;
  return state_.compare_exchange_strong(offered, caller | contended, std::memory_order_acquire,
                                        std::memory_order_relaxed);
}

// With the queue's lock held: takes what is free, or lets the holder know that somebody waits.
bool Mutex::take_or_mark(std::uintptr_t caller) noexcept {
  std::uintptr_t state = state_.load(std::memory_order_relaxed);
  for (;;) {
    const std::uintptr_t wanted = state == 0 ? caller : state | contended;
    if (state_.compare_exchange_weak(state, wanted, std::memory_order_acquire,
                                     std::memory_order_relaxed)) {
      return state == 0;
    }
  }
}

[[gnu::noinline]] std::error_code Mutex::lock_slowly(std::uintptr_t caller,
                                                     Timeout timeout) noexcept {
  if (holder() == caller) return make_error_code(std::errc::resource_deadlock_would_occur);
  detail::Patience patience{timeout};
  std::unique_lock lock{queue_.lock()};
  if (take_or_mark(caller)) return {};
  Node self{caller, state_, Node::Turn::offered};
  if (const auto error = queue_.wait(lock, self, patience.rest())) return error;
  lock = std::unique_lock{queue_.lock()};
  self.unlink();
  if (take_offered(caller)) {
    if (queue_.empty()) state_.store(caller, std::memory_order_relaxed);
    return {};
  }
  Node again{caller, state_, Node::Turn::final};
  return queue_.wait(lock, again, patience.rest(), detail::WaitQueue::Place::first);
}

void Mutex::unlock_slowly(std::uintptr_t caller) noexcept {
  if (holder() != caller) stacks::misuse("a Mutex was unlocked by somebody who doesn't hold it");
  detail::Wakeups wakeups;
  const std::lock_guard lock{queue_.lock()};
  const bool is_for_nobody = queue_.find([&](detail::WaitNode& each) {
    return pass_to(static_cast<Node&>(each), wakeups);
  }) == nullptr;
  if (is_for_nobody) state_.store(0, std::memory_order_release);
}

// False if next has given up.
bool Mutex::pass_to(Node& next, detail::Wakeups& wakeups) noexcept {
  if (next.turn == Node::Turn::final) {
    if (!queue_.claim(next)) return false;
    state_.store(next.caller | (queue_.empty() ? 0 : contended), std::memory_order_release);
    queue_.wake(next, wakeups);
    return true;
  }
  const bool is_new = !next.is_offered;
  if (is_new && !next.claim()) return false;
  next.is_offered = true;
  state_.store(contended, std::memory_order_release);
  if (is_new) next.wake(wakeups);
  return true;
}

bool Mutex::is_held_by_caller() const noexcept { return holder() == detail::caller_id(); }

}  // namespace evcoro
