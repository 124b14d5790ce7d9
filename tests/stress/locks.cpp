// The stress of locks.
#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <shared_mutex>

#include <evcoro/sync/mutex.hpp>
#include <evcoro/sync/recursive_mutex.hpp>
#include <evcoro/sync/shared_mutex.hpp>

#include "scenario.hpp"

namespace stress {
namespace {

template <class M>
class Exclusion final : public Scenario {
 public:
  void step(Dice& dice, int) override {
    switch (dice.below(4)) {
      case 0:
        if (mutex_.lock(dice.patience())) return;
        break;
      case 1:
        if (!mutex_.try_lock()) return;
        break;
      default:
        mutex_.lock();
    }
    const std::unique_lock lock{mutex_, std::adopt_lock};
    const long before = count_;
    dwell(dice);
    require(count_ == before, "one holder at a time");
    ++count_;
    ++expected_;
  }
  void end() override { require(count_ == expected_, "nothing is lost under a lock"); }

 private:
  M mutex_;
  long count_ = 0;
  std::atomic<long> expected_{0};
};

class Several final : public Scenario {
 public:
  void step(Dice& dice, int) override {
    const unsigned first = dice.below(3);
    const unsigned second = (first + 1 + dice.below(2)) % 3;
    const std::scoped_lock lock{mutexes_[first], mutexes_[second]};
    const long sum = counts_[first] + counts_[second];
    dwell(dice);
    require(sum == counts_[first] + counts_[second], "one holder of both at a time");
    ++counts_[first];
    --counts_[second];
  }
  void end() override {
    require(counts_[0] + counts_[1] + counts_[2] == 0, "nothing is lost under two locks");
  }

 private:
  std::array<Mutex, 3> mutexes_;
  std::array<long, 3> counts_{};
};

class Sharing final : public Scenario {
 public:
  void step(Dice& dice, int) override {
    if (dice.once_in(4)) {
      write(dice);
    } else {
      read(dice);
    }
  }

 private:
  void read(Dice& dice) {
    if (dice.once_in(2)) {
      if (mutex_.lock_shared(dice.patience())) return;
    } else if (dice.once_in(3)) {
      if (!mutex_.try_lock_shared()) return;
    } else {
      mutex_.lock_shared();
    }
    const std::shared_lock lock{mutex_, std::adopt_lock};
    const long first = data_.front();
    dwell(dice);
    require(std::all_of(data_.begin(), data_.end(), [&](long each) { return each == first; }),
            "no writer among readers");
  }
  void write(Dice& dice) {
    if (dice.once_in(2)) {
      if (mutex_.lock(dice.patience())) return;
    } else {
      mutex_.lock();
    }
    const std::unique_lock lock{mutex_, std::adopt_lock};
    ++data_.front();
    dwell(dice);
    for (long& each : data_) each = data_.front();
  }

  SharedMutex mutex_;
  std::array<long, 4> data_{};
};

}  // namespace

std::vector<Named> locks() {
  return {named<Exclusion<Mutex>>("mutex"), named<Exclusion<RecursiveMutex>>("recursive_mutex"),
          named<Several>("several_mutexes"), named<Sharing>("shared_mutex")};
}

}  // namespace stress
