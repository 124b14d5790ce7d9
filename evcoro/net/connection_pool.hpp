// ConnectionPool: connections that are used again, and no more than so many at once.
//
//   ConnectionPool pool{loop, [](Timeout timeout) { return connect("db.test", 5432, timeout); }};
//   ...
//   Result<PoolGuard> connection = pool.take(3s);     // in a thread
//   if (!connection) return report(connection.error());
//   if (!talk(**connection)) connection->discard();   // not to be used again
//                                                     // otherwise it goes back here
//
// A pool belongs to a loop: take() is called in its threads, all else in the loop's OS thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include <evcoro/net/socket.hpp>
#include <evcoro/result.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

namespace evcoro {

class Loop;

namespace detail {
class PoolState;
}

struct ConnectionPoolOptions {
  std::size_t capacity = 16;  // connections, idle ones too; at least one

  // How long a connection may be idle before it is closed; no_wait keeps none, never for ever.
  Timeout idle_timeout = std::chrono::seconds{60};

  // Says of a connection that was idle whether it may be used again. It may block. Left out, it is
  // ConnectionPool::is_quiet().
  std::function<bool(Socket&)> is_healthy = {};
};

// PoolGuard is a connection that is out of its pool, and gives it back when it goes. What was set
// on the connection (options, an idle timeout, bandwidth) stays. It may outlive the pool: then the
// connection is closed.
class EVCORO_API PoolGuard {
 public:
  PoolGuard(PoolGuard&& other) noexcept
      : pool_(std::move(other.pool_)), socket_(std::move(other.socket_)) {}
  PoolGuard& operator=(PoolGuard&& other) noexcept;
  ~PoolGuard() { give_back(); }

  Socket& operator*() noexcept { return socket_; }
  Socket* operator->() noexcept { return &socket_; }

  // give_back() is what the destructor does. A connection that was closed is not used again.
  // discard() closes the connection first. After either the guard is empty.
  void give_back() noexcept;
  void discard() noexcept;

 private:
  friend class detail::PoolState;
  PoolGuard(std::shared_ptr<detail::PoolState> pool, Socket socket) noexcept
      : pool_(std::move(pool)), socket_(std::move(socket)) {}

  std::shared_ptr<detail::PoolState> pool_;
  Socket socket_;
};

class EVCORO_API ConnectionPool {
 public:
  // A Factory makes a connection for a thread that waits no longer than it is told; it may fail.
  using Factory = std::function<Result<Socket>(Timeout timeout)>;

  // Throws std::system_error: invalid_argument without a factory or capacity; and std::logic_error
  // if the loop is the parent process's.
  ConnectionPool(Loop& loop, Factory factory, ConnectionPoolOptions options = {});

  // Threads that wait return operation_canceled, idle connections are closed, and those that are
  // out when they come back.
  ~ConnectionPool();
  ConnectionPool(const ConnectionPool&) = delete;
  ConnectionPool& operator=(const ConnectionPool&) = delete;

  // take() returns the connection that was used last and is healthy, or a new one. If all are out
  // it waits for one; who comes first is served first. Fails with what the factory says, and as all
  // blocking calls do.
  Result<PoolGuard> take(Timeout timeout = {});

  std::size_t idle() const noexcept;
  std::size_t taken() const noexcept;  // being made, too
  std::size_t waiting() const noexcept;

  // is_quiet() is false of a connection that has something to be read, or was closed by its peer:
  // an answer that nobody asked for is not for the next user.
  static bool is_quiet(Socket& socket) noexcept;

 private:
  std::shared_ptr<detail::PoolState> state_;
};

}  // namespace evcoro
