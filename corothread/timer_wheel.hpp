// TimerWheel: all timeouts of one loop. Arming and disarming are O(1) however many others are
// armed; a timer that fires after a long time has moved through a few levels on its way.
//
//   struct Alarm : TimerNode { Alarm() : TimerNode(ring) {} static void ring(TimerNode& node); };
//   wheel.arm(alarm, now + 3s);
//   wheel.expire(now);              // fires what is due
//   wheel.next_deadline();          // when to come back
//
// A hierarchical wheel: eight levels of 64 slots. A slot of level 0 spans one tick (2^20 ns, about
// a millisecond), one of level n 64^n ticks. A timer lies at the level of the highest bits in which
// its tick differs from the wheel's; when the wheel reaches a slot of a higher level, what is in it
// moves down. Slots remember their earliest deadline, so that next_deadline() is exact as long as
// the earliest timer isn't disarmed, and never late.
//
// A timer never fires early. Of timers that are due together, those in different ticks fire in
// order of deadline, those within one tick in the order in which they came there. Not thread-safe.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>

#include <stacks/export.hpp>

namespace evcoro::corothread {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;

// never is the deadline that doesn't come.
inline constexpr TimePoint never = TimePoint::max();

// read_clock() is Clock::now() without the detour through the standard library: on Linux, both read
// CLOCK_MONOTONIC.
inline TimePoint read_clock() noexcept {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return TimePoint{std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec}};
}

// TimerNode is the part of a timer that is linked into the wheel. It must be disarmed before it is
// destroyed; the wheel may go first.
class TimerNode {
 public:
  using Fire = void (*)(TimerNode& node) noexcept;

  explicit TimerNode(Fire fire) noexcept : fire_(fire) {}
  TimerNode(const TimerNode&) = delete;
  TimerNode& operator=(const TimerNode&) = delete;

  bool is_armed() const noexcept { return next_ != nullptr && deadline_ != never; }
  TimePoint deadline() const noexcept { return deadline_; }

 protected:
  TimerNode() noexcept : next_(this), previous_(this), fire_(nullptr) {}  // the root of a slot

 private:
  friend class TimerWheel;

  TimerNode* next_ = nullptr;
  TimerNode* previous_ = nullptr;
  TimePoint deadline_{};  // never: disarmed lazily, and still linked
  TimePoint
      queued_for_{};  // the deadline by which it was linked; in a slot's root, the earliest of them
  Fire fire_;
  std::uint32_t slot_ = 0;
};

class EVCORO_API TimerWheel {
 public:
  TimerWheel() noexcept;
  ~TimerWheel();  // disarms what is armed
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // arm() arms node, armed before or not, to fire in the first expire() at or after deadline. A
  // node that is linked already and only gets a later deadline stays where it is until its slot is
  // reached: arming one timeout again and again costs next to nothing.
  void arm(TimerNode& node, TimePoint deadline) noexcept {
    if (node.next_ != nullptr && deadline >= node.queued_for_) {
      node.deadline_ = deadline;
    } else {
      link(node, deadline);
    }
  }

  // disarm() takes node out; it may be armed or not.
  void disarm(TimerNode& node) noexcept {
    if (node.next_ != nullptr) unlink(node);
  }

  // disarm_lazily() leaves node linked, in the hope that it will be armed again soon. Until its
  // slot is reached it must live, and it may cause an expire() that finds nothing.
  static void disarm_lazily(TimerNode& node) noexcept { node.deadline_ = never; }

  // expire() disarms and fires every timer that is due at now. The functions that it calls may arm
  // and disarm any timer; one that they arm for a time before now fires in the same call.
  void expire(TimePoint now) noexcept;

  // next_deadline() is when expire() should be called next: never late, early only after the
  // earliest timer was disarmed or armed anew, never if no timer is linked.
  TimePoint next_deadline() const noexcept;

  // size() counts those that are linked: the armed and the lazily disarmed.
  bool empty() const noexcept { return size_ == 0; }
  std::size_t size() const noexcept { return size_; }

 private:
  static constexpr unsigned level_bits = 6;
  static constexpr unsigned slots_per_level = 1U << level_bits;
  static constexpr unsigned levels = 8;  // 8 * 6 bits of ticks cover all that TimePoint can hold

  struct Slot : TimerNode {};

  void link(TimerNode& node, TimePoint deadline) noexcept;
  void unlink(TimerNode& node) noexcept;
  void insert(TimerNode& node) noexcept;
  void remove(TimerNode& node) noexcept;
  void take_out_all(Slot& slot, Slot& list) noexcept;
  bool expire_slot(unsigned index, TimePoint now) noexcept;
  unsigned first_slot() const noexcept;
  std::int64_t start_of(unsigned index) const noexcept;

  std::array<Slot, std::size_t{levels} * slots_per_level> slots_;
  std::array<std::uint64_t, levels> occupied_{};  // a bit for each slot that isn't empty
  std::int64_t tick_ = 0;                         // where the wheel stands
  std::size_t size_ = 0;
};

}  // namespace evcoro::corothread
