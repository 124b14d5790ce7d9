#include <evcoro/http/detail/conditions.hpp>

#include <chrono>
#include <cstddef>
#include <optional>

#include <evcoro/http/detail/text.hpp>

namespace evcoro::http::detail {
namespace {

std::string_view without_weakness(std::string_view tag) noexcept {
  return tag.starts_with("W/") ? tag.substr(2) : tag;
}

bool is_same(std::string_view a, std::string_view b, bool is_weak) noexcept {
  if (is_weak) return without_weakness(a) == without_weakness(b);
  return a == b && !a.starts_with("W/");
}

// Takes a tag from the beginning of list; "" if there is none. A tag may have a comma in it.
std::string_view take_tag(std::string_view& list) noexcept {
  while (!list.empty() && (is_blank(list.front()) || list.front() == ',')) list.remove_prefix(1);
  const std::size_t begin = list.starts_with("W/") ? 2 : 0;
  if (list.size() <= begin || list[begin] != '"') return {};
  const std::size_t end = list.find('"', begin + 1);
  if (end == std::string_view::npos) return {};
  const std::string_view tag = list.substr(0, end + 1);
  list.remove_prefix(tag.size());
  return tag;
}

// is_listed() looks through all fields with this name; nullopt if there is none.
std::optional<bool> is_listed(const Fields& fields, std::string_view name, std::string_view tag,
                              bool is_weak) noexcept {
  std::optional<bool> found;
  for (const auto [each, value] : fields) {
    if (!equals_ignoring_case(each, name)) continue;
    found = found.value_or(false) || lists_tag(value, tag, is_weak);
  }
  return found;
}

std::optional<Timestamp> date_of(const Fields& fields, std::string_view name) noexcept {
  const auto text = fields.get(name);
  return text ? parse_timestamp(*text) : std::nullopt;
}

}  // namespace

bool lists_tag(std::string_view list, std::string_view tag, bool is_weak) noexcept {
  if (trim(list) == "*") return true;
  while (true) {
    const std::string_view each = take_tag(list);
    if (each.empty()) return false;
    if (is_same(each, tag, is_weak)) return true;
  }
}

Verdict check_conditions(const Fields& fields, bool is_get_or_head,
                         const Validators& has) noexcept {
  if (const auto matches = is_listed(fields, "If-Match", has.etag, false)) {
    if (!*matches) return Verdict::failed;
  } else if (const auto since = date_of(fields, "If-Unmodified-Since")) {
    if (has.modified > *since) return Verdict::failed;
  }
  if (const auto matches = is_listed(fields, "If-None-Match", has.etag, true)) {
    if (!*matches) return Verdict::send;
    return is_get_or_head ? Verdict::not_modified : Verdict::failed;
  }
  if (!is_get_or_head) return Verdict::send;
  const auto since = date_of(fields, "If-Modified-Since");
  return since && has.modified <= *since ? Verdict::not_modified : Verdict::send;
}

bool allows_ranges(const Fields& fields, const Validators& has) noexcept {
  const auto text = fields.get("If-Range");
  if (!text) return true;
  if (text->starts_with('"') || text->starts_with("W/")) return is_same(*text, has.etag, false);
  const auto date = parse_timestamp(*text);
  return date && *date == has.modified && has.modified < current_second() - std::chrono::seconds{1};
}

}  // namespace evcoro::http::detail
