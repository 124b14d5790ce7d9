#include <evcoro/http/detail/redirect.hpp>

#include <string>
#include <utility>
#include <vector>

#include <evcoro/http/detail/text.hpp>
#include <evcoro/http/error.hpp>

namespace evcoro::http::detail {
namespace {

// 303 asks for another thing to be got; 301 and 302 do so of a POST, by custom.
bool becomes_get(Status status, Method method) noexcept {
  if (status == Status::see_other) return method != Method::head;
  const bool is_old = status == Status::moved_permanently || status == Status::found;
  return is_old && method == Method::post;
}

// What is about a body that is left out.
void erase_body_fields(Fields& fields) {
  std::vector<std::string> names;
  for (const auto [name, value] : fields) {
    constexpr std::string_view prefix = "content-";
    if (equals_ignoring_case(name.substr(0, prefix.size()), prefix)) names.emplace_back(name);
  }
  for (const std::string& name : names) fields.erase(name);
}

// What is for those eyes alone that were meant. Proxy-Authorization is for those of a proxy anyway.
void erase_private_fields(Fields& fields) {
  for (const char* name : {"Authorization", "Cookie", "Host"}) {
    fields.erase(name);
  }
}

}  // namespace

bool is_redirect(Status status, const Fields& fields) noexcept {
  switch (status) {
    case Status::moved_permanently:
    case Status::found:
    case Status::see_other:
    case Status::temporary_redirect:
    case Status::permanent_redirect:
      return fields.contains("Location");
    default:
      return false;
  }
}

std::error_code Redirection::follow(Status status, const Fields& response, bool follows_to_http) {
  if (response.count("Location") != 1) return Errc::malformed;
  Result<Url> next = resolve_url(url, response.get_or("Location"));
  if (!next) return Errc::malformed;
  if (url.is_secure && !next->is_secure && !follows_to_http) return Errc::unsafe_redirect;
  if (!next->has_origin_of(url)) erase_private_fields(fields);
  url = std::move(*next);
  if (!becomes_get(status, method)) return {};
  if (has_body || method != Method::get) erase_body_fields(fields);
  method = Method::get;
  has_body = false;
  return {};
}

}  // namespace evcoro::http::detail
