#include <evcoro/net/address.h>

#include <cstring>
#include <string>
#include <string_view>

#include <evcoro/capi/objects.hpp>
#include <evcoro/net/address.hpp>
#include <stacks/stacks_c.hpp>

using evcoro::Address;
using evcoro::stacks::fail;

static_assert(sizeof(IPADDRESS) == 24 && sizeof(SOCKADDR) == 128, "part of the ABI");

namespace {

bool is_ip(int family) noexcept { return family == AF_INET || family == AF_INET6; }

char* to_c_string(std::string_view text) noexcept {
  return ::strndup(text.data(), text.size());  // for the caller to free()
}

char* refuse(int error) noexcept {
  fail(error);
  return nullptr;
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

}  // namespace

namespace evcoro::capi {

Address to_address(const SOCKADDR& saddr) noexcept {
  return Address{reinterpret_cast<const sockaddr*>(&saddr), SOCKADDR_length(&saddr)};
}

int store(const Address& from, SOCKADDR& to) noexcept {
  if (!is_ip(from.family())) return fail(EAFNOSUPPORT);
  to = SOCKADDR{};
  std::memcpy(&to, from.data(), from.size());
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

int SOCKADDR_parse_string(SOCKADDR* saddr, const char* text, uint16_t port) noexcept {
  if (saddr == nullptr || text == nullptr) return fail(EINVAL);
  const auto parsed = Address::parse(text, port);
  return parsed ? evcoro::capi::store(*parsed, *saddr) : fail(parsed.error());
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

char* SOCKADDR_to_string(const SOCKADDR* saddr) noexcept try {
  if (saddr == nullptr) return refuse(EINVAL);
  if (!is_ip(SOCKADDR_family(saddr))) return refuse(EAFNOSUPPORT);
  return to_c_string(to_address(*saddr).to_string());
} catch (...) {
  return refuse(ENOMEM);
}
