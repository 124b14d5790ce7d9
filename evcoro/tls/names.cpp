#include <evcoro/tls/detail/names.hpp>

#include <arpa/inet.h>

#include <algorithm>

namespace evcoro::detail {
namespace {

constexpr std::size_t longest_name = 253;
constexpr std::size_t longest_label = 63;

bool is_label(std::string_view label) noexcept {
  const auto fits = [](char each) {
    return (each >= 'a' && each <= 'z') || (each >= 'A' && each <= 'Z') ||
           (each >= '0' && each <= '9') || each == '-' || each == '_';
  };
  return !label.empty() && label.size() <= longest_label &&
         std::all_of(label.begin(), label.end(), fits);
}

}  // namespace

bool is_ip_address(const std::string& text) noexcept {
  unsigned char buffer[sizeof(in6_addr)];
  return ::inet_pton(AF_INET, text.c_str(), buffer) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), buffer) == 1;
}

bool is_host_name(std::string_view text) noexcept {
  if (text.empty() || text.size() > longest_name) return false;
  while (true) {
    const std::size_t dot = text.find('.');
    if (!is_label(text.substr(0, dot))) return false;
    if (dot == text.npos) return true;
    text.remove_prefix(dot + 1);
  }
}

std::string to_lower(std::string_view text) {
  std::string lower{text};
  for (char& each : lower) {
    if (each >= 'A' && each <= 'Z') each = static_cast<char>(each + ('a' - 'A'));
  }
  return lower;
}

void NameTable::add(std::string_view name, std::size_t index) {
  const bool is_wildcard = name.starts_with("*.");
  Table& table = is_wildcard ? wildcards_ : exact_;
  table.emplace(to_lower(is_wildcard ? name.substr(1) : name), index);
}

std::optional<std::size_t> NameTable::find(std::string_view name) const {
  if (!is_host_name(name)) return std::nullopt;
  const std::string lower = to_lower(name);
  if (const auto found = exact_.find(lower); found != exact_.end()) return found->second;
  const std::size_t dot = lower.find('.');
  if (dot == lower.npos) return std::nullopt;
  const auto found = wildcards_.find(lower.substr(dot));
  return found == wildcards_.end() ? std::nullopt : std::optional{found->second};
}

}  // namespace evcoro::detail
