// LoopController: all that the scheduler knows of the event loop that drives it. The loop
// implements it; a test implements it with a clock that it moves by hand.
//
// The loop calls Scheduler::drain() and Scheduler::expire() when it has been asked to:
//
//     scheduler                              loop
//     wake(task) from a callback      -->    request_drain()
//                                     <--    drain(), in the same pass
//     drain()'s budget is used up     -->    request_drain_after_poll()
//                                     <--    drain(), after the next look for I/O
//     a deadline comes first now      -->    set_wake_up(deadline)
//                                     <--    expire(), then or later
#pragma once

#include <corothread/timer_wheel.hpp>

namespace evcoro::corothread {

// Every member is called in the OS thread of the loop.
class LoopController {
 public:
  // request_drain() asks for a drain() in this pass of the loop, or, between passes, in the next.
  virtual void request_drain() noexcept = 0;

  // request_drain_after_poll() asks for a drain() after the loop has polled for I/O without
  // waiting.
  virtual void request_drain_after_poll() noexcept = 0;

  // set_wake_up() asks for an expire() at or soon after deadline, in place of any asked for before;
  // never asks for none.
  virtual void set_wake_up(TimePoint deadline) noexcept = 0;

  // now() reads the clock of all deadlines.
  virtual TimePoint now() const noexcept = 0;

  // coarse_now() is now() at less cost, and may lag behind by some milliseconds.
  virtual TimePoint coarse_now() const noexcept { return now(); }

 protected:
  ~LoopController() = default;
};

}  // namespace evcoro::corothread
