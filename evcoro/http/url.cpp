#include <evcoro/http/url.hpp>

#include <algorithm>
#include <charconv>

#include <evcoro/http/detail/text.hpp>
#include <evcoro/http/error.hpp>
#include <evcoro/net/address.hpp>

namespace evcoro::http {
namespace {

constexpr std::string_view digits = "0123456789ABCDEF";

// What a path or a query is made of, RFC 3986, 3.3 and 3.4; "%" is checked apart.
constexpr bool is_target_character(char c) noexcept {
  return detail::is_letter(c) || detail::is_digit(c) ||
         std::string_view{"-._~!$&'()*+,;=:@/?"}.find(c) != std::string_view::npos;
}

bool is_target(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_target_character(text[i])) continue;
    const bool is_encoded = text[i] == '%' && text.size() - i > 2 &&
                            detail::hex_value(text[i + 1]) >= 0 &&
                            detail::hex_value(text[i + 2]) >= 0;
    if (!is_encoded) return false;
    i += 2;
  }
  return true;
}

bool is_name(std::string_view text) noexcept {
  return !text.empty() && text.size() <= 255 && std::ranges::all_of(text, [](char c) {
    return detail::is_letter(c) || detail::is_digit(c) || c == '-' || c == '.' || c == '_';
  });
}

bool is_ipv6(std::string_view text) noexcept {
  if (text.find('%') != std::string_view::npos || text.find(':') == std::string_view::npos) {
    return false;
  }
  const auto address = Address::parse(text);
  return address && address->family() == AF_INET6 && !text.starts_with('[');
}

bool read_port(std::string_view text, std::uint16_t& port) noexcept {
  if (text.empty()) return true;  // "host:" has that of the scheme
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc{} && end == text.data() + text.size() && port != 0;
}

// "host", "host:port", "[::1]:port".
bool read_authority(std::string_view text, Url& url) {
  const bool is_bracketed = text.starts_with('[');
  const std::size_t end = is_bracketed ? text.find(']') : text.find(':');
  if (is_bracketed && end == std::string_view::npos) return false;
  const std::string_view host = is_bracketed ? text.substr(1, end - 1) : text.substr(0, end);
  std::string_view rest = text.substr(std::min(is_bracketed ? end + 1 : end, text.size()));
  if (!(is_bracketed ? is_ipv6(host) : is_name(host))) return false;
  if (!rest.empty() && rest.front() != ':') return false;
  if (!rest.empty()) rest.remove_prefix(1);
  if (!read_port(rest, url.port)) return false;
  url.host.resize(host.size());
  std::ranges::transform(host, url.host.begin(), detail::to_lower);
  return true;
}

bool is_scheme(std::string_view text) noexcept {
  return !text.empty() && detail::is_letter(text.front()) && std::ranges::all_of(text, [](char c) {
    return detail::is_letter(c) || detail::is_digit(c) || c == '+' || c == '-' || c == '.';
  });
}

// The size of "http:", and of "" if text has no scheme.
std::size_t scheme_size(std::string_view text) noexcept {
  const std::size_t colon = text.find(':');
  return colon != std::string_view::npos && is_scheme(text.substr(0, colon)) ? colon + 1 : 0;
}

// text is "//authority/path?query".
Result<Url> read_rest(std::string_view text, bool is_secure) {
  if (!text.starts_with("//")) return Errc::invalid_url;
  text.remove_prefix(2);
  const std::string_view authority = text.substr(0, text.find_first_of("/?"));
  const std::string_view target = text.substr(authority.size());
  if (authority.find('@') != std::string_view::npos) return Errc::userinfo_in_url;
  Url url{.is_secure = is_secure, .host = {}, .port = std::uint16_t(is_secure ? 443 : 80)};
  if (!read_authority(authority, url) || !is_target(target)) return Errc::invalid_url;
  url.target = target.starts_with('/') ? "" : "/";
  url.target += target;
  return url;
}

// --- references ---

// Where path and query of a reference begin.
std::size_t target_of(std::string_view reference) noexcept {
  const std::size_t scheme = scheme_size(reference);
  if (!reference.substr(scheme).starts_with("//")) return scheme;
  return std::min(reference.find_first_of("/?", scheme + 2), reference.size());
}

// Brackets are an address's in the authority, and stray behind it.
std::string encode_stray(std::string_view text) {
  const std::size_t target = target_of(text);
  std::string encoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    const bool is_bracket = i >= target && (c == '[' || c == ']');
    const bool is_stray = byte >= 0x80 || is_bracket ||
                          std::string_view{" \"<>\\^`{|}"}.find(c) != std::string_view::npos;
    if (!is_stray) {
      encoded += c;
      continue;
    }
    encoded += '%';
    encoded += digits[byte >> 4];
    encoded += digits[byte & 15];
  }
  return encoded;
}

// RFC 3986, 5.2.4, of a path that begins with "/".
std::string remove_dots(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/', 1), path.size());
    const std::string_view segment = path.substr(0, end);
    const bool is_last = end == path.size();
    path.remove_prefix(end);
    if (segment == "/..") out.erase(out.empty() ? 0 : out.rfind('/'));
    if (segment != "/.." && segment != "/.") {
      out += segment;
    } else if (is_last) {
      out += '/';
    }
  }
  return out.empty() ? "/" : out;
}

std::string resolve_target(std::string_view base, std::string_view reference) {
  const std::string_view base_path = base.substr(0, base.find('?'));
  if (reference.empty()) return std::string{base};
  if (reference.front() == '?') return std::string{base_path}.append(reference);
  const std::string_view path = reference.substr(0, reference.find('?'));
  std::string merged;
  if (!path.starts_with('/')) merged = base_path.substr(0, base_path.rfind('/') + 1);
  return remove_dots(merged.append(path)).append(reference.substr(path.size()));
}

Url moved_to(const Url& base, std::string target) {
  Url moved = base;
  moved.target = std::move(target);
  return moved;
}

// An absolute reference loses its dots, too.
Result<Url> without_dots(const Result<Url>& url) {
  return url ? moved_to(*url, resolve_target("/", url->target)) : url;
}

}  // namespace

std::string Url::authority_with_port() const {
  const bool is_v6 = host.find(':') != std::string::npos;
  return (is_v6 ? '[' + host + ']' : host) + ':' + std::to_string(port);
}

std::string Url::authority() const {
  std::string whole = authority_with_port();
  if (port == (is_secure ? 443 : 80)) whole.erase(whole.rfind(':'));
  return whole;
}

std::string Url::to_string() const {
  return std::string{scheme()}.append("://").append(authority()).append(target);
}

Result<Url> parse_url(std::string_view text) {
  text = text.substr(0, text.find('#'));
  const std::string_view scheme = text.substr(0, scheme_size(text));
  const bool is_secure = detail::equals_ignoring_case(scheme, "https:");
  if (scheme.empty()) return Errc::invalid_url;
  if (!is_secure && !detail::equals_ignoring_case(scheme, "http:")) return Errc::unknown_scheme;
  return read_rest(text.substr(scheme.size()), is_secure);
}

Result<Url> resolve_url(const Url& base, std::string_view reference) {
  const std::string encoded = encode_stray(reference.substr(0, reference.find('#')));
  if (scheme_size(encoded) > 0) return without_dots(parse_url(encoded));
  if (encoded.starts_with("//")) return without_dots(read_rest(encoded, base.is_secure));
  if (!is_target(encoded)) return Errc::invalid_url;
  return moved_to(base, resolve_target(base.target, encoded));
}

}  // namespace evcoro::http
