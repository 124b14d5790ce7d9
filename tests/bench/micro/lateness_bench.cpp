// How late libevent's own timers expire, for comparison with ours. The base has precise timers, and
// reads the clock for each of them: with its defaults, a coarse clock and one reading for all that
// is done in a pass, libevent's timers also expire too early.
#include <benchmark/benchmark.h>
#include <event2/event.h>
#include <event2/event_struct.h>

#include <chrono>
#include <vector>

#include "tests/bench/micro/lateness_bench.hpp"

namespace {

event_base* precise_base() {
  event_config* const config = event_config_new();
  event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
  event_config_set_flag(config, EVENT_BASE_FLAG_NO_CACHE_TIME);
  event_base* const base = event_base_new_with_config(config);
  event_config_free(config);
  return base;
}

// libevent's clock, too, drops what is less than a microsecond.
lateness_bench::Clock::time_point now_in_micros() {
  return std::chrono::floor<std::chrono::microseconds>(lateness_bench::Clock::now());
}

class Alarm {
 public:
  Alarm() = default;
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  // set() has the alarm note in `worst` how late it rings, and then call again(*this).
  void set(event_base* base, lateness_bench::Worst& worst, void (*again)(Alarm&)) {
    worst_ = &worst;
    again_ = again;
    evtimer_assign(&timer_, base, on_timer, this);
  }

  void start(std::chrono::microseconds delay) {
    const timeval wait = {.tv_sec = 0, .tv_usec = delay.count()};
    due_ = now_in_micros() + delay;
    evtimer_add(&timer_, &wait);
  }

 private:
  static void on_timer(int, short, void* arg) {
    auto& self = *static_cast<Alarm*>(arg);
    self.worst_->note(self.due_);
    self.again_(self);
  }

  event timer_ = {};
  lateness_bench::Clock::time_point due_;
  lateness_bench::Worst* worst_ = nullptr;
  void (*again_)(Alarm&) = nullptr;
};

void libevent_lateness(benchmark::State& state) {
  for (auto _ : state) {
    lateness_bench::Worst worst;
    event_base* const base = precise_base();
    std::vector<Alarm> alarms(static_cast<std::size_t>(state.range(0)));
    lateness_bench::Delays delays;
    for (Alarm& alarm : alarms) {
      alarm.set(base, worst, [](Alarm&) {});
      alarm.start(delays.next());
    }
    event_base_dispatch(base);
    event_base_free(base);
    worst.report(state);
  }
}
BENCHMARK(libevent_lateness)->Name("lateness/libevent")->Apply(lateness_bench::sizes);

void arm_others(event_base* base, std::vector<event>& others) {
  lateness_bench::LongDelays delays;
  for (event& timer : others) {
    const std::chrono::microseconds delay = delays.next();
    const timeval wait = {.tv_sec = delay.count() / 1'000'000,
                          .tv_usec = delay.count() % 1'000'000};
    evtimer_assign(
        &timer, base, [](int, short, void*) {}, nullptr);
    evtimer_add(&timer, &wait);
  }
}

void libevent_lateness_of_10(benchmark::State& state) {
  for (auto _ : state) {
    static lateness_bench::Delays delays;
    lateness_bench::Worst worst;
    event_base* const base = precise_base();
    std::vector<event> others(static_cast<std::size_t>(state.range(0)));
    arm_others(base, others);
    std::vector<Alarm> probes(lateness_bench::probes);
    for (Alarm& probe : probes) {
      probe.set(base, worst, [](Alarm& self) { self.start(delays.next()); });
      probe.start(delays.next());
    }
    const timeval window = {.tv_sec = lateness_bench::window.count(), .tv_usec = 0};
    event_base_loopexit(base, &window);
    event_base_dispatch(base);
    event_base_free(base);
    worst.report(state);
  }
}
BENCHMARK(libevent_lateness_of_10)
    ->Name("lateness_of_10/libevent")
    ->Apply(lateness_bench::numbers_of_others);

}  // namespace
