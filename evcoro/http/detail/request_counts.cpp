#include <evcoro/http/detail/request_counts.hpp>

#include <algorithm>

namespace evcoro::http::detail {

void RequestCounts::record(const Exchange& exchange) noexcept {
  const auto code = static_cast<std::size_t>(exchange.status) - first_code;
  if (code < code_count) add(by_code_[code], 1);
  add(bytes_, exchange.bytes);
  if (exchange.error) add(incomplete_, 1);
  if (exchange.request == nullptr) return;  // what was no request took no time
  const auto found = std::ranges::lower_bound(bounds_, exchange.duration);
  add(in_bucket_[static_cast<std::size_t>(found - bounds_.begin())], 1);
  add(nanoseconds_, static_cast<std::uint64_t>(exchange.duration.count()));
}

void RequestCounts::add_to(RequestTotals& totals) const noexcept {
  const auto value = [](const Number& number) { return number.load(std::memory_order_relaxed); };
  for (std::size_t i = 0; i < code_count; ++i) totals.by_code[i] += value(by_code_[i]);
  for (std::size_t i = 0; i < in_bucket_.size(); ++i) totals.in_bucket[i] += value(in_bucket_[i]);
  totals.nanoseconds += value(nanoseconds_);
  totals.bytes += value(bytes_);
  totals.incomplete += value(incomplete_);
}

}  // namespace evcoro::http::detail
