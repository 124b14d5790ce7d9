// HostsFile: what hosts(5) says; and find_service(), what services(5) does.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <evcoro/net/address.hpp>

namespace evcoro::detail {

class HostsFile {
 public:
  // path is empty: there is none.
  explicit HostsFile(std::string path) : path_(std::move(path)) {}

  // refresh() reads the file if it has changed, and says whether it had. After an exception it
  // reads it again.
  bool refresh();

  // find() is the addresses of a name in lower case, in the file's order; nullptr if it isn't
  // there.
  const std::vector<Address>* find(const std::string& name) const {
    const auto found = addresses_.find(name);
    return found == addresses_.end() ? nullptr : &found->second;
  }

 private:
  struct Version {
    static constexpr off_t unread = -2;
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = -1;  // there is no file
    std::int64_t seconds = 0;
    std::int64_t nanoseconds = 0;
    bool operator==(const Version&) const = default;
  };
  Version version() const noexcept;
  void read();

  const std::string path_;
  Version version_;
  std::unordered_map<std::string, std::vector<Address>> addresses_;
};

// to_lower() is that of ASCII, whatever the locale.
inline char to_lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

// parse_host() reads a numeric address without a port, and without brackets.
std::optional<Address> parse_host(std::string_view text, std::uint16_t port) noexcept;

// find_service() is the port of a number, or of a TCP service that the file names.
std::optional<std::uint16_t> find_service(std::string_view service,
                                          const char* path = "/etc/services");

}  // namespace evcoro::detail
