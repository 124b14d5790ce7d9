// Chapter 37: a web server inside an application of callbacks that has an event_base.
//
//   37_web_server_inside_libevent [ADDRESS]      127.0.0.1:8080 when none is given
#include <event2/event.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>

#include <evcoro/http/router.hpp>
#include <evcoro/http/server.hpp>
#include <evcoro/loop.hpp>
#include <evcoro/net/address.hpp>
#include <evcoro/sync/event.hpp>

using evcoro::Address;
using namespace evcoro::http;
using namespace std::chrono_literals;

namespace {

using Base = std::unique_ptr<event_base, decltype(&event_base_free)>;
using BaseEvent = std::unique_ptr<event, decltype(&event_free)>;

// [kettle]
// What has been there before: a timer with a callback.
class Kettle {
 public:
  explicit Kettle(event_base* base)
      : timer_(event_new(base, -1, EV_PERSIST, on_timer, this), event_free) {}

  void switch_on() {
    const timeval interval{.tv_sec = 0, .tv_usec = 5'000};
    event_add(timer_.get(), &interval);
  }
  void switch_off() { event_del(timer_.get()); }
  int temperature() const { return temperature_; }
  evcoro::Event& boils() { return boils_; }  // this is new

 private:
  static void on_timer(evutil_socket_t, short, void* self) noexcept {
    auto& kettle = *static_cast<Kettle*>(self);
    if (++kettle.temperature_ < 100) return;
    kettle.switch_off();
    kettle.boils_.set();
  }

  BaseEvent timer_;
  int temperature_ = 20;
  evcoro::Event boils_{evcoro::Event::Reset::manual};
};
// [/kettle]

// [routes]
Router routes(Kettle& kettle) {
  Router router;
  router.get("/temperature", [&](Request&, Response& response) {
    response.send(std::to_string(kettle.temperature()) + " degrees\n");
  });
  router.post("/on", [&](Request&, Response& response) {
    kettle.switch_on();
    response.send("it is on\n");
  });
  router.get("/boiling", [&](Request&, Response& response) {
    std::puts("somebody waits");
    if (kettle.boils().wait(1min)) {
      response.set_status(Status::service_unavailable);
    } else {
      response.send("tea!\n");
    }
  });
  return router;
}
// [/routes]

// [web]
// What is added.
class Web {
 public:
  Web(event_base* base, const Address& address, Kettle& kettle)
      : loop_({.capacity = 100}, base), server_(loop_, address, routes(kettle)) {}

  Address address() const { return server_.local_address(); }

  // Lets requests that are under way be answered, three seconds at most, and then ends the
  // application's dispatch. It returns at once.
  void end() {
    server_.drain(3s, [this](std::error_code) {
      std::puts("no connection is left");
      event_base_loopexit(loop_.base(), nullptr);
    });
  }

 private:
  evcoro::Loop loop_;
  Server server_;
};
// [/web]

// [end]
void on_end(evutil_socket_t, short, void* web) {
  std::puts("it is time to end");
  static_cast<Web*>(web)->end();
}
// [/end]

}  // namespace

// [main]
int main(int argc, char** argv) try {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const Base base{event_base_new(), event_base_free};
  if (base == nullptr) throw std::runtime_error("no event_base");
  Kettle kettle{base.get()};
  Web web{base.get(), Address::parse(argc > 1 ? argv[1] : "127.0.0.1:8080").value(), kettle};
  const BaseEvent end{event_new(base.get(), SIGTERM, EV_SIGNAL, on_end, &web), event_free};
  event_add(end.get(), nullptr);
  std::printf("listening on %s\n", web.address().to_string().c_str());
  event_base_dispatch(base.get());  // as ever: it runs the threads, too
  std::puts("the end");
} catch (const std::exception& error) {
  std::fprintf(stderr, "37_web_server_inside_libevent: %s\n", error.what());
  return 1;
}
// [/main]
