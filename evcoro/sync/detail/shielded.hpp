// Shielded: as long as it lives, cancellation of the calling thread, if it is one, wakes nothing.
// For waits that have to be waited out.
#pragma once

#include <evcoro/thread.hpp>

namespace evcoro::detail {

class Shielded {
 public:
  Shielded() noexcept : thread_(current_thread()) {
    if (thread_ != nullptr) thread_->shield();
  }
  ~Shielded() {
    if (thread_ != nullptr) thread_->unshield();
  }
  Shielded(const Shielded&) = delete;
  Shielded& operator=(const Shielded&) = delete;

 private:
  ThreadTask* const thread_;
};

}  // namespace evcoro::detail
