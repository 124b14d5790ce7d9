// Names of servers: what one may look like, and which certificate is for it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace evcoro::detail {

// is_ip_address() says whether text is a numeric address of IPv4 or IPv6.
bool is_ip_address(const std::string& text) noexcept;

// is_host_name() says whether text is a name as DNS has it: labels of letters, digits, "-" and "_",
// none of them empty (RFC 1035, 2.3.4).
bool is_host_name(std::string_view text) noexcept;

// to_lower() is text in lower case, of ASCII.
std::string to_lower(std::string_view text);

// NameTable finds what a name, or else a wildcard for it, was added with.
class NameTable {
 public:
  // add() keeps what was added first. A name may be "*.example.org": for one label.
  void add(std::string_view name, std::size_t index);
  std::optional<std::size_t> find(std::string_view name) const;

 private:
  using Table = std::unordered_map<std::string, std::size_t>;
  Table exact_;
  Table wildcards_;  // by what follows the star
};

}  // namespace evcoro::detail
