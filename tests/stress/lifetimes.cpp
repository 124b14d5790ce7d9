// The stress of primitives that live for one wait, and of threads on a group of loops.
#include <atomic>
#include <memory>
#include <variant>

#include <evcoro/loop_group.hpp>
#include <evcoro/sync/channel.hpp>
#include <evcoro/sync/event.hpp>
#include <evcoro/sync/latch.hpp>
#include <evcoro/sync/semaphore.hpp>
#include <evcoro/sync/wait_group.hpp>

#include "scenario.hpp"

namespace stress {
namespace {

// Answer lies on the stack of who waits for it, and goes as soon as he has got it.
class Answer {
 public:
  virtual ~Answer() = default;
  virtual void give() = 0;
  virtual std::error_code wait(Timeout timeout) = 0;
};

class EventAnswer final : public Answer {
 public:
  void give() override { event_.set(); }
  std::error_code wait(Timeout timeout) override { return event_.wait(timeout); }

 private:
  Event event_;
};

class LatchAnswer final : public Answer {
 public:
  void give() override { latch_.count_down(); }
  std::error_code wait(Timeout timeout) override { return latch_.wait(timeout); }

 private:
  Latch latch_{1};
};

class PermitAnswer final : public Answer {
 public:
  void give() override { semaphore_.release(); }
  std::error_code wait(Timeout timeout) override { return semaphore_.acquire(1, timeout); }

 private:
  Semaphore semaphore_{0};
};

class GroupAnswer final : public Answer {
 public:
  void give() override { group_.done(); }
  std::error_code wait(Timeout timeout) override { return group_.wait(timeout); }

 private:
  WaitGroup group_{1};
};

class ChannelAnswer final : public Answer {
 public:
  explicit ChannelAnswer(std::size_t capacity) : channel_(capacity) {}
  // Without room it needs somebody who waits, and comes again until he does.
  void give() override {
    while (const auto error = channel_.send(1)) {
      require(error == std::errc::operation_canceled, "an answer can be given");
      go_on_if_cancelled();
    }
  }
  std::error_code wait(Timeout timeout) override { return channel_.receive(timeout).error(); }

 private:
  Channel<int> channel_;
};

class Answers final : public Scenario {
 public:
  void step(Dice& dice, int) override {
    if (dice.once_in(2)) {
      if (auto asked = questions_.receive(dice.patience())) (*asked)->give();
      return;
    }
    switch (dice.below(6)) {
      case 0:
        return ask(dice, EventAnswer{});
      case 1:
        return ask(dice, LatchAnswer{});
      case 2:
        return ask(dice, PermitAnswer{});
      case 3:
        return ask(dice, GroupAnswer{});
      default:
        return ask(dice, ChannelAnswer{dice.below(2)});
    }
  }

 private:
  void ask(Dice& dice, Answer&& answer) {
    if (questions_.send(&answer, dice.patience())) return;
    while (answer.wait(dice.patience())) go_on_if_cancelled();
  }

  Channel<Answer*> questions_;
};

// Threads on loops of a group, which others join, stop and let go.
class Spawns final : public Scenario {
 public:
  void step(Dice& dice, int) override {
    const unsigned kind = dice.below(6);
    ++begun_;
    auto thread = group_.spawn([this, seed = dice.below(1000)] {
      Dice own{seed};
      dwell(own);
      ++ended_;
      return seed;
    });
    switch (kind) {
      case 0:
        return thread.detach();
      case 1:
        return;  // it is stopped and joined
      case 2:
        thread.request_stop();
        break;
      default:
        break;
    }
    while (!thread.join(dice.patience())) go_on_if_cancelled();
  }
  void end() override {
    require(group_.shutdown(never).empty(), "all threads end");
    require(begun_ == ended_, "each thread runs, once");
  }

 private:
  std::atomic<long> begun_{0};
  std::atomic<long> ended_{0};
  LoopGroup group_{{.loops = loops, .stacks = {.capacity = 16, .stack_size = 256 * 1024}}};
};

}  // namespace

std::vector<Named> lifetimes() {
  return {named<Answers>("short_lived"), named<Spawns>("loop_group")};
}

}  // namespace stress
