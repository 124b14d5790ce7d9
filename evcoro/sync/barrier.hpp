// Barrier: so many threads come to it, again and again; each waits there until all have.
//
//   evcoro::Barrier barrier{4, [] { swap_buffers(); }};      // called by the last to come
//   while (work()) {
//     if (const auto error = barrier.arrive_and_wait()) return error;
//   }
//
// A thread whose wait fails has arrived all the same, so that the others are not kept. Who will not
// come again leaves by arrive_and_drop().
//
// Any OS thread may call all of these. An OS thread that drives a loop must not wait outside of the
// loop's threads, in a callback.
#pragma once

#include <cstddef>
#include <cstdint>
#include <system_error>
#include <utility>

#include <evcoro/sync/detail/wait_queue.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

namespace evcoro {

namespace detail {

class EVCORO_API BarrierCore {
 public:
  explicit BarrierCore(std::size_t expected) noexcept : expected_(expected), missing_(expected) {}
  BarrierCore(const BarrierCore&) = delete;
  BarrierCore& operator=(const BarrierCore&) = delete;

  // arrive() says whether the caller is the last of the phase, who has to end_phase().
  bool arrive(std::size_t count, std::size_t dropped, std::uint64_t& phase) noexcept;
  void end_phase() noexcept;

  // arrive_or_wait() arrives; if the caller is the last, who has to end_phase(), it says so, and
  // otherwise it waits.
  std::error_code arrive_or_wait(bool& is_last, Timeout timeout) noexcept;
  std::error_code wait(std::uint64_t phase, Timeout timeout) noexcept;

 private:
  void require_missing(std::size_t count) const noexcept;

  std::size_t expected_;  // all of these: under the queue's lock
  std::size_t missing_;
  std::uint64_t phase_ = 0;
  WaitQueue queue_;
};

struct NoCompletion {
  void operator()() noexcept {}
};

}  // namespace detail

template <class Completion = detail::NoCompletion>
class Barrier {
 public:
  // A token of arrive(), for wait(): the phase in which the caller has arrived.
  enum class Phase : std::uint64_t {};

  // completion() is called by the last to arrive, before anybody goes on. It must not throw, and
  // nobody may arrive meanwhile.
  explicit Barrier(std::size_t expected, Completion completion = {})
      : core_(expected), completion_(std::move(completion)) {}

  // arrive() counts for count of those that are expected. More than are missing is a misuse.
  Phase arrive(std::size_t count = 1) noexcept { return arrive(count, 0); }

  // wait() waits for the end of phase. Errors: timed_out, operation_canceled,
  // Errc::not_in_a_thread in a callback of a loop.
  [[nodiscard]] std::error_code wait(Phase phase, Timeout timeout = {}) noexcept {
    return core_.wait(static_cast<std::uint64_t>(phase), timeout);
  }

  [[nodiscard]] std::error_code arrive_and_wait(Timeout timeout = {}) noexcept {
    bool is_last = false;
    const std::error_code error = core_.arrive_or_wait(is_last, timeout);
    if (is_last) end_phase();
    return error;
  }

  // arrive_and_drop() arrives, and lets one less be expected from the next phase on.
  void arrive_and_drop() noexcept { arrive(1, 1); }

 private:
  Phase arrive(std::size_t count, std::size_t dropped) noexcept {
    std::uint64_t phase = 0;
    if (core_.arrive(count, dropped, phase)) end_phase();
    return static_cast<Phase>(phase);
  }

  void end_phase() noexcept {
    completion_();
    core_.end_phase();
  }

  detail::BarrierCore core_;
  Completion completion_;
};

Barrier(std::size_t)->Barrier<>;

}  // namespace evcoro
