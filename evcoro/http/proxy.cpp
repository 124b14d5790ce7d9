#include <evcoro/http/proxy.hpp>

#include <cstdlib>
#include <initializer_list>
#include <string_view>

#include <evcoro/http/detail/text.hpp>
#include <evcoro/http/detail/userinfo.hpp>
#include <evcoro/http/error.hpp>

namespace evcoro::http {
namespace {

std::string variable(std::initializer_list<const char*> spellings) {
  for (const char* const name : spellings) {
    const char* const value = std::getenv(name);
    if (value != nullptr && *value != '\0') return value;
  }
  return {};
}

// Whether name is host, or the end of it behind a dot.
bool is_domain_of(std::string_view name, std::string_view host) noexcept {
  if (name.starts_with('.')) name.remove_prefix(1);
  if (name.empty() || host.size() < name.size()) return false;
  const std::size_t before = host.size() - name.size();
  return detail::equals_ignoring_case(host.substr(before), name) &&
         (before == 0 || host[before - 1] == '.');
}

// entry is "name", "name:port", "[::1]", "::1".
bool matches(std::string_view entry, const Url& url) {
  if (entry == "*") return true;
  const bool is_v6 = url.host.find(':') != std::string::npos;
  const std::string port = ':' + std::to_string(url.port);
  if (is_v6) {
    const std::string bracketed = '[' + url.host + ']';
    return detail::equals_ignoring_case(entry, url.host) ||
           detail::equals_ignoring_case(entry, bracketed) ||
           detail::equals_ignoring_case(entry, bracketed + port);
  }
  if (entry.ends_with(port)) entry.remove_suffix(port.size());
  std::string_view host = url.host;
  if (host.ends_with('.')) host.remove_suffix(1);  // the same host, as DNS has it
  return is_domain_of(entry, host);
}

// A "#" might be meant as part of a password, but would end the URL.
Result<Proxy> read_setting(std::string_view setting) {
  const bool has_scheme = setting.find("://") != std::string_view::npos;
  std::string text = std::string{has_scheme ? "" : "http://"}.append(setting);
  auto authorization = detail::take_userinfo(text);
  auto url = parse_url(text);
  const bool is_plain = setting.find('#') == std::string_view::npos;
  if (!authorization || !url || !is_plain) return Errc::invalid_proxy;
  if (url->is_secure || url->target != "/") return Errc::invalid_proxy;
  return Proxy{.url = *std::move(url), .authorization = *std::move(authorization)};
}

}  // namespace

ProxySettings ProxySettings::from_environment() {
  return {.http = variable({"http_proxy"}),
          .https = variable({"https_proxy", "HTTPS_PROXY"}),
          .exceptions = variable({"no_proxy", "NO_PROXY"})};
}

Result<std::optional<Proxy>> ProxySettings::proxy_for(const Url& url) const {
  const std::string_view setting = detail::trim(url.is_secure ? https : http);
  if (setting.empty()) return std::optional<Proxy>{};
  bool is_exception = false;
  detail::for_each_element(exceptions, [&](std::string_view entry) {
    if (!entry.empty() && matches(entry, url)) is_exception = true;
  });
  if (is_exception) return std::optional<Proxy>{};
  auto proxy = read_setting(setting);
  if (!proxy) return proxy.error();
  return std::optional<Proxy>{*std::move(proxy)};
}

}  // namespace evcoro::http
