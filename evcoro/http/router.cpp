#include <evcoro/http/router.hpp>

#include <algorithm>
#include <stdexcept>

#include <evcoro/http/detail/plain.hpp>
#include <evcoro/http/detail/router_state.hpp>
#include <evcoro/http/detail/text.hpp>

namespace evcoro::http {
namespace detail {
namespace {

constexpr std::uint64_t bit(Method method) noexcept {
  return std::uint64_t{1} << static_cast<unsigned>(method);
}

// without_port() is the host of "example.org:80", or of "[::1]:80".
std::string_view without_port(std::string_view host) noexcept {
  const std::size_t colon = host.rfind(':');
  const bool is_in_brackets = colon != std::string_view::npos && host.find(']', colon) != host.npos;
  return is_in_brackets ? host : host.substr(0, colon);
}

// without_end() leaves out the dot of a name that is from the root of all names on.
std::string_view without_end(std::string_view name) noexcept {
  return name.ends_with('.') ? name.substr(0, name.size() - 1) : name;
}

void send_allowed(Request& request, Response& response, std::uint64_t allowed) {
  if ((allowed & bit(Method::get)) != 0) allowed |= bit(Method::head);
  allowed |= bit(Method::options);
  std::string names;
  for (unsigned i = 0; i < 64; ++i) {
    if ((allowed >> i & 1) == 0) continue;
    names.append(names.empty() ? "" : ", ").append(to_string(static_cast<Method>(i)));
  }
  response.fields().set("Allow", names);
  if (request.method() != Method::options) {
    send_plain(response, Status::method_not_allowed);
    return;
  }
  response.set_status(Status::no_content);
  response.send("");
}

}  // namespace

// --- building ---

RouterState::Node* RouterState::Node::find(std::string_view segment) const noexcept {
  for (const auto& [text, node] : literals) {
    if (text == segment) return node.get();
  }
  return nullptr;
}

const RouterState::Route* RouterState::Node::find(Method method) const noexcept {
  for (const Route& route : routes) {
    if (route.method == method) return &route;
  }
  return nullptr;
}

RouterState::Node& RouterState::child(Node& node, std::string_view segment, bool is_last,
                                      std::vector<std::string>& names) {
  if (!segment.starts_with(':') && !segment.starts_with('*')) {
    if (Node* const found = node.find(segment)) return *found;
    return *node.literals.emplace_back(segment, std::make_unique<Node>()).second;
  }
  const bool is_rest = segment.front() == '*';
  if (segment.size() == 1 || (is_rest && !is_last)) {
    throw std::invalid_argument("a route's pattern: ':' and '*' want a name, and '*' is the last");
  }
  names.emplace_back(segment.substr(1));
  std::unique_ptr<Node>& place = is_rest ? node.rest : node.parameter;
  if (place == nullptr) place = std::make_unique<Node>();
  return *place;
}

void RouterState::add(Method method, std::string_view pattern, Handler handler) {
  if (!pattern.starts_with('/')) {
    throw std::invalid_argument("a route's pattern begins with a '/'");
  }
  std::vector<std::string> names;
  Node* node = &root_;
  for (std::string_view rest = pattern; !rest.empty();) {
    rest.remove_prefix(1);
    const std::string_view segment = rest.substr(0, rest.find('/'));
    rest.remove_prefix(segment.size());
    node = &child(*node, segment, rest.empty(), names);
  }
  std::erase_if(node->routes, [&](const Route& route) { return route.method == method; });
  node->routes.push_back({method, std::move(handler), std::move(names)});
}

void RouterState::mount(std::string_view prefix, Router router) {
  const bool has_name = prefix.find("/:") != prefix.npos || prefix.find("/*") != prefix.npos;
  if (!prefix.starts_with('/') || prefix.ends_with('/') || has_name) {
    throw std::invalid_argument("a prefix begins with a '/', ends with none, and has no names");
  }
  const auto place = std::ranges::find_if(
      mounts_, [&](const Mount& each) { return each.prefix.size() < prefix.size(); });
  mounts_.insert(place, Mount{std::string{prefix}, std::move(router)});
}

// --- looking up ---

const RouterState::Route* RouterState::Search::at_end(const Node& node) {
  for (const Route& route : node.routes) allowed |= bit(route.method);
  const Route* found = node.find(method);
  if (found == nullptr && method == Method::head) found = node.find(Method::get);
  return found;
}

// Goes on in node with value as a parameter, which is taken back if nothing is found.
const RouterState::Route* RouterState::Search::behind(const Node* node, std::string_view value,
                                                      std::string_view rest, bool is_end) {
  if (node == nullptr) return nullptr;
  const std::size_t before = request.parameter_count();
  request.set_parameter({}, value);
  const Route* const found = is_end ? at_end(*node) : in(*node, rest);
  if (found == nullptr) request.clear_parameters(before);
  return found;
}

// path is "" at its end, or begins with a "/".
const RouterState::Route* RouterState::Search::in(const Node& node, std::string_view path) {
  if (path.empty()) return at_end(node);
  path.remove_prefix(1);
  const std::string_view segment = path.substr(0, path.find('/'));
  const std::string_view rest = path.substr(segment.size());
  if (const Node* const next = node.find(segment)) {
    if (const Route* const found = in(*next, rest)) return found;
  }
  if (!segment.empty()) {
    if (const Route* const found = behind(node.parameter.get(), segment, rest, false)) {
      return found;
    }
  }
  return behind(node.rest.get(), path, {}, true);
}

const RouterState::Mount* RouterState::find_mount(std::string_view path) const noexcept {
  for (const Mount& each : mounts_) {
    const std::size_t end = each.prefix.size();
    if (path.starts_with(each.prefix) && (path.size() == end || path[end] == '/')) return &each;
  }
  return nullptr;
}

const RouterState::Route* RouterState::find_route(std::string_view path, Request& request,
                                                  std::uint64_t& allowed) const {
  if (!path.starts_with('/')) return nullptr;
  const std::size_t before = request.parameter_count();
  Search search{.request = request, .method = request.method()};
  const Route* const found = search.in(root_, path);
  allowed = search.allowed;
  if (found == nullptr) return nullptr;
  for (std::size_t i = 0; i < found->names.size(); ++i) {
    request.name_parameter(before + i, found->names[i]);
  }
  return found;
}

// --- running ---

void RouterState::run(std::size_t index, std::string_view path, Request& request,
                      Response& response) const {
  if (index == middleware.size()) return dispatch(path, request, response);
  middleware[index](request, response, Next{*this, index + 1, path, request, response});
}

void RouterState::dispatch(std::string_view path, Request& request, Response& response) const {
  const std::string_view host = without_end(without_port(request.host()));
  for (const auto& [name, router] : hosts) {
    if (equals_ignoring_case(name, host)) return router.state_->run(0, path, request, response);
  }
  std::uint64_t allowed = 0;
  if (const Route* const route = find_route(path, request, allowed)) {
    return route->handler(request, response);
  }
  if (const Mount* const found = find_mount(path)) {
    const std::string_view rest = path.substr(found->prefix.size());
    return found->router.state_->run(0, rest.empty() ? "/" : rest, request, response);
  }
  if (allowed != 0 || path == "*") return send_allowed(request, response, allowed);
  if (otherwise) return otherwise(request, response);
  send_plain(response, Status::not_found);
}

}  // namespace detail

void Next::operator()() const { router_.run(index_, path_, request_, response_); }

Router::Router() : state_(std::make_shared<detail::RouterState>()) {}

Router& Router::add(Method method, std::string_view pattern, Handler handler) {
  state_->add(method, pattern, std::move(handler));
  return *this;
}

Router& Router::use(Middleware middleware) {
  state_->middleware.push_back(std::move(middleware));
  return *this;
}

Router& Router::host(std::string_view name, Router router) {
  state_->hosts.emplace_back(detail::without_end(name), std::move(router));
  return *this;
}

Router& Router::mount(std::string_view prefix, Router router) {
  state_->mount(prefix, std::move(router));
  return *this;
}

Router& Router::otherwise(Handler handler) {
  state_->otherwise = std::move(handler);
  return *this;
}

void Router::operator()(Request& request, Response& response) const {
  state_->run(0, request.path(), request, response);
}

}  // namespace evcoro::http
