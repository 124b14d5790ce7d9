// Control characters: how many of them a text has. Tabs are none.
#pragma once

#include <cstddef>
#include <string_view>

#include <stacks/export.hpp>

namespace evcoro::http::detail {

// count_controls() counts them.
EVCORO_API std::size_t count_controls(std::string_view text) noexcept;

// has_no_more_controls() says so of a text that has at least count of them; it is the faster, as
// long as all others of its bytes are of ASCII.
EVCORO_API bool has_no_more_controls(std::string_view text, std::size_t count) noexcept;

}  // namespace evcoro::http::detail
