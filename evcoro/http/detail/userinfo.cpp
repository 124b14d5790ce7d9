#include <evcoro/http/detail/userinfo.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <evcoro/http/detail/text.hpp>
#include <evcoro/http/error.hpp>
#include <evcoro/http/uri.hpp>

namespace evcoro::http::detail {
namespace {

// The rest is checked when it is decoded.
bool is_userinfo_character(char c) noexcept {
  return is_letter(c) || is_digit(c) ||
         std::string_view{"-._~!$&'()*+,;=:%"}.find(c) != std::string_view::npos;
}

bool is_control(char c) noexcept {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

// RFC 4648, 4.
std::string encode_base64(std::string_view text) {
  constexpr std::string_view alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string encoded;
  for (; !text.empty(); text.remove_prefix(std::min<std::size_t>(text.size(), 3))) {
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      bits = bits << 8 | (i < text.size() ? static_cast<unsigned char>(text[i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      encoded += i <= text.size() ? alphabet[bits >> (18 - 6 * i) & 63] : '=';
    }
  }
  return encoded;
}

// "user", "user:password".
Result<std::string> make_authorization(std::string_view userinfo) {
  if (!std::ranges::all_of(userinfo, is_userinfo_character)) return Errc::invalid_url;
  const std::size_t colon = std::min(userinfo.find(':'), userinfo.size());
  const Result<std::string> user = percent_decode(userinfo.substr(0, colon));
  const Result<std::string> password =
      percent_decode(userinfo.substr(std::min(colon + 1, userinfo.size())));
  if (!user || !password || user->find(':') != std::string::npos) return Errc::invalid_url;
  const std::string both = *user + ':' + *password;
  if (std::ranges::any_of(both, is_control)) return Errc::invalid_url;
  return "Basic " + encode_base64(both);
}

}  // namespace

Result<std::string> take_userinfo(std::string& url) {
  const std::size_t scheme = std::min(url.find(':'), url.size());
  if (url.compare(scheme, 3, "://") != 0) return std::string{};
  const std::size_t begin = scheme + 3;
  const std::size_t end = std::min(url.find_first_of("/?#", begin), url.size());
  const std::size_t size = std::string_view{url}.substr(begin, end - begin).rfind('@');
  if (size == std::string_view::npos) return std::string{};
  auto authorization = make_authorization(std::string_view{url}.substr(begin, size));
  if (authorization) url.erase(begin, size + 1);
  return authorization;
}

}  // namespace evcoro::http::detail
