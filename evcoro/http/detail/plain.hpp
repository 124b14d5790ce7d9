// send_plain(): a response that says its status, and no more.
#pragma once

#include <system_error>

#include <evcoro/http/response.hpp>
#include <evcoro/http/status.hpp>

namespace evcoro::http::detail {

std::error_code send_plain(Response& response, Status status);

}  // namespace evcoro::http::detail
