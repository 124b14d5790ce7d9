// WebService: HTTP, or HTTPS if it is given a layer for that.
#pragma once

#include <string>
#include <vector>

#include <evcoro/http/server.hpp>
#include <evcoro/loop_group.hpp>
#include <programs/service.hpp>
#include <programs/settings.hpp>

namespace programs {

class WebService final : public Service {
 public:
  // What HTTP and HTTPS have in common.
  struct Site {
    evcoro::http::Handler handler;
    std::vector<evcoro::http::ExchangeObserver> observers = {};
  };

  // Throws std::system_error, whose what() names the address.
  WebService(evcoro::LoopGroup& group, const std::string& name, const evcoro::Address& address,
             const Settings& settings, const Site& site, evcoro::http::Secure secure = {});

  evcoro::Address local_address() const override { return server_.local_address(); }
  Counters counters() const override { return server_.counters(); }
  std::error_code drain() override { return server_.drain(); }
  const evcoro::http::Server& server() const noexcept { return server_; }

 private:
  evcoro::http::ServerOptions server_options(const std::string& name, const Settings& settings,
                                             const Site& site, evcoro::http::Secure secure) const;

  evcoro::http::Server server_;
};

}  // namespace programs
