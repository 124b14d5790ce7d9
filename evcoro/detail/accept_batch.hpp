// AcceptBatch: how many connections a listener is asked for at a time.
//
// A listener that is readable has one. To ask for another in vain is dear: the kernel makes a
// socket before it looks. That there are more is seen when the listener is readable in the next
// pass of the loop, too: then twice as many are taken, up to a bound, until there are no more.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

namespace evcoro::detail {

class AcceptBatch {
 public:
  static constexpr int most = 64;

  // next() is how many to ask for in this pass.
  int next(std::uint64_t pass) noexcept {
    if (std::exchange(was_full_, false) && pass - pass_ <= 1) size_ = std::min(2 * size_, most);
    return size_;
  }

  // ended() says how many there were in this pass, and whether there were no more.
  void ended(int accepted, bool was_last, std::uint64_t pass) noexcept {
    was_full_ = !was_last;
    if (was_last) size_ = std::max(accepted, 1);
    pass_ = pass;
  }

 private:
  int size_ = 1;
  bool was_full_ = false;   // the last one: there may have been more
  std::uint64_t pass_ = 0;  // the last one's
};

}  // namespace evcoro::detail
