#include <evcoro/http/serve.hpp>

#include <evcoro/http/detail/connection.hpp>

namespace evcoro::http {

void serve(AnyStream stream, const Handler& handler, const ServeOptions& options,
           const Address& peer) {
  detail::Connection{stream, handler, options, peer, nullptr}.run();
}

}  // namespace evcoro::http
