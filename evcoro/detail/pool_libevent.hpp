// PoolState: what a ConnectionPool points to, and its guards.
//
// A thread needs one of `capacity` places to have a connection or to make one. A place that becomes
// free is given to the thread that has waited longest, before that runs: nobody can get ahead.
// Places taken and idle connections are together never more than capacity.
#pragma once

#include <deque>
#include <memory>

#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/detail/waiter.hpp>
#include <evcoro/net/connection_pool.hpp>

namespace evcoro::detail {

class PoolState final : public LoopClient, public std::enable_shared_from_this<PoolState> {
 public:
  PoolState(LoopCore& core, ConnectionPool::Factory factory, ConnectionPoolOptions options);
  ~PoolState() { close(); }

  Result<PoolGuard> take(Timeout timeout);

  // give_back() frees a place, and keeps the connection if it is good.
  void give_back(Socket socket) noexcept;
  void close() noexcept;

  std::size_t idle() const noexcept { return idle_.size(); }
  std::size_t taken() const noexcept { return taken_; }
  std::size_t waiting() const noexcept;

 private:
  struct Turn;
  struct Idle {
    Socket socket;
    TimePoint expires;
  };

  static void on_timer(evutil_socket_t, short, void* self) noexcept;
  void on_loop_gone() noexcept override;
  std::error_code take_place(Patience& patience);
  void queue_up(Turn& turn) noexcept;
  void free_place() noexcept;
  Result<Socket> connection(Patience& patience);
  void keep(Socket socket) noexcept;
  void set_timer() noexcept;

  LoopCore* core_;
  const ConnectionPool::Factory factory_;
  const ConnectionPoolOptions options_;
  std::deque<Idle> idle_;  // the one used last is the last
  std::size_t taken_ = 0;
  stacks::IntrusiveList<Turn> turns_;
  bool is_closed_ = false;
  struct event timer_;
};

}  // namespace evcoro::detail
