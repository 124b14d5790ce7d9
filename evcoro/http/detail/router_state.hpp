// RouterState: a Router's routes, as a tree of the segments of their paths.
//
//   /users/:id, /users/new, /files/*path
//
//   root -- "users" -- ":" {GET}
//        |          +- "new" {POST}
//        +- "files" -- "*" {GET}
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <evcoro/http/router.hpp>

namespace evcoro::http::detail {

class RouterState {
 public:
  void add(Method method, std::string_view pattern, Handler handler);

  void mount(std::string_view prefix, Router router);

  // run() runs the middleware of index, or, behind the last, the handler of the route for path.
  void run(std::size_t index, std::string_view path, Request& request, Response& response) const;

  std::vector<Router::Middleware> middleware;
  std::vector<std::pair<std::string, Router>> hosts;
  Handler otherwise;

 private:
  struct Route {
    Method method;
    Handler handler;
    std::vector<std::string> names;  // of the parameters, in their order
  };

  struct Mount {
    std::string prefix;
    Router router;
  };

  struct Node {
    std::vector<std::pair<std::string, std::unique_ptr<Node>>> literals;
    std::unique_ptr<Node> parameter;  // ":name"
    std::unique_ptr<Node> rest;       // "*name"
    std::vector<Route> routes;

    Node* find(std::string_view segment) const noexcept;
    const Route* find(Method method) const noexcept;
  };

  // Search is for a route; what it passes it notes in allowed, a bit for each method.
  struct Search {
    Request& request;
    Method method;
    std::uint64_t allowed = 0;

    const Route* in(const Node& node, std::string_view path);
    const Route* at_end(const Node& node);
    const Route* behind(const Node* node, std::string_view value, std::string_view rest,
                        bool is_end);
  };

  static Node& child(Node& node, std::string_view segment, bool is_last,
                     std::vector<std::string>& names);
  const Route* find_route(std::string_view path, Request& request, std::uint64_t& allowed) const;
  const Mount* find_mount(std::string_view path) const noexcept;
  void dispatch(std::string_view path, Request& request, Response& response) const;

  Node root_;
  std::vector<Mount> mounts_;  // the longest first
};

}  // namespace evcoro::http::detail
