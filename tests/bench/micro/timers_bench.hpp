// The harness of the timer benchmarks: a structure that holds 10, ten thousand or a million armed
// timers, due in 1 ms to 1 h, spread evenly over the orders of magnitude. One item is one timer
// armed and disarmed.
//
//   hot     one more timer is armed and disarmed again and again
//   random  a random one of the armed timers is disarmed, and armed for another time
//
// A structure to be measured is a class with these members, registered by one call of
// register_timers<Wheel>("name") from a static initializer:
//
//   using Due = ...;                                  // a point of time as the structure wants it
//   explicit Wheel(std::size_t count);                // that many timers, none armed
//   Due due_in(std::chrono::nanoseconds delay);       // called ahead of the measuring
//   void arm(std::size_t timer, const Due& due);
//   void disarm(std::size_t timer);
//   void within(auto body);                           // calls body() where timers are cheapest
//   bool armed(std::size_t timer);
#pragma once

#include <benchmark/benchmark.h>

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace timers_bench {

class Xorshift {
 public:
  std::uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }

  // Returns a number below `bound`, which must be below 2^32.
  std::size_t below(std::size_t bound) { return (next() >> 32) * bound >> 32; }

 private:
  std::uint64_t state_ = 0x9e3779b97f4a7c15;
};

template <class Timers>
class Population {
 public:
  using Due = typename Timers::Due;

  explicit Population(std::size_t size) : size_(size), timers_(size + 1) {
    std::mt19937_64 random(1);  // every run sees the same delays
    std::uniform_real_distribution<double> magnitude(6, std::log10(3600e9));  // 1 ms to 1 h, in ns
    for (Due& due : dues_) {
      due = timers_.due_in(std::chrono::nanoseconds(std::llround(std::pow(10, magnitude(random)))));
    }
  }

  // run() measures `body(timers, random)` while all timers but the last one are armed.
  void run(benchmark::State& state, auto body) {
    timers_.within([&] {
      for (std::size_t i = 0; i < size_; ++i) {
        if (!timers_.armed(i)) timers_.arm(i, some_due());
      }
      for (auto _ : state) body(*this);
    });
    state.SetItemsProcessed(state.iterations());
  }

  void arm_and_disarm_extra() {
    timers_.arm(size_, some_due());
    timers_.disarm(size_);
  }

  void rearm_random() {
    const std::size_t timer = random_.below(size_);
    timers_.disarm(timer);
    timers_.arm(timer, some_due());
  }

 private:
  const Due& some_due() { return dues_[random_.next() % due_count]; }

  static constexpr std::size_t due_count = 4096;
  std::size_t size_;
  Timers timers_;
  std::vector<Due> dues_ = std::vector<Due>(due_count);
  Xorshift random_;
};

// population() keeps what it has built: a million timers take a while.
template <class Timers>
Population<Timers>& population(std::size_t size) {
  static std::vector<std::pair<std::size_t, std::unique_ptr<Population<Timers>>>> built;
  for (auto& [built_size, timers] : built) {
    if (built_size == size) return *timers;
  }
  built.emplace_back(size, std::make_unique<Population<Timers>>(size));
  return *built.back().second;
}

template <class Timers>
bool register_timers(const std::string& name) {
  const auto with = [](auto body) {
    return [body](benchmark::State& state) {
      population<Timers>(static_cast<std::size_t>(state.range(0))).run(state, body);
    };
  };
  const auto hot = with([](auto& timers) { timers.arm_and_disarm_extra(); });
  const auto random = with([](auto& timers) { timers.rearm_random(); });
  for (const long size : {10L, 10'000L, 1'000'000L}) {
    benchmark::RegisterBenchmark(("hot/" + name).c_str(), hot)->Arg(size);
    benchmark::RegisterBenchmark(("random/" + name).c_str(), random)->Arg(size);
  }
  return true;
}

}  // namespace timers_bench
