#include <evcoro/sync/shared_mutex.hpp>

#include <mutex>
#include <utility>

#include <evcoro/detail/patience.hpp>
#include <evcoro/detail/process.hpp>
#include <evcoro/error.hpp>
#include <evcoro/sync/detail/caller_id.hpp>
#include <evcoro/sync/detail/shielded.hpp>
#include <stacks/report.hpp>

namespace evcoro {

// Node is who waits to enter. Offered that, he stays in the queue until he runs, and may find that
// somebody else has entered by try_lock(). Then he waits once more, in front, and enters finally.
struct SharedMutex::Node : detail::LoneWaiter {
  enum class Turn : bool { offered, final };

  Node(Kind its_kind, std::uintptr_t its_caller, const std::atomic<std::uintptr_t>& writer,
       Turn its_turn) noexcept
      : LoneWaiter(its_kind == Kind::shared ? "shared mutex, as a reader" : "shared mutex",
                   &writer),
        kind(its_kind),
        caller(its_caller),
        turn(its_turn) {}
  const Kind kind;
  const std::uintptr_t caller;
  const Turn turn;
  bool is_offered = false;  // under the queue's lock
};

SharedMutex::~SharedMutex() {
  if ((writer_ != 0 || readers_ != 0) && !detail::is_leaving)
    stacks::misuse("a SharedMutex was destroyed while it was locked; unlock it before");
}

bool SharedMutex::can_enter(Kind kind) const noexcept {
  return writer_.load(std::memory_order_relaxed) == 0 && (kind == Kind::shared || readers_ == 0);
}

void SharedMutex::enter(Kind kind, std::uintptr_t caller) noexcept {
  if (kind == Kind::shared) {
    ++readers_;
  } else {
    writer_.store(caller, std::memory_order_relaxed);
  }
}

// Offers it to those who can enter now, in order of coming: a writer, or readers.
void SharedMutex::serve(detail::Wakeups& wakeups) noexcept {
  bool may_go_on = true;
  bool is_offered = false;
  queue_.for_each([&](detail::WaitNode& each) {
    Node& node = static_cast<Node&>(each);
    const bool is_behind_others = node.kind == Kind::exclusive && is_offered;
    may_go_on = may_go_on && can_enter(node.kind) && !is_behind_others;
    if (!may_go_on) return;
    if (node.turn == Node::Turn::final) {
      if (!detail::WaitList::claim(node)) return;
      enter(node.kind, node.caller);
      detail::WaitList::wake(node, wakeups);
      return;
    }
    const bool is_new = !node.is_offered;
    if (is_new && !node.claim()) return;
    is_offered = node.is_offered = true;
    may_go_on = node.kind == Kind::shared;
    if (is_new) node.wake(wakeups);
  });
}

// May get ahead of who was offered it, unless that is for the second time.
bool SharedMutex::try_enter(Kind kind) noexcept {
  const std::lock_guard lock{queue_.lock()};
  const auto* const first = static_cast<Node*>(queue_.first_waiting());
  const bool has_precedence =
      first != nullptr && (first->turn == Node::Turn::final || !first->is_offered);
  if (has_precedence || !can_enter(kind)) return false;
  enter(kind, detail::caller_id());
  return true;
}

std::error_code SharedMutex::wait_to_enter(Kind kind, Timeout timeout) noexcept {
  const std::uintptr_t caller = detail::caller_id();
  detail::Patience patience{timeout};
  detail::Wakeups wakeups;
  std::unique_lock lock{queue_.lock()};
  if (can_enter(kind) && queue_.first_waiting() == nullptr)
    return enter(kind, caller), detail::no_error;
  if (writer_ == caller) return make_error_code(std::errc::resource_deadlock_would_occur);
  Node self{kind, caller, writer_, Node::Turn::offered};
  std::error_code error = queue_.wait(lock, self, patience.rest());
  if (!error) {
    lock = std::unique_lock{queue_.lock()};
    self.unlink();
    if (can_enter(kind)) {
      enter(kind, caller);
      serve(wakeups);  // readers who have come behind this one
      return {};
    }
    Node again{kind, caller, writer_, Node::Turn::final};
    error = queue_.wait(lock, again, patience.rest(), detail::WaitQueue::Place::first);
  }
  if (error) serve(wakeups);  // those behind
  return error;
}

void SharedMutex::wait_out(Kind kind) noexcept {
  const detail::Shielded shielded;
  const std::error_code error = wait_to_enter(kind, never);
  if (!error) return;
  if (error == std::errc::resource_deadlock_would_occur)
    stacks::misuse("a SharedMutex was locked by who holds it already");
  stacks::misuse("a callback of a loop waits for a SharedMutex; use try_lock(), or spawn a thread");
}

void SharedMutex::lock() noexcept { wait_out(Kind::exclusive); }
void SharedMutex::lock_shared() noexcept { wait_out(Kind::shared); }
bool SharedMutex::try_lock() noexcept { return try_enter(Kind::exclusive); }
bool SharedMutex::try_lock_shared() noexcept { return try_enter(Kind::shared); }

std::error_code SharedMutex::lock(Timeout timeout) noexcept {
  if (const auto error = detail::admit_wait()) return error;
  return wait_to_enter(Kind::exclusive, timeout);
}

std::error_code SharedMutex::lock_shared(Timeout timeout) noexcept {
  if (const auto error = detail::admit_wait()) return error;
  return wait_to_enter(Kind::shared, timeout);
}

void SharedMutex::unlock() noexcept {
  detail::Wakeups wakeups;
  const std::lock_guard lock{queue_.lock()};
  if (writer_ != detail::caller_id())
    stacks::misuse("a SharedMutex was unlocked by somebody who isn't its writer");
  writer_ = 0;
  serve(wakeups);
}

void SharedMutex::unlock_shared() noexcept {
  detail::Wakeups wakeups;
  const std::lock_guard lock{queue_.lock()};
  if (readers_ == 0) stacks::misuse("unlock_shared() of a SharedMutex that has no reader");
  --readers_;
  serve(wakeups);
}

}  // namespace evcoro
