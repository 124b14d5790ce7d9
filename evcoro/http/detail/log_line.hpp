// Lines of an AccessLog.
#pragma once

#include <string>
#include <string_view>

#include <evcoro/http/access_log.hpp>
#include <evcoro/http/detail/timestamp.hpp>
#include <stacks/export.hpp>

namespace evcoro::http::detail {

// append_log_line() appends a line, with its end.
EVCORO_API void append_log_line(std::string& out, const Exchange& exchange, Timestamp time,
                                const AccessLogOptions& options);

// append_escaped() appends what others have said, so that it stays within its quotes.
EVCORO_API void append_escaped(std::string& out, std::string_view text);

}  // namespace evcoro::http::detail
