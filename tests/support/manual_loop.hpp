// ManualLoop: a loop for the scheduler with a clock that the test moves by hand. No sleeping, no
// polling.
//
//   ManualLoop loop;
//   Scheduler scheduler{loop};
//   ... start tasks ...
//   loop.run(scheduler);           // until nobody is ready
//   loop.advance(scheduler, 3s);   // moves the clock, fires what is due, runs
#pragma once

#include <chrono>

#include <corothread/loop_controller.hpp>
#include <corothread/scheduler.hpp>

namespace support {

class ManualLoop final : public evcoro::corothread::LoopController {
 public:
  using TimePoint = evcoro::corothread::TimePoint;

  void run(evcoro::corothread::Scheduler& scheduler) {
    while (drain_requested || drain_after_poll_requested) {
      if (!drain_requested) ++polls;
      drain_requested = drain_after_poll_requested = false;
      scheduler.drain();
    }
  }

  void advance(evcoro::corothread::Scheduler& scheduler, std::chrono::nanoseconds duration) {
    time += duration;
    if (wake_up <= time) {
      wake_up = evcoro::corothread::never;
      ++wake_ups;
      scheduler.expire();
    }
    run(scheduler);
  }

  void request_drain() noexcept override { drain_requested = true; }
  void request_drain_after_poll() noexcept override { drain_after_poll_requested = true; }
  void set_wake_up(TimePoint deadline) noexcept override { wake_up = deadline; }
  TimePoint now() const noexcept override { return time; }

  TimePoint time{std::chrono::hours{1}};
  TimePoint wake_up = evcoro::corothread::never;
  bool drain_requested = false;
  bool drain_after_poll_requested = false;
  int polls = 0;     // how often a drain stopped for the loop to poll
  int wake_ups = 0;  // how often a deadline woke the loop
};

}  // namespace support
