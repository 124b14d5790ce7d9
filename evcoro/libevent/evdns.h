// EVDNS_getaddrinfo(): an application's evdns, awaited by a coroutine thread, in C. See evdns.hpp.
//
//   struct addrinfo* addresses;
//   int error = EVDNS_getaddrinfo(dns, "example.org", "80", NULL, &addresses, timeout);
//   if (error != 0) {
//     puts(evutil_gai_strerror(error));
//   } else {
//     ...
//     evutil_freeaddrinfo(addresses);
//   }
#pragma once

#include <evcoro/evthread.h>

struct addrinfo;
struct evdns_base;

#ifdef __cplusplus
extern "C" {
#endif

// EVDNS_getaddrinfo() is evdns_getaddrinfo(), and waits for the answer. As getaddrinfo(3), it
// returns 0 or an EAI_... number; EAI_SYSTEM is an error of the call, with errno: ETIMEDOUT,
// ECANCELED, EPERM outside a thread, EINVAL. dns is in the base of the calling thread's loop.
EVCORO_API int EVDNS_getaddrinfo(struct evdns_base* dns, const char* name, const char* service,
                                 const struct addrinfo* hints, struct addrinfo** result,
                                 struct timeval timeout) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
