#include <evcoro/net/resolver.hpp>

#include <optional>

#include <evcoro/detail/hosts_file.hpp>
#include <evcoro/detail/resolver_libevent.hpp>
#include <evcoro/local.hpp>

namespace evcoro {

Resolver::Resolver(Loop& loop, const ResolverOptions& options) {
  loop.core().require_own_process("Resolver");
  state_ = std::make_shared<detail::ResolverState>(loop.core(), options);
}

Resolver::~Resolver() { state_->close(); }

Resolver& Resolver::of(Loop& loop) {
  static const LoopLocal<std::optional<Resolver>> resolvers;
  std::optional<Resolver>& resolver = resolvers.get(loop);
  if (!resolver) resolver.emplace(loop);
  return *resolver;
}

Result<std::vector<Address>> Resolver::resolve(std::string_view name, std::uint16_t port,
                                               int family, Timeout timeout) {
  if (const auto error = state_->admit()) return error;
  if (const auto numeric = detail::parse_host(name, port)) {
    if (family != AF_UNSPEC && family != numeric->family()) return ResolveErrc::no_data;
    return std::vector{*numeric};
  }
  detail::Waiter waiter;
  detail::Inquiry inquiry{waiter};
  if (const auto error = inquiry.start(*state_, name, family)) return error;
  detail::Patience patience{timeout};
  while (!inquiry.is_answered()) {
    if (const auto error = waiter.wait(patience, "name")) return error;
  }
  auto addresses = inquiry.addresses(port);
  if (addresses.empty()) return inquiry.error();
  return addresses;
}

Result<std::vector<Address>> Resolver::resolve(std::string_view name, std::string_view service,
                                               int family, Timeout timeout) {
  const auto port = detail::find_service(service);
  if (!port) return ResolveErrc::bad_service;
  return resolve(name, *port, family, timeout);
}

void Resolver::forget() noexcept { state_->forget(); }
std::size_t Resolver::cached() const noexcept { return state_->cached(); }

}  // namespace evcoro
