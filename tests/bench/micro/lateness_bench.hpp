// What the benchmarks of expiry lateness share. worst_us is the lateness of the latest timer.
//
//   lateness        all timers are armed at once, due at random within 200 ms, and nothing else is
//   lateness_of_10  ten timers are armed again and again for 5 s, each time due at random within
//                   200 ms, among many others that are due later, the last in an hour
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>

namespace lateness_bench {

using Clock = std::chrono::steady_clock;

// sizes() has a benchmark run once per repetition, with a few and with many timers.
inline void sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Arg(10)->Arg(10'000)->Iterations(1);
}

inline constexpr int probes = 10;
inline constexpr std::chrono::seconds window{5};

// numbers_of_others() has a benchmark run once per round: more would take too long.
inline void numbers_of_others(benchmark::internal::Benchmark* benchmark) {
  benchmark->Arg(10)->Arg(10'000)->Arg(1'000'000)->Iterations(1)->Repetitions(1);
}

class Delays {
 public:
  std::chrono::microseconds next() { return std::chrono::microseconds(micros_(random_)); }

 private:
  std::mt19937 random_{1};  // every run sees the same delays
  std::uniform_int_distribution<int> micros_{1'000, 200'000};
};

// LongDelays are for timers that don't expire in the window; they are spread evenly over the orders
// of magnitude.
class LongDelays {
 public:
  std::chrono::microseconds next() {
    return std::chrono::microseconds(std::llround(std::pow(10, magnitude_(random_))));
  }

 private:
  static constexpr std::chrono::microseconds shortest = window + std::chrono::seconds(1);
  std::mt19937 random_{1};
  std::uniform_real_distribution<double> magnitude_{std::log10(shortest.count()),
                                                    std::log10(3600e6)};
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
