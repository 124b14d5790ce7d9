#include <evcoro/http/detail/file_path.hpp>

#include <cstddef>

#include <evcoro/http/uri.hpp>

namespace evcoro::http::detail {
namespace {

// What is there to be asked for, RFC 8615.
constexpr std::string_view well_known = ".well-known";

bool is_segment(std::string_view segment) noexcept {
  constexpr std::string_view forbidden{"/\\\0", 3};
  if (segment.empty() || segment == "." || segment == "..") return false;
  return segment.find_first_of(forbidden) == std::string_view::npos;
}

}  // namespace

std::optional<std::string> to_file_path(std::string_view path, bool dot_files) {
  if (path.starts_with('/')) path.remove_prefix(1);
  std::string made;
  made.reserve(path.size());
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const Result<std::string> segment = percent_decode(path.substr(0, slash));
    if (!segment || !is_segment(*segment)) return std::nullopt;
    const bool is_well_known = made.empty() && *segment == well_known;
    if (segment->front() == '.' && !dot_files && !is_well_known) return std::nullopt;
    made.append(*segment);
    if (slash == std::string_view::npos) break;
    made += '/';
    path.remove_prefix(slash + 1);
  }
  return made;
}

}  // namespace evcoro::http::detail
