// SignalWatcher: waits for signals in an OS thread of its own and hands each to a function there.
// The signals are blocked in the whole process: block() them before there is any other thread. What
// comes before it watches waits for it.
#pragma once

#include <pthread.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

namespace programs {

class SignalWatcher {
 public:
  // block() returns the signals as a set.
  static sigset_t block(const std::vector<int>& signals) {
    sigset_t set;
    sigemptyset(&set);
    for (const int each : signals) sigaddset(&set, each);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    return set;
  }

  SignalWatcher(const std::vector<int>& signals, std::function<void(int)> on_signal)
      : any_(signals.front()) {
    thread_ = std::thread([this, set = block(signals), on_signal = std::move(on_signal)] {
      int signal = 0;
      while (sigwait(&set, &signal) == 0 && !stopping_) on_signal(signal);
    });
  }

  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

  // When it returns, on_signal is not called any more.
  ~SignalWatcher() {
    stopping_ = true;
    pthread_kill(thread_.native_handle(), any_);
    thread_.join();
  }

 private:
  const int any_;  // one of the signals
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace programs
