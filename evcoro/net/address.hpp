// Address: an IPv4 or IPv6 address with a port, or the address of a UNIX socket.
//
//   Address everywhere = Address::any(AF_INET, 9999);
//   Result<Address> parsed = Address::parse("[::1]:9999");
//   std::cout << parsed->to_string();   // [::1]:9999
//   Result<Address> local = Address::unix_path("/run/service.sock");
//   std::cout << local->to_string();    // unix:/run/service.sock
//
// It is a value, and may be used anywhere.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <evcoro/result.hpp>
#include <stacks/export.hpp>

namespace evcoro {

namespace detail {
class AddressBuffer;
}

class EVCORO_API Address {
 public:
  // An address of no family: what Socket::local_address() gives for a descriptor that is no socket.
  Address() noexcept = default;

  // From what the system calls use. Of other families than IPv4, IPv6 and UNIX only the family is
  // kept; of an address that is cut short, nothing.
  Address(const sockaddr* address, socklen_t size) noexcept;

  // any() is the wildcard address, loopback() the machine itself; family is AF_INET or AF_INET6,
  // and anything else a misuse, which terminates. The port is in host byte order; 0 lets the kernel
  // choose.
  static Address any(int family, std::uint16_t port) noexcept;
  static Address loopback(int family, std::uint16_t port) noexcept;

  // unix_path() is a UNIX socket in the file system, unix_abstract() one without a file (Linux):
  // its name may be of any bytes, and empty. A path ends at no NUL, and is never cut:
  // invalid_argument if it is empty or has a NUL, filename_too_long beyond max_path or
  // max_abstract_name. See unix(7).
  static constexpr std::size_t max_path = sizeof(sockaddr_un::sun_path) - 1;
  static constexpr std::size_t max_abstract_name = sizeof(sockaddr_un::sun_path) - 1;
  static Result<Address> unix_path(std::string_view path) noexcept;
  static Result<Address> unix_abstract(std::string_view name) noexcept;

  // unix_any() is of a UNIX socket without a name. To bind to it lets the kernel choose an abstract
  // one, which is unique.
  static Address unix_any() noexcept;

  // parse() reads numeric addresses, names are not looked up: "1.2.3.4", "1.2.3.4:80", "::1",
  // "[::1]", "[::1]:80", "fe80::1%eth0"; a port that is missing is the one given. And addresses of
  // UNIX sockets: "unix:/run/service.sock", and "unix:@name" for an abstract one. Errc::no_address
  // otherwise, but filename_too_long for a path that is.
  static Result<Address> parse(std::string_view text, std::uint16_t port = 0) noexcept;

  int family() const noexcept { return storage_.base.sa_family; }
  std::uint16_t port() const noexcept;
  void set_port(std::uint16_t port) noexcept;

  // path() and abstract_name() are those of a UNIX socket; "" if it has none. They are good as long
  // as the Address.
  std::string_view path() const noexcept;
  std::string_view abstract_name() const noexcept;

  // to_string() gives what parse() reads: "1.2.3.4:80", "[::1]:80", "unix:/run/service.sock". An
  // abstract name is shown as it is, whatever its bytes. (An unnamed socket is "unix:", and one of
  // another family "(no address)", which parse() doesn't read.)
  std::string to_string() const;

  const sockaddr* data() const noexcept { return &storage_.base; }
  socklen_t size() const noexcept;

  friend bool operator==(const Address& a, const Address& b) noexcept {
    return a.size() == b.size() && std::memcmp(&a.storage_, &b.storage_, a.size()) == 0;
  }

 private:
  friend class detail::AddressBuffer;

  // unix_name() is what follows the family: a path and perhaps a NUL, or a NUL and an abstract
  // name.
  std::string_view unix_name() const noexcept {
    return {storage_.local.sun_path, family() == AF_UNIX ? unix_name_size_ : std::size_t{0}};
  }
  void set_unix_size(socklen_t size) noexcept;
  static Result<Address> parse_unix(std::string_view name) noexcept;

  union Storage {
    sockaddr_un local;  // the largest comes first: it is the one that is zeroed
    sockaddr_in6 v6;
    sockaddr_in v4;
    sockaddr base;
  };
  Storage storage_{};
  std::uint8_t unix_name_size_ = 0;
};

}  // namespace evcoro
