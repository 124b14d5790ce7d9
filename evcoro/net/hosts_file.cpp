#include <evcoro/detail/hosts_file.hpp>

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <utility>

namespace evcoro::detail {
namespace {

// Calls visit(words) for each line of the file that has some; '#' begins a comment. visit returns
// false to end it. What can't be read is an end; that there is no memory is std::bad_alloc.
template <class Visit>
void for_each_line(const char* path, Visit&& visit) try {
  constexpr std::string_view space = " \t\r";
  std::ifstream file{path};
  file.exceptions(std::ios::badbit);  // or std::getline() would keep std::bad_alloc to itself
  std::string line;
  std::vector<std::string_view> words;
  while (std::getline(file, line)) {
    std::string_view rest = std::string_view{line}.substr(0, line.find('#'));
    words.clear();
    while (true) {
      rest.remove_prefix(std::min(rest.find_first_not_of(space), rest.size()));
      if (rest.empty()) break;
      words.push_back(rest.substr(0, rest.find_first_of(space)));
      rest.remove_prefix(words.back().size());
    }
    if (!words.empty() && !visit(words)) return;
  }
} catch (const std::ios::failure&) {
}

}  // namespace

std::optional<Address> parse_host(std::string_view text, std::uint16_t port) noexcept {
  // Most names are seen to be none at once: IPv6 has a colon, IPv4 ends in a digit.
  if (text.empty() || text[0] == '[') return {};
  const bool ends_in_digit = text.back() >= '0' && text.back() <= '9';
  if (!ends_in_digit && text.find(':') == std::string_view::npos) return {};
  const auto address = Address::parse(text, port);
  if (!address) return {};
  const bool is_ipv4 = address->family() == AF_INET && text.find(':') == std::string_view::npos;
  if (is_ipv4 || address->family() == AF_INET6) return *address;
  return {};
}

HostsFile::Version HostsFile::version() const noexcept {
  struct stat status {};
  if (path_.empty() || ::stat(path_.c_str(), &status) != 0) return {};
  return {status.st_dev, status.st_ino, status.st_size, status.st_mtim.tv_sec,
          status.st_mtim.tv_nsec};
}

bool HostsFile::refresh() {
  if (std::exchange(version_, version()) == version_) return false;
  addresses_.clear();
  try {
    if (version_.size >= 0) read();
  } catch (...) {
    version_.size = Version::unread;
    throw;
  }
  return true;
}

void HostsFile::read() {
  for_each_line(path_.c_str(), [&](const std::vector<std::string_view>& words) {
    const auto address = parse_host(words[0], 0);
    for (std::size_t i = 1; address && i < words.size(); ++i) {
      std::string name{words[i]};
      std::transform(name.begin(), name.end(), name.begin(), to_lower);
      addresses_[std::move(name)].push_back(*address);
    }
    return true;
  });
}

std::optional<std::uint16_t> find_service(std::string_view service, const char* path) {
  const auto to_port = [](std::string_view text, std::string_view rest) {
    std::optional<std::uint16_t> port;
    std::uint16_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc{} && std::string_view{end, text.data() + text.size()} == rest) {
      port = number;
    }
    return port;
  };
  std::optional<std::uint16_t> port = to_port(service, "");
  if (port || service.empty()) return port;
  for_each_line(path, [&](std::vector<std::string_view>& words) {
    if (words.size() < 2) return true;
    const auto found = to_port(words[1], "/tcp");
    words.erase(words.begin() + 1);
    if (found && std::find(words.begin(), words.end(), service) != words.end()) port = found;
    return !port;
  });
  return port;
}

}  // namespace evcoro::detail
