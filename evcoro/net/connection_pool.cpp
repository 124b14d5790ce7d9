#include <evcoro/net/connection_pool.hpp>

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <system_error>

#include <evcoro/detail/pool_libevent.hpp>
#include <evcoro/detail/socket_libevent.hpp>
#include <evcoro/loop.hpp>

namespace evcoro {
namespace detail {

// Turn is a thread that waits for a place.
struct PoolState::Turn : stacks::ListLink {
  Waiter waiter;
  bool has_place = false;
};

PoolState::PoolState(LoopCore& core, ConnectionPool::Factory factory, ConnectionPoolOptions options)
    : core_(&core), factory_(std::move(factory)), options_(std::move(options)) {
  if (!factory_ || options_.capacity == 0) {
    throw std::system_error(system_error(EINVAL), "ConnectionPool: a factory, and room for one");
  }
  core.assign(timer_, -1, 0, on_timer, this);
  timer_.ev_evcallback.evcb_flags |= EVLIST_INTERNAL;  // it doesn't keep the base alive
  core.add_client(*this);
}

void PoolState::on_loop_gone() noexcept {
  close();
  core_ = nullptr;
}

void PoolState::close() noexcept {
  is_closed_ = true;
  if (core_ != nullptr && !core_->is_foreign()) event_del(&timer_);
  idle_.clear();
  turns_.for_each([](Turn& each) { each.waiter.wake(); });
}

std::size_t PoolState::waiting() const noexcept {
  std::size_t count = 0;
  turns_.for_each([&](Turn&) { ++count; });
  return count;
}

// --- places ---

// Not inlined: g++ 12 takes a turn that leaves the list by its destructor for one that stays.
[[gnu::noinline]] void PoolState::queue_up(Turn& turn) noexcept { turns_.push_back(turn); }

std::error_code PoolState::take_place(Patience& patience) {
  if (taken_ < options_.capacity) {
    ++taken_;
    return {};
  }
  Turn turn;
  queue_up(turn);
  while (!turn.has_place) {
    auto error = turn.waiter.wait(patience, "connection pool");
    if (!error && is_closed_) error = to_error(corothread::Wake::cancelled);
    if (!error) continue;
    if (turn.has_place) free_place();  // it came at the same time
    return error;
  }
  return {};
}

void PoolState::free_place() noexcept {
  --taken_;
  if (turns_.empty() || is_closed_) return;
  Turn& next = turns_.pop_front();
  next.has_place = true;
  ++taken_;
  next.waiter.wake();
}

// --- connections ---

Result<PoolGuard> PoolState::take(Timeout timeout) {
  if (const auto error = admit(core_)) return error;
  if (is_closed_) return to_error(corothread::Wake::cancelled);
  Patience patience{timeout};
  if (const auto error = take_place(patience)) return error;
  PoolGuard guard{shared_from_this(), Socket{}};  // has the place from now on
  Result<Socket> socket = connection(patience);
  if (!socket) return socket.error();
  guard.socket_ = std::move(*socket);
  return guard;
}

// Checks and the factory may block, and the pool go meanwhile.
Result<Socket> PoolState::connection(Patience& patience) {
  while (!idle_.empty()) {
    Socket socket = std::move(idle_.back().socket);
    idle_.pop_back();
    // It has been idle in the pool, not with its new user.
    if (socket.state_ != nullptr) socket.state_->restart_idle_clock();
    const bool is_good =
        options_.is_healthy ? options_.is_healthy(socket) : ConnectionPool::is_quiet(socket);
    if (is_good) return socket;
  }
  if (is_closed_) return to_error(corothread::Wake::cancelled);
  return factory_(patience.may_wait() ? Timeout{patience.deadline()} : no_wait);
}

void PoolState::give_back(Socket socket) noexcept {
  const bool is_kept = socket && !is_closed_ && !core_->is_foreign();
  if (is_kept && options_.idle_timeout.may_wait()) keep(std::move(socket));
  free_place();
}

void PoolState::keep(Socket socket) noexcept try {
  idle_.push_back({std::move(socket), options_.idle_timeout.deadline()});
  if (idle_.size() == 1) set_timer();
} catch (const std::bad_alloc&) {  // it is closed
}

void PoolState::set_timer() noexcept {
  if (idle_.empty() || idle_.front().expires == never) return;
  const timeval time = to_timeval(idle_.front().expires - corothread::read_clock());
  event_add(&timer_, &time);
}

void PoolState::on_timer(evutil_socket_t, short, void* self) noexcept {
  auto& pool = *static_cast<PoolState*>(self);
  if (pool.core_->is_foreign()) return;
  const TimePoint now = corothread::read_clock();
  while (!pool.idle_.empty() && pool.idle_.front().expires <= now) pool.idle_.pop_front();
  pool.set_timer();
}

}  // namespace detail

// --- the guard ---

PoolGuard& PoolGuard::operator=(PoolGuard&& other) noexcept {
  if (this == &other) return *this;
  give_back();
  pool_ = std::move(other.pool_);
  socket_ = std::move(other.socket_);
  return *this;
}

void PoolGuard::give_back() noexcept {
  const std::shared_ptr<detail::PoolState> pool = std::move(pool_);
  if (pool != nullptr) pool->give_back(std::move(socket_));
}

void PoolGuard::discard() noexcept {
  socket_.close();
  give_back();
}

// --- the pool ---

ConnectionPool::ConnectionPool(Loop& loop, Factory factory, ConnectionPoolOptions options) {
  loop.core().require_own_process("ConnectionPool");
  state_ = std::make_shared<detail::PoolState>(loop.core(), std::move(factory), std::move(options));
}

ConnectionPool::~ConnectionPool() { state_->close(); }

Result<PoolGuard> ConnectionPool::take(Timeout timeout) {
  const std::shared_ptr<detail::PoolState> state = state_;  // the pool may go meanwhile
  return state->take(timeout);
}

std::size_t ConnectionPool::idle() const noexcept { return state_->idle(); }
std::size_t ConnectionPool::taken() const noexcept { return state_->taken(); }
std::size_t ConnectionPool::waiting() const noexcept { return state_->waiting(); }

bool ConnectionPool::is_quiet(Socket& socket) noexcept {
  char byte;
  const auto count = ::recv(socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

}  // namespace evcoro
