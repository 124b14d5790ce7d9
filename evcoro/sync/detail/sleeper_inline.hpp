// The part of Sleeper that every wait runs through, inline for the library's own sources.
#pragma once

#include <mutex>

#include <corothread/detail/running_task.hpp>
#include <corothread/scheduler.hpp>
#include <evcoro/detail/waiter.hpp>
#include <evcoro/error.hpp>
#include <evcoro/sync/detail/wait_queue.hpp>

namespace evcoro::detail {

// parker_of_this_os_thread() is where the calling OS thread sleeps.
OsThreadParker& parker_of_this_os_thread() noexcept;

// place_for() is the place of the calling thread's, or OS thread's, sleeper.
inline void* place_for(const corothread::Task* running) noexcept {
  return running != nullptr ? static_cast<void*>(&corothread::detail::this_os_thread)
                            : &parker_of_this_os_thread();
}

inline bool Sleeper::may_sleep() const noexcept {
  return remote_.task != nullptr || !is_driving_a_loop();
}

inline std::error_code Sleeper::admit() const noexcept {
  return may_sleep() ? no_error : make_error_code(Errc::not_in_a_thread);
}

inline corothread::Wake Sleeper::sleep(TimePoint deadline) noexcept {
  if (remote_.task == nullptr) return sleep_in_os_thread(deadline);
  if (is_woken()) return corothread::Wake::ready;  // while something else was waited for
  auto& thread = static_cast<ThreadTask&>(*remote_.task);
  thread.sleeper = this;
  const auto how =
      corothread::Scheduler::park(deadline, {what_, corothread::WaitReason::of_threads});
  thread.sleeper = nullptr;
  return how;
}

// await_grant() is for a sleeper that is in one list, whose lock is not held. Ready: it was granted
// what it waits for, and the lock may be gone. Otherwise it has given up, and is to leave the list.
inline corothread::Wake await_grant(Sleeper& sleeper, TimePoint deadline) noexcept {
  using corothread::Wake;
  Wake how = sleeper.sleep(deadline);
  while (how == Wake::ready && !sleeper.is_woken()) how = sleeper.sleep(deadline);
  if (how == Wake::ready) [[likely]]
    return how;
  if (sleeper.give_up()) return how;
  sleeper.await_wake();
  return Wake::ready;
}

// await() leaves the list itself, if need be: node is the sleeper's place, lock that of the list.
inline corothread::Wake await(Sleeper& sleeper, WaitNode& node, SpinLock& lock,
                              TimePoint deadline) noexcept {
  const corothread::Wake how = await_grant(sleeper, deadline);
  if (how == corothread::Wake::ready) [[likely]]
    return how;
  const std::lock_guard held{lock};
  node.unlink();
  return how;
}

}  // namespace evcoro::detail
