// Text of HTTP: tokens, comparisons without case, lists with commas.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

namespace evcoro::http::detail {

constexpr std::string_view token_symbols = "!#$%&'*+-.^_`|~";

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_letter(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// A token is what names are made of, RFC 9110, 5.6.2.
inline constexpr auto token_table = [] {
  std::array<bool, 256> table{};
  for (int c = 0; c < 256; ++c) {
    const auto character = static_cast<char>(c);
    table[static_cast<std::size_t>(c)] =
        is_digit(character) || is_letter(character) ||
        (c != 0 && token_symbols.find(character) != std::string_view::npos);
  }
  return table;
}();
constexpr bool is_token_character(char c) noexcept {
  return token_table[static_cast<unsigned char>(c)];
}
constexpr bool is_token(std::string_view text) noexcept {
  bool is_fine = !text.empty();
  for (const char c : text) is_fine &= is_token_character(c);
  return is_fine;
}

// A field's value has no control characters but tabs.
inline constexpr auto value_table = [] {
  std::array<bool, 256> table{};
  for (std::size_t byte = 0; byte < 256; ++byte) {
    table[byte] = (byte >= 0x20 && byte != 0x7f) || byte == '\t';
  }
  return table;
}();
constexpr bool is_field_value(std::string_view text) noexcept {
  bool is_fine = true;
  for (const char c : text) is_fine &= value_table[static_cast<unsigned char>(c)];
  return is_fine;
}

constexpr char to_lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}
constexpr bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (to_lower(a[i]) != to_lower(b[i])) return false;
  }
  return true;
}

// is_name() says whether the token that begins at name, and is as long as lower, is lower but for
// its case. Letters differ in one bit then, and the other characters of tokens have it.
template <class Word>
bool is_part(const char* name, const char* lower) noexcept {
  Word a;
  Word b;
  std::memcpy(&a, name, sizeof a);
  std::memcpy(&b, lower, sizeof b);
  return (a | static_cast<Word>(0x2020202020202020)) == b;
}
template <std::size_t Size>
bool is_name(const char* name, const char (&lower)[Size]) noexcept {
  constexpr std::size_t size = Size - 1;
  using Word = std::conditional_t<(size >= 8), std::uint64_t, std::uint32_t>;
  static_assert(size >= sizeof(Word));
  for (std::size_t at = 0; at + sizeof(Word) <= size; at += sizeof(Word)) {
    if (!is_part<Word>(name + at, lower + at)) return false;
  }
  return is_part<Word>(name + size - sizeof(Word), lower + size - sizeof(Word));
}

constexpr bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }
constexpr std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// hex_value() is -1 if c is no hexadecimal digit.
constexpr int hex_value(char c) noexcept {
  if (is_digit(c)) return c - '0';
  const char lower = to_lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// for_each_element() calls function(element) for those of a list with commas, the empty ones too.
template <class Function>
constexpr void for_each_element(std::string_view list, Function&& function) {
  while (true) {
    const std::size_t comma = list.find(',');
    function(trim(list.substr(0, comma)));
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace evcoro::http::detail
