#include <evcoro/net/address.hpp>

#include <arpa/inet.h>
#include <net/if.h>

#include <algorithm>
#include <charconv>

#include <evcoro/error.hpp>
#include <stacks/report.hpp>

namespace evcoro {
namespace {

constexpr std::string_view unix_prefix = "unix:";

Errc invalid() noexcept { return Errc::no_address; }

bool parse_port(std::string_view text, std::uint16_t& port) noexcept {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc{} && end == text.data() + text.size();
}

// The zone of "fe80::1%eth0": an interface's name or number.
bool parse_scope(const char* zone, std::uint32_t& scope) noexcept {
  const std::string_view text{zone};
  if (text.find(':') != std::string_view::npos)
    return false;  // the kernel would cut the name there
  scope = ::if_nametoindex(zone);
  if (scope != 0) return true;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), scope);
  return error == std::errc{} && end == text.data() + text.size();
}

std::string unix_to_string(const Address& address) {
  std::string text{unix_prefix};
  const std::string_view path = address.path();
  if (path.starts_with('@')) text += "./";  // or it would be read as an abstract name
  if (address.size() > sizeof(sa_family_t) && path.empty()) text += '@';
  text += path;
  return text += address.abstract_name();
}

}  // namespace

Address::Address(const sockaddr* address, socklen_t size) noexcept {
  if (size < sizeof address->sa_family) return;
  if (address->sa_family == AF_INET) {
    if (size < sizeof storage_.v4) return;
    std::memcpy(&storage_.v4, address, sizeof storage_.v4);
    std::memset(storage_.v4.sin_zero, 0, sizeof storage_.v4.sin_zero);
  } else if (address->sa_family == AF_INET6) {
    if (size < sizeof storage_.v6) return;
    std::memcpy(&storage_.v6, address, sizeof storage_.v6);
  } else if (address->sa_family == AF_UNIX) {
    // The kernel counts the NUL behind a path that leaves no room for one, too.
    const auto most = static_cast<socklen_t>(sizeof storage_.local);
    std::memcpy(&storage_.local, address, std::min(size, most));
    set_unix_size(std::min(size, most));
  } else {
    storage_.base.sa_family = address->sa_family;
  }
}

Address Address::any(int family, std::uint16_t port) noexcept {
  if (family != AF_INET && family != AF_INET6) {
    stacks::misuse("Address: the family must be AF_INET or AF_INET6");
  }
  Address address;
  address.storage_.base.sa_family = static_cast<sa_family_t>(family);  // the wildcard is all zeroes
  address.set_port(port);
  return address;
}

Address Address::loopback(int family, std::uint16_t port) noexcept {
  Address address = any(family, port);
  if (family == AF_INET) {
    address.storage_.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  } else {
    address.storage_.v6.sin6_addr = in6addr_loopback;
  }
  return address;
}

Result<Address> Address::parse(std::string_view text, std::uint16_t port) noexcept {
  if (text.starts_with(unix_prefix)) return parse_unix(text.substr(unix_prefix.size()));
  std::string_view host = text;
  const bool bracketed = text.starts_with('[');
  if (bracketed) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return invalid();
    host = text.substr(1, close - 1);
    text.remove_prefix(close + 1);
    if (!text.empty() && (text[0] != ':' || !parse_port(text.substr(1), port))) return invalid();
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    const std::size_t colon = text.find(':');
    host = text.substr(0, colon);
    if (!parse_port(text.substr(colon + 1), port)) return invalid();
  }

  char buffer[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];
  if (host.size() >= sizeof buffer || host.find('\0') != std::string_view::npos) return invalid();
  buffer[host.copy(buffer, sizeof buffer)] = '\0';
  if (host.find(':') == std::string_view::npos && !bracketed) {
    Address address = any(AF_INET, port);
    if (::inet_pton(AF_INET, buffer, &address.storage_.v4.sin_addr) != 1) return invalid();
    return address;
  }
  Address address = any(AF_INET6, port);
  if (char* const percent = std::strchr(buffer, '%')) {
    *percent = '\0';
    if (!parse_scope(percent + 1, address.storage_.v6.sin6_scope_id)) return invalid();
  }
  if (::inet_pton(AF_INET6, buffer, &address.storage_.v6.sin6_addr) != 1) return invalid();
  return address;
}

std::uint16_t Address::port() const noexcept {
  if (family() == AF_INET) return ntohs(storage_.v4.sin_port);
  return family() == AF_INET6 ? ntohs(storage_.v6.sin6_port) : std::uint16_t{0};
}

void Address::set_port(std::uint16_t port) noexcept {
  if (family() == AF_INET) storage_.v4.sin_port = htons(port);
  if (family() == AF_INET6) storage_.v6.sin6_port = htons(port);
}

socklen_t Address::size() const noexcept {
  if (family() == AF_INET) return sizeof storage_.v4;
  if (family() == AF_INET6) return sizeof storage_.v6;
  return static_cast<socklen_t>(sizeof storage_.base.sa_family + unix_name().size());
}

std::string Address::to_string() const {
  if (family() == AF_UNIX) return unix_to_string(*this);
  char buffer[INET6_ADDRSTRLEN];
  if (family() == AF_INET) {
    ::inet_ntop(AF_INET, &storage_.v4.sin_addr, buffer, sizeof buffer);
    return std::string(buffer) + ":" + std::to_string(port());
  }
  if (family() != AF_INET6) return "(no address)";
  ::inet_ntop(AF_INET6, &storage_.v6.sin6_addr, buffer, sizeof buffer);
  // Only appended to: of "[" + text, which inserts, g++ 12 warns at -O3.
  std::string text = "[";
  text += buffer;
  if (storage_.v6.sin6_scope_id != 0) {
    char name[IF_NAMESIZE];
    text += '%';
    text += ::if_indextoname(storage_.v6.sin6_scope_id, name) != nullptr
                ? name
                : std::to_string(storage_.v6.sin6_scope_id);
  }
  text += "]:";
  return text + std::to_string(port());
}

}  // namespace evcoro
