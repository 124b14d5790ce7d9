// to_file_path(): what the path of a request means in a folder.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <stacks/export.hpp>

namespace evcoro::http::detail {

// to_file_path() decodes path, segment by segment: "a/b.css", "a/" of a folder, "" of the whole.
// A slash at its beginning is left out. nullopt if it is none: it has "." or "..", an empty segment
// before the last, a slash, backslash or NUL in one, or, unless dot_files are there, one that
// begins with a dot; but for ".well-known" as the first.
EVCORO_API std::optional<std::string> to_file_path(std::string_view path, bool dot_files);

}  // namespace evcoro::http::detail
