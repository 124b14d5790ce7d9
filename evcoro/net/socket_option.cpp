#include <evcoro/net/socket_option.hpp>

#include <cerrno>
#include <cstring>

namespace evcoro::detail {
namespace {

// errno, with what it means of an option.
std::error_code option_error() noexcept {
  if (errno == ENOPROTOOPT || errno == EOPNOTSUPP) return Errc::no_such_option;
  if (errno == EINVAL || errno == EDOM) return Errc::bad_option_value;
  return system_error();
}

template <class T>
std::error_code set_raw(int descriptor, int level, int name, const T& value) noexcept {
  if (::setsockopt(descriptor, level, name, &value, sizeof value) == 0) return {};
  return option_error();
}

template <class T>
std::error_code get_raw(int descriptor, int level, int name, T& value) noexcept {
  socklen_t size = sizeof value;
  if (::getsockopt(descriptor, level, name, &value, &size) == 0) return {};
  return option_error();
}

// The key whose name is the one for the socket's family.
OptionKey resolve(int descriptor, const OptionKey& key) noexcept {
  int family = 0;
  const bool has_other = key.ipv6_level >= 0;
  if (has_other && !get_raw(descriptor, SOL_SOCKET, SO_DOMAIN, family) && family == AF_INET6) {
    return {key.ipv6_level, key.ipv6_name};
  }
  return {key.level, key.name};
}

bool is_linger(const OptionKey& key) noexcept {
  return key.level == SOL_SOCKET && key.name == SO_LINGER;
}

}  // namespace

std::error_code set_option(int descriptor, const OptionKey& key, int value) noexcept {
  if (is_linger(key)) {
    if (value < -1) return Errc::bad_option_value;
    return set_raw(descriptor, key.level, key.name, linger{value >= 0, value < 0 ? 0 : value});
  }
  const OptionKey resolved = resolve(descriptor, key);
  return set_raw(descriptor, resolved.level, resolved.name, value);
}

Result<int> get_option(int descriptor, const OptionKey& key) noexcept {
  int value = 0;
  if (is_linger(key)) {
    linger on{};
    if (const auto error = get_raw(descriptor, key.level, key.name, on)) return error;
    return on.l_onoff != 0 ? on.l_linger : -1;
  }
  const OptionKey resolved = resolve(descriptor, key);
  if (const auto error = get_raw(descriptor, resolved.level, resolved.name, value)) return error;
  return value;
}

std::error_code change_membership(int descriptor, bool joins, const Address& group,
                                  unsigned interface) noexcept {
  if (group.family() != AF_INET && group.family() != AF_INET6) {
    return system_error(EAFNOSUPPORT);
  }
  group_req request{};
  request.gr_interface = interface;
  std::memcpy(&request.gr_group, group.data(), group.size());
  const int level = group.family() == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
  return set_raw(descriptor, level, joins ? MCAST_JOIN_GROUP : MCAST_LEAVE_GROUP, request);
}

std::error_code set_multicast_interface(int descriptor, unsigned interface) noexcept {
  int family = 0;
  if (const auto error = get_raw(descriptor, SOL_SOCKET, SO_DOMAIN, family)) return error;
  const auto index = static_cast<int>(interface);
  if (family == AF_INET6) return set_raw(descriptor, IPPROTO_IPV6, IPV6_MULTICAST_IF, index);
  ip_mreqn request{};
  request.imr_ifindex = index;
  return set_raw(descriptor, IPPROTO_IP, IP_MULTICAST_IF, request);
}

namespace {

using AddressCall = int (*)(int, sockaddr*, socklen_t*);

Address address_by(AddressCall call, int descriptor) noexcept {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* const address = reinterpret_cast<sockaddr*>(&storage);
  return call(descriptor, address, &size) == 0 ? Address{address, size} : Address{};
}

}  // namespace

Address local_address(int descriptor) noexcept { return address_by(::getsockname, descriptor); }
Address peer_address(int descriptor) noexcept { return address_by(::getpeername, descriptor); }

}  // namespace evcoro::detail
