#include <netdb.h>

#include <evcoro/libevent/evdns.h>
#include <evcoro/capi/objects.hpp>
#include <evcoro/libevent/evdns.hpp>

using namespace evcoro::capi;

int EVDNS_getaddrinfo(struct evdns_base* dns, const char* name, const char* service,
                      const struct addrinfo* hints, struct addrinfo** result,
                      struct timeval timeout) noexcept {
  if (result == nullptr) return fail(EINVAL), EAI_SYSTEM;
  const std::error_code error =
      evcoro::detail::evdns_lookup(dns, name, service, hints, *result, to_timeout(timeout));
  if (error && error.category() == evcoro::gai_category()) return error.value();
  return error ? (fail(error), EAI_SYSTEM) : 0;
}
