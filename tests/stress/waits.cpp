// The stress of what is waited for.
#include <array>
#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>

#include <evcoro/sync/barrier.hpp>
#include <evcoro/sync/condition_variable.hpp>
#include <evcoro/sync/event.hpp>
#include <evcoro/sync/latch.hpp>
#include <evcoro/sync/mutex.hpp>
#include <evcoro/sync/once.hpp>
#include <evcoro/sync/semaphore.hpp>
#include <evcoro/sync/wait_group.hpp>

#include "scenario.hpp"

namespace stress {
namespace {

class Conditions final : public Scenario {
 public:
  void step(Dice& dice, int) override {
    std::unique_lock lock{mutex_};
    if (dice.once_in(2)) {
      if (not_full_.wait(
              lock, [&] { return items_ < 3; }, dice.patience()))
        return;
      ++items_;
      ++put_;
      not_empty_.notify_one();
    } else {
      if (not_empty_.wait(
              lock, [&] { return items_ > 0; }, dice.patience()))
        return;
      --items_;
      ++taken_;
      dice.once_in(2) ? not_full_.notify_all() : not_full_.notify_one();
    }
    require(items_ >= 0 && items_ <= 3, "a condition holds when it is waited for");
  }
  void end() override { require(put_ == taken_ + items_, "as many are taken as were put"); }

 private:
  Mutex mutex_;
  ConditionVariable not_full_;
  ConditionVariable not_empty_;
  long items_ = 0;
  long put_ = 0;
  long taken_ = 0;
};

class Permits final : public Scenario {
 public:
  void step(Dice& dice, int) override {
    const std::size_t count = 1 + dice.below(3);
    if (dice.once_in(4) ? !semaphore_.try_acquire(count)
                        : bool{semaphore_.acquire(count, dice.patience())}) {
      return;
    }
    require(inside_.fetch_add(static_cast<int>(count)) + static_cast<int>(count) <= limit,
            "no more than the permits");
    dwell(dice);
    inside_ -= static_cast<int>(count);
    semaphore_.release(count);
  }
  void end() override { require(semaphore_.available() == limit, "all permits come back"); }

 private:
  static constexpr int limit = 4;
  Semaphore semaphore_{limit};
  std::atomic<int> inside_{0};
};

class Events final : public Scenario {
 public:
  void step(Dice& dice, int) override {
    if (dice.once_in(2)) {
      ++sets_;
      event_.set();
    } else if (!event_.wait(dice.patience())) {
      require(++passes_ <= sets_, "no more pass than it was set");
    }
  }

 private:
  Event event_;
  std::atomic<long> sets_{0};
  std::atomic<long> passes_{0};
};

class Groups final : public Scenario {
 public:
  void step(Dice& dice, int) override {
    if (dice.once_in(3)) {
      const auto error = dice.once_in(2)
                             ? group_.wait(dice.patience())
                             : group_.wait_done(group_.done_count() + 1, dice.patience());
      static_cast<void>(error);
      return;
    }
    group_.add();
    dwell(dice);
    group_.done();
  }
  void end() override {
    require(group_.missing() == 0 && !group_.wait(no_wait), "all that were added are done");
  }

 private:
  WaitGroup group_;
};

// All participants arrive at one latch after the other; each goes when the last has left it.
class Latches final : public Scenario {
 public:
  void step(Dice& dice, int participant) override {
    std::size_t& mine = next_[static_cast<std::size_t>(participant)];
    const std::shared_ptr<Round> round = find(mine);
    if (round == nullptr) return dwell(dice);
    ++round->arrived;
    if (!round->latch.arrive_and_wait(dice.patience()))
      require(round->arrived == participants, "nobody passes a latch before all are there");
    ++mine;
    leave_round(mine - 1);
  }

 private:
  struct Round {
    Latch latch{participants};
    std::atomic<int> arrived{0};
    int left = 0;
  };
  static constexpr std::size_t furthest_ahead = 1000;

  // nullptr if the slowest are too far behind.
  std::shared_ptr<Round> find(std::size_t number) {
    const std::lock_guard lock{mutex_};
    if (number >= first_ + furthest_ahead) return nullptr;
    while (number >= first_ + rounds_.size()) rounds_.push_back(std::make_shared<Round>());
    return rounds_[number - first_];
  }

  void leave_round(std::size_t number) {
    const std::lock_guard lock{mutex_};
    ++rounds_[number - first_]->left;
    for (; !rounds_.empty() && rounds_.front()->left == participants; ++first_) rounds_.pop_front();
  }

  std::mutex mutex_;  // guards what follows
  std::deque<std::shared_ptr<Round>> rounds_;
  std::size_t first_ = 0;  // its number
  std::array<std::size_t, participants> next_{};
};

class Barriers final : public Scenario {
 public:
  void step(Dice& dice, int) override {
    const long before = completions_;
    const auto phase = barrier_.arrive();
    while (barrier_.wait(phase, dice.patience())) go_on_if_cancelled();
    require(completions_ > before, "nobody passes a barrier before its completion");
  }
  void leave(int) override { barrier_.arrive_and_drop(); }

 private:
  struct Complete {
    Barriers* self;
    void operator()() noexcept { ++self->completions_; }
  };
  std::atomic<long> completions_{0};
  Barrier<Complete> barrier_{participants, Complete{this}};
};

// Each is called as often as there are participants, and then left for the next.
class Onces final : public Scenario {
 public:
  void step(Dice& dice, int) override {
    const std::shared_ptr<Round> round = next();
    const auto maybe_fail = [&] {
      dwell(dice);
      if (dice.once_in(4)) throw Failed{};
      require(++round->done == 1, "once is once");
    };
    try {
      if (!round->once.call(maybe_fail, dice.patience()))
        require(round->done == 1, "it is done when call() returns");
    } catch (const Failed&) {
    }
  }

 private:
  struct Failed {};
  struct Round {
    Once once;
    std::atomic<int> done{0};
    int calls = 0;
  };

  std::shared_ptr<Round> next() {
    const std::lock_guard lock{mutex_};
    if (round_->calls == participants) round_ = std::make_shared<Round>();
    ++round_->calls;
    return round_;
  }

  std::mutex mutex_;  // guards it
  std::shared_ptr<Round> round_ = std::make_shared<Round>();
};

}  // namespace

std::vector<Named> waits() {
  return {named<Conditions>("condition_variable"),
          named<Permits>("semaphore"),
          named<Events>("event"),
          named<Groups>("wait_group"),
          named<Latches>("latch"),
          named<Barriers>("barrier"),
          named<Onces>("once")};
}

}  // namespace stress
