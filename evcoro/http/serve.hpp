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

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <system_error>
#include <vector>

#include <evcoro/http/limits.hpp>
#include <evcoro/http/request.hpp>
#include <evcoro/http/response.hpp>
#include <evcoro/io/stream.hpp>
#include <evcoro/net/address.hpp>
#include <stacks/export.hpp>

namespace evcoro::http {

// Handler answers a request. Several threads call it, those of a LoopGroup at once.
using Handler = std::function<void(Request& request, Response& response)>;

// Exchange is a request and what has become of it, when that is over.
struct Exchange {
  const Address& peer;
  const Request* request;  // nullptr: its head couldn't be read, and was answered as status says
  Status status;
  std::uint64_t bytes;                // of the body, as Response::body_bytes()
  std::chrono::nanoseconds duration;  // from the whole head of the request on
  std::error_code error;              // that has ended the connection; none if all has been sent
};

// ExchangeObserver is called behind each response, in the connection's thread: on a group in any OS
// thread. It must not throw.
using ExchangeObserver = std::function<void(const Exchange& exchange)>;

struct ServeOptions {
  Limits limits = {};

  // server is the field Server; without it there is none. Line breaks and the like are left out.
  std::string server = {};

  // gather is how many bytes of responses may wait for those to further requests that have come
  // already. 0: every response is sent at once.
  std::size_t gather = 16 * 1024;

  // observers are told of each exchange: AccessLog, Metrics.
  std::vector<ExchangeObserver> observers = {};
};

// serve() throws what handler throws, and std::bad_alloc.
EVCORO_API void serve(AnyStream stream, const Handler& handler, const ServeOptions& options = {},
                      const Address& peer = {});

}  // namespace evcoro::http
