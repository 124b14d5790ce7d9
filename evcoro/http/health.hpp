// Health: answers a load balancer that asks whether to send more.
//
//   Health health;
//   router.get("/healthz", health);
//   ...
//   health.start_draining();                  // 503 from now on
//   this_thread::sleep_for(10s);              // until the balancer has noticed
//   server.drain(30s);
//
//   router.get("/ready", Health{[&] { return database.is_connected(); }});
//
// A server that drains doesn't listen any more. Who wants to be told meanwhile, without a call of
// start_draining(), asks at another address:
//
//   Router admin;
//   admin.get("/healthz", Health{[&] { return !server.is_draining(); }});
//   Server admin_server{loop, admin_address, admin};
//
// It is a handler, and a handle: copies are the same. Any OS threads may use it at once.
#pragma once

#include <functional>
#include <memory>

#include <evcoro/http/serve.hpp>
#include <stacks/export.hpp>

namespace evcoro::http {

namespace detail {
struct HealthState;
}

class EVCORO_API Health {
 public:
  // is_well is asked at each request, in its thread; without one all is well. What it throws is a
  // failure of the request (500).
  explicit Health(std::function<bool()> is_well = {});

  // start_draining() lets all further answers be 503.
  void start_draining() noexcept;
  bool is_draining() const noexcept;

  void operator()(Request& request, Response& response) const;

 private:
  std::shared_ptr<detail::HealthState> state_;
};

}  // namespace evcoro::http
