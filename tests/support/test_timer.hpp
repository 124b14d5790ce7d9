// TestTimer: a timer that keeps a log of who fired, and then does what the test wants.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include <corothread/timer_wheel.hpp>

namespace support {

class TestTimer : public evcoro::corothread::TimerNode {
 public:
  explicit TestTimer(std::vector<TestTimer*>& log, std::function<void()> then = nullptr)
      : TimerNode(fire), log_(log), then_(std::move(then)) {}

 private:
  static void fire(TimerNode& node) noexcept {
    auto& self = static_cast<TestTimer&>(node);
    self.log_.push_back(&self);
    if (self.then_) self.then_();
  }

  std::vector<TestTimer*>& log_;
  std::function<void()> then_;
};

}  // namespace support
