// open_beneath(): opens what a path names in a folder, and never anything outside of it.
//
//   OwnedDescriptor file;
//   const std::error_code error = open_beneath(root, "css/site.css", Symlinks::inside, file);
//
// The kernel sees to it (openat2(2), Linux 5.6) at each step of the path, whoever renames or links
// meanwhile. Where it can't, the path is walked folder by folder, and no symbolic link is followed.
#pragma once

#include <cstdint>
#include <string>
#include <system_error>

#include <evcoro/detail/owned_descriptor.hpp>
#include <stacks/export.hpp>

namespace evcoro::http::detail {

using evcoro::detail::OwnedDescriptor;

// Symlinks says which are followed: none, or those that lead to something beneath the folder. An
// absolute one never does.
enum class Symlinks : std::uint8_t { none, inside };

// open_beneath() opens for reading. path is relative, and has neither empty segments nor "." and
// "..". A pipe doesn't block it. Errors: those of open(2), and EXDEV or ELOOP for what leads out.
EVCORO_API std::error_code open_beneath(int folder, const std::string& path, Symlinks symlinks,
                                        OwnedDescriptor& opened) noexcept;

// walk_beneath() does so without openat2(2).
EVCORO_API std::error_code walk_beneath(int folder, const std::string& path,
                                        OwnedDescriptor& opened) noexcept;

}  // namespace evcoro::http::detail
