// SignalWatcher: waits for signals in an OS thread of its own and hands each to a function there.
// The signals are blocked in the whole process, so make it before any other thread.
#pragma once

#include <pthread.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <initializer_list>
#include <thread>
#include <utility>

namespace programs {

class SignalWatcher {
 public:
  SignalWatcher(std::initializer_list<int> signals, std::function<void(int)> on_signal)
      : any_(*signals.begin()) {
    sigset_t set;
    sigemptyset(&set);
    for (const int each : signals) sigaddset(&set, each);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    thread_ = std::thread([this, set, on_signal = std::move(on_signal)] {
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
