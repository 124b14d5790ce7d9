// serve(): HTTP/1 on any stream, in the calling thread.
//
//   evcoro::TcpAcceptor acceptor{loop, address, [](evcoro::Socket& socket) {
//     evcoro::http::serve(socket, [](Request& request, Response& response) {
//       response.send("hello\n");
//     });
//   }};
//
// It returns when the connection is over: the client has left, or is too slow, or breaks the rules
// (and has been told so); the handler wants it to end; or the thread is cancelled. The stream stays
// the caller's, who closes it. Server does all this, with listening and draining.
//
// A handler that throws: the client gets 500, or, if a response has begun, a connection that breaks
// off; the connection is over, and serve() throws on, for the thread's loop to report it.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include <evcoro/http/limits.hpp>
#include <evcoro/http/request.hpp>
#include <evcoro/http/response.hpp>
#include <evcoro/io/stream.hpp>
#include <evcoro/net/address.hpp>
#include <stacks/export.hpp>

namespace evcoro::http {

// Handler answers a request. Several threads call it, those of a LoopGroup at once.
using Handler = std::function<void(Request& request, Response& response)>;

struct ServeOptions {
  Limits limits = {};

  // server is the field Server; without it there is none. Line breaks and the like are left out.
  std::string server = {};

  // gather is how many bytes of responses may wait for those to further requests that have come
  // already. 0: every response is sent at once.
  std::size_t gather = 16 * 1024;
};

// serve() throws what handler throws, and std::bad_alloc.
EVCORO_API void serve(AnyStream stream, const Handler& handler, const ServeOptions& options = {},
                      const Address& peer = {});

}  // namespace evcoro::http
