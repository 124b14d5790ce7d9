// SignalState: what a SignalWaiter points to: a signalfd, and the signals that have been read and
// not waited for. SignalRegistry knows all of them, in all loops: who reads a signal takes it away
// from the other signalfds, and so hands it to everybody who waits for it.
//
//   a signalfd --read--> SignalRegistry::deliver --> the waiters of the same loop
//                                               \--> others, by Loop::post()
#pragma once

#include <array>
#include <csignal>
#include <deque>
#include <mutex>
#include <vector>

#include <evcoro/detail/descriptor_libevent.hpp>
#include <evcoro/signals.hpp>

namespace evcoro::detail {

class SignalState final : public Descriptor {
 public:
  SignalState(LoopCore& core, int descriptor, const sigset_t& signals) noexcept
      : Descriptor(core, descriptor), loop_(core), signals_(signals) {}

  Result<SignalInfo> wait(Timeout timeout) noexcept;
  void close() noexcept;

 private:
  friend class SignalRegistry;

  void on_loop_gone() noexcept override;
  void read_signals() noexcept;
  bool wants(int signal) const noexcept { return ::sigismember(&signals_, signal) == 1; }
  void keep(const SignalInfo& info) noexcept;
  bool add(const SignalInfo& info) noexcept;

  LoopCore& loop_;  // good while this is in the registry
  const sigset_t signals_;
  std::deque<SignalInfo> pending_;  // guarded by the registry's mutex
};

class SignalRegistry {
 public:
  static SignalRegistry& instance();

  // add() blocks the signals in the calling OS thread; remove() unblocks those that nobody waits
  // for any more, if add() has blocked them in this OS thread. Removing again does nothing.
  void add(SignalState& state);
  void remove(SignalState& state) noexcept;

  // deliver() is called in the OS thread of the loop here.
  void deliver(const SignalInfo& info, const LoopCore& here) noexcept;
  bool take(SignalState& state, SignalInfo& info) noexcept;

 private:
  SignalRegistry();
  void wake_elsewhere(LoopCore& core) noexcept;
  void wake_waiters_of(const LoopCore& core) noexcept;
  void forget_parent() noexcept;

  std::mutex mutex_;
  std::vector<SignalState*> states_;
  std::array<int, NSIG> users_{};  // waiters for each signal
};

}  // namespace evcoro::detail
