#include <evcoro/net/connection_pool.h>

#include <evcoro/capi/objects.hpp>
#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/detail/patience.hpp>
#include <evcoro/net/connection_pool.hpp>

using namespace evcoro::capi;
using evcoro::ConnectionPool;
using evcoro::ConnectionPoolOptions;
using evcoro::PoolGuard;
using evcoro::Result;
using evcoro::Socket;
using evcoro::Timeout;

struct tagEVCONNECTIONPOOL {
  tagEVCONNECTIONPOOL(evcoro::Loop& loop, ConnectionPool::Factory factory,
                      ConnectionPoolOptions options)
      : pool(loop, std::move(factory), std::move(options)) {}
  ConnectionPool pool;
};

namespace {

// PooledSocket has the place, its base the connection. Destroyed, it closes that first.
struct PooledSocket final : tagEVSOCKET {
  explicit PooledSocket(PoolGuard its_guard) noexcept
      : tagEVSOCKET(std::move(*its_guard)), guard(std::move(its_guard)) {}
  ~PooledSocket() override {
    socket.close();
    guard.discard();
  }
  PoolGuard guard;
};

timeval time_left(Timeout timeout) noexcept {
  if (!timeout.may_wait()) return EVTIMEOUT_NOW;
  const evcoro::TimePoint deadline = timeout.deadline();
  if (deadline == evcoro::never) return EVTIMEOUT_NEVER;
  return evcoro::detail::to_timeval(deadline - evcoro::Clock::now());
}

ConnectionPool::Factory to_factory(const EVCONNECTIONPOOL_OPTIONS& options) {
  return [make = options.factory, ctx = options.ctx](Timeout timeout) -> Result<Socket> {
    errno = 0;
    EVSOCKET* const made = make(EVTHREAD_current(), time_left(timeout), ctx);
    if (made == nullptr) return evcoro::detail::system_error(errno == 0 ? EIO : errno);
    return take_socket(*made);
  };
}

ConnectionPoolOptions to_options(const EVCONNECTIONPOOL_OPTIONS& given) {
  ConnectionPoolOptions options{.capacity = given.capacity,
                                .idle_timeout = to_timeout(given.idle_timeout)};
  if (given.is_healthy == nullptr) return options;
  options.is_healthy = [check = given.is_healthy, ctx = given.ctx](Socket& socket) {
    EVSOCKET lent{std::move(socket)};
    const bool is_healthy = check(&lent, ctx) != 0;
    socket = std::move(lent.socket);
    return is_healthy;
  };
  return options;
}

}  // namespace

int EVCONNECTIONPOOL_OPTIONS_init(EVCONNECTIONPOOL_OPTIONS* options) noexcept {
  if (options == nullptr) return fail(EINVAL);
  *options = EVCONNECTIONPOOL_OPTIONS{};
  options->capacity = ConnectionPoolOptions{}.capacity;
  options->idle_timeout.tv_sec = 60;
  return 0;
}

EVCONNECTIONPOOL* EVCONNECTIONPOOL_init(EVLOOP* loop,
                                        const EVCONNECTIONPOOL_OPTIONS* options) noexcept try {
  if (loop == nullptr || options == nullptr || options->factory == nullptr) return refuse(EINVAL);
  if (loop->loop.core().is_foreign()) return refuse(evcoro::Errc::parents_loop);
  return new EVCONNECTIONPOOL(loop->loop, to_factory(*options), to_options(*options));
} catch (...) {
  fail_as_caught();
  return nullptr;
}

int EVCONNECTIONPOOL_free(EVCONNECTIONPOOL* pool) noexcept {
  if (pool == nullptr) return fail(EINVAL);
  delete pool;
  return 0;
}

EVSOCKET* EVCONNECTIONPOOL_take(EVCONNECTIONPOOL* pool, struct timeval timeout) noexcept try {
  if (pool == nullptr) return refuse(EINVAL);
  EVTHREAD* const self = EVTHREAD_current();
  if (self == nullptr) return nullptr;
  auto guard = pool->pool.take(to_timeout(timeout));
  if (!guard) return refuse(guard.error());
  auto* const socket = new PooledSocket(std::move(*guard));
  self->objects.push_back(*socket);
  return socket;
} catch (...) {
  fail_as_caught();
  return nullptr;
}

int EVCONNECTIONPOOL_give_back(EVSOCKET* socket) noexcept {
  auto* const pooled = dynamic_cast<PooledSocket*>(socket);
  if (pooled == nullptr) return fail(EINVAL);
  *pooled->guard = std::move(pooled->socket);
  pooled->guard.give_back();
  pooled->dispose();
  return 0;
}

int EVCONNECTIONPOOL_counters(EVCONNECTIONPOOL* pool,
                              EVCONNECTIONPOOL_COUNTERS* counters) noexcept {
  if (pool == nullptr || counters == nullptr) return fail(EINVAL);
  *counters = EVCONNECTIONPOOL_COUNTERS{};
  counters->idle = pool->pool.idle();
  counters->taken = pool->pool.taken();
  counters->waiting = pool->pool.waiting();
  return 0;
}
