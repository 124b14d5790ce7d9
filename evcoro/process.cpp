#include <pthread.h>

#include <evcoro/detail/process.hpp>

namespace evcoro::detail {

std::atomic<int> forks{0};

int watch_forks() noexcept {
  static const int registered = ::pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1); });
  static_cast<void>(registered);
  return process_number();
}

}  // namespace evcoro::detail
