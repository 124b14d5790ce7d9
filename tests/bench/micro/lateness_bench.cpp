// How late libevent's own timers expire, for comparison with ours. One run arms all timers at once,
// due at random within 200 ms, in an otherwise idle loop; worst_us is the latest of them. The base
// has precise timers: with its default, a coarse clock, libevent's timers also expire too early.
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
  event_base* const base = event_base_new_with_config(config);
  event_config_free(config);
  return base;
}

// libevent's clock, too, drops what is less than a microsecond.
lateness_bench::Clock::time_point now_in_micros() {
  return std::chrono::floor<std::chrono::microseconds>(lateness_bench::Clock::now());
}

struct Alarm {
  event timer;
  lateness_bench::Clock::time_point due;
  lateness_bench::Worst* worst;
};

void libevent_lateness(benchmark::State& state) {
  for (auto _ : state) {
    lateness_bench::Worst worst;
    event_base* const base = precise_base();
    std::vector<Alarm> alarms(static_cast<std::size_t>(state.range(0)));
    lateness_bench::Delays delays;
    for (Alarm& alarm : alarms) {
      const auto ring = [](int, short, void* arg) {
        const Alarm& self = *static_cast<Alarm*>(arg);
        self.worst->note(self.due);
      };
      const auto delay = delays.next();
      const timeval wait = {.tv_sec = 0, .tv_usec = delay.count()};
      evtimer_assign(&alarm.timer, base, ring, &alarm);
      alarm.due = now_in_micros() + delay;
      alarm.worst = &worst;
      evtimer_add(&alarm.timer, &wait);
    }
    event_base_dispatch(base);
    event_base_free(base);
    worst.report(state);
  }
}
BENCHMARK(libevent_lateness)->Name("lateness/libevent")->Apply(lateness_bench::sizes);

}  // namespace
