// The timer wheel under the harness of the timer benchmarks.
#include <chrono>
#include <cstddef>
#include <vector>

#include <corothread/timer_wheel.hpp>

#include "tests/bench/micro/timers_bench.hpp"

namespace {

namespace corothread = evcoro::corothread;

class WheelTimers {
 public:
  using Due = corothread::TimePoint;

  explicit WheelTimers(std::size_t count) : nodes_(count) { wheel_.expire(start_); }

  Due due_in(std::chrono::nanoseconds delay) const { return start_ + delay; }
  void arm(std::size_t timer, const Due& due) { wheel_.arm(nodes_[timer], due); }
  void disarm(std::size_t timer) { wheel_.disarm(nodes_[timer]); }
  bool armed(std::size_t timer) const { return nodes_[timer].is_armed(); }
  static void within(auto body) { body(); }

 private:
  struct Node : corothread::TimerNode {
    Node() : TimerNode([](TimerNode&) noexcept {}) {}
  };

  const corothread::TimePoint start_ = corothread::Clock::now();
  std::vector<Node> nodes_;
  corothread::TimerWheel wheel_;  // goes first, and so disarms them
};

[[maybe_unused]] const bool registered = timers_bench::register_timers<WheelTimers>("evcoro");

}  // namespace
