// DeadlockWatch: which loops are at rest, and whether they all are.
//
//   a pass of a loop begins       not at rest any more
//   a pass ends                   at rest, if nothing but another loop can wake a thread of it
//   an OS thread waits for evcoro/sync, a worker is idle         counted
//
// When all OS threads of the process are among those, and some thread waits, it is a deadlock.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace evcoro::detail {

class LoopCore;

class DeadlockWatch {
 public:
  // of_process() is never destroyed.
  static DeadlockWatch& of_process() noexcept;

  // restart() forgets all, in a child process, but whether it is on.
  static void restart() noexcept;

  bool is_on() const noexcept { return is_on_.load(std::memory_order_relaxed); }
  void set_on(bool on) noexcept { is_on_.store(on, std::memory_order_relaxed); }

  // For a loop's OS thread, while it is on or has been: rest() when a pass has ended, leave() when
  // one begins, or the loop goes.
  void rest(LoopCore& core) noexcept;
  void leave(const LoopCore& core) noexcept;

  // An OS thread that waits, without a deadline, for what others do is idle until one of them has
  // done it.
  void add_idle() noexcept;
  void remove_idle() noexcept;

 private:
  struct Resting {
    LoopCore* core;
    pid_t os_thread;
  };

  explicit DeadlockWatch(bool on) noexcept : is_on_(on) {}
  template <class Change>
  void look(Change&& change) noexcept;
  std::string find_deadlock();
  bool all_rest() const;

  std::atomic<bool> is_on_;
  std::atomic<std::ptrdiff_t> idle_{0};  // below 0 for a moment, if one is woken before it is added
  std::mutex mutex_;                     // guards what follows, and the threads of resting loops
  std::vector<Resting> resting_;
  std::uint64_t reported_ = 0;  // the state of the threads that was reported last
};

}  // namespace evcoro::detail
