#include <evcoro/detail/sigpipe.hpp>

#include <cerrno>
#include <ctime>

namespace evcoro::detail {
namespace {

sigset_t only_sigpipe() noexcept {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  return signals;
}

}  // namespace

SigpipeGuard::SigpipeGuard() noexcept {
  const sigset_t sigpipe = only_sigpipe();
  ::pthread_sigmask(SIG_BLOCK, &sigpipe, &before_);
  // Not blocked before, it can't be pending.
  if (sigismember(&before_, SIGPIPE) == 0) return;
  sigset_t pending;
  was_pending_ = ::sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
}

SigpipeGuard::~SigpipeGuard() {
  const int error = errno;
  const sigset_t sigpipe = only_sigpipe();
  const timespec at_once{};
  while (error == EPIPE && !was_pending_ && ::sigtimedwait(&sigpipe, nullptr, &at_once) < 0 &&
         errno == EINTR) {
  }
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  errno = error;
}

}  // namespace evcoro::detail
