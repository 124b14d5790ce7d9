// Guard pages below stacks, by the cheapest means that the kernel really has.
#pragma once

#include <cstddef>
#include <system_error>

namespace evcoro::stacks::detail {

// page_size() is the system's page size in bytes.
std::size_t page_size() noexcept;

// has_guard_markers() says whether madvise(MADV_GUARD_INSTALL) guards: probed once per process by
// letting the kernel write to a guarded page, since emulators accept the call and guard nothing.
bool has_guard_markers() noexcept;

// install_guard() makes [address, address + size) fault on any access. With markers it costs no
// mapping. Fails with ENOMEM or StackError::mapping_limit.
std::error_code install_guard(std::byte* address, std::size_t size, bool use_markers) noexcept;

}  // namespace evcoro::stacks::detail
