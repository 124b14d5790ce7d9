// SignalWaiter: waits for signals as for anything else, by signalfd(2).
//
//   SignalWaiter signals{loop, {SIGTERM, SIGHUP}};  // before other OS threads start
//   loop.spawn([&] {
//     while (const Result<SignalInfo> signal = signals.wait()) {
//       if (signal->number == SIGHUP) reload();
//       if (signal->number == SIGTERM) return loop.stop();
//     }
//   }).value().detach();
//
// Each waiter, on however many loops, gets each of its signals. What comes between two waits is
// kept.
//
// A signal can be waited for only while it is blocked in every OS thread of the process: one that
// doesn't block it may be chosen to receive it, and then does what it does without a waiter, such
// as ending the process. The constructor blocks the signals in the OS thread that calls it, and OS
// threads inherit that. So make the waiter, or call block_signals(), before you start OS threads;
// in those that are there already, call block_signals(), too. A constructor that finds one which
// doesn't block a signal reports that, once in a process.
//
// When the last waiter for a signal goes, it is unblocked in the OS thread where that happens, if a
// waiter had blocked it there, and not in others; and so it is in a child of fork(2), where the
// waiters are the parent's. An action set
// by sigaction(2), and an event of libevent's for the same signal, don't hear of it while there is
// a waiter.
//
// A SignalWaiter belongs to a loop; wait() is called in threads of that loop, by one at a time,
// everything else in the loop's OS thread. A signal that is sent to an OS thread (pthread_kill(3),
// raise(3)), not to the process, is seen by the waiters of the loops of that OS thread first, if at
// all.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <cstdint>
#include <initializer_list>
#include <span>

#include <evcoro/result.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

namespace evcoro {

class Loop;

namespace detail {
class SignalState;
}

// SignalInfo is a signal that has come; see sigaction(2).
struct SignalInfo {
  int number = 0;
  int code = 0;             // si_code: SI_USER, SI_QUEUE, ...
  pid_t sender = 0;         // 0: the kernel
  uid_t sender_user = 0;    // real user of the sender
  int value = 0;            // what sigqueue(3) sent with it
  std::uint32_t count = 1;  // how often it has come since the last wait, as far as the kernel tells
};

class EVCORO_API SignalWaiter {
 public:
  // A waiter of the calling thread's loop, or of the one given, for these signals. Throws
  // std::system_error: EINVAL for what is no signal, and those that can't be waited for (SIGKILL,
  // SIGSTOP, SIGSEGV and other faults); Errc::not_in_a_thread; EMFILE.
  explicit SignalWaiter(std::initializer_list<int> signals);
  SignalWaiter(Loop& loop, std::initializer_list<int> signals)
      : SignalWaiter(loop, std::span{signals.begin(), signals.size()}) {}
  SignalWaiter(Loop& loop, std::span<const int> signals);

  // A thread that waits returns operation_canceled.
  ~SignalWaiter();
  SignalWaiter(const SignalWaiter&) = delete;
  SignalWaiter& operator=(const SignalWaiter&) = delete;

  // wait() waits for any of the signals. One that has come several times before it was waited for
  // is returned once, but for real-time signals: up to 1024 of those are kept one by one. Errors:
  // timed_out, operation_canceled, Errc::not_in_a_thread, wrong_loop, second_reader, no_loop,
  // parents_loop.
  Result<SignalInfo> wait(Timeout timeout = {}) noexcept;

 private:
  detail::SignalState* state_;
};

// block_signals() blocks signals in the calling OS thread, for good: no waiter unblocks them there.
// See pthread_sigmask(3).
EVCORO_API void block_signals(std::span<const int> signals) noexcept;
inline void block_signals(std::initializer_list<int> signals) noexcept {
  block_signals(std::span{signals.begin(), signals.size()});
}

}  // namespace evcoro
