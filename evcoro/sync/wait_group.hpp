// WaitGroup: waits for a number of things to be done, which may grow meanwhile.
//
//   evcoro::WaitGroup group;
//   for (const auto& url : urls) {
//     group.add();
//     evcoro::go([&group, url] { fetch(url); group.done(); });
//   }
//   if (const auto error = group.wait(30s)) return error;
//
// It can be used again. Any OS thread may call all of these. An OS thread that drives a loop must
// not wait outside of the loop's threads, in a callback. It may be destroyed when wait() has
// returned without an error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <system_error>

#include <evcoro/sync/detail/wait_queue.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

namespace evcoro {

class EVCORO_API WaitGroup {
 public:
  explicit WaitGroup(std::size_t count = 0) noexcept : missing_(count) {}
  WaitGroup(const WaitGroup&) = delete;
  WaitGroup& operator=(const WaitGroup&) = delete;

  // add() makes it wait for count more, done() for one less. More done() than add() is a misuse.
  void add(std::size_t count = 1) noexcept;
  void done() noexcept;

  // wait() waits until nothing is missing. Errors: timed_out, operation_canceled,
  // Errc::not_in_a_thread in a callback of a loop.
  [[nodiscard]] std::error_code wait(Timeout timeout = {}) noexcept;

  // wait_done() waits until done() has been called target times since the group was made, or
  // nothing is missing.
  [[nodiscard]] std::error_code wait_done(std::uint64_t target, Timeout timeout = {}) noexcept;

  // missing() is how many are to be done yet, done_count() how many have been.
  std::size_t missing() const noexcept;
  std::uint64_t done_count() const noexcept;

 private:
  struct Node;

  std::size_t missing_;  // this and the next: under the queue's lock
  std::uint64_t done_ = 0;
  detail::WaitQueue queue_;
};

}  // namespace evcoro
