#include <evcoro/http/uri.hpp>

#include <algorithm>

#include <evcoro/http/detail/text.hpp>
#include <evcoro/http/error.hpp>

namespace evcoro::http {
namespace {

constexpr char plus = '+';

Result<std::string> decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += plus_is_space && text[i] == plus ? ' ' : text[i];
      continue;
    }
    if (text.size() - i < 3) return Errc::malformed;
    const int high = detail::hex_value(text[i + 1]);
    const int low = detail::hex_value(text[i + 2]);
    if (high < 0 || low < 0) return Errc::malformed;
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

bool is_unreserved(char c) noexcept {
  return detail::is_digit(c) || detail::is_letter(c) || c == '-' || c == '.' || c == '_' ||
         c == '~';
}

}  // namespace

Result<std::string> percent_decode(std::string_view text) { return decode(text, false); }

std::string percent_encode(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    if (is_unreserved(c)) {
      encoded += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded += '%';
    encoded += digits[byte >> 4];
    encoded += digits[byte & 15];
  }
  return encoded;
}

std::optional<std::string> QueryParameters::get(std::string_view name) const {
  for (const Parameter parameter : *this) {
    const Result<std::string> decoded = decode(parameter.name, true);
    if (!decoded || *decoded != name) continue;
    if (Result<std::string> value = decode(parameter.value, true)) return *std::move(value);
  }
  return std::nullopt;
}

QueryParameters::Parameter QueryParameters::Iterator::operator*() const noexcept {
  const std::string_view whole = rest_.substr(0, rest_.find('&'));
  const std::size_t equals = whole.find('=');
  if (equals == std::string_view::npos) return {whole, {}};
  return {whole.substr(0, equals), whole.substr(equals + 1)};
}

QueryParameters::Iterator& QueryParameters::Iterator::operator++() noexcept {
  rest_.remove_prefix(std::min(rest_.find('&'), rest_.size()));
  skip();
  return *this;
}

void QueryParameters::Iterator::skip() noexcept {
  while (rest_.starts_with('&')) rest_.remove_prefix(1);
}

}  // namespace evcoro::http
