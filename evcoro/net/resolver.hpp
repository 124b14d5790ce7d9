// Resolver: host names into addresses, by /etc/hosts and by DNS, with a cache.
//
//   Resolver resolver{loop};
//   ...
//   const auto addresses = resolver.resolve("example.org", 443, AF_UNSPEC, 3s);   // in a thread
//   if (!addresses) std::puts(addresses.error().message().c_str());
//
// DNS is c-ares, on the loop's events: resolv.conf with its search domains, A and AAAA, TCP for
// answers that don't fit into a datagram. Threads that ask the same at once share one question, and
// answers are kept as long as their TTL says. To connect to a name, see happy_eyeballs.hpp.
//
// A Resolver belongs to a loop: resolve() is called in its threads, all else in the loop's OS
// thread.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <vector>

#include <evcoro/net/address.hpp>
#include <evcoro/result.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

namespace evcoro {

class Loop;

namespace detail {
class ResolverState;
}

// Each is equivalent to the errno in brackets, which is what the C face sets.
enum class ResolveErrc {
  not_found = 1,    // [ENXIO] there is no such name (NXDOMAIN)
  no_data,          // [ENODATA] the name has no address of the family asked for
  server_failure,   // [EAGAIN] the name servers failed (SERVFAIL)
  refused,          // [EACCES] the name servers refused to answer
  timed_out,        // [ETIMEDOUT] no name server has answered
  malformed,        // [EBADMSG] the answer makes no sense
  not_implemented,  // [ENOTSUP] the name servers don't know such questions
  no_server,        // [EHOSTUNREACH] no name server can be reached
  bad_name,         // [EINVAL] what can't be a host's name
  bad_service,      // [EPROTONOSUPPORT] a service that /etc/services doesn't know
};
EVCORO_API const std::error_category& resolve_category() noexcept;
inline std::error_code make_error_code(ResolveErrc error) noexcept {
  return {static_cast<int>(error), resolve_category()};
}

struct ResolverOptions {
  // "192.0.2.1,[2001:db8::1]:5353"; empty: those of resolv.conf.
  std::string servers;

  // How long a server has for its first answer, and how often all are asked; each time they have
  // twice as long. 0: as c-ares does it.
  std::chrono::milliseconds server_timeout{0};
  int tries = 0;

  // How many answers are kept, the ones used last; 0: none. An A and an AAAA count as two.
  std::size_t cache_size = 1024;

  // The most that the TTL of an answer counts for, and how long it is known that there is none
  // (not_found, no_data; other errors are not kept).
  std::chrono::milliseconds max_ttl = std::chrono::hours{1};
  std::chrono::milliseconds negative_ttl = std::chrono::seconds{10};

  // resolv.conf is read once. The file of hosts (see hosts(5); empty: none) is read again when it
  // has changed, which is looked for at most so often.
  std::string resolv_conf = "/etc/resolv.conf";
  std::string hosts = "/etc/hosts";
  std::chrono::milliseconds hosts_check_interval = std::chrono::seconds{1};
};

class EVCORO_API Resolver {
 public:
  // Throws std::system_error: invalid_argument for servers that are no addresses; and
  // std::logic_error if the loop is the parent process's.
  explicit Resolver(Loop& loop, const ResolverOptions& options = {});

  // Threads that wait return operation_canceled.
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // of() is the one that a loop has for those who bring none: with default options, made at the
  // first call, good as long as the loop. For the loop's OS thread. Throws as the constructor.
  static Resolver& of(Loop& loop);

  // resolve() waits for the addresses of name: family is AF_INET, AF_INET6, or AF_UNSPEC for both,
  // of which those that this machine has a route to come first. They have port. A numeric address
  // is its own answer; the case of names doesn't matter, and one that ends in a dot is not tried
  // with the search domains. Fails with ResolveErrc, and as all blocking calls do. A question that
  // was given up goes on, and its answer is kept.
  Result<std::vector<Address>> resolve(std::string_view name, std::uint16_t port,
                                       int family = AF_UNSPEC, Timeout timeout = {});

  // The same, of a port number or the name of a TCP service: see services(5).
  Result<std::vector<Address>> resolve(std::string_view name, std::string_view service,
                                       int family = AF_UNSPEC, Timeout timeout = {});

  // forget() empties the cache.
  void forget() noexcept;

  // cached() is how many answers are kept, also ones whose time is over.
  std::size_t cached() const noexcept;

  detail::ResolverState& state() noexcept { return *state_; }

 private:
  std::shared_ptr<detail::ResolverState> state_;
};

}  // namespace evcoro

template <>
struct std::is_error_code_enum<evcoro::ResolveErrc> : std::true_type {};
