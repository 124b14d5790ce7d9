// Method: what a request asks for.
//
//   if (request.method() == Method::post) ...
//   std::string_view name = to_string(Method::get);  // "GET"
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <stacks/export.hpp>

namespace evcoro::http {

// Their values are llhttp's. CONNECT is not among them: a server gets 501 for it, as for what
// nobody knows.
enum class Method : std::uint8_t {
  del = 0,
  get = 1,
  head = 2,
  post = 3,
  put = 4,
  options = 6,
  trace = 7,
  copy = 8,
  lock = 9,
  mkcol = 10,
  move = 11,
  propfind = 12,
  proppatch = 13,
  search = 14,
  unlock = 15,
  bind = 16,
  rebind = 17,
  unbind = 18,
  acl = 19,
  report = 20,
  mkactivity = 21,
  checkout = 22,
  merge = 23,
  msearch = 24,
  notify = 25,
  subscribe = 26,
  unsubscribe = 27,
  patch = 28,
  purge = 29,
  mkcalendar = 30,
  link = 31,
  unlink = 32,
  source = 33,
};

// to_string() is the method's name; to_method() the reverse, of a name in capitals.
EVCORO_API std::string_view to_string(Method method) noexcept;
EVCORO_API std::optional<Method> to_method(std::string_view name) noexcept;

}  // namespace evcoro::http
