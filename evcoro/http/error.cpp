#include <evcoro/http/error.hpp>

#include <cerrno>
#include <string>

namespace evcoro::http {
namespace {

struct Text {
  int equivalent;
  const char* message;
};

Text text_of(Errc error) noexcept {
  switch (error) {
    case Errc::malformed:
      return {EBADMSG, "the peer's message breaks the rules of HTTP"};
    case Errc::body_too_large:
      return {EMSGSIZE,
              "the body is longer than its limit, see Request::set_body_limit() and Limits::body"};
    case Errc::body_too_slow:
      return {ETIMEDOUT, "the body comes more slowly than Limits let it"};
    case Errc::already_sent:
      return {EALREADY, "the head of the response has been sent, or all of it: it is too late"};
    case Errc::invalid_field_name:
      return {EINVAL, "the name of a field is empty, or has a character that a name can't have"};
    case Errc::invalid_field_value:
      return {EINVAL, "the value of a field has a line break or another control character"};
    case Errc::reserved_field:
      return {EINVAL,
              "the response sets this field itself: see Response::set_content_length(), "
              "close_connection() and upgrade()"};
    case Errc::invalid_status:
      return {EINVAL, "the status of a response is between 200 and 999; 101 is for upgrade()"};
    case Errc::body_not_allowed:
      return {EINVAL, "a response with this status has no body"};
    case Errc::wrong_length:
      return {EINVAL, "this is more, or less, than the Content-Length that was announced"};
    case Errc::not_an_upgrade:
      return {EINVAL, "the request doesn't ask for this protocol"};
    case Errc::connection_lost:
      return {EPIPE, "the connection has been cut"};
    case Errc::invalid_url:
      return {EINVAL, "this is no absolute URL, or has characters that a URL can't have"};
    case Errc::userinfo_in_url:
      return {EINVAL,
              "a URL has no user and no password here; a client's may have, or the field "
              "Authorization"};
    case Errc::unknown_scheme:
      return {EPROTONOSUPPORT, "the client speaks http and https only"};
    case Errc::no_secure_layer:
      return {EPROTONOSUPPORT,
              "https needs TLS: set ClientOptions::secure, as by secure_by() of the library "
              "evcoro::tls"};
    case Errc::invalid_proxy:
      return {EINVAL,
              "the proxy is not such as \"host:port\", \"http://host:port\" or "
              "\"http://user:password@host:port\", percent-encoded"};
    case Errc::proxy_refused:
      return {ECONNREFUSED, "the proxy doesn't make a tunnel to this host"};
    case Errc::too_many_redirects:
      return {ELOOP, "more redirects than ClientOptions::max_redirects"};
    case Errc::unsafe_redirect:
      return {EPERM, "a redirect from https to http; see ClientOptions::follows_to_http"};
    case Errc::body_not_repeatable:
      return {EINVAL, "the redirect wants the body again, which has been streamed"};
    case Errc::head_too_slow:
      return {ETIMEDOUT, "the head of the response comes later than ClientOptions::head_timeout"};
  }
  return {0, "unknown error"};
}

class Category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "evcoro.http"; }
  std::string message(int error) const override {
    return text_of(static_cast<Errc>(error)).message;
  }
  std::error_condition default_error_condition(int error) const noexcept override {
    const int equivalent = text_of(static_cast<Errc>(error)).equivalent;
    if (equivalent == 0) return {error, *this};
    return {equivalent, std::generic_category()};
  }
};

}  // namespace

const std::error_category& error_category() noexcept {
  static const Category category;
  return category;
}

}  // namespace evcoro::http
