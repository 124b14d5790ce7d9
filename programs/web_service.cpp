#include <programs/web_service.hpp>

#include <utility>

namespace programs {

WebService::WebService(evcoro::LoopGroup& group, const std::string& name,
                       const evcoro::Address& address, const Settings& settings, const Site& site,
                       evcoro::http::Secure secure)
    : Service(name, settings.http_stacks, group.size()),
      server_(group, address, site.handler,
              server_options(name, settings, site, std::move(secure))) {}

// Spread as the echo server's connections.
evcoro::http::ServerOptions WebService::server_options(const std::string& name,
                                                       const Settings& settings, const Site& site,
                                                       evcoro::http::Secure secure) const {
  evcoro::http::ServerOptions options;
  options.spread = evcoro::Spread::hand_out;
  options.acceptor.name = name;
  options.acceptor.max_connections = settings.http_stacks;
  if (settings.reject) options.acceptor.when_full = evcoro::WhenFull::reject;
  options.server = "evcoro";
  options.secure = std::move(secure);
  options.observers = site.observers;
  options.observers.emplace_back(
      [traffic = shared_traffic()](const evcoro::http::Exchange&) { traffic->count(); });
  return options;
}

}  // namespace programs
