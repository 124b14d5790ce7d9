#include <evcoro/http/detail/beneath.hpp>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <new>
#include <string_view>
#include <utility>

namespace evcoro::http::detail {
namespace {

constexpr int reading = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
constexpr int most_attempts = 16;

// Whether the kernel has openat2(2), and nobody forbids it.
constinit std::atomic<bool> has_openat2{true};

std::error_code last_error() noexcept { return {errno, std::system_category()}; }

// -1 with errno. Somebody who renames within the path at the same time gives EAGAIN.
int call_openat2(int folder, const char* path, Symlinks symlinks) noexcept {
  open_how how{};
  how.flags = reading;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  if (symlinks == Symlinks::none) how.resolve |= RESOLVE_NO_SYMLINKS;
  for (int attempt = 0; attempt < most_attempts; ++attempt) {
    const long opened = ::syscall(SYS_openat2, folder, path, &how, sizeof how);
    if (opened >= 0 || (errno != EAGAIN && errno != EINTR)) return static_cast<int>(opened);
  }
  return -1;
}

// Seccomp filters that don't know the call say EPERM, which it never does for a file.
bool is_missing(int error) noexcept { return error == ENOSYS || error == EPERM; }

int open_step(int folder, const char* name, int flags) noexcept {
  while (true) {
    const int opened = ::openat(folder, name, flags | O_NOFOLLOW | O_CLOEXEC);
    if (opened >= 0 || errno != EINTR) return opened;
  }
}

std::error_code walk(int folder, std::string_view path, OwnedDescriptor& opened) {
  OwnedDescriptor step;
  while (true) {
    const std::size_t slash = path.find('/');
    const std::string name{path.substr(0, slash)};
    const int from = step ? step.get() : folder;
    if (slash == std::string_view::npos) {
      opened = OwnedDescriptor{open_step(from, name.c_str(), reading)};
      return opened ? std::error_code{} : last_error();
    }
    OwnedDescriptor next{open_step(from, name.c_str(), O_PATH | O_DIRECTORY)};
    if (!next) return last_error();
    step = std::move(next);
    path.remove_prefix(slash + 1);
  }
}

}  // namespace

std::error_code walk_beneath(int folder, const std::string& path,
                             OwnedDescriptor& opened) noexcept {
  try {
    return walk(folder, path, opened);
  } catch (const std::bad_alloc&) {
    return std::make_error_code(std::errc::not_enough_memory);
  }
}

std::error_code open_beneath(int folder, const std::string& path, Symlinks symlinks,
                             OwnedDescriptor& opened) noexcept {
  if (has_openat2.load(std::memory_order_relaxed)) {
    opened = OwnedDescriptor{call_openat2(folder, path.c_str(), symlinks)};
    if (opened) return {};
    if (!is_missing(errno)) return last_error();
    has_openat2.store(false, std::memory_order_relaxed);
  }
  return walk_beneath(folder, path, opened);
}

}  // namespace evcoro::http::detail
