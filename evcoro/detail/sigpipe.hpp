// SigpipeGuard keeps SIGPIPE away from system calls that can't be told to raise none: sendfile(2),
// and writev(2) before Linux 6.18. It costs two system calls, and one more when there was such a
// signal.
#pragma once

#include <csignal>

#include <stacks/export.hpp>

namespace evcoro::detail {

class EVCORO_API SigpipeGuard {
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
