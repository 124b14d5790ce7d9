// Traffic: how many requests each loop has served.
//
//   traffic.count();                       // in a thread of a loop of the group
//   traffic.of(0)                          // anywhere
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <evcoro/loop_group.hpp>

namespace programs {

class Traffic {
 public:
  explicit Traffic(std::size_t loops) : counts_(loops) {}

  // Place counts for the calling thread's loop, without looking for it each time.
  class Place {
   public:
    // One OS thread writes it: no need to lock the bus.
    void count() noexcept {
      value_->store(value_->load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }

   private:
    friend class Traffic;
    explicit Place(std::atomic<std::uint64_t>& value) noexcept : value_(&value) {}
    std::atomic<std::uint64_t>* value_;
  };

  Place place() noexcept {
    return Place{counts_[evcoro::LoopGroup::current().index_of_caller().value_or(0)].value};
  }
  void count() noexcept { place().count(); }

  // of() is the number of a loop, total() of all. Any OS thread may ask.
  std::uint64_t of(std::size_t loop) const noexcept {
    return counts_[loop].value.load(std::memory_order_relaxed);
  }
  std::uint64_t total() const noexcept {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) sum += of(i);
    return sum;
  }
  std::size_t loops() const noexcept { return counts_.size(); }

 private:
  struct alignas(64) Count {  // loops don't share a cache line
    std::atomic<std::uint64_t> value{0};
  };
  std::vector<Count> counts_;
};

}  // namespace programs
