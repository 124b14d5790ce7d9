#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <new>
#include <string_view>
#include <utility>

#include <corothread/cthread_c.hpp>
#include <evcoro/capi/acceptor.hpp>
#include <evcoro/capi/objects.hpp>
#include <evcoro/detail/loop_libevent.hpp>

using namespace evcoro::capi;
using evcoro::Accepted;
using evcoro::Address;
using evcoro::Errc;
using evcoro::Refusal;
using evcoro::Socket;
using evcoro::TcpAcceptor;
using evcoro::WhenFull;

namespace {

// The socket of a connection; it has its place in the connection.
struct ConnectionSocket final : EVSOCKET {
  ConnectionSocket() noexcept : EVSOCKET(Socket{}) {}
  void dispose() noexcept override {
    unlink();
    socket.close();
  }
};

// Connection is what the factory says of a new connection, and then what its thread runs. One
// allocation holds all of it: idle connections are many.
struct Connection {
  explicit Connection(std::shared_ptr<const Callbacks> its_callbacks)
      : handler([this](Socket& accepted) { run(accepted); }), callbacks(std::move(its_callbacks)) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    if (is_decided && callbacks->discard != nullptr)
      callbacks->discard(ctx, callbacks->factory_ctx);
  }

  int ask(int fd) {
    const int verdict = callbacks->plain_factory != nullptr
                            ? callbacks->plain_factory(fd, &proc, &ctx)
                            : callbacks->factory(fd, &proc, &ctx, callbacks->factory_ctx);
    is_decided = verdict == 0;
    return is_decided && proc != nullptr ? 0 : -1;
  }

  void run(Socket& accepted) {
    is_decided = false;  // ctx is the thread's now
    socket.socket = std::move(accepted);
    EVTHREAD thread{*evcoro::detail::current_thread()};
    thread.objects.push_back(socket);
    evcoro::corothread::CThreadParent parent;
    proc(&thread, &socket, ctx);
  }

  const evcoro::ConnectionHandler handler;
  const std::shared_ptr<const Callbacks> callbacks;  // the acceptor may go before it, in a group
  EVTHREAD_PROC proc = nullptr;
  void* ctx = nullptr;
  bool is_decided = false;
  ConnectionSocket socket;
};

int ask_factory(const std::shared_ptr<const Callbacks>& callbacks, Accepted& accepted) {
  const auto connection = std::make_shared<Connection>(callbacks);
  if (connection->ask(accepted.native_handle()) != 0) return -1;
  accepted.run(std::shared_ptr<const evcoro::ConnectionHandler>(connection, &connection->handler));
  return 0;
}

}  // namespace

namespace evcoro::capi {

ConnectionFactory to_factory(std::shared_ptr<const Callbacks> callbacks) {
  return
      [shared = std::move(callbacks)](Accepted& accepted) { return ask_factory(shared, accepted); };
}

void to_options(const EVTCPACCEPTOR_OPTIONS& from,
                const std::shared_ptr<const Callbacks>& callbacks, const char* where,
                AcceptorOptions& to) {
  if (from.backlog > 0) to.backlog = from.backlog;
  if (from.read_buffer_size > 0) to.receive_buffer = from.read_buffer_size;
  if (from.write_buffer_size > 0) to.send_buffer = from.write_buffer_size;
  to.when_full = from.when_full == EVWHEN_FULL_REJECT ? WhenFull::reject : WhenFull::pause;
  if (from.name != nullptr) to.name = from.name;
  if (from.limits != nullptr) to_options(*from.limits, to);
  to.where = {from.file != nullptr ? from.file : where, static_cast<std::uint32_t>(from.line)};
  if (callbacks->refuse != nullptr) {
    to.refuse = [callbacks](Refusal& refusal) {
      callbacks->refuse(reinterpret_cast<EVREFUSAL*>(&refusal), callbacks->factory_ctx);
    };
  }
}

void store(const TcpAcceptor::Counters& from, EVTCPACCEPTOR_COUNTERS& to) noexcept {
  to = {};
  to.accepted = from.accepted;
  to.refused = from.refused;
  to.waiting = from.waiting;
  to.active = from.active;
  to.peak = from.peak;
}

}  // namespace evcoro::capi

namespace {

// False, with errno, unless descriptor listens: then it stays the caller's.
bool listens(int descriptor) noexcept {
  int listening = 0;
  socklen_t size = sizeof listening;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0) return false;
  if (listening == 0) fail(EINVAL);
  return listening != 0;
}

// Listener is a descriptor that is closed unless it is handed on.
struct Listener {
  ~Listener() {
    if (descriptor >= 0) ::close(descriptor);
  }
  int descriptor;
};

EVTCPACCEPTOR* open(EVLOOP* loop, const EVTCPACCEPTOR_OPTIONS& options,
                    const Callbacks& callbacks) noexcept try {
  if (loop == nullptr || !callbacks.has_factory()) return refuse(EINVAL);
  if (loop->loop.core().is_foreign()) return refuse(Errc::parents_loop);
  if (options.address == nullptr && !listens(options.listener_fd)) return nullptr;
  TcpAcceptor::Options core;
  if (options.stacks != nullptr) {
    core.stacks = evcoro::stacks::pool_of(options.stacks);
    if (core.stacks == nullptr) return nullptr;
  }
  Listener listener{options.address == nullptr ? options.listener_fd : -1};  // ours from here on
  const auto shared = std::make_shared<const Callbacks>(callbacks);
  to_options(options, shared, "EVTCPACCEPTOR_init", core);
  const auto factory = to_factory(shared);
  if (options.address != nullptr) {
    return new EVTCPACCEPTOR{
        TcpAcceptor{loop->loop, to_address(*options.address), factory, std::move(core)}};
  }
  return new EVTCPACCEPTOR{
      TcpAcceptor{loop->loop, std::exchange(listener.descriptor, -1), factory, std::move(core)}};
} catch (...) {
  fail_as_caught();
  return nullptr;
}

EVTCPACCEPTOR_OPTIONS with_sizes(int read_buffer_size, int write_buffer_size) noexcept {
  EVTCPACCEPTOR_OPTIONS options;
  EVTCPACCEPTOR_OPTIONS_init(&options);
  options.read_buffer_size = read_buffer_size;
  options.write_buffer_size = write_buffer_size;
  return options;
}

EVTCPACCEPTOR* listen_on(EVLOOP* loop, const SOCKADDR* address, int backlog,
                         EVTCPACCEPTOR_OPTIONS options, const Callbacks& callbacks) noexcept {
  if (address == nullptr) return refuse(EINVAL);
  options.address = address;
  options.backlog = backlog;
  return open(loop, options, callbacks);
}

}  // namespace

EVTCPACCEPTOR* EVTCPACCEPTOR_init_ex(EVLOOP* loop, const SOCKADDR* address, int backlog,
                                     EVTHREAD_FACTORY factory, int read_buffer_size,
                                     int write_buffer_size) noexcept {
  return listen_on(loop, address, backlog, with_sizes(read_buffer_size, write_buffer_size),
                   {.plain_factory = factory});
}

EVTCPACCEPTOR* EVTCPACCEPTOR_init_ctx(EVLOOP* loop, const SOCKADDR* address, int backlog,
                                      EVTHREAD_FACTORY_EX factory, int read_buffer_size,
                                      int write_buffer_size, void* factory_ctx) noexcept {
  return listen_on(loop, address, backlog, with_sizes(read_buffer_size, write_buffer_size),
                   {.factory = factory, .factory_ctx = factory_ctx});
}

EVTCPACCEPTOR* EVTCPACCEPTOR_init(EVLOOP* loop, int listener_fd, EVTHREAD_FACTORY factory,
                                  int read_buffer_size, int write_buffer_size) noexcept {
  EVTCPACCEPTOR_OPTIONS options = with_sizes(read_buffer_size, write_buffer_size);
  options.listener_fd = listener_fd;
  return open(loop, options, {.plain_factory = factory});
}

int EVTCPACCEPTOR_OPTIONS_init(EVTCPACCEPTOR_OPTIONS* options) noexcept {
  if (options == nullptr) return fail(EINVAL);
  *options = {};
  options->listener_fd = -1;
  return 0;
}

EVTCPACCEPTOR* EVTCPACCEPTOR_init_options(EVLOOP* loop,
                                          const EVTCPACCEPTOR_OPTIONS* options) noexcept {
  if (options == nullptr) return refuse(EINVAL);
  return open(loop, *options,
              {.factory = options->factory,
               .factory_ctx = options->factory_ctx,
               .discard = options->discard,
               .refuse = options->refuse});
}

int EVREFUSAL_write(EVREFUSAL* refusal, const void* data, size_t size) noexcept {
  if (refusal == nullptr || data == nullptr) return fail(EINVAL);
  const std::string_view text{static_cast<const char*>(data), size};
  return static_cast<int>(reinterpret_cast<Refusal*>(refusal)->write(text));
}

int EVREFUSAL_peer_address(EVREFUSAL* refusal, SOCKADDR* address) noexcept {
  if (refusal == nullptr || address == nullptr) return fail(EINVAL);
  return store(reinterpret_cast<Refusal*>(refusal)->peer_address(), *address);
}

int EVTCPACCEPTOR_counters(EVTCPACCEPTOR* acceptor, EVTCPACCEPTOR_COUNTERS* counters) noexcept {
  if (acceptor == nullptr || counters == nullptr) return fail(EINVAL);
  store(acceptor->acceptor.counters(), *counters);
  return 0;
}

int EVTCPACCEPTOR_local_address(EVTCPACCEPTOR* acceptor, SOCKADDR* address) noexcept {
  if (acceptor == nullptr || address == nullptr) return fail(EINVAL);
  return store(acceptor->acceptor.local_address(), *address);
}

int EVTCPACCEPTOR_drain(EVTCPACCEPTOR* acceptor, struct timeval timeout) noexcept {
  if (acceptor == nullptr) return fail(EINVAL);
  return finish(acceptor->acceptor.drain(to_timeout(timeout)));
}

void EVTCPACCEPTOR_close(EVTCPACCEPTOR* acceptor) noexcept { delete acceptor; }
