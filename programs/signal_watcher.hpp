// SignalWatcher: waits for signals in an OS thread of its own and hands each to a function there.
// The signals are blocked in the whole process, so make it before any other thread.
#pragma once

#include <pthread.h>

#include <csignal>
#include <functional>
#include <initializer_list>
#include <thread>
#include <utility>

namespace programs {

class SignalWatcher {
 public:
  explicit SignalWatcher(std::initializer_list<int> signals) {
    sigemptyset(&set_);
    for (const int each : signals) sigaddset(&set_, each);
    sigaddset(&set_, stop_signal);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  }

  void start(std::function<void(int)> on_signal) {
    thread_ = std::thread([this, on_signal = std::move(on_signal)] {
      int signal = 0;
      while (sigwait(&set_, &signal) == 0 && signal != stop_signal) on_signal(signal);
    });
  }

  ~SignalWatcher() {
    if (!thread_.joinable()) return;
    pthread_kill(thread_.native_handle(), stop_signal);
    thread_.join();
  }

 private:
  static constexpr int stop_signal = SIGUSR1;  // ours to ourselves: the watcher is to end
  sigset_t set_{};
  std::thread thread_;
};

}  // namespace programs
