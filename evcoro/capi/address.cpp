#include <evcoro/net/address.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <evcoro/capi/objects.hpp>
#include <evcoro/net/address.hpp>
#include <stacks/stacks_c.hpp>

using evcoro::Address;
using evcoro::capi::refuse;
using evcoro::stacks::fail;

static_assert(sizeof(IPADDRESS) == 24 && sizeof(SOCKADDR) == 128, "part of the ABI");

namespace {

bool is_ip(int family) noexcept { return family == AF_INET || family == AF_INET6; }

char* to_c_string(std::string_view text) noexcept {
  return ::strndup(text.data(), text.size());  // for the caller to free()
}

int store(const Address& from, IPADDRESS& to) noexcept {
  to = IPADDRESS{};
  to.family = from.family();
  if (from.family() == AF_INET) {
    to.addr.ipv4 = reinterpret_cast<const sockaddr_in*>(from.data())->sin_addr;
  } else {
    const auto& v6 = *reinterpret_cast<const sockaddr_in6*>(from.data());
    to.addr.ipv6 = v6.sin6_addr;
    to.scope_id = v6.sin6_scope_id;
  }
  return 0;
}

socklen_t unix_length(const sockaddr_un& address, std::size_t abstract_size) noexcept {
  const char* const name = address.sun_path;
  constexpr std::size_t most = sizeof address.sun_path;
  const std::size_t size = *name == '\0' ? abstract_size : ::strnlen(name, most) + 1;
  return static_cast<socklen_t>(sizeof address.sun_family + std::min(size, most));
}

// Stores an address that was made, or says why it wasn't.
int store(const evcoro::Result<Address>& from, SOCKADDR* to) noexcept {
  return from ? evcoro::capi::store(*from, *to) : fail(from.error());
}

}  // namespace

namespace evcoro::capi {

Address to_address(const SOCKADDR& saddr) noexcept {
  return Address{reinterpret_cast<const sockaddr*>(&saddr), SOCKADDR_length(&saddr)};
}

int store(const Address& from, SOCKADDR& to) noexcept {
  const bool is_unix = from.family() == AF_UNIX;
  if (!is_ip(from.family()) && !is_unix) return fail(EAFNOSUPPORT);
  to = SOCKADDR{};
  std::memcpy(&to, from.data(), from.size());
  if (is_unix && from.path().empty()) {
    to.addr_unix.abstract_size = static_cast<std::uint8_t>(from.size() - sizeof(sa_family_t));
  }
  return 0;
}

}  // namespace evcoro::capi

using evcoro::capi::to_address;

int IPADDRESS_any(IPADDRESS* address, int family) noexcept {
  if (address == nullptr) return fail(EINVAL);
  return is_ip(family) ? store(Address::any(family, 0), *address) : fail(EAFNOSUPPORT);
}

int IPADDRESS_loopback(IPADDRESS* address, int family) noexcept {
  if (address == nullptr) return fail(EINVAL);
  return is_ip(family) ? store(Address::loopback(family, 0), *address) : fail(EAFNOSUPPORT);
}

int IPADDRESS_parse_string(IPADDRESS* address, const char* text) noexcept {
  if (address == nullptr || text == nullptr) return fail(EINVAL);
  // With brackets or a single colon it would be an address with a port.
  const char* const colon = std::strchr(text, ':');
  const bool has_port = colon != nullptr && std::strchr(colon + 1, ':') == nullptr;
  if (has_port || *text == '[') return fail(EINVAL);
  const auto parsed = Address::parse(text);
  return parsed ? store(*parsed, *address) : fail(parsed.error());
}

char* IPADDRESS_to_string(const IPADDRESS* address) noexcept try {
  SOCKADDR saddr;
  if (SOCKADDR_init(&saddr, address, 0) != 0) return nullptr;
  const std::string text = to_address(saddr).to_string();  // "1.2.3.4:0" or "[::1]:0"
  const bool bracketed = text.starts_with('[');
  const std::string_view without_port = std::string_view{text}.substr(0, text.rfind(':'));
  return to_c_string(bracketed ? without_port.substr(1, without_port.size() - 2) : without_port);
} catch (...) {
  return refuse(ENOMEM);
}

int IPADDRESS_family(const IPADDRESS* address) noexcept {
  return address == nullptr ? fail(EINVAL) : address->family;
}

int SOCKADDR_init(SOCKADDR* saddr, const IPADDRESS* address, uint16_t port) noexcept {
  if (saddr == nullptr || address == nullptr) return fail(EINVAL);
  if (!is_ip(address->family)) return fail(EAFNOSUPPORT);
  *saddr = SOCKADDR{};
  if (address->family == AF_INET) {
    saddr->addr_ipv4.sin_family = AF_INET;
    saddr->addr_ipv4.sin_addr = address->addr.ipv4;
    saddr->addr_ipv4.sin_port = htons(port);
  } else {
    saddr->addr_ipv6.sin6_family = AF_INET6;
    saddr->addr_ipv6.sin6_addr = address->addr.ipv6;
    saddr->addr_ipv6.sin6_port = htons(port);
    saddr->addr_ipv6.sin6_scope_id = address->scope_id;
  }
  return 0;
}

int SOCKADDR_init_unix(SOCKADDR* saddr, const char* path) noexcept {
  if (saddr == nullptr) return fail(EINVAL);
  return path == nullptr ? evcoro::capi::store(Address::unix_any(), *saddr)
                         : store(Address::unix_path(path), saddr);
}

int SOCKADDR_init_abstract(SOCKADDR* saddr, const void* name, size_t size) noexcept {
  if (saddr == nullptr || name == nullptr) return fail(EINVAL);
  return store(Address::unix_abstract({static_cast<const char*>(name), size}), saddr);
}

int SOCKADDR_init_saddr(SOCKADDR* saddr, const sockaddr* address, socklen_t length) noexcept {
  if (saddr == nullptr || address == nullptr) return fail(EINVAL);
  const Address copy{address, length};
  return copy.family() == AF_UNSPEC ? fail(EINVAL) : evcoro::capi::store(copy, *saddr);
}

int SOCKADDR_parse_string(SOCKADDR* saddr, const char* text, uint16_t port) noexcept {
  if (saddr == nullptr || text == nullptr) return fail(EINVAL);
  return store(Address::parse(text, port), saddr);
}

struct sockaddr* SOCKADDR_saddr(SOCKADDR* saddr) noexcept {
  if (saddr == nullptr) fail(EINVAL);
  return reinterpret_cast<sockaddr*>(saddr);
}

socklen_t SOCKADDR_length(const SOCKADDR* saddr) noexcept {
  if (saddr == nullptr) return fail(EINVAL), 0;
  switch (saddr->addr_ipv4.sin_family) {
    case AF_INET:
      return sizeof saddr->addr_ipv4;
    case AF_INET6:
      return sizeof saddr->addr_ipv6;
    case AF_UNIX:
      return unix_length(saddr->addr_unix.addr, saddr->addr_unix.abstract_size);
    default:
      return fail(EAFNOSUPPORT), 0;
  }
}

int SOCKADDR_family(const SOCKADDR* saddr) noexcept {
  return saddr == nullptr ? fail(EINVAL) : saddr->addr_ipv4.sin_family;
}

int SOCKADDR_port(const SOCKADDR* saddr) noexcept {
  if (saddr == nullptr) return fail(EINVAL);
  const Address address = to_address(*saddr);
  return is_ip(address.family()) ? address.port() : fail(EAFNOSUPPORT);
}

const char* SOCKADDR_path(const SOCKADDR* saddr) noexcept {
  if (saddr == nullptr) return refuse(EINVAL);
  return SOCKADDR_family(saddr) == AF_UNIX ? saddr->addr_unix.addr.sun_path : "";
}

char* SOCKADDR_to_string(const SOCKADDR* saddr) noexcept try {
  if (saddr == nullptr) return refuse(EINVAL);
  if (SOCKADDR_length(saddr) == 0) return nullptr;
  const std::string text = to_address(*saddr).to_string();
  return text.find('\0') == std::string::npos ? to_c_string(text) : refuse(EINVAL);
} catch (...) {
  return refuse(ENOMEM);
}
