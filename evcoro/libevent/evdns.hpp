// evdns_resolve(): an application's evdns, awaited.
//
//   evdns_base* dns = evdns_base_new(base, EVDNS_BASE_INITIALIZE_NAMESERVERS);
//   ...
//   const auto addresses = evcoro::evdns_resolve(dns, "example.org", 80, 3s);   // in a thread
//   if (!addresses) std::puts(addresses.error().message().c_str());
//
// It is libevent's evdns_getaddrinfo(): /etc/hosts, then DNS by UDP, both families at once. The
// evdns_base is in the base of the calling thread's loop.
#pragma once

#include <cstdint>
#include <string>
#include <system_error>
#include <vector>

#include <evcoro/net/address.hpp>
#include <evcoro/result.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

struct addrinfo;
struct evdns_base;

namespace evcoro {

// gai_category() is that of the EAI_... numbers of getaddrinfo(3). EAI_AGAIN is equivalent to
// resource_unavailable_try_again, EAI_MEMORY to not_enough_memory, EAI_FAMILY to
// address_family_not_supported, those that say that there is no such name to
// no_such_device_or_address, and others to io_error.
EVCORO_API const std::error_category& gai_category() noexcept;

// evdns_resolve() waits for the addresses of name, which may be a numeric one: family AF_INET,
// AF_INET6, or AF_UNSPEC (0) for both. They have port. Fails with gai_category(), and as all
// blocking calls do; evdns forgets the question then. It may be freed right away, but for a thread
// that is cancelled: libevent 2.1 then reads the evdns_base once more, in the loop's next pass.
EVCORO_API Result<std::vector<Address>> evdns_resolve(evdns_base* dns, const std::string& name,
                                                      std::uint16_t port, Timeout timeout = {},
                                                      int family = 0);

namespace detail {

// evdns_lookup() is evdns_getaddrinfo(), and waits. The result is freed by evutil_freeaddrinfo().
EVCORO_API std::error_code evdns_lookup(evdns_base* dns, const char* name, const char* service,
                                        const addrinfo* hints, addrinfo*& result,
                                        Timeout timeout) noexcept;

}  // namespace detail
}  // namespace evcoro
