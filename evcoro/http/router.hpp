// Router: which handler answers, by method and path.
//
//   Router router;
//   router.get("/users/:id", [](Request& request, Response& response) {
//     response.send(request.parameter("id"));
//   });
//   router.get("/files/*path", send_file);          // parameter("path") is all the rest
//   router.use([](Request& request, Response& response, const Next& next) {
//     log(request.target());
//     next();                                       // or not, and answer here
//   });
//   router.mount("/admin", admin);                  // another Router
//   router.host("api.example.org", api);
//   Server server{loop, address, router};
//
// A pattern is a path, compared as it is: percent-encoded, with regard to case and to a slash at
// its end. ":name" stands for one segment that is not empty, "*name", at the end, for all that is
// left, which may be nothing. Of several routes for a path those with text go before ":name", and
// that before "*name".
//
// HEAD is answered by GET's handler, and OPTIONS by what there is for the path; 404 if there is
// nothing, 405 with Allow if there is something for other methods.
//
// A Router is a Handler, and a handle: copies are the same router. It is built before it serves;
// then it may be called in any number of OS threads at once. Looking a route up allocates nothing.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include <evcoro/http/method.hpp>
#include <evcoro/http/serve.hpp>
#include <stacks/export.hpp>

namespace evcoro::http {

namespace detail {
class RouterState;
}

// Next goes on to the next middleware, and after the last to the route's handler. It is good during
// the call that it was given to.
class EVCORO_API Next {
 public:
  void operator()() const;

 private:
  friend class detail::RouterState;
  Next(const detail::RouterState& router, std::size_t index, std::string_view path,
       Request& request, Response& response) noexcept
      : router_(router), index_(index), path_(path), request_(request), response_(response) {}

  const detail::RouterState& router_;
  std::size_t index_;
  std::string_view path_;
  Request& request_;
  Response& response_;
};

class EVCORO_API Router {
 public:
  using Middleware = std::function<void(Request& request, Response& response, const Next& next)>;

  Router();

  // add() adds a route; its handler takes the place of one that was there. Throws
  // std::invalid_argument if the pattern doesn't begin with a "/", or has a ":" or "*" without a
  // name, or something behind a "*name"; and std::bad_alloc.
  Router& add(Method method, std::string_view pattern, Handler handler);
  Router& get(std::string_view pattern, Handler handler) {
    return add(Method::get, pattern, std::move(handler));
  }
  Router& post(std::string_view pattern, Handler handler) {
    return add(Method::post, pattern, std::move(handler));
  }
  Router& put(std::string_view pattern, Handler handler) {
    return add(Method::put, pattern, std::move(handler));
  }
  Router& patch(std::string_view pattern, Handler handler) {
    return add(Method::patch, pattern, std::move(handler));
  }
  Router& del(std::string_view pattern, Handler handler) {
    return add(Method::del, pattern, std::move(handler));
  }

  // use() adds a middleware behind those that are there. It sees all requests, also those for which
  // there is no route.
  Router& use(Middleware middleware);

  // host() gives the requests to a host to another router; name is without a port; its case doesn't
  // matter, nor does a dot at its end.
  Router& host(std::string_view name, Router router);

  // mount() gives to another router what is beneath prefix, and no route of this one's is for: that
  // sees the path without prefix, and for prefix itself "/". Of several prefixes the longest
  // counts. Request::path() stays whole. Throws std::invalid_argument if prefix doesn't begin with
  // a "/", ends with one, or has a ":name" or "*name".
  Router& mount(std::string_view prefix, Router router);

  // otherwise() answers what no route is for, in place of 404.
  Router& otherwise(Handler handler);

  void operator()(Request& request, Response& response) const;

 private:
  friend class detail::RouterState;
  std::shared_ptr<detail::RouterState> state_;
};

}  // namespace evcoro::http
