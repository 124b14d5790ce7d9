// What the scenarios of the stress of evcoro/sync share.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <string_view>
#include <thread>
#include <vector>

#include <evcoro/loop.hpp>
#include <evcoro/thread.hpp>
#include <evcoro/timeout.hpp>

namespace stress {

using namespace evcoro;

inline constexpr int loops = 4;
inline constexpr int threads_per_loop = 8;
inline constexpr int os_threads = 4;
inline constexpr int participants = loops * threads_per_loop + os_threads;

inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "sync_stress: violated: %s\n", what);
  std::abort();
}

// Dice are one participant's decisions.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}
  unsigned below(unsigned limit) { return static_cast<unsigned>(engine_() % limit); }
  bool once_in(unsigned n) { return below(n) == 0; }
  Timeout patience() { return std::chrono::microseconds{below(4) == 0 ? 0 : below(300)}; }

 private:
  std::mt19937_64 engine_;
};

inline bool is_in_thread() { return Loop::current() != nullptr; }

inline void go_on_if_cancelled() {
  if (is_in_thread() && this_thread::stop_requested()) this_thread::acknowledge_cancellation();
}

// A pause within what a primitive guards, so that others come meanwhile.
inline void dwell(Dice& dice) {
  if (!dice.once_in(3)) return;
  if (!is_in_thread()) {
    std::this_thread::yield();
  } else if (dice.once_in(4)) {
    static_cast<void>(this_thread::sleep_for(std::chrono::microseconds{dice.below(50)}));
  } else {
    static_cast<void>(this_thread::yield());
  }
}

// Scenario is a primitive with what uses it. step() is what a participant does again and again;
// end() checks, when all have come to their end.
class Scenario {
 public:
  virtual ~Scenario() = default;
  virtual void step(Dice& dice, int participant) = 0;
  virtual void leave(int /*participant*/) {}
  virtual void end() {}
};

// Named makes a scenario of that name.
struct Named {
  std::string_view name;
  std::function<std::unique_ptr<Scenario>()> make;
};

// named() is a scenario that is made of arguments.
template <class S, class... Arguments>
Named named(std::string_view name, Arguments... arguments) {
  return {name, [=] { return std::make_unique<S>(arguments...); }};
}

std::vector<Named> locks();
std::vector<Named> waits();
std::vector<Named> channels();
std::vector<Named> lifetimes();

}  // namespace stress
