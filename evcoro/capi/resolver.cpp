#include <evcoro/net/resolver.h>

#include <algorithm>

#include <evcoro/capi/objects.hpp>
#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/detail/patience.hpp>
#include <evcoro/net/happy_eyeballs.hpp>
#include <evcoro/net/resolver.hpp>

using namespace evcoro::capi;
using evcoro::Address;
using evcoro::Errc;
using evcoro::Loop;
using evcoro::Resolver;
using evcoro::ResolverOptions;
using evcoro::Result;
using evcoro::detail::to_timeval;

struct tagEVRESOLVER {
  tagEVRESOLVER(Loop& loop, const ResolverOptions& options) : resolver(loop, options) {}
  Resolver resolver;
};

namespace {

std::chrono::milliseconds to_milliseconds(timeval time) noexcept {
  return std::chrono::ceil<std::chrono::milliseconds>(
      std::min<std::chrono::nanoseconds>(to_duration(time), std::chrono::hours{24 * 365}));
}

ResolverOptions to_options(const EVRESOLVER_OPTIONS* given) {
  ResolverOptions options;
  if (given == nullptr) return options;
  if (given->servers != nullptr) options.servers = given->servers;
  options.server_timeout = to_milliseconds(given->server_timeout);
  options.tries = given->tries;
  options.cache_size = given->cache_size;
  options.max_ttl = to_milliseconds(given->max_ttl);
  options.negative_ttl = to_milliseconds(given->negative_ttl);
  if (given->resolv_conf != nullptr) options.resolv_conf = given->resolv_conf;
  if (given->hosts != nullptr) options.hosts = given->hosts;
  options.hosts_check_interval = to_milliseconds(given->hosts_check_interval);
  return options;
}

// The one given, or that of the running thread's loop; throws std::system_error if there is none.
Resolver& choose(EVRESOLVER* resolver) {
  if (resolver != nullptr) return resolver->resolver;
  Loop* const loop = Loop::current();
  if (loop == nullptr) throw std::system_error(make_error_code(Errc::not_in_a_thread));
  if (loop->core().is_foreign()) throw std::system_error(make_error_code(Errc::parents_loop));
  return Resolver::of(*loop);
}

}  // namespace

int EVRESOLVER_OPTIONS_init(EVRESOLVER_OPTIONS* options) noexcept try {
  if (options == nullptr) return fail(EINVAL);
  const ResolverOptions defaults;
  *options = EVRESOLVER_OPTIONS{};
  options->cache_size = defaults.cache_size;
  options->max_ttl = to_timeval(defaults.max_ttl);
  options->negative_ttl = to_timeval(defaults.negative_ttl);
  options->hosts_check_interval = to_timeval(defaults.hosts_check_interval);
  return 0;
} catch (...) {
  return fail_as_caught();
}

EVRESOLVER* EVRESOLVER_init(EVLOOP* loop, const EVRESOLVER_OPTIONS* options) noexcept try {
  if (loop == nullptr) return refuse(EINVAL);
  if (loop->loop.core().is_foreign()) return refuse(Errc::parents_loop);
  return new EVRESOLVER(loop->loop, to_options(options));
} catch (...) {
  fail_as_caught();
  return nullptr;
}

int EVRESOLVER_free(EVRESOLVER* resolver) noexcept {
  if (resolver == nullptr) return fail(EINVAL);
  delete resolver;
  return 0;
}

int EVRESOLVER_resolve(EVRESOLVER* resolver, const char* name, uint16_t port, int family,
                       SOCKADDR* addresses, size_t room, struct timeval timeout) noexcept try {
  if (name == nullptr || (addresses == nullptr && room != 0)) return fail(EINVAL);
  const auto found = choose(resolver).resolve(name, port, family, to_timeout(timeout));
  if (!found) return fail(found.error());
  for (size_t i = 0; i < std::min(room, found->size()); ++i) store((*found)[i], addresses[i]);
  return static_cast<int>(found->size());
} catch (...) {
  return fail_as_caught();
}

EVSOCKET* EVSOCKET_connect_host(EVTHREAD* thread, EVRESOLVER* resolver, const char* host,
                                uint16_t port, struct timeval timeout) noexcept try {
  if (thread == nullptr || host == nullptr) return refuse(EINVAL);
  if (&thread->task != evcoro::detail::current_thread()) return refuse(EPERM);
  auto socket = connect(choose(resolver), host, port, {}, to_timeout(timeout));
  if (!socket) return refuse(socket.error());
  auto* const result = new EVSOCKET(std::move(*socket));
  thread->objects.push_back(*result);
  return result;
} catch (...) {
  fail_as_caught();
  return nullptr;
}
