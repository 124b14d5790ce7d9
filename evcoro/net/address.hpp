// Address: an IPv4 or IPv6 address with a port.
//
//   Address everywhere = Address::any(AF_INET, 9999);
//   Result<Address> parsed = Address::parse("[::1]:9999");
//   std::cout << parsed->to_string();   // [::1]:9999
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <evcoro/result.hpp>
#include <stacks/export.hpp>

namespace evcoro {

class EVCORO_API Address {
 public:
  // An address of no family: what Socket::local_address() gives for a descriptor that is no IP
  // socket.
  Address() noexcept = default;

  // From what the system calls use. Of other families than IPv4 and IPv6 only the family is kept;
  // of an address that is cut short, nothing.
  Address(const sockaddr* address, socklen_t size) noexcept;

  // any() is the wildcard address, loopback() the machine itself; family is AF_INET or AF_INET6,
  // and anything else a misuse, which terminates. The port is in host byte order; 0 lets the kernel
  // choose.
  static Address any(int family, std::uint16_t port) noexcept;
  static Address loopback(int family, std::uint16_t port) noexcept;

  // parse() reads numeric addresses, names are not looked up: "1.2.3.4", "1.2.3.4:80", "::1",
  // "[::1]",
  // "[::1]:80", "fe80::1%eth0". A port that is missing is the one given. Errc::no_address
  // otherwise.
  static Result<Address> parse(std::string_view text, std::uint16_t port = 0) noexcept;

  int family() const noexcept { return storage_.base.sa_family; }
  std::uint16_t port() const noexcept;
  void set_port(std::uint16_t port) noexcept;

  // to_string() gives what parse() reads: "1.2.3.4:80", "[::1]:80".
  std::string to_string() const;

  const sockaddr* data() const noexcept { return &storage_.base; }
  socklen_t size() const noexcept;

  friend bool operator==(const Address& a, const Address& b) noexcept {
    return a.size() == b.size() && std::memcmp(&a.storage_, &b.storage_, a.size()) == 0;
  }

 private:
  union Storage {
    sockaddr_in6 v6;  // the largest comes first: it is the one that is zeroed
    sockaddr_in v4;
    sockaddr base;
  };
  Storage storage_{};
};

}  // namespace evcoro
