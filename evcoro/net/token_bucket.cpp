#include <evcoro/net/token_bucket.hpp>

#include <chrono>
#include <cmath>

#include <evcoro/detail/token_turn.hpp>
#include <evcoro/detail/turns.hpp>
#include <evcoro/detail/waiter.hpp>
#include <evcoro/thread.hpp>

namespace evcoro {
namespace {

// A thread that takes many waits for, and while others wait gets, 20 ms worth at a time: the fewer
// system calls, the more at a time; the sooner the others' turn, the less.
constexpr double quanta_per_second = 50;

Rate sane(Rate rate) noexcept {
  return {std::fmax(rate.per_second, 0), std::fmax(rate.burst, 1)};  // no number is 0 and 1
}

}  // namespace

TokenBucket::TokenBucket(Rate rate) noexcept
    : rate_(sane(rate)), tokens_(rate_.burst), refilled_(corothread::read_clock()) {}

void TokenBucket::refill() noexcept {
  const TimePoint now = corothread::read_clock();
  const std::chrono::duration<double> passed = now - refilled_;
  tokens_ = std::fmin(rate_.burst, tokens_ + passed.count() * rate_.per_second);
  refilled_ = now;
}

void TokenBucket::set_rate(Rate rate) noexcept {
  refill();
  rate_ = sane(rate);
  tokens_ = std::fmin(tokens_, rate_.burst);
  wake_first();
}

std::uint64_t TokenBucket::available() noexcept {
  refill();
  return static_cast<std::uint64_t>(std::fmin(tokens_, 1e18));
}

std::uint64_t TokenBucket::quantum() const noexcept {
  const double quantum = std::fmin(rate_.per_second / quanta_per_second, rate_.burst);
  return static_cast<std::uint64_t>(std::fmin(std::fmax(quantum, 1), 1e18));
}

bool TokenBucket::grant(std::uint64_t most, bool others_wait, std::uint64_t& count) noexcept {
  const std::uint64_t there = available();
  const std::uint64_t enough = std::min(most, quantum());
  if (there < enough) return false;
  count = others_wait ? enough : std::min(most, there);
  tokens_ -= static_cast<double>(count);
  return true;
}

bool TokenBucket::has(std::uint64_t count) noexcept {
  return turns_.empty() && available() >= count;
}

bool TokenBucket::try_take(std::uint64_t count) noexcept {
  if (!has(count)) return false;
  tokens_ -= static_cast<double>(count);
  return true;
}

std::error_code TokenBucket::take(std::uint64_t count, Timeout timeout) noexcept {
  const detail::ThreadTask* const thread = detail::current_thread();
  if (thread == nullptr) return Errc::not_in_a_thread;
  if (thread->is_cancelled()) return detail::to_error(corothread::Scheduler::refuse_to_wait());
  detail::Patience patience{timeout};
  const auto park = [](TimePoint deadline) {
    return detail::to_error(corothread::Scheduler::park(deadline, {"tokens"}));
  };
  std::uint64_t taken = 0;
  while (taken < count) {
    std::uint64_t some = 0;
    if (const auto error = detail::TokenTurn::take(*this, count - taken, patience, some, park)) {
      give_back(taken);
      return error;
    }
    taken += some;
  }
  detail::take_turn();
  return {};
}

void TokenBucket::give_back(std::uint64_t count) noexcept {
  tokens_ = std::fmin(tokens_ + static_cast<double>(count), rate_.burst);
  wake_first();
}

TimePoint TokenBucket::ready_at(std::uint64_t count) noexcept {
  refill();
  const double missing = std::fmin(static_cast<double>(count), rate_.burst) - tokens_;
  if (missing <= 0) return refilled_;
  const double seconds = missing / rate_.per_second;  // infinite at a rate of 0
  if (!(seconds < 1e9)) return never;
  // Rounded up: who comes then finds them.
  return refilled_ + std::chrono::nanoseconds{static_cast<std::int64_t>(seconds * 1e9) + 2};
}

void TokenBucket::wake_first() noexcept {
  if (!turns_.empty()) turns_.front().wake();
}

}  // namespace evcoro
