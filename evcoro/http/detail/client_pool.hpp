// ClientPool: the connections of a Client, so many to each host and in all, and those that are idle
// and may be used again.
//
//   take()    an idle one of the host, or a place to make one    --or--  a turn, until there is
//     |                                                                    ^
//     v                                                                    |
//   Lease     give_back() --> idle ---- the oldest goes for another host --+
//     |                         |                                          |
//     +-- closed: a free place -|------------------------------------------+
//                               +-- too long: closed by the timer
//
// A place or a connection that becomes free is given to the first whose turn it can be, before that
// one runs: nobody can get ahead. None of it blocks but take().
#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include <evcoro/detail/loop_timer.hpp>
#include <evcoro/io/owned_stream.hpp>
#include <evcoro/result.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/intrusive_list.hpp>

namespace evcoro::http::detail {

class ClientPool final : private evcoro::detail::LoopTimer,
                         public std::enable_shared_from_this<ClientPool> {
 public:
  struct Bounds {
    std::size_t all = 0;
    std::size_t per_host = 0;
    std::chrono::milliseconds idle_timeout{0};  // 0: none is kept
  };
  class Lease;

  // Throws as LoopTimer's constructor.
  ClientPool(Loop& loop, Bounds bounds) : LoopTimer(loop), loop_(loop), bounds_(bounds) {}
  ~ClientPool() override { close(); }

  // take() is a connection of those with this key, or a place for one, whose stream is empty then.
  // A fresh one is never a connection: those that are idle are closed. Errors: as all blocking
  // calls; operation_canceled if the pool is closed. Throws std::bad_alloc.
  Result<Lease> take(const std::string& key, bool is_fresh, TimePoint deadline);

  // close() closes what is idle, and keeps nothing from now on; those who wait are cancelled.
  // close_idle() closes what is idle.
  void close() noexcept;
  void close_idle() noexcept;

  std::size_t idle() const noexcept { return idle_.size(); }
  std::size_t open() const noexcept { return open_; }
  std::size_t waiting() const noexcept;

 private:
  struct Places {
    std::size_t open = 0;   // connections, idle ones and places for such
    std::size_t turns = 0;  // of those who take
  };
  using Hosts = std::map<std::string, Places>;
  using Host = Hosts::value_type;
  struct Turn;
  struct Idle {
    Host* host;
    OwnedStream stream;
    TimePoint expires;
  };
  using IdleList = std::list<Idle>;

  void on_time() noexcept override;
  void on_loop_gone() noexcept override { close(); }
  std::error_code check_caller() const noexcept;
  Lease find(Host& host, bool is_fresh) noexcept;
  OwnedStream take_idle(Host& host) noexcept;
  bool has_room(Host& host) noexcept;
  void queue_up(Turn& turn) noexcept;
  bool serve(Turn& turn) noexcept;
  void serve_one() noexcept;
  void serve_all() noexcept;
  void drop(IdleList::iterator which) noexcept;
  void drop_idle_of(const Host& host) noexcept;
  void give_back(Host& host, OwnedStream stream) noexcept;
  void free_place(Host& host) noexcept;
  void forget_if_unused(Host& host) noexcept;

  Loop& loop_;
  const Bounds bounds_;
  Hosts hosts_;
  IdleList idle_;  // the one used last is the last
  std::size_t open_ = 0;
  stacks::IntrusiveList<Turn> turns_;
  bool is_closed_ = false;
};

// Lease is a connection that is out of the pool, or the place for one. When it goes the connection
// is closed, unless it was given back.
class ClientPool::Lease {
 public:
  Lease() noexcept = default;
  Lease(Lease&& other) noexcept = default;
  Lease& operator=(Lease&& other) noexcept {
    if (this == &other) return *this;
    close();
    pool_ = std::move(other.pool_);
    host_ = other.host_;
    stream_ = std::move(other.stream_);
    return *this;
  }
  ~Lease() { close(); }

  OwnedStream& stream() noexcept { return stream_; }
  explicit operator bool() const noexcept { return pool_ != nullptr; }

  void give_back() noexcept {
    if (const auto pool = std::move(pool_)) pool->give_back(*host_, std::move(stream_));
  }
  void close() noexcept {
    stream_.close();
    if (const auto pool = std::move(pool_)) pool->free_place(*host_);
  }

 private:
  friend class ClientPool;
  Lease(std::shared_ptr<ClientPool> pool, Host& host, OwnedStream stream) noexcept
      : pool_(std::move(pool)), host_(&host), stream_(std::move(stream)) {}

  std::shared_ptr<ClientPool> pool_;
  Host* host_ = nullptr;
  OwnedStream stream_;
};

}  // namespace evcoro::http::detail
