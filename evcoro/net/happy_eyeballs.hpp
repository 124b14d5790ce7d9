// connect() to a name: Happy Eyeballs, RFC 8305. Of a host's addresses those of IPv6 and of IPv4
// take turns, each some time after the one before, or as soon as that one has failed; the first
// connection that is made is the one that is returned, and the others are given up.
//
//   Result<Socket> socket = connect("example.org", 443, 3s);         // in a thread
//   if (!socket) return report(socket.error());
//
// It takes no stack but the calling thread's.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <span>
#include <string_view>

#include <evcoro/net/address.hpp>
#include <evcoro/net/resolver.hpp>
#include <evcoro/net/socket.hpp>
#include <evcoro/result.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

namespace evcoro {

struct ConnectOptions {
  int family = AF_UNSPEC;  // AF_INET or AF_INET6: of these addresses alone

  // How long the addresses of IPv6 are waited for once those of IPv4 are known (RFC 8305, 3).
  std::chrono::milliseconds resolution_delay{50};

  // How long an attempt has before the next one begins beside it (RFC 8305, 5).
  std::chrono::milliseconds attempt_delay{250};
};

// connect() connects to host, a name or a numeric address, and returns a socket of the calling
// thread's loop with TCP_NODELAY on. It asks the resolver, or that of the loop: Resolver::of().
// Fails with ResolveErrc if there are no addresses; if none of them can be reached, with the error
// of the first attempt that got further than finding no route; and as all blocking calls do.
EVCORO_API Result<Socket> connect(std::string_view host, std::uint16_t port, Timeout timeout = {});
EVCORO_API Result<Socket> connect(Resolver& resolver, std::string_view host, std::uint16_t port,
                                  const ConnectOptions& options = {}, Timeout timeout = {});

// connect_any() does so with addresses that are known; those of other families than IPv4 and IPv6
// are left out. Without any it fails with destination_address_required.
EVCORO_API Result<Socket> connect_any(std::span<const Address> addresses,
                                      const ConnectOptions& options = {}, Timeout timeout = {});

}  // namespace evcoro
