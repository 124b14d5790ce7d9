// send_open_file(): answers GET or HEAD with a file, or says why not: conditions, ranges.
#pragma once

#include <evcoro/http/detail/open_file.hpp>
#include <evcoro/http/files.hpp>

namespace evcoro::http::detail {

// send_open_file() sends file, or what it has compressed. Errors end the connection.
void send_open_file(Request& request, Response& response, const OpenFile& file,
                    const FilesOptions& options);

}  // namespace evcoro::http::detail
