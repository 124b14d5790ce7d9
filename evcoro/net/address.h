// IPADDRESS and SOCKADDR in C: an IPv4 or IPv6 address, and one with a port.
//
//   IPADDRESS address;
//   SOCKADDR everywhere;
//   IPADDRESS_any(&address, AF_INET);
//   SOCKADDR_init(&everywhere, &address, 9999);
//   char* text = SOCKADDR_to_string(&everywhere);  // 0.0.0.0:9999
//   free(text);
//
// Both are plain values in the caller's storage, to be copied freely. What fails returns -1 (a
// pointer: NULL) and sets errno: EINVAL for NULL and for what is no address, EAFNOSUPPORT for
// another family than AF_INET and AF_INET6, ENOMEM. Any OS thread may call these.
#pragma once

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

#include <stacks/export.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tagIPADDRESS {
  int family;         // AF_INET or AF_INET6
  uint32_t scope_id;  // of a link-local IPv6 address: the interface's index
  union {
    struct in_addr ipv4;
    struct in6_addr ipv6;
  } addr;
} IPADDRESS;

// The wildcard address, and the machine itself.
EVCORO_API int IPADDRESS_any(IPADDRESS* address, int family) EVCORO_NOEXCEPT;
EVCORO_API int IPADDRESS_loopback(IPADDRESS* address, int family) EVCORO_NOEXCEPT;

// IPADDRESS_parse_string() reads a numeric address: "1.2.3.4", "::1", "fe80::1%eth0".
EVCORO_API int IPADDRESS_parse_string(IPADDRESS* address, const char* text) EVCORO_NOEXCEPT;

// IPADDRESS_to_string() gives what IPADDRESS_parse_string() reads; the caller frees it.
EVCORO_API char* IPADDRESS_to_string(const IPADDRESS* address) EVCORO_NOEXCEPT;
EVCORO_API int IPADDRESS_family(const IPADDRESS* address) EVCORO_NOEXCEPT;

typedef union tagSOCKADDR {
  struct sockaddr_in addr_ipv4;
  struct sockaddr_in6 addr_ipv6;
  uint64_t reserved[16];
} SOCKADDR;

// SOCKADDR_init() puts address and port (in host byte order) together.
EVCORO_API int SOCKADDR_init(SOCKADDR* saddr, const IPADDRESS* address,
                             uint16_t port) EVCORO_NOEXCEPT;

// SOCKADDR_parse_string() reads what SOCKADDR_to_string() writes: "1.2.3.4:51000", "[::1]:51000". A
// port that is missing is the one given.
EVCORO_API int SOCKADDR_parse_string(SOCKADDR* saddr, const char* text,
                                     uint16_t port) EVCORO_NOEXCEPT;

// What the system calls take.
EVCORO_API struct sockaddr* SOCKADDR_saddr(SOCKADDR* saddr) EVCORO_NOEXCEPT;
EVCORO_API socklen_t SOCKADDR_length(const SOCKADDR* saddr) EVCORO_NOEXCEPT;

EVCORO_API int SOCKADDR_family(const SOCKADDR* saddr) EVCORO_NOEXCEPT;

// SOCKADDR_port() is in host byte order, or -1.
EVCORO_API int SOCKADDR_port(const SOCKADDR* saddr) EVCORO_NOEXCEPT;

// SOCKADDR_to_string() is "1.2.3.4:51000" or "[::]:51000"; the caller frees it.
EVCORO_API char* SOCKADDR_to_string(const SOCKADDR* saddr) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
