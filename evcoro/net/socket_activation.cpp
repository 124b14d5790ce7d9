#include <evcoro/net/socket_activation.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdlib>
#include <new>
#include <optional>
#include <string_view>

#include <evcoro/error.hpp>

namespace evcoro {
namespace {

constexpr int first_descriptor = 3;  // SD_LISTEN_FDS_START
constexpr const char* variables[] = {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"};

std::string_view read(const char* variable) noexcept {
  const char* const value = std::getenv(variable);
  return value != nullptr ? value : std::string_view{};
}

std::optional<int> to_number(std::string_view text) noexcept {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t colon = text.find(':');
    parts.emplace_back(text.substr(0, colon));
    if (colon == std::string_view::npos) return parts;
    text.remove_prefix(colon + 1);
  }
}

Result<std::vector<ActivatedSocket>> take_from_environment() noexcept try {
  if (read("LISTEN_PID").empty() || read("LISTEN_FDS").empty()) {
    return std::vector<ActivatedSocket>{};
  }
  const auto process = to_number(read("LISTEN_PID"));
  const auto count = to_number(read("LISTEN_FDS"));
  if (!process || *process <= 0) return detail::system_error(EINVAL);
  if (*process != ::getpid()) return std::vector<ActivatedSocket>{};
  if (!count || *count < 0 || *count > INT_MAX - first_descriptor) {
    return detail::system_error(EINVAL);
  }
  const int end = first_descriptor + *count;
  for (int each = first_descriptor; each < end; ++each) {
    if (::fcntl(each, F_GETFD) < 0) return detail::system_error();
  }
  std::vector<std::string> names(static_cast<std::size_t>(*count), "unknown");
  if (*count > 0 && std::getenv("LISTEN_FDNAMES") != nullptr) {
    names = split(read("LISTEN_FDNAMES"));
    if (names.size() != static_cast<std::size_t>(*count)) return detail::system_error(EINVAL);
  }
  std::vector<ActivatedSocket> sockets;
  sockets.reserve(names.size());
  for (int each = first_descriptor; each < end; ++each) {
    ::fcntl(each, F_SETFD, FD_CLOEXEC);
    sockets.emplace_back(each, std::move(names[static_cast<std::size_t>(each - first_descriptor)]));
  }
  return sockets;
} catch (const std::bad_alloc&) {
  return detail::system_error(ENOMEM);
}

}  // namespace

ActivatedSocket::~ActivatedSocket() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<std::vector<ActivatedSocket>> take_activated_sockets() noexcept {
  // What is meant for another process is removed as well, as sd_listen_fds(1) does.
  auto sockets = take_from_environment();
  for (const char* const each : variables) ::unsetenv(each);
  return sockets;
}

}  // namespace evcoro
