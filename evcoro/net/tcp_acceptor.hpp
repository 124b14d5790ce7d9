// TcpAcceptor: listens, and runs each connection in a thread of its own. The stack pool is the
// throttle: no stack, no connection.
//
//   TcpAcceptor acceptor{loop, Address::any(AF_INET, 9999), [](Socket& socket) {
//     std::array<std::byte, 1024> buffer;
//     while (IoResult in = socket.recv(buffer, 3s)) {
//       if (in.count == 0 || !socket.send(std::span{buffer}.first(in.count), 3s)) break;
//     }
//   }};
//   loop.run();
//
// When no stack is left, the acceptor stops listening until one is free, and clients queue in the
// kernel's backlog; or it turns them away, see Options::when_full.
//
// It is used in the loop's OS thread.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include <corothread/identity.hpp>
#include <evcoro/net/address.hpp>
#include <evcoro/net/socket.hpp>
#include <evcoro/net/token_bucket.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>
#include <stacks/stack_pool.hpp>

namespace evcoro {

class Loop;

namespace detail {
class AcceptorCore;
class HandOut;
class Listener;
}  // namespace detail

// ConnectionHandler is what a connection's thread runs. The socket is closed after it.
using ConnectionHandler = std::function<void(Socket& socket)>;

// Accepted is a new connection, as a factory sees it.
class EVCORO_API Accepted {
 public:
  Accepted(int descriptor, const Address& peer) noexcept : descriptor_(descriptor), peer_(peer) {}

  int native_handle() const noexcept { return descriptor_; }
  const Address& peer_address() const noexcept { return peer_; }

  // run() says what the connection's thread is to run; set_name() what it is called.
  void run(ConnectionHandler handler) {
    run(std::make_shared<const ConnectionHandler>(std::move(handler)));
  }
  void run(std::shared_ptr<const ConnectionHandler> handler) noexcept {
    handler_ = std::move(handler);
  }
  void set_name(std::string_view name) { name_ = name; }

 private:
  friend class detail::AcceptorCore;
  int descriptor_;
  const Address& peer_;
  std::shared_ptr<const ConnectionHandler> handler_;
  std::string name_;
};

// ConnectionFactory decides what runs on a new connection. It is called in a callback of the loop,
// or by TcpAcceptor::close(), which may be called on a thread's stack; it must not block, nor
// destroy the loop. Non-zero, an exception, or
// no call of Accepted::run() closes the connection at once.
using ConnectionFactory = std::function<int(Accepted& accepted)>;

// Refusal is a connection that is turned away, as the callback sees it.
class EVCORO_API Refusal {
 public:
  enum class Reason {
    no_stack,
    max_connections,
    rate,  // of new connections
    max_per_address,
  };

  Refusal(int descriptor, const Address& peer, Reason reason) noexcept
      : descriptor_(descriptor), peer_(peer), reason_(reason) {}

  const Address& peer_address() const noexcept { return peer_; }
  Reason reason() const noexcept { return reason_; }

  // write() sends text as far as the socket's buffer takes it without waiting. Returns how much.
  std::size_t write(std::string_view text) noexcept;

 private:
  int descriptor_;
  const Address& peer_;
  Reason reason_;
};

// WhenFull says what happens to clients when no stack is left, or another limit is reached.
enum class WhenFull {
  pause,   // stop listening until it goes on: clients wait in the backlog, and nobody is lost
  reject,  // accept and close; Options::refuse may write a refusal before
};

// V6Only is IPV6_V6ONLY (ipv6(7)) of a listener for IPv6: off makes it a dual stack, whose IPv4
// clients have addresses such as ::ffff:1.2.3.4.
enum class V6Only { system, off, on };  // system: net.ipv6.bindv6only

// AcceptorOptions are TcpAcceptor::Options; outside it, so that they can be a default argument
// there.
struct AcceptorOptions {
  std::string name = "connection";  // of the threads
  int backlog = 4096;               // see listen(2); the kernel caps it at net.core.somaxconn
  int receive_buffer = -1;          // SO_RCVBUF and SO_SNDBUF of the connections in bytes; -1
  int send_buffer = -1;             // leaves the system's
  WhenFull when_full = WhenFull::pause;
  std::function<void(Refusal&)> refuse =
      {};                               // with reject: called outside any thread, must not block
  stacks::StackPool* stacks = nullptr;  // another pool than the loop's; it outlives the connections
  V6Only v6_only = V6Only::system;

  // SO_REUSEPORT (socket(7)): further acceptors with it listen on the same address, and the kernel
  // gives each connection to one of them. What it has given to one that is paused waits for that.
  bool reuse_port = false;

  // Connections at once: how many there may be, and for how many stacks are set aside as long as
  // the acceptor is open, so that neither other acceptors on the pool nor anybody else takes them.
  std::size_t max_connections = SIZE_MAX;
  std::size_t reserve = 0;

  // New connections: a token each. The bucket may be shared with other acceptors; threads that wait
  // for its tokens come first.
  std::shared_ptr<TokenBucket> accept_rate = {};

  // Connections at once of a client's IP address; of IPv6 its first ipv6_prefix bits count (64 is
  // what one customer has). With pause, a connection beyond that is accepted, and held without a
  // thread until one of its address ends; as many may be held of an address as may run, others are
  // turned away.
  std::size_t max_per_address = SIZE_MAX;
  WhenFull when_address_full = WhenFull::reject;
  int ipv6_prefix = 128;

  // What all connections transfer together, and each of them, see Socket::set_bandwidth().
  Bandwidth bandwidth = {};
  std::optional<Rate> receive_rate = {};
  std::optional<Rate> send_rate = {};
  corothread::SourceLocation where = corothread::SourceLocation::current();
};

class EVCORO_API TcpAcceptor {
 public:
  using WhenFull = evcoro::WhenFull;
  using Options = AcceptorOptions;

  struct Counters {
    std::uint64_t accepted = 0;  // connections that got a thread
    std::uint64_t refused = 0;  // turned away: by a limit (with reject), by the factory, no memory,
                                // or still waiting when the acceptor closed, as far as the kernel
                                // says how many those are (of TCP it does)
    std::size_t waiting = 0;  // in the kernel's backlog now (0 if it doesn't say), drained or held
    std::size_t active = 0;   // have a thread now
    std::size_t peak = 0;     // most that were active at once

    // Of those that were refused, by reason:
    std::uint64_t refused_no_stack = 0;
    std::uint64_t refused_max_connections = 0;
    std::uint64_t refused_rate = 0;
    std::uint64_t refused_max_per_address = 0;
  };

  // Listens on address (port 0: the kernel chooses, see local_address()), with SO_REUSEADDR and,
  // for the connections, TCP_NODELAY. At the path of a UNIX socket, the file of one on which nobody
  // listens any more is removed before, and its own in the end (as long as it is that). handler is
  // a ConnectionHandler or a ConnectionFactory, or callable as one. Throws std::system_error whose
  // what() names the address; invalid_argument if the pool has no stacks for a reserve.
  template <class Handler>
  TcpAcceptor(Loop& loop, const Address& address, Handler&& handler, Options options = {})
      : TcpAcceptor(loop, address, to_factory(std::forward<Handler>(handler)), std::move(options),
                    Tag{}) {}

  // Takes over a descriptor that listens already, of whatever stream family, with the backlog that
  // it has; the other options hold for it, too. The descriptor is closed with the acceptor, also if
  // this throws.
  template <class Handler>
  TcpAcceptor(Loop& loop, int listening_descriptor, Handler&& handler, Options options = {})
      : TcpAcceptor(loop, listening_descriptor, to_factory(std::forward<Handler>(handler)),
                    std::move(options), Tag{}) {}

  TcpAcceptor(TcpAcceptor&&) noexcept = default;
  TcpAcceptor& operator=(TcpAcceptor&& other) noexcept;
  ~TcpAcceptor();  // as close(); the connections' threads go on

  // close() stops listening. Clients that wait in the backlog are accepted before, as far as there
  // are stacks for them; the others get a reset.
  void close() noexcept;

  // drain() ends service gracefully: it closes the listener, serves who was waiting in the backlog,
  // as stacks become free (with reject: as far as there are stacks now), and waits until all
  // connections have ended. timed_out if they haven't by then; who is still waiting is refused. To
  // be called in a thread, which should run on another pool, lest it take a connection's stack; one
  // at a time (device_or_resource_busy).
  std::error_code drain(Timeout timeout = {}) noexcept;

  bool is_open() const noexcept;
  Address local_address() const noexcept;
  Counters counters() const noexcept;

 private:
  friend class GroupAcceptor;
  struct Tag {};
  TcpAcceptor(Loop& loop, const Address& address, ConnectionFactory factory, Options options, Tag);
  TcpAcceptor(Loop& loop, int descriptor, ConnectionFactory factory, Options options, Tag);
  static std::shared_ptr<detail::AcceptorCore> make_core(
      Loop& loop, detail::Listener listener, ConnectionFactory factory, Options options,
      std::unique_ptr<detail::HandOut> hand_out = nullptr);
  TcpAcceptor(Loop& loop, detail::Listener listener, ConnectionFactory factory, Options options,
              std::unique_ptr<detail::HandOut> hand_out);

  template <class Handler>
  static ConnectionFactory to_factory(Handler&& handler) {
    if constexpr (std::is_invocable_v<std::decay_t<Handler>&, Socket&>) {
      // The handler itself need not be copyable.
      auto shared = std::make_shared<std::decay_t<Handler>>(std::forward<Handler>(handler));
      auto runner = std::make_shared<const ConnectionHandler>(
          [shared = std::move(shared)](Socket& socket) { (*shared)(socket); });
      return [runner = std::move(runner)](Accepted& accepted) {
        accepted.run(runner);
        return 0;
      };
    } else {
      static_assert(std::is_invocable_r_v<int, std::decay_t<Handler>&, Accepted&>,
                    "give a callable as void(Socket&) or as int(Accepted&)");
      auto shared = std::make_shared<std::decay_t<Handler>>(std::forward<Handler>(handler));
      return
          [shared = std::move(shared)](Accepted& accepted) -> int { return (*shared)(accepted); };
    }
  }

  std::shared_ptr<detail::AcceptorCore> core_;
};

}  // namespace evcoro
