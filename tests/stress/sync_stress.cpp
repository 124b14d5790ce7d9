// Randomised stress of evcoro/sync: for each primitive, coroutine threads of four loops and four OS
// threads use it at once, with random deadlines and cancellations, and what must hold is checked.
//
//   sync_stress [--seconds N] [--seed S] [PRIMITIVE...]
//
// N is for each primitive; the seed, which is printed, gives each participant the same decisions
// again. Best run under ThreadSanitizer.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string_view>
#include <thread>
#include <vector>

#include "scenario.hpp"

namespace {

using namespace stress;

class Run {
 public:
  Run(Scenario& scenario, std::uint64_t seed) : scenario_(scenario), seed_(seed) {}

  void operator()(std::chrono::seconds duration) {
    std::vector<std::thread> all;
    for (int i = 0; i < loops; ++i) all.emplace_back([this, i] { run_loop(i); });
    for (int i = 0; i < os_threads; ++i) {
      all.emplace_back([this, i] { participate(loops * threads_per_loop + i); });
    }
    std::this_thread::sleep_for(duration);  // it is what this is about
    is_over_ = true;
    for (std::thread& each : all) each.join();
    scenario_.end();
  }

  std::uint64_t steps() const { return steps_; }

 private:
  void participate(int number) {
    Dice dice{seed_ + static_cast<std::uint64_t>(number)};
    std::uint64_t steps = 0;
    for (; !is_over_; ++steps) {
      scenario_.step(dice, number);
      go_on_if_cancelled();
      if (is_in_thread() && dice.once_in(16)) static_cast<void>(this_thread::yield());
    }
    go_on_if_cancelled();
    scenario_.leave(number);
    steps_ += steps;
  }

  void run_loop(int index) {
    Loop loop{{.capacity = threads_per_loop + 1, .stack_size = 256 * 1024}};
    std::vector<Thread<>> threads;
    for (int i = 0; i < threads_per_loop; ++i) {
      const int number = index * threads_per_loop + i;
      threads.push_back(loop.spawn([this, number] { participate(number); }).value());
    }
    auto canceller = loop.spawn([&] { cancel_some(threads, index); }).value();
    loop.run();
  }

  void cancel_some(std::vector<Thread<>>& threads, int index) {
    Dice dice{seed_ + 1000 + static_cast<std::uint64_t>(index)};
    while (!is_over_) {
      static_cast<void>(this_thread::sleep_for(std::chrono::microseconds{dice.below(500)}));
      Thread<>& victim = threads[dice.below(threads_per_loop)];
      if (!victim.has_ended()) victim.request_stop();
    }
  }

  Scenario& scenario_;
  const std::uint64_t seed_;
  std::atomic<bool> is_over_{false};
  std::atomic<std::uint64_t> steps_{0};
};

std::vector<Named> all_scenarios() {
  std::vector<Named> all;
  for (const auto& some : {locks(), waits(), channels(), lifetimes()}) {
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

}  // namespace

int main(int count, char** arguments) {
  std::chrono::seconds duration{1};
  std::uint64_t seed = std::random_device{}();
  std::vector<std::string_view> wanted;
  for (int i = 1; i < count; ++i) {
    const std::string_view argument{arguments[i]};
    if (argument == "--seconds" && i + 1 < count) {
      duration = std::chrono::seconds{std::atoi(arguments[++i])};
    } else if (argument == "--seed" && i + 1 < count) {
      seed = std::strtoull(arguments[++i], nullptr, 10);
    } else {
      wanted.push_back(argument);
    }
  }
  for (const auto& [name, make] : all_scenarios()) {
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), name) == wanted.end()) continue;
    std::printf("%.*s, seed %llu: ", static_cast<int>(name.size()), name.data(),
                static_cast<unsigned long long>(seed));
    std::fflush(stdout);
    const auto scenario = make();
    Run run{*scenario, seed};
    run(duration);
    std::printf("%llu steps\n", static_cast<unsigned long long>(run.steps()));
  }
}
