#include <evcoro/timer.hpp>

#include <algorithm>
#include <utility>

#include <corothread/scheduler.hpp>
#include <evcoro/detail/loop_libevent.hpp>

namespace evcoro {

using corothread::Scheduler;
using corothread::Wake;
using namespace std::chrono_literals;

Timer::Timer() noexcept
    : Timer(this_thread::detail::require_thread("a Timer was made outside a thread"), false) {}

Timer::Timer(detail::ThreadTask& owner, bool is_of_c) noexcept
    : TimerNode(on_fire), owner_(&owner), is_of_c_(is_of_c) {
  owner.timers().push_back(*this);
}

Timer::~Timer() { cancel(); }

void Timer::arm(Timeout first, std::chrono::nanoseconds period) noexcept {
  cancel();
  if (owner_ == nullptr) return;
  period_ = period;
  // One that never expires is running, too.
  owner_->core().scheduler().arm(*this, std::min(first.deadline(), never - 1ns));
}

void Timer::cancel() noexcept {
  expirations_ = 0;
  if (owner_ == nullptr) return;
  Scheduler& scheduler = owner_->core().scheduler();
  scheduler.disarm(*this);
  if (owner_->waits_for_timer) scheduler.wake(*owner_, Wake::ready);  // in vain for this one
}

void Timer::orphan() noexcept {
  cancel();
  owner_ = nullptr;
  unlink();
}

void Timer::on_fire(TimerNode& node) noexcept {
  auto& timer = static_cast<Timer&>(node);
  Scheduler& scheduler = timer.owner_->core().scheduler();
  if (timer.expirations_++ == 0) timer.expired_at_ = timer.deadline();
  if (timer.period_ > 0ns) {
    // Periods that have passed meanwhile are counted, not made up for.
    const auto missed = (scheduler.now() - timer.deadline()) / timer.period_;
    timer.expirations_ += static_cast<std::uint64_t>(missed);
    scheduler.arm(timer, timer.deadline() + (missed + 1) * timer.period_);
  }
  if (timer.owner_->waits_for_timer) scheduler.wake(*timer.owner_, Wake::ready);
}

namespace {

// Parks thread until one of its timers expires.
std::error_code wait_for_expiry(detail::ThreadTask& thread, Timeout timeout,
                                TimePoint deadline) noexcept {
  if (!timeout.may_wait()) return detail::to_error(Wake::timed_out);
  thread.waits_for_timer = true;
  const Wake how = Scheduler::park(deadline, {"timer"});
  thread.waits_for_timer = false;
  return detail::to_error(how);
}

}  // namespace

Result<std::uint64_t> Timer::wait(Timeout timeout) noexcept {
  if (owner_ == nullptr || detail::current_thread() != owner_) return Errc::not_the_owner;
  if (owner_->is_cancelled()) return detail::to_error(Scheduler::refuse_to_wait());
  const TimePoint deadline = timeout.deadline();
  while (expirations_ == 0) {
    if (!is_running()) return std::make_error_code(std::errc::invalid_argument);
    if (const auto error = wait_for_expiry(*owner_, timeout, deadline)) return error;
  }
  return std::exchange(expirations_, 0);
}

Result<Timer*> Timer::wait_any_of(bool c, Timeout timeout) noexcept {
  detail::ThreadTask* const thread = detail::current_thread();
  if (thread == nullptr) return Errc::not_in_a_thread;
  if (thread->is_cancelled()) return detail::to_error(Scheduler::refuse_to_wait());
  const TimePoint deadline = timeout.deadline();
  while (true) {
    bool any_running = false;
    Timer* expired = nullptr;
    thread->timers().for_each([&](Timer& timer) {
      if (timer.is_of_c_ != c) return;
      any_running |= timer.is_running();
      if (timer.expirations_ == 0) return;
      if (expired == nullptr || timer.expired_at_ < expired->expired_at_) expired = &timer;
    });
    if (expired != nullptr) return expired;
    if (!any_running) return std::make_error_code(std::errc::invalid_argument);
    if (const auto error = wait_for_expiry(*thread, timeout, deadline)) return error;
  }
}

}  // namespace evcoro
