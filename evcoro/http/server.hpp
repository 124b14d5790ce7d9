// Server: listens, and serves HTTP/1 on each connection, in a thread of its own.
//
//   evcoro::Loop loop{{.capacity = 1000}};
//   evcoro::http::Server server{loop, Address::any(AF_INET, 8080),
//                               [](Request& request, Response& response) {
//                                 response.send("hello\n");
//                               }};
//   loop.run();
//
// On a LoopGroup connections run on all its loops, and the handler on several OS threads at once.
// The stack pool is the limit of connections: see AcceptorOptions for what happens to those beyond.
//
// What a handler throws goes to the loop's exception handler, once; the client gets 500, and the
// others notice nothing.
//
// Its members are for the loop's OS thread, on a group for any. It goes before its loop or group;
// the connections' threads may outlive it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <system_error>

#include <evcoro/http/serve.hpp>
#include <evcoro/net/address.hpp>
#include <evcoro/net/group_acceptor.hpp>
#include <evcoro/net/socket.hpp>
#include <evcoro/net/tcp_acceptor.hpp>
#include <evcoro/thread.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>
#include <stacks/stack_pool.hpp>

namespace evcoro {
class Loop;
class LoopGroup;
}  // namespace evcoro

namespace evcoro::http {

namespace detail {
class ServerState;
}

// Secure puts a layer on a connection, such as TLS: it calls serve with the stream that speaks HTTP
// in the end, once, or not at all if there is none.
using Secure =
    std::function<void(Socket& socket, const std::function<void(AnyStream stream)>& serve)>;

// ServerOptions are those of a Server.
struct ServerOptions : ServeOptions {
  // With WhenFull::reject clients get 503, unless refuse says something else, or secure is set: for
  // then it would have to be encrypted.
  AcceptorOptions acceptor = {};
  Spread spread = Spread::automatic;  // on a group
  Secure secure = {};
  std::chrono::seconds retry_after{1};  // of 503
};

class EVCORO_API Server {
 public:
  using Options = ServerOptions;
  using Counters = TcpAcceptor::Counters;

  // Throws as TcpAcceptor's and GroupAcceptor's constructors do. The second takes over a descriptor
  // that listens.
  Server(Loop& loop, const Address& address, Handler handler, Options options = {});
  Server(Loop& loop, int listening_descriptor, Handler handler, Options options = {});
  Server(LoopGroup& group, const Address& address, Handler handler, Options options = {});
  ~Server();  // as close(); the connections go on
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // close() stops listening.
  void close() noexcept;

  // drain() ends service gracefully: it stops listening, ends connections that wait for a further
  // request, lets requests that are under way be answered (and says Connection: close), and those
  // who wait in the backlog be served. Upgraded connections are told
  // (Upgraded::wait_for_message()). What is left at the deadline is cancelled: then it is
  // timed_out. A handler that was cancelled, and has not begun a response, can still send one, for
  // half a second; 503 is sent for one that returns without, or throws. What has begun is cut. To
  // be called as TcpAcceptor's drain(), and GroupAcceptor's; not to be called again.
  std::error_code drain(Timeout timeout = {});

  // The same for who can't wait, such as a callback of the application's base: it returns at once,
  // and done is called with the error in the end, in a thread of the loop on a stack of its own (64
  // KiB). done may wait, but must not destroy the server; if that goes before, it isn't called.
  // Errors: those of Loop::spawn(); device_or_resource_busy if the server drains already;
  // operation_not_supported on a group. Throws std::bad_alloc.
  std::error_code drain(Timeout timeout, std::function<void(std::error_code)> done);

  // is_draining() says whether drain() has been called. Any OS thread may ask.
  bool is_draining() const noexcept;

  Address local_address() const noexcept;
  Counters counters() const;

 private:
  friend class Metrics;
  std::shared_ptr<detail::ServerState> state_;
  std::unique_ptr<TcpAcceptor> acceptor_;
  std::unique_ptr<GroupAcceptor> group_acceptor_;
  Loop* loop_ = nullptr;  // unless on a group
  std::unique_ptr<stacks::StackPool> drain_stack_;
  Thread<void> drain_thread_;
};

}  // namespace evcoro::http
