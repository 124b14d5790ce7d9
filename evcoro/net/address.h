// IPADDRESS and SOCKADDR in C: an IPv4 or IPv6 address, and one with a port, or of a UNIX socket.
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
// another family than AF_INET and AF_INET6 (and, of a SOCKADDR, AF_UNIX), ENAMETOOLONG for a UNIX
// socket's path or name that doesn't fit (it is never cut), ENOMEM. Any OS thread may call these.
#pragma once

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

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
  struct {
    struct sockaddr_un addr;
    uint8_t end;            // 0, behind a path that fills addr
    uint8_t abstract_size;  // of an abstract name, with the NUL before it
  } addr_unix;
  uint64_t reserved[16];
} SOCKADDR;

// SOCKADDR_init() puts address and port (in host byte order) together.
EVCORO_API int SOCKADDR_init(SOCKADDR* saddr, const IPADDRESS* address,
                             uint16_t port) EVCORO_NOEXCEPT;

// SOCKADDR_init_unix() is a UNIX socket in the file system; SOCKADDR_init_abstract() one without a
// file (Linux), whose name may be of any bytes; see unix(7). NULL is one without a name: to bind to
// it lets the kernel choose an abstract one.
EVCORO_API int SOCKADDR_init_unix(SOCKADDR* saddr, const char* path) EVCORO_NOEXCEPT;
EVCORO_API int SOCKADDR_init_abstract(SOCKADDR* saddr, const void* name,
                                      size_t size) EVCORO_NOEXCEPT;

// SOCKADDR_init_saddr() copies what the system calls use.
EVCORO_API int SOCKADDR_init_saddr(SOCKADDR* saddr, const struct sockaddr* address,
                                   socklen_t length) EVCORO_NOEXCEPT;

// SOCKADDR_parse_string() reads what SOCKADDR_to_string() writes: "1.2.3.4:51000", "[::1]:51000",
// "unix:/run/service.sock", "unix:@abstract". A port that is missing is the one given.
EVCORO_API int SOCKADDR_parse_string(SOCKADDR* saddr, const char* text,
                                     uint16_t port) EVCORO_NOEXCEPT;

// What the system calls take.
EVCORO_API struct sockaddr* SOCKADDR_saddr(SOCKADDR* saddr) EVCORO_NOEXCEPT;
EVCORO_API socklen_t SOCKADDR_length(const SOCKADDR* saddr) EVCORO_NOEXCEPT;

EVCORO_API int SOCKADDR_family(const SOCKADDR* saddr) EVCORO_NOEXCEPT;

// SOCKADDR_port() is in host byte order, or -1: EAFNOSUPPORT of a UNIX socket.
EVCORO_API int SOCKADDR_port(const SOCKADDR* saddr) EVCORO_NOEXCEPT;

// SOCKADDR_path() is a UNIX socket's path, as long as *saddr; "" if it has none.
EVCORO_API const char* SOCKADDR_path(const SOCKADDR* saddr) EVCORO_NOEXCEPT;

// SOCKADDR_to_string() is "1.2.3.4:51000", "[::]:51000" or "unix:/run/service.sock"; the caller
// frees it. EINVAL for an abstract name with a NUL.
EVCORO_API char* SOCKADDR_to_string(const SOCKADDR* saddr) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
