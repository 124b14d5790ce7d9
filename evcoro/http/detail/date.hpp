// The field Date, made once a second.
#pragma once

#include <string_view>

namespace evcoro::http::detail {

// date_line() is such as "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", good until the next call in
// this OS thread.
std::string_view date_line() noexcept;

}  // namespace evcoro::http::detail
