// Two things under the harness of the timer benchmarks: the timer wheel, in which every blocking
// call arms its deadline, and the Timers of a thread, which lie in the wheel of its loop.
#include <chrono>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include <corothread/timer_wheel.hpp>
#include <evcoro/loop.hpp>
#include <evcoro/thread.hpp>
#include <evcoro/timer.hpp>
#include <stacks/stack_pool.hpp>

#include "tests/bench/micro/timers_bench.hpp"

namespace {

namespace corothread = evcoro::corothread;

class WheelTimers {
 public:
  using Due = corothread::TimePoint;

  explicit WheelTimers(std::size_t count) : nodes_(count) { wheel_.expire(start_); }

  Due due_in(std::chrono::nanoseconds delay) const { return start_ + delay; }
  void arm(std::size_t timer, const Due& due) { wheel_.arm(nodes_[timer], due); }
  void disarm(std::size_t timer) { wheel_.disarm(nodes_[timer]); }
  bool armed(std::size_t timer) const { return nodes_[timer].is_armed(); }
  static void within(auto body) { body(); }

 private:
  struct Node : corothread::TimerNode {
    Node() : TimerNode([](TimerNode&) noexcept {}) {}
  };

  const corothread::TimePoint start_ = corothread::Clock::now();
  std::vector<Node> nodes_;
  corothread::TimerWheel wheel_;  // goes first, and so disarms them
};

// ThreadTimers are the Timers of one thread, which runs what within() is given. They are armed as
// an application does: by a deadline that it has, which counts from the beginning of within(), for
// the loop lets those expire that are due.
class ThreadTimers {
 public:
  using Due = std::chrono::nanoseconds;

  explicit ThreadTimers(std::size_t count) {
    auto owner = loop_.spawn({.name = "owner"}, [this, count] {
      std::vector<evcoro::Timer> timers(count);
      timers_ = &timers;
      while (!ending_) {
        if (const auto body = std::exchange(body_, nullptr)) body();
        loop_.stop();
        evcoro::this_thread::yield();
      }
    });
    owner.value().detach();
    loop_.run();
  }

  ~ThreadTimers() {
    ending_ = true;
    loop_.run();
  }

  ThreadTimers(const ThreadTimers&) = delete;
  ThreadTimers& operator=(const ThreadTimers&) = delete;

  static Due due_in(std::chrono::nanoseconds delay) { return delay; }
  void arm(std::size_t timer, const Due& due) { (*timers_)[timer].start(start_ + due); }
  void disarm(std::size_t timer) { (*timers_)[timer].cancel(); }
  bool armed(std::size_t timer) const { return (*timers_)[timer].is_running(); }

  void within(std::function<void()> body) {
    body_ = [this, body = std::move(body)] {
      start_ = evcoro::Clock::now();
      body();
    };
    loop_.run();
  }

 private:
  evcoro::Loop loop_{{.capacity = 1, .stack_size = std::size_t{64} * 1024}};
  std::vector<evcoro::Timer>* timers_ = nullptr;
  std::function<void()> body_;
  evcoro::TimePoint start_{};
  bool ending_ = false;
};

[[maybe_unused]] const bool registered =
    timers_bench::register_timers<WheelTimers>("evcoro") &&
    timers_bench::register_timers<ThreadTimers>("evcoro_timer");

}  // namespace
