// What tests of LoopGroup share.
//
//   LoopGroup group{support::group_options(2)};
#pragma once

#include <cstddef>
#include <functional>

#include <evcoro/loop_group.hpp>
#include <support/loop_fixture.hpp>
#include <support/sync.hpp>

namespace support {

// group_options() are those of a group with so many loops, each with so many stacks.
inline evcoro::LoopGroupOptions group_options(std::size_t loops, std::size_t stacks = 16) {
  return {.loops = loops, .stacks = {.capacity = stacks, .stack_size = test_stack_size}};
}

// in_each_loop() runs function(index) in a thread of each loop of group, one after the other.
inline void in_each_loop(evcoro::LoopGroup& group,
                         const std::function<void(std::size_t)>& function) {
  for (std::size_t i = 0; i < group.size(); ++i) {
    group.spawn_on(i, [&function, i] { function(i); }).join(long_time).value();
  }
}

// eventually_outside() is eventually() for who is in no thread.
template <class Condition>
bool eventually_outside(Condition&& condition) {
  const auto deadline = evcoro::Clock::now() + long_time;
  while (!condition()) {
    if (evcoro::Clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
  return true;
}

}  // namespace support
