// Timers armed and disarmed elsewhere: libevent's own, which are a binary heap, and a
// std::multimap; and what the harness itself takes, with timers that do nothing.
#include "tests/bench/micro/timers_bench.hpp"

#include <event2/event.h>
#include <event2/event_struct.h>

#include <map>

namespace {

using std::chrono::nanoseconds;

class LibeventTimers {
 public:
  using Due = timeval;

  explicit LibeventTimers(std::size_t count) : base_(event_base_new()), events_(count) {
    for (event& timer : events_)
      evtimer_assign(
          &timer, base_, [](int, short, void*) {}, nullptr);
  }

  static Due due_in(nanoseconds delay) {
    return {.tv_sec = delay.count() / 1'000'000'000, .tv_usec = delay.count() / 1'000 % 1'000'000};
  }

  void arm(std::size_t timer, const Due& due) { evtimer_add(&events_[timer], &due); }
  void disarm(std::size_t timer) { evtimer_del(&events_[timer]); }
  bool armed(std::size_t timer) { return evtimer_pending(&events_[timer], nullptr) != 0; }

  // Inside a callback libevent takes the time from its cache; outside it reads the clock each time.
  template <class Body>
  void within(Body body) {
    const auto callback = [](int, short, void* arg) { (*static_cast<Body*>(arg))(); };
    event* const once = event_new(base_, -1, 0, callback, &body);
    event_active(once, 0, 0);
    event_base_loop(base_, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    event_free(once);
  }

 private:
  event_base* base_;
  std::vector<event> events_;
};

class MultimapTimers {
 public:
  using Due = nanoseconds;

  explicit MultimapTimers(std::size_t count) : slots_(count) {
    for (std::size_t i = 0; i < count; ++i)
      slots_[i].idle = queue_.extract(queue_.emplace(Due(), i));
  }

  static Due due_in(nanoseconds delay) {
    return std::chrono::steady_clock::now().time_since_epoch() + delay;
  }

  void arm(std::size_t timer, const Due& due) {
    Slot& slot = slots_[timer];
    slot.idle.key() = due;
    slot.queued = queue_.insert(std::move(slot.idle));
  }

  void disarm(std::size_t timer) { slots_[timer].idle = queue_.extract(slots_[timer].queued); }
  bool armed(std::size_t timer) { return slots_[timer].idle.empty(); }
  void within(auto body) { body(); }

 private:
  using Queue = std::multimap<Due, std::size_t>;

  // A timer owns one node for ever, so that arming it allocates nothing.
  struct Slot {
    Queue::iterator queued;
    Queue::node_type idle;
  };

  Queue queue_;
  std::vector<Slot> slots_;
};

class NoTimers {
 public:
  using Due = nanoseconds;

  explicit NoTimers(std::size_t) {}
  static Due due_in(nanoseconds delay) { return delay; }
  static void arm(std::size_t timer, const Due& due) {
    benchmark::DoNotOptimize(timer);
    benchmark::DoNotOptimize(due);
  }
  static void disarm(std::size_t timer) { benchmark::DoNotOptimize(timer); }
  static bool armed(std::size_t) { return true; }
  static void within(auto body) { body(); }
};

[[maybe_unused]] const bool registered =
    timers_bench::register_timers<LibeventTimers>("libevent") &&
    timers_bench::register_timers<MultimapTimers>("multimap") &&
    timers_bench::register_timers<NoTimers>("harness_alone");

}  // namespace
