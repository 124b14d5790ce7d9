// TokenTurn: a thread's place in the queue for a TokenBucket's tokens. Only the first of them waits
// for time to pass, so a bucket needs no timer; who leaves wakes the next.
#pragma once

#include <algorithm>
#include <system_error>
#include <utility>

#include <corothread/scheduler.hpp>
#include <evcoro/detail/patience.hpp>
#include <evcoro/error.hpp>
#include <evcoro/net/token_bucket.hpp>

namespace evcoro::detail {

class TokenTurn : public stacks::ListLink {
 public:
  // take() takes some tokens, at most most, and stores how many. park(deadline) is what it waits
  // with: it returns as park() of a scheduler, as an error_code, or earlier.
  template <class Park>
  static std::error_code take(TokenBucket& bucket, std::uint64_t most, Patience& patience,
                              std::uint64_t& count, Park&& park) noexcept {
    if (bucket.turns_.empty() && bucket.grant(most, false, count)) return {};
    if (!patience.may_wait()) return to_error(corothread::Wake::timed_out);
    TokenTurn turn{bucket};
    while (true) {
      const bool is_first = &bucket.turns_.front() == &turn;
      if (is_first && bucket.grant(most, turn.next()->next() != &turn, count)) return {};
      const TimePoint deadline = patience.deadline();
      const TimePoint ready = is_first ? bucket.ready_at(std::min(most, bucket.quantum())) : never;
      const std::error_code error = park(std::min(deadline, ready));
      if (error && (error != std::errc::timed_out || deadline < ready)) return error;
    }
  }

  void wake() noexcept { task_.scheduler()->wake(task_, corothread::Wake::ready); }

 private:
  explicit TokenTurn(TokenBucket& bucket) noexcept
      : bucket_(bucket), task_(*corothread::Scheduler::current_task()) {
    bucket.turns_.push_back(*this);
  }
  ~TokenTurn() {
    unlink();
    bucket_.wake_first();
  }

  TokenBucket& bucket_;
  corothread::Task& task_;
};

}  // namespace evcoro::detail
