// Redirects: what of a request is left when a response sends it elsewhere, RFC 9110, 15.4.
#pragma once

#include <optional>
#include <string_view>
#include <system_error>

#include <evcoro/http/fields.hpp>
#include <evcoro/http/method.hpp>
#include <evcoro/http/status.hpp>
#include <evcoro/http/url.hpp>

namespace evcoro::http::detail {

// is_redirect() says whether a response with this status and these fields is one.
bool is_redirect(Status status, const Fields& fields) noexcept;

// Redirection is the part of a request that redirects change.
struct Redirection {
  Method method;
  Url url;
  Fields fields;
  bool has_body;

  // follow() turns it into what is asked for next. Errors: Errc::malformed for a Location that
  // can't be read, unsafe_redirect if it leads from https to http, unless that is allowed.
  std::error_code follow(Status status, const Fields& response, bool follows_to_http);
};

}  // namespace evcoro::http::detail
