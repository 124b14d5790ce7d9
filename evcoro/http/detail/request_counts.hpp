// RequestCounts: what Metrics counts of requests, in one loop.
//
// One OS thread counts without locks or atomic instructions, and any may read; or, if it is shared,
// several count.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <evcoro/http/serve.hpp>

namespace evcoro::http::detail {

constexpr std::size_t first_code = 100;
constexpr std::size_t code_count = 900;

// RequestTotals is a sum of them.
struct RequestTotals {
  explicit RequestTotals(std::size_t buckets) : in_bucket(buckets) {}

  // On the heap: who asks may have a small stack.
  std::vector<std::uint64_t> by_code = std::vector<std::uint64_t>(code_count);
  std::vector<std::uint64_t> in_bucket;
  std::uint64_t nanoseconds = 0;
  std::uint64_t bytes = 0;
  std::uint64_t incomplete = 0;
};

class RequestCounts {
 public:
  // bounds are those of the buckets, which lack the last.
  RequestCounts(const std::vector<std::chrono::nanoseconds>& bounds, bool is_shared)
      : bounds_(bounds), is_shared_(is_shared), in_bucket_(bounds.size() + 1) {}

  void record(const Exchange& exchange) noexcept;
  void add_to(RequestTotals& totals) const noexcept;

 private:
  using Number = std::atomic<std::uint64_t>;

  void add(Number& number, std::uint64_t count) const noexcept {
    if (is_shared_) {
      number.fetch_add(count, std::memory_order_relaxed);
    } else {
      number.store(number.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
    }
  }

  const std::vector<std::chrono::nanoseconds>& bounds_;
  const bool is_shared_;
  std::array<Number, code_count> by_code_{};
  std::vector<Number> in_bucket_;
  Number nanoseconds_{0};
  Number bytes_{0};
  Number incomplete_{0};
};

}  // namespace evcoro::http::detail
