#include <evcoro/http/method.hpp>

#include <array>
#include <cstddef>

namespace evcoro::http {
namespace {

// By number; "" is no method of ours.
constexpr std::array<std::string_view, 34> names{
    "DELETE",     "GET",      "HEAD",       "POST",     "PUT",    "",          "OPTIONS",
    "TRACE",      "COPY",     "LOCK",       "MKCOL",    "MOVE",   "PROPFIND",  "PROPPATCH",
    "SEARCH",     "UNLOCK",   "BIND",       "REBIND",   "UNBIND", "ACL",       "REPORT",
    "MKACTIVITY", "CHECKOUT", "MERGE",      "M-SEARCH", "NOTIFY", "SUBSCRIBE", "UNSUBSCRIBE",
    "PATCH",      "PURGE",    "MKCALENDAR", "LINK",     "UNLINK", "SOURCE"};

}  // namespace

std::string_view to_string(Method method) noexcept {
  const auto number = static_cast<std::size_t>(method);
  return number < names.size() ? names[number] : std::string_view{};
}

std::optional<Method> to_method(std::string_view name) noexcept {
  if (name.empty()) return std::nullopt;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return static_cast<Method>(i);
  }
  return std::nullopt;
}

}  // namespace evcoro::http
