// What messages are written with. The head of a response has a HeadWriter.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include <evcoro/http/fields.hpp>

namespace evcoro::http::detail {

inline void append_number(std::string& out, std::uint64_t number, int base = 10) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, number, base).ptr;
  out.append(digits, end);
}

inline void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

inline void append_fields(std::string& out, const Fields& fields) {
  for (const auto [name, value] : fields) append_field(out, name, value);
}

}  // namespace evcoro::http::detail
