// take_turn() is for operations that may find what they wait for at once, again and again: each
// 128th time it lets the loop poll, and others run.
#pragma once

#include <corothread/scheduler.hpp>

namespace evcoro::detail {

inline void take_turn() noexcept {
  static thread_local unsigned turns = 0;
  if (++turns % 128 == 0) corothread::Scheduler::yield_to_loop();
}

}  // namespace evcoro::detail
