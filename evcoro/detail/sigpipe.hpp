// SigpipeGuard keeps SIGPIPE away from system calls that have no MSG_NOSIGNAL: write(2) to a pipe,
// sendfile(2). It costs two system calls, and one more when there was such a signal.
#pragma once

#include <csignal>

namespace evcoro::detail {

class SigpipeGuard {
 public:
  SigpipeGuard() noexcept;
  ~SigpipeGuard();  // leaves errno as it is
  SigpipeGuard(const SigpipeGuard&) = delete;
  SigpipeGuard& operator=(const SigpipeGuard&) = delete;

 private:
  sigset_t before_;
  bool was_pending_ = false;
};

}  // namespace evcoro::detail
