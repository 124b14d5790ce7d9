// EVRESOLVER: host names into addresses in C, by /etc/hosts and by DNS, with a cache. See
// resolver.hpp.
//
//   SOCKADDR addresses[8];
//   int count = EVRESOLVER_resolve(NULL, "example.org", 443, AF_UNSPEC, addresses, 8, timeout);
//   if (count < 0) puts(EVERROR_text(errno));
//
//   EVSOCKET* socket = EVSOCKET_connect_host(thread, NULL, "example.org", 443, timeout);
//
// What fails returns -1, or NULL, and sets errno. Of names that is: ENXIO: there is no such host;
// ENODATA: it has no address of the family; EAGAIN: the name servers failed; EACCES: they refused;
// ENOTSUP: they don't know such questions; ETIMEDOUT: they, or the call, took too long; EBADMSG:
// the answer makes no sense; EHOSTUNREACH: no name server can be reached; EINVAL: what can't be a
// name. All is for the OS thread of the loop.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <evcoro/evthread.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tagEVRESOLVER EVRESOLVER;

typedef struct tagEVRESOLVER_OPTIONS {
  const char* servers;            // "192.0.2.1,[2001:db8::1]:5353"; NULL: those of resolv.conf
  struct timeval server_timeout;  // for the first answer; {0, 0}: as c-ares does it
  int tries;                      // how often all servers are asked; 0: as c-ares does it
  size_t cache_size;              // answers that are kept; 0: none
  struct timeval max_ttl;         // the most that an answer's TTL counts for
  struct timeval negative_ttl;    // how long it is known that there is no such host
  const char* resolv_conf;
  const char* hosts;  // see hosts(5); "": none
  struct timeval hosts_check_interval;
  uintptr_t reserved[4];
} EVRESOLVER_OPTIONS;

// EVRESOLVER_OPTIONS_init() stores the defaults, which resolver.hpp tells.
EVCORO_API int EVRESOLVER_OPTIONS_init(EVRESOLVER_OPTIONS* options) EVCORO_NOEXCEPT;

// EVRESOLVER_init() makes a resolver in a loop; options may be NULL. EINVAL for servers that are no
// addresses.
EVCORO_API EVRESOLVER* EVRESOLVER_init(EVLOOP* loop,
                                       const EVRESOLVER_OPTIONS* options) EVCORO_NOEXCEPT;

// EVRESOLVER_free() is to be called also if the loop is freed. Threads that wait fail with
// ECANCELED.
EVCORO_API int EVRESOLVER_free(EVRESOLVER* resolver) EVCORO_NOEXCEPT;

// EVRESOLVER_resolve() waits for the addresses of name, which may be a numeric one, of family
// AF_INET, AF_INET6 or AF_UNSPEC for both. It stores as many of them as there is room for, with
// port, and returns how many there are. resolver may be NULL: the loop's own, with default options.
EVCORO_API int EVRESOLVER_resolve(EVRESOLVER* resolver, const char* name, uint16_t port, int family,
                                  SOCKADDR* addresses, size_t room,
                                  struct timeval timeout) EVCORO_NOEXCEPT;

// EVSOCKET_connect_host() makes a socket of thread, which must be the running one (EPERM), and
// connects it to host, trying its addresses beside each other (Happy Eyeballs, see
// happy_eyeballs.hpp). resolver may be NULL. If no address can be reached it fails with the error
// of the first attempt that got further than finding no route.
EVCORO_API EVSOCKET* EVSOCKET_connect_host(EVTHREAD* thread, EVRESOLVER* resolver, const char* host,
                                           uint16_t port, struct timeval timeout) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
