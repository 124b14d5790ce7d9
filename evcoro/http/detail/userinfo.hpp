// The user and the password in a URL (RFC 3986, 3.2.1), for Basic authentication (RFC 7617).
//
//   std::string url = "http://user:a%20word@example.org/";
//   take_userinfo(url).value();     // "Basic dXNlcjphIHdvcmQ="
//   url                             // "http://example.org/"
#pragma once

#include <string>

#include <evcoro/result.hpp>

namespace evcoro::http::detail {

// take_userinfo() takes them out of url, which begins with its scheme, and returns what the field
// Authorization, or Proxy-Authorization, says for them; "" if there are none. They are decoded.
// Errc::invalid_url if they have characters that a URL can't have, or control characters, or the
// user a colon. Throws std::bad_alloc.
Result<std::string> take_userinfo(std::string& url);

}  // namespace evcoro::http::detail
