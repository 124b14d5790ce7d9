// Options of sockets, by name and with their types.
//
//   socket.set_option(option::keepalive, true);
//   socket.set_option(option::keepalive_idle, 30s);
//   socket.set_option(option::linger, std::nullopt);
//   const Result<int> limit = socket.get_option(option::hop_limit);
//   datagrams.join(Address::parse("239.1.2.3").value());
//
// Errors: Errc::no_such_option of a socket that doesn't have it (nodelay of a UNIX socket, say),
// Errc::bad_option_value of a value that the kernel refuses; bad_file_descriptor of an empty
// handle; and what setsockopt(2) says. For the OS thread of the socket's loop.
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <chrono>
#include <limits>
#include <optional>
#include <system_error>
#include <type_traits>

#include <evcoro/error.hpp>
#include <evcoro/net/address.hpp>
#include <evcoro/result.hpp>
#include <stacks/export.hpp>

namespace evcoro {
namespace detail {

// OptionKey is where the kernel has an option: in IPv6 perhaps elsewhere.
struct OptionKey {
  int level;
  int name;
  int ipv6_level = -1;  // -1: the same as in IPv4
  int ipv6_name = -1;
};

EVCORO_API std::error_code set_option(int descriptor, const OptionKey& key, int value) noexcept;
EVCORO_API Result<int> get_option(int descriptor, const OptionKey& key) noexcept;
EVCORO_API std::error_code change_membership(int descriptor, bool joins, const Address& group,
                                             unsigned interface) noexcept;
EVCORO_API std::error_code set_multicast_interface(int descriptor, unsigned interface) noexcept;
EVCORO_API Address local_address(int descriptor) noexcept;
EVCORO_API Address peer_address(int descriptor) noexcept;

// OptionValue says how an option's value and the kernel's int make each other. An int that can't be
// is one that the kernel refuses.
template <class T>
struct OptionValue {  // bool and int
  static int to_int(T value) noexcept { return value; }
  static T from_int(int value) noexcept { return static_cast<T>(value); }
};
template <class Count, class Period>
struct OptionValue<std::chrono::duration<Count, Period>> {
  using Duration = std::chrono::duration<Count, Period>;
  static int to_int(Duration value) noexcept {
    const bool fits = value.count() >= 0 && value.count() <= std::numeric_limits<int>::max();
    return fits ? static_cast<int>(value.count()) : std::numeric_limits<int>::min();
  }
  static Duration from_int(int value) noexcept { return Duration{value}; }
};
template <class Duration>
struct OptionValue<std::optional<Duration>> {  // -1 is off
  static int to_int(std::optional<Duration> value) noexcept {
    return value ? OptionValue<Duration>::to_int(*value) : -1;
  }
  static std::optional<Duration> from_int(int value) noexcept {
    return value < 0 ? std::nullopt : std::optional{OptionValue<Duration>::from_int(value)};
  }
};

}  // namespace detail

// SocketOption is an option whose value is a T.
template <class T>
struct SocketOption {
  detail::OptionKey key;
};

// The options; see socket(7), tcp(7), ip(7), ipv6(7). Linux doubles the sizes of buffers that it is
// given, and says the double.
namespace option {

inline constexpr SocketOption<bool> reuse_address{{SOL_SOCKET, SO_REUSEADDR}};
inline constexpr SocketOption<bool> reuse_port{{SOL_SOCKET, SO_REUSEPORT}};
inline constexpr SocketOption<bool> broadcast{{SOL_SOCKET, SO_BROADCAST}};
inline constexpr SocketOption<int> send_buffer{{SOL_SOCKET, SO_SNDBUF}};     // bytes
inline constexpr SocketOption<int> receive_buffer{{SOL_SOCKET, SO_RCVBUF}};  // bytes
inline constexpr SocketOption<std::optional<std::chrono::seconds>> linger{{SOL_SOCKET, SO_LINGER}};

inline constexpr SocketOption<bool> keepalive{{SOL_SOCKET, SO_KEEPALIVE}};
inline constexpr SocketOption<std::chrono::seconds> keepalive_idle{{IPPROTO_TCP, TCP_KEEPIDLE}};
inline constexpr SocketOption<std::chrono::seconds> keepalive_interval{
    {IPPROTO_TCP, TCP_KEEPINTVL}};
inline constexpr SocketOption<int> keepalive_count{{IPPROTO_TCP, TCP_KEEPCNT}};

inline constexpr SocketOption<bool> nodelay{{IPPROTO_TCP, TCP_NODELAY}};
inline constexpr SocketOption<bool> quick_ack{
    {IPPROTO_TCP, TCP_QUICKACK}};  // until the kernel's own mind
inline constexpr SocketOption<std::chrono::milliseconds> user_timeout{
    {IPPROTO_TCP, TCP_USER_TIMEOUT}};

// Of an IPv6 socket these are the ones for IPv6 packets.
inline constexpr SocketOption<int> hop_limit{
    {IPPROTO_IP, IP_TTL, IPPROTO_IPV6, IPV6_UNICAST_HOPS}};  // TTL
inline constexpr SocketOption<int> traffic_class{
    {IPPROTO_IP, IP_TOS, IPPROTO_IPV6, IPV6_TCLASS}};  // TOS, DSCP and ECN
inline constexpr SocketOption<int> multicast_hops{
    {IPPROTO_IP, IP_MULTICAST_TTL, IPPROTO_IPV6, IPV6_MULTICAST_HOPS}};
inline constexpr SocketOption<bool> multicast_loop{
    {IPPROTO_IP, IP_MULTICAST_LOOP, IPPROTO_IPV6, IPV6_MULTICAST_LOOP}};
inline constexpr SocketOption<bool> ipv6_only{{IPPROTO_IPV6, IPV6_V6ONLY}};

}  // namespace option

// SocketOptions is what all handles of sockets have: options and addresses.
template <class Handle>
class SocketOptions {
 public:
  template <class T>
  std::error_code set_option(const SocketOption<T>& option,
                             std::type_identity_t<T> value) noexcept {
    return detail::set_option(descriptor(), option.key, detail::OptionValue<T>::to_int(value));
  }
  template <class T>
  Result<T> get_option(const SocketOption<T>& option) const noexcept {
    const Result<int> value = detail::get_option(descriptor(), option.key);
    if (!value) return value.error();
    return detail::OptionValue<T>::from_int(*value);
  }

  // These are setsockopt(2) and getsockopt(2) for other options that are an int.
  std::error_code set_option(int level, int name, int value) noexcept {
    return detail::set_option(descriptor(), {level, name}, value);
  }
  Result<int> option(int level, int name) const noexcept {
    return detail::get_option(descriptor(), {level, name});
  }

  // The two ends; an Address of no family if there is none.
  Address local_address() const noexcept { return detail::local_address(descriptor()); }
  Address peer_address() const noexcept { return detail::peer_address(descriptor()); }

 protected:
  SocketOptions() noexcept = default;
  ~SocketOptions() = default;

 private:
  int descriptor() const noexcept { return static_cast<const Handle*>(this)->native_handle(); }
};

}  // namespace evcoro
