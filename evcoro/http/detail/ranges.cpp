#include <evcoro/http/detail/ranges.hpp>

#include <algorithm>
#include <limits>
#include <optional>

#include <evcoro/http/detail/text.hpp>

namespace evcoro::http::detail {
namespace {

constexpr std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();

// What is too large for 64 bits is the largest number there.
std::optional<std::uint64_t> parse_number(std::string_view text) noexcept {
  if (text.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (!is_digit(c)) return std::nullopt;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    value = value > (largest - digit) / 10 ? largest : value * 10 + digit;
  }
  return value;
}

// parse_range() is nullopt of what isn't one; its size is 0 if nothing of it is there.
std::optional<Range> parse_range(std::string_view text, std::uint64_t size) noexcept {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto last = parse_number(text.substr(dash + 1));
  if (dash == 0) {
    if (!last) return std::nullopt;
    const std::uint64_t count = std::min(*last, size);
    return Range{size - count, count};
  }
  const auto first = parse_number(text.substr(0, dash));
  const bool is_open = dash + 1 == text.size();
  if (!first || (!last && !is_open) || (last && *last < *first)) return std::nullopt;
  if (*first >= size) return Range{};
  const std::uint64_t end = is_open || *last >= size ? size : *last + 1;
  return Range{*first, end - *first};
}

bool overlap(std::vector<Range> ranges) {
  std::ranges::sort(ranges, {}, &Range::offset);
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].offset - ranges[i - 1].offset < ranges[i - 1].size) return true;
  }
  return false;
}

}  // namespace

Ranges parse_ranges(std::string_view text, std::uint64_t size, std::size_t most) {
  constexpr std::string_view unit = "bytes=";
  if (!equals_ignoring_case(text.substr(0, unit.size()), unit)) return {};
  Ranges found;
  std::size_t count = 0;
  bool is_valid = true;
  for_each_element(text.substr(unit.size()), [&](std::string_view element) {
    if (element.empty() || !is_valid || ++count > most) return;
    const auto range = parse_range(element, size);
    is_valid = range.has_value();
    if (range && range->size > 0) found.list.push_back(*range);
  });
  if (!is_valid || count == 0 || count > most || overlap(found.list)) return {};
  found.state = found.list.empty() ? Ranges::State::unsatisfiable : Ranges::State::partial;
  return found;
}

}  // namespace evcoro::http::detail
