#include <algorithm>
#include <cerrno>
#include <cstring>

#include <evcoro/error.hpp>
#include <evcoro/net/address.hpp>

namespace evcoro {

static_assert(offsetof(sockaddr_un, sun_path) == sizeof(sa_family_t));

Address Address::unix_any() noexcept {
  Address address;
  address.storage_.base.sa_family = AF_UNIX;
  return address;
}

Result<Address> Address::unix_path(std::string_view path) noexcept {
  if (path.empty() || path.find('\0') != std::string_view::npos) {
    return detail::system_error(EINVAL);
  }
  if (path.size() > max_path) return detail::system_error(ENAMETOOLONG);
  Address address = unix_any();
  path.copy(address.storage_.local.sun_path, path.size());
  address.unix_name_size_ = static_cast<std::uint8_t>(path.size() + 1);
  return address;
}

Result<Address> Address::unix_abstract(std::string_view name) noexcept {
  if (name.size() > max_abstract_name) return detail::system_error(ENAMETOOLONG);
  Address address = unix_any();
  name.copy(address.storage_.local.sun_path + 1, name.size());
  address.unix_name_size_ = static_cast<std::uint8_t>(1 + name.size());
  return address;
}

Result<Address> Address::parse_unix(std::string_view name) noexcept {
  if (name.starts_with('@')) return unix_abstract(name.substr(1));
  if (name.empty()) return Errc::no_address;
  return unix_path(name);
}

// size is that of all of the address, as a system call says it: of a path that leaves no room for
// its NUL, Linux counts that, too.
void Address::set_unix_size(socklen_t size) noexcept {
  const char* const name = storage_.local.sun_path;
  std::size_t count = size <= sizeof(sa_family_t) ? 0 : size - sizeof(sa_family_t);
  count = std::min(count, sizeof storage_.local.sun_path);
  if (count > 0 && *name != '\0') {
    count = std::min(::strnlen(name, count) + 1, sizeof storage_.local.sun_path);
  }
  unix_name_size_ = static_cast<std::uint8_t>(count);
}

std::string_view Address::path() const noexcept {
  const std::string_view name = unix_name();
  if (name.starts_with('\0')) return {};
  return name.substr(0, name.find('\0'));
}

std::string_view Address::abstract_name() const noexcept {
  const std::string_view name = unix_name();
  return name.starts_with('\0') ? name.substr(1) : std::string_view{};
}

}  // namespace evcoro
