#include <evcoro/http/client.hpp>

#include <stdexcept>
#include <utility>

#include <evcoro/http/detail/client_connect.hpp>
#include <evcoro/http/detail/client_exchange.hpp>
#include <evcoro/http/detail/client_pool.hpp>
#include <evcoro/http/detail/fields_access.hpp>
#include <evcoro/http/detail/head.hpp>
#include <evcoro/http/detail/redirect.hpp>
#include <evcoro/http/detail/userinfo.hpp>
#include <evcoro/http/error.hpp>
#include <evcoro/loop.hpp>

namespace evcoro::http {
namespace detail {
namespace {

using OwnExchange = std::unique_ptr<ClientExchange>;

// What has the same effect once or twice, RFC 9110, 9.2.2.
bool is_idempotent(Method method) noexcept {
  switch (method) {
    case Method::get:
    case Method::head:
    case Method::put:
    case Method::del:
    case Method::options:
    case Method::trace:
      return true;
    default:
      return false;
  }
}

// Those that may use the same connections have the same key. A tunnel is for whom the proxy has
// made it.
std::string make_key(const Url& url, const std::optional<Proxy>& proxy,
                     std::string_view proxy_authorization) {
  std::string origin = std::string{url.scheme()} + "://" + url.authority_with_port();
  if (!proxy) return origin;
  const std::string by = " by " + proxy->url.authority_with_port();
  return url.is_secure ? (origin + by + ' ').append(proxy_authorization) : "http" + by;
}

// The fields of a request, which have been checked.
Result<Fields> check_fields(const ClientRequest& request) {
  Fields checked;
  FieldsAccess::guard(checked, Guard::all);
  for (const auto [name, value] : request.fields) {
    if (const auto error = checked.add(name, value)) return error;
  }
  const bool has_host = checked.contains("Host");
  if (has_host && (checked.count("Host") > 1 || !is_host(checked.get_or("Host")))) {
    return Errc::invalid_field_value;
  }
  if (checked.contains("Expect")) return Errc::reserved_field;
  if (const auto error = Fields{}.add("Upgrade", request.upgrade)) return error;
  return checked;
}

// What is asked for first. The user and the password of a URL are the field of its server, for
// whom that is left out where a redirect leads elsewhere.
Result<Redirection> begin(const ClientRequest& request) {
  std::string text = request.url;
  const auto authorization = take_userinfo(text);
  if (!authorization) return authorization.error();
  auto url = parse_url(text);
  if (!url) return url.error();
  auto fields = check_fields(request);
  if (!fields) return fields.error();
  if (!authorization->empty() && !fields->contains("Authorization")) {
    if (const auto error = fields->add("Authorization", *authorization)) return error;
  }
  return Redirection{request.method, *std::move(url), *std::move(fields),
                     request.produce != nullptr || !request.body.empty()};
}

}  // namespace

class ClientState {
 public:
  ClientState(Loop& loop, ClientOptions options);

  Result<ClientResponse> send(const ClientRequest& request, TimePoint deadline);
  ClientPool& pool() noexcept { return *pool_; }

 private:
  Result<OwnExchange> perform(const ClientRequest& request, const Redirection& what,
                              TimePoint deadline);
  Result<OwnExchange> attempt(const RequestPlan& plan, const std::optional<Proxy>& proxy,
                              bool is_retry, bool& may_retry, TimePoint deadline);

  std::shared_ptr<const ClientOptions> options_;
  ProxySettings proxy_;
  std::shared_ptr<ClientPool> pool_;
};

ClientState::ClientState(Loop& loop, ClientOptions options)
    : options_(std::make_shared<const ClientOptions>(std::move(options))),
      proxy_(options_->proxy ? *options_->proxy : ProxySettings::from_environment()) {
  if (options_->max_connections == 0 || options_->max_connections_per_host == 0) {
    throw std::invalid_argument("http::Client: there have to be connections");
  }
  if (Fields{}.add("User-Agent", options_->user_agent)) {
    throw std::invalid_argument("http::Client: user_agent has control characters");
  }
  pool_ = std::make_shared<ClientPool>(
      loop, ClientPool::Bounds{.all = options_->max_connections,
                               .per_host = options_->max_connections_per_host,
                               .idle_timeout = options_->idle_timeout});
}

// On one connection. may_retry says whether another one may do better.
Result<OwnExchange> ClientState::attempt(const RequestPlan& plan, const std::optional<Proxy>& proxy,
                                         bool is_retry, bool& may_retry, TimePoint deadline) {
  auto lease = pool_->take(make_key(plan.url, proxy, plan.proxy_authorization), is_retry, deadline);
  if (!lease) return lease.error();
  const bool is_reused = static_cast<bool>(lease->stream());
  if (!is_reused) {
    auto stream = connect_client(*options_, plan.url, proxy, plan.proxy_authorization, deadline);
    if (!stream) return stream.error();
    lease->stream() = std::move(*stream);
  }
  auto exchange = std::make_unique<ClientExchange>(std::move(*lease), options_, deadline);
  const auto error = exchange->run(plan);
  if (!error) return exchange;
  may_retry = is_reused && exchange->is_unheard(error);
  return error;
}

Result<OwnExchange> ClientState::perform(const ClientRequest& request, const Redirection& what,
                                         TimePoint deadline) {
  if (what.url.is_secure && !options_->secure) return Errc::no_secure_layer;
  const auto proxy = proxy_.proxy_for(what.url);
  if (!proxy) return proxy.error();
  const auto own_authorization = what.fields.get("Proxy-Authorization");
  const std::string_view authorization = *proxy ? (*proxy)->authorization : std::string_view{};
  const RequestPlan plan{.request = request,
                         .method = what.method,
                         .url = what.url,
                         .fields = what.fields,
                         .user_agent = options_->user_agent,
                         .proxy_authorization = own_authorization.value_or(authorization),
                         .has_body = what.has_body,
                         .is_proxied = proxy->has_value() && !what.url.is_secure};
  bool may_retry = false;
  auto exchange = attempt(plan, *proxy, false, may_retry, deadline);
  if (!may_retry || !is_idempotent(plan.method) || plan.is_produced()) return exchange;
  return attempt(plan, *proxy, true, may_retry, deadline);
}

Result<ClientResponse> ClientState::send(const ClientRequest& request, TimePoint deadline) {
  auto begun = begin(request);
  if (!begun) return begun.error();
  Redirection what = *std::move(begun);
  for (std::size_t redirects = 0;; ++redirects) {
    auto exchange = perform(request, what, deadline);
    if (!exchange) return exchange.error();
    const Status status = (*exchange)->head().status;
    const Fields& said = (*exchange)->workspace().fields;
    if (options_->max_redirects == 0 || !is_redirect(status, said)) {
      return ClientResponse{std::move(*exchange), std::move(what.url)};
    }
    if (redirects == options_->max_redirects) return Errc::too_many_redirects;
    if (const auto error = what.follow(status, said, options_->follows_to_http)) return error;
    if (what.has_body && request.produce) return Errc::body_not_repeatable;
    (*exchange)->drain();
  }
}

namespace {

Loop& current_loop() {
  Loop* const loop = Loop::current();
  if (loop == nullptr)
    throw std::logic_error("http::Client: made outside a thread, without a loop");
  return *loop;
}

ClientRequest make_request(Method method, std::string url, std::string body = {},
                           std::string_view type = {}, std::error_code* error = nullptr) {
  ClientRequest request{.url = std::move(url), .method = method};
  request.body = std::move(body);
  if (!type.empty()) *error = request.fields.add("Content-Type", type);
  return request;
}

}  // namespace
}  // namespace detail

Client::Client(Options options) : Client(detail::current_loop(), std::move(options)) {}
Client::Client(Loop& loop, Options options)
    : state_(std::make_shared<detail::ClientState>(loop, std::move(options))) {}
Client::~Client() { state_->pool().close(); }

Result<ClientResponse> Client::send(const ClientRequest& request, Timeout timeout) {
  const auto state = state_;  // the client may go meanwhile
  return state->send(request, timeout.deadline());
}

Result<ClientResponse> Client::get(std::string url, Timeout timeout) {
  return send(detail::make_request(Method::get, std::move(url)), timeout);
}
Result<ClientResponse> Client::head(std::string url, Timeout timeout) {
  return send(detail::make_request(Method::head, std::move(url)), timeout);
}
Result<ClientResponse> Client::del(std::string url, Timeout timeout) {
  return send(detail::make_request(Method::del, std::move(url)), timeout);
}

Result<ClientResponse> Client::post(std::string url, std::string body, std::string_view type,
                                    Timeout timeout) {
  std::error_code error;
  auto request = detail::make_request(Method::post, std::move(url), std::move(body), type, &error);
  return error ? Result<ClientResponse>{error} : send(request, timeout);
}
Result<ClientResponse> Client::put(std::string url, std::string body, std::string_view type,
                                   Timeout timeout) {
  std::error_code error;
  auto request = detail::make_request(Method::put, std::move(url), std::move(body), type, &error);
  return error ? Result<ClientResponse>{error} : send(request, timeout);
}

std::size_t Client::idle() const noexcept { return state_->pool().idle(); }
std::size_t Client::open() const noexcept { return state_->pool().open(); }
std::size_t Client::waiting() const noexcept { return state_->pool().waiting(); }
void Client::close_idle() noexcept { state_->pool().close_idle(); }

}  // namespace evcoro::http
