#include <pthread.h>

#include <evcoro/detail/deadlock_watch.hpp>
#include <evcoro/detail/process.hpp>
#include <evcoro/detail/pulse.hpp>

namespace evcoro::detail {

std::atomic<int> forks{0};
std::atomic<bool> is_leaving{false};

namespace {

// In the child, which has one OS thread yet: what the parent's others were using is not to be had.
void begin_child() noexcept {
  forks.fetch_add(1);
  DeadlockWatch::restart();
  restart_pulses();
}

}  // namespace

int watch_forks() noexcept {
  static const int registered = ::pthread_atfork(nullptr, nullptr, begin_child);
  static_cast<void>(registered);
  return process_number();
}

}  // namespace evcoro::detail
