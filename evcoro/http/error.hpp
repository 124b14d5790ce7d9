// Errors of the HTTP layer, beside those of the streams below; the messages say what to do.
//
//   if (in.error == evcoro::http::Errc::body_too_large) ...
#pragma once

#include <system_error>
#include <type_traits>

#include <stacks/export.hpp>

namespace evcoro::http {

// Each is equivalent to the errno in brackets.
enum class Errc {
  malformed = 1,        // [EBADMSG] the peer's message breaks the rules of HTTP
  body_too_large,       // [EMSGSIZE] the body is longer than its limit
  body_too_slow,        // [ETIMEDOUT] the body comes more slowly than Limits let it
  already_sent,         // [EALREADY] the head of the response has been sent, or all of it
  invalid_field_name,   // [EINVAL] the name of a field is no token
  invalid_field_value,  // [EINVAL] the value of a field has a line break or other control
                        // characters
  reserved_field,       // [EINVAL] a field that the library itself sets
  invalid_status,       // [EINVAL] a status that a response can't have
  body_not_allowed,     // [EINVAL] a response with this status has no body
  wrong_length,         // [EINVAL] more, or less, than the Content-Length that was announced
  not_an_upgrade,       // [EINVAL] the request doesn't ask for this protocol, or for none
  connection_lost,      // [EPIPE] the connection has been cut
  invalid_url,          // [EINVAL] no absolute URL, or one with characters that it can't have
  userinfo_in_url,      // [EINVAL] a user or a password in a URL
  unknown_scheme,       // [EPROTONOSUPPORT] a URL that is neither http nor https
  no_secure_layer,      // [EPROTONOSUPPORT] https without ClientOptions::secure
  invalid_proxy,        // [EINVAL] a setting of a proxy that can't be read
  proxy_refused,        // [ECONNREFUSED] the proxy doesn't make a tunnel
  too_many_redirects,   // [ELOOP] more than ClientOptions::max_redirects
  unsafe_redirect,      // [EPERM] from https to http
  body_not_repeatable,  // [EINVAL] a body that was streamed would have to be sent again
  head_too_slow,        // [ETIMEDOUT] no head of a response within ClientOptions::head_timeout
};
EVCORO_API const std::error_category& error_category() noexcept;
inline std::error_code make_error_code(Errc error) noexcept {
  return {static_cast<int>(error), error_category()};
}

}  // namespace evcoro::http

template <>
struct std::is_error_code_enum<evcoro::http::Errc> : std::true_type {};
