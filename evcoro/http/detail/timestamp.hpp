// Timestamps of HTTP (RFC 9110, 5.6.7), in English whatever the locale.
//
//   const std::optional<Timestamp> time = parse_timestamp("Sun, 06 Nov 1994 08:49:37 GMT");
//   const std::string text = format_timestamp(*time);
//
// All of it is values.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <stacks/export.hpp>

namespace evcoro::http::detail {

using Timestamp = std::chrono::sys_seconds;

// parse_timestamp() reads each of the three forms; nullopt if text has none of them, or a date that
// there isn't. A year of two digits is taken for the one that is at most 50 years after now.
//
//   Sun, 06 Nov 1994 08:49:37 GMT      IMF-fixdate, the one that is written
//   Sunday, 06-Nov-94 08:49:37 GMT     RFC 850
//   Sun Nov  6 08:49:37 1994           asctime(3)
EVCORO_API std::optional<Timestamp> parse_timestamp(std::string_view text, Timestamp now) noexcept;
EVCORO_API std::optional<Timestamp> parse_timestamp(std::string_view text) noexcept;

// format_timestamp() writes the first form, and write_timestamp() does so in place. The year has
// four digits.
inline constexpr std::size_t timestamp_size = 29;
EVCORO_API std::string format_timestamp(Timestamp time);
void write_timestamp(Timestamp time, std::span<char, timestamp_size> text) noexcept;

// current_second() is now, by the system's clock.
EVCORO_API Timestamp current_second() noexcept;

}  // namespace evcoro::http::detail
