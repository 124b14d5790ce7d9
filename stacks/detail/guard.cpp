#include <stacks/detail/guard.hpp>

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include <stacks/stack_pool.hpp>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102  // Linux 6.13; missing from older headers
#endif

namespace evcoro::stacks::detail {
namespace {

// The kernel can't write to a guarded page either: a system call that is to must fail with EFAULT.
// This one takes no descriptor, of which there may be none left. (The function of libc might not
// call the kernel.)
bool page_is_guarded(void* page) noexcept {
  return ::syscall(SYS_clock_getres, CLOCK_MONOTONIC, page) != 0 && errno == EFAULT;
}

bool probe_guard_markers() noexcept {
  const int saved_errno = errno;
  const std::size_t size = page_size();
  void* const page =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return false;
  const bool works = ::madvise(page, size, MADV_GUARD_INSTALL) == 0 && page_is_guarded(page);
  ::munmap(page, size);
  errno = saved_errno;
  return works;
}

}  // namespace

std::size_t page_size() noexcept {
  static const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

bool has_guard_markers() noexcept {
  static const bool works = probe_guard_markers();
  return works;
}

std::error_code install_guard(std::byte* address, std::size_t size, bool use_markers) noexcept {
  // Markers are refused in locked memory (mlockall): then protection is what remains.
  if (use_markers && ::madvise(address, size, MADV_GUARD_INSTALL) == 0) return {};
  if (::mprotect(address, size, PROT_NONE) == 0) return {};
  // mprotect splits the mapping, and ENOMEM is what it says when that would be one too many.
  if (errno == ENOMEM) return StackError::mapping_limit;
  return {errno, std::generic_category()};
}

}  // namespace evcoro::stacks::detail
