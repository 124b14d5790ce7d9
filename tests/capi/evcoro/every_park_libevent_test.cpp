// What libevent has, awaited by the C face, and cancelled at each suspension; see
// every_park_fixture.hpp.
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netdb.h>

#include <csignal>
#include <optional>
#include <string>

#include <evcoro/libevent/bufferevent.h>
#include <evcoro/libevent/evdns.h>
#include <evcoro/libevent/evhttp.h>
#include <capi/evcoro/every_park_fixture.hpp>
#include <support/dns_server.hpp>

using support::after;
using support::CFixture;
using support::moment;
using support::RawSocket;

namespace {

EVBUFFEREVENT* new_socket(EVTHREAD* self, event_base* base) {
  return EVBUFFEREVENT_init(self, bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE));
}

// Two bufferevents that are connected with each other and hold little; their thread frees them.
struct BuffereventPair {
  BuffereventPair(EVTHREAD* self, event_base* base) {
    bufferevent* ends[2];
    CHECK(bufferevent_pair_new(base, 0, ends) == 0);
    one = EVBUFFEREVENT_init_limits(self, ends[0], 64, 64);
    other = EVBUFFEREVENT_init_limits(self, ends[1], 64, 64);
  }
  EVBUFFEREVENT* one = nullptr;
  EVBUFFEREVENT* other = nullptr;
};

struct LibeventFixture : CFixture {
  LibeventFixture() { std::signal(SIGPIPE, SIG_IGN); }
  event_base* base() const { return EVLOOP_base(loop); }
};

// A request to an evhttp, which is being handled until it is released. All goes with it.
class Web {
 public:
  explicit Web(EVLOOP* loop) : http_(evhttp_new(EVLOOP_base(loop))) {
    auto* const bound = evhttp_bind_socket_with_handle(http_, "127.0.0.1", 0);
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    auto* const name = reinterpret_cast<sockaddr*>(&storage);
    CHECK(::getsockname(evhttp_bound_socket_get_fd(bound), name, &size) == 0);
    handler = EVHTTPHANDLER_init(loop, http_, "/", handle, this);
    client = RawSocket::connected_to(evcoro::Address{name, size});
    client.send("GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
    while (request == nullptr) EVTHREAD_yield();
  }
  // To be called where cancellation doesn't reach.
  ~Web() {
    is_released = true;
    CHECK(EVHTTPHANDLER_drain(handler, EVTIMEOUT_NEVER) == 0);
    CHECK(EVHTTPHANDLER_free(handler) == 0);
    evhttp_free(http_);
  }
  Web(const Web&) = delete;
  Web& operator=(const Web&) = delete;

  void read() const {
    char buffer[65536];
    while (::recv(client.get(), buffer, sizeof buffer, MSG_DONTWAIT) > 0) {
    }
  }

 private:
  static void handle(EVTHREAD* self, EVHTTPREQUEST* request, void* context) {
    Web& web = *static_cast<Web*>(context);
    web.request = request;
    while (!web.is_released) EVTHREAD_delay(self, moment);
  }

  evhttp* http_;

 public:
  EVHTTPHANDLER* handler = nullptr;
  EVHTTPREQUEST* request = nullptr;
  RawSocket client;
  bool is_released = false;
};

}  // namespace

TEST_CASE_METHOD(LibeventFixture, "cancelled at each park, in C: a bufferevent's output") {
  const std::string data = support::pattern(1000);
  CHECK(cancel_at_every_park([&](EVTHREAD* self) {
          const BuffereventPair pair{self, base()};
          trickle([&pair] {
            char buffer[200];
            EVBUFFEREVENT_recv(pair.other, buffer, sizeof buffer, EVTIMEOUT_NOW);
          });
          const int result =
              EVBUFFEREVENT_send(pair.one, data.data(), data.size(), EVTIMEOUT_NEVER);
          return result < 0 ? result : EVBUFFEREVENT_drain(pair.one, EVTIMEOUT_NEVER);
        }) >= 2);
}

TEST_CASE_METHOD(LibeventFixture, "cancelled at each park, in C: a bufferevent's input") {
  CHECK(cancel_at_every_park([&](EVTHREAD* self) {
          const BuffereventPair pair{self, base()};
          trickle([&pair] { EVBUFFEREVENT_send(pair.other, "x", 1, EVTIMEOUT_NOW); });
          char byte;
          const int result = EVBUFFEREVENT_recv(pair.one, &byte, 1, EVTIMEOUT_NEVER);
          return result < 0 ? result : EVBUFFEREVENT_wait_input(pair.one, 5, EVTIMEOUT_NEVER);
        }) >= 2);
}

TEST_CASE_METHOD(LibeventFixture, "cancelled at each park, in C: bufferevents and names") {
  support::DnsServer server;
  server.set("here.test", {.addresses = {"127.0.0.1"}});
  const support::Listener listener;
  const evcoro::Address address = listener.address();
  evdns_base* const dns = evdns_base_new(base(), EVDNS_BASE_DISABLE_WHEN_INACTIVE);
  REQUIRE(evdns_base_nameserver_ip_add(dns, server.name().c_str()) == 0);
  evdns_base_set_option(dns, "randomize-case", "0");
  CHECK(cancel_at_every_park([&](EVTHREAD* self) {
          EVBUFFEREVENT* const stream = new_socket(self, base());
          return EVBUFFEREVENT_connect(stream, address.data(), address.size(), EVTIMEOUT_NEVER);
        }) == 1);
  CHECK(cancel_at_every_park([&](EVTHREAD* self) {
          EVBUFFEREVENT* const stream = new_socket(self, base());
          CHECK(bufferevent_socket_connect(EVBUFFEREVENT_get(stream), address.data(),
                                           static_cast<int>(address.size())) == 0);
          return EVBUFFEREVENT_wait_connected(stream, EVTIMEOUT_NEVER);
        }) == 1);
  CHECK(cancel_at_every_park([&](EVTHREAD* self) {
          EVBUFFEREVENT* const stream = new_socket(self, base());
          return EVBUFFEREVENT_connect_hostname(stream, dns, AF_INET, "here.test", address.port(),
                                                EVTIMEOUT_NEVER);
        }) >= 1);
  CHECK(cancel_at_every_park([&](EVTHREAD*) {
          addrinfo* found = nullptr;
          const int error =
              EVDNS_getaddrinfo(dns, "here.test", "80", nullptr, &found, EVTIMEOUT_NEVER);
          CHECK((error == 0 || error == EAI_SYSTEM));
          if (error == 0) evutil_freeaddrinfo(found);
          return error == 0 ? 0 : -1;
        }) >= 1);
  evdns_base_free(dns, 0);
}

TEST_CASE_METHOD(LibeventFixture, "cancelled at each park, in C: a reply in chunks") {
  std::optional<Web> web;
  const std::string data(1'000'000, 'x');
  CHECK(cancel_at_every_park(
            [&](EVTHREAD*) {
              web.emplace(loop);
              trickle([&] { web->read(); });
              evbuffer* const piece = evbuffer_new();
              CHECK(EVHTTPREQUEST_start_reply(web->request, 200, nullptr) == 0);
              int result = 0;
              for (int i = 0; i < 3 && result == 0; ++i) {
                evbuffer_add(piece, data.data(), data.size());
                result = EVHTTPREQUEST_send_chunk(web->request, piece, EVTIMEOUT_NEVER);
              }
              if (result == 0) {
                CHECK(EVHTTPREQUEST_end_reply(web->request) == 0);
                result = EVHTTPREQUEST_wait_sent(web->request, EVTIMEOUT_NEVER);
              }
              return after(result, [&] { evbuffer_free(piece); });
            },
            [&] { web.reset(); }) >= 3);
}

TEST_CASE_METHOD(LibeventFixture, "cancelled at each park, in C: a handler's drain") {
  std::optional<Web> web;
  CHECK(cancel_at_every_park(
            [&](EVTHREAD*) {
              web.emplace(loop);
              trickle([&] { web->is_released = true; }, 1);
              return EVHTTPHANDLER_drain(web->handler, EVTIMEOUT_NEVER);
            },
            [&] { web.reset(); }) >= 1);
}
