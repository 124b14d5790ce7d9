#include <evcoro/http/server.hpp>

#include <atomic>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <evcoro/http/detail/connection.hpp>
#include <evcoro/http/detail/registry.hpp>
#include <evcoro/loop.hpp>

namespace evcoro::http {
namespace detail {
namespace {

// How long threads that were cancelled have to end, and to answer before.
constexpr std::chrono::seconds last_grace{1};
constexpr std::chrono::milliseconds last_word_time{500};

}  // namespace

// ServerState is shared by a server and its connections.
class ServerState : public std::enable_shared_from_this<ServerState> {
 public:
  ServerState(Handler handler, ServerOptions given)
      : options(std::move(given)), handler_(std::move(handler)) {}

  void serve(Socket& socket) {
    RegistryEntry entry{is_draining_};
    registry_of(*Loop::current())->connections.push_back(entry);
    const Address peer = socket.peer_address();
    const auto on_stream = [&](AnyStream stream) {
      Connection{stream, handler_, options, peer, &entry}.run();
    };
    if (options.secure) return options.secure(socket, on_stream);
    entry.set_socket(socket);
    on_stream(AnyStream{socket});
  }

  void start_draining() {
    is_draining_.store(true, std::memory_order_relaxed);
    for_each_connection([](RegistryEntry& entry) {
      if (entry.is_idle()) entry.end();
    });
  }

  bool is_draining() const noexcept { return is_draining_.load(std::memory_order_relaxed); }

  void cancel() {
    const TimePoint latest = Clock::now() + last_word_time;
    for_each_connection([latest](RegistryEntry& entry) { entry.cancel(latest); });
  }

  const ServerOptions options;
  bool is_gone = false;  // the server; for the thread that drains it

 private:
  struct Registry {
    explicit Registry(Loop& its) noexcept : loop(its) {}
    Loop& loop;
    stacks::IntrusiveList<RegistryEntry> connections;
  };

  std::shared_ptr<Registry> registry_of(Loop& loop) {
    const std::lock_guard lock{mutex_};
    for (const auto& each : registries_) {
      if (&each->loop == &loop) return each;
    }
    return registries_.emplace_back(std::make_shared<Registry>(loop));
  }

  // Calls function for each connection, on each loop in its OS thread.
  template <class Function>
  void for_each_connection(Function function) {
    const std::lock_guard lock{mutex_};
    for (const auto& registry : registries_) {
      const auto visit = [registry, function] { registry->connections.for_each(function); };
      Loop::current() == &registry->loop ? visit() : registry->loop.post(visit);
    }
  }

  const Handler handler_;
  std::atomic<bool> is_draining_{false};
  std::mutex mutex_;
  std::vector<std::shared_ptr<Registry>> registries_;
};

namespace {

ConnectionHandler connection_handler(std::shared_ptr<ServerState> state) {
  return [state = std::move(state)](Socket& socket) { state->serve(socket); };
}

std::string make_refusal(std::chrono::seconds retry_after) {
  return "HTTP/1.1 503 Service Unavailable\r\nRetry-After: " + std::to_string(retry_after.count()) +
         "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
}

AcceptorOptions acceptor_options(const ServerOptions& options) {
  AcceptorOptions made = options.acceptor;
  if (made.when_full == WhenFull::reject && !made.refuse && !options.secure) {
    made.refuse = [text = make_refusal(options.retry_after)](Refusal& refusal) {
      refusal.write(text);
    };
  }
  return made;
}

}  // namespace
}  // namespace detail

Server::Server(Loop& loop, const Address& address, Handler handler, Options options)
    : state_(std::make_shared<detail::ServerState>(std::move(handler), std::move(options))),
      acceptor_(std::make_unique<TcpAcceptor>(loop, address, detail::connection_handler(state_),
                                              detail::acceptor_options(state_->options))),
      loop_(&loop) {}

Server::Server(Loop& loop, int listening_descriptor, Handler handler, Options options)
    : state_(std::make_shared<detail::ServerState>(std::move(handler), std::move(options))),
      acceptor_(std::make_unique<TcpAcceptor>(loop, listening_descriptor,
                                              detail::connection_handler(state_),
                                              detail::acceptor_options(state_->options))),
      loop_(&loop) {}

Server::Server(LoopGroup& group, const Address& address, Handler handler, Options options)
    : state_(std::make_shared<detail::ServerState>(std::move(handler), std::move(options))),
      group_acceptor_(std::make_unique<GroupAcceptor>(
          group, address, detail::connection_handler(state_),
          GroupAcceptorOptions{.spread = state_->options.spread,
                               .acceptor = detail::acceptor_options(state_->options)})) {}

Server::~Server() { state_->is_gone = true; }

void Server::close() noexcept { acceptor_ ? acceptor_->close() : group_acceptor_->close(); }

std::error_code Server::drain(Timeout timeout) {
  const auto drain_acceptor = [this](Timeout limit) {
    return acceptor_ ? acceptor_->drain(limit) : group_acceptor_->drain(limit);
  };
  state_->start_draining();
  const auto error = drain_acceptor(timeout);
  if (error != std::errc::timed_out) return error;
  state_->cancel();
  static_cast<void>(drain_acceptor(detail::last_grace));
  return error;
}

std::error_code Server::drain(Timeout timeout, std::function<void(std::error_code)> done) {
  if (loop_ == nullptr) return std::make_error_code(std::errc::operation_not_supported);
  if (is_draining() || drain_stack_) {
    return std::make_error_code(std::errc::device_or_resource_busy);
  }
  // Connections may have all other stacks.
  auto stack = std::make_unique<stacks::StackPool>(
      stacks::StackPool::Options{.capacity = 1, .stack_size = 64 * 1024});
  auto thread =
      loop_->spawn({.name = "drain", .stacks = stack.get()},
                   [this, state = state_, deadline = timeout.deadline(), done = std::move(done)] {
                     const auto error = drain(deadline);
                     if (done && !state->is_gone) done(error);
                   });
  if (!thread) return thread.error();
  drain_stack_ = std::move(stack);
  drain_thread_ = std::move(*thread);
  state_->start_draining();
  return {};
}

bool Server::is_draining() const noexcept { return state_->is_draining(); }

Address Server::local_address() const noexcept {
  return acceptor_ ? acceptor_->local_address() : group_acceptor_->local_address();
}

Server::Counters Server::counters() const {
  return acceptor_ ? acceptor_->counters() : group_acceptor_->counters();
}

}  // namespace evcoro::http
