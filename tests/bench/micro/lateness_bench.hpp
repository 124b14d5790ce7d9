// What the benchmarks of expiry lateness share.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <random>

namespace lateness_bench {

using Clock = std::chrono::steady_clock;

// sizes() has a benchmark run once per repetition, with a few and with many timers.
inline void sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Arg(10)->Arg(10'000)->Iterations(1);
}

class Delays {
 public:
  std::chrono::microseconds next() { return std::chrono::microseconds(micros_(random_)); }

 private:
  std::mt19937 random_{1};  // every run sees the same delays
  std::uniform_int_distribution<int> micros_{1'000, 200'000};
};

// Worst keeps the largest lateness. A timer that expires early ends the program.
class Worst {
 public:
  void note(Clock::time_point due) {
    const auto late = Clock::now() - due;
    if (late < Clock::duration::zero()) early_ = true;
    worst_ = std::max(worst_, late);
  }

  void report(benchmark::State& state) const {
    if (early_) state.SkipWithError("a timer expired early");
    state.counters["worst_us"] = std::chrono::duration<double, std::micro>(worst_).count();
  }

 private:
  Clock::duration worst_{};
  bool early_ = false;
};

}  // namespace lateness_bench
