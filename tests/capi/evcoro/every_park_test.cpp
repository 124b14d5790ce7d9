// The blocking calls of the C face, cancelled at each of their suspensions; see
// every_park_fixture.hpp.
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <functional>
#include <string>

#include <evcoro/file.h>
#include <evcoro/io/stream.h>
#include <evcoro/io_event.h>
#include <evcoro/libevent/await_event.h>
#include <evcoro/net/connection_pool.h>
#include <evcoro/net/limits.h>
#include <evcoro/net/resolver.h>
#include <evcoro/offload.h>
#include <evcoro/scope.h>
#include <event2/event.h>
#include <capi/evcoro/every_park_fixture.hpp>
#include <support/dns_server.hpp>
#include <support/pipe.hpp>

using support::CFixture;
using support::CPair;
using support::moment;

TEST_CASE_METHOD(CFixture, "cancelled at each park, in C: delays and timers") {
  CHECK(cancel_at_every_park([](EVTHREAD* self) {
          for (int i = 0; i < 3; ++i) {
            if (EVTHREAD_delay(self, moment) != 0) return -1;
          }
          return 0;
        }) == 3);
  CHECK(cancel_at_every_park([](EVTHREAD* self) {
          EVTIMER* const timer = EVTIMER_init(self, 7, moment);
          int id = 0;
          for (int i = 0; i < 2; ++i) {
            CHECK(EVTIMER_start(timer) == 0);
            if (EVTHREAD_wait_timer(&id, EVTIMEOUT_NEVER) != 0) return -1;
            CHECK(id == 7);
          }
          return 0;
        }) == 2);
}

TEST_CASE_METHOD(CFixture, "cancelled at each park, in C: tokens") {
  CHECK(cancel_at_every_park([](EVTHREAD*) {
          EVTOKENBUCKET* const bucket = EVTOKENBUCKET_init(100, 5);
          const int result = EVTOKENBUCKET_take(bucket, 10, EVTIMEOUT_NEVER);
          const int error = errno;
          EVTOKENBUCKET_free(bucket);
          errno = error;
          return result;
        }) >= 1);
}

TEST_CASE_METHOD(CFixture, "cancelled at each park, in C: wake-ups") {
  EVTHREAD* waker = nullptr;
  const auto wake = [](EVTHREAD* self, EVSOCKET*, void* sleeper) {
    EVTHREAD_delay(self, moment);
    EVTHREAD_wake(static_cast<EVTHREAD*>(sleeper));
  };
  CHECK(cancel_at_every_park(
            [&](EVTHREAD* self) {
              waker = EVTHREAD_init(loop, wake, self);
              CHECK(EVTHREAD_start_joinable(waker, nullptr) == 0);
              return EVTHREAD_park(EVTIMEOUT_NEVER);
            },
            [&] { CHECK(EVTHREAD_join(waker, EVTIMEOUT_NEVER) == 0); }) >= 1);
}

TEST_CASE_METHOD(CFixture, "cancelled at each park, in C: joins, and the others go on") {
  const int once = 1;
  const int thrice = 3;
  std::array<EVTHREAD*, 2> threads{};
  const auto clean_up = [&] {
    for (EVTHREAD*& each : threads) {
      if (each != nullptr) CHECK(EVTHREAD_join(each, EVTIMEOUT_NEVER) == 0);
      each = nullptr;
    }
  };
  CHECK(cancel_at_every_park(
            [&](EVTHREAD*) {
              threads = {start_pauses(thrice), start_pauses(once)};
              const int first = EVTHREAD_wait_any(threads.data(), 2, EVTIMEOUT_NEVER);
              if (first < 0) return -1;
              CHECK(first == 1);
              if (EVTHREAD_join(threads[0], EVTIMEOUT_NEVER) != 0) return -1;
              threads[0] = nullptr;
              return 0;
            },
            clean_up) == 2);
}

TEST_CASE_METHOD(CFixture, "cancelled at each park, in C: scopes") {
  EVSCOPE* scope = nullptr;
  const auto pause = [](EVTHREAD* self, void*) {
    return EVTHREAD_delay(self, moment) == 0 ? 0 : errno;
  };
  CHECK(cancel_at_every_park([&](EVTHREAD*) {
          scope = EVSCOPE_open(EVTIMEOUT_NEVER);
          for (int i = 0; i < 3; ++i) CHECK(EVSCOPE_start(scope, pause, nullptr, nullptr) == 0);
          const int result = EVSCOPE_wait(scope, EVTIMEOUT_NEVER);
          const int error = errno;
          CHECK(EVSCOPE_close(scope) == 0);
          errno = error;
          return result;
        }) >= 1);
}

TEST_CASE_METHOD(CFixture, "cancelled at each park, in C: connect and receive") {
  CHECK(cancel_at_every_park([](EVTHREAD* self) {
          const support::Listener listener;
          const evcoro::Address address = listener.address();
          EVSOCKET* const socket = EVSOCKET_open(self, AF_INET);
          return EVSOCKET_connect(socket, address.data(), address.size(), EVTIMEOUT_NEVER);
        }) == 1);
  CHECK(cancel_at_every_park([](EVTHREAD* self) {
          const CPair pair{self};
          const auto sender =
              evcoro::Loop::current()
                  ->spawn([&] {
                    for (int i = 0; i < 4 && EVTHREAD_delay(EVTHREAD_current(), moment) == 0; ++i) {
                      pair.peer.send("x");
                    }
                  })
                  .value();
          char buffer[2];
          int result = EVSOCKET_recv(pair.socket, buffer, 1, 0, EVTIMEOUT_NEVER);
          std::size_t count = 0;
          if (result > 0) {
            result = EVSOCKET_recv_all_ex(pair.socket, buffer, 2, 0, EVTIMEOUT_NEVER, &count);
            CHECK((count == 2) == (result >= 0));
          }
          return result;
        }) >= 2);
}

TEST_CASE_METHOD(CFixture, "cancelled at each park, in C: send, which says how much went") {
  const std::string data = support::pattern(200'000);
  CHECK(cancel_at_every_park([&](EVTHREAD* self) {
          auto [ours, other] = support::connected_sockets(*evcoro::Loop::current(), {.send = 8192});
          EVSOCKET* const socket = EVSOCKET_init(self, ours.release(), 1);
          std::size_t arrived = 0;
          auto reader = evcoro::Loop::current()
                            ->spawn([&, &other = other] {
                              for (std::size_t count = 1; count != 0; arrived += count) {
                                count = support::receive(other, 65536).text.size();
                              }
                            })
                            .value();
          std::size_t sent = 0;
          const int result =
              EVSOCKET_send_ex(socket, data.data(), data.size(), 0, EVTIMEOUT_NEVER, &sent);
          const int error = errno;
          CHECK(EVSOCKET_close(socket) == 0);
          while (!reader.has_ended()) EVTHREAD_yield();
          CHECK(arrived == sent);
          errno = error;
          return result;
        }) >= 3);
}

TEST_CASE_METHOD(CFixture, "cancelled at each park, in C: foreign descriptors and events") {
  CHECK(cancel_at_every_park([](EVTHREAD* self) {
          const support::RawPipe pipe;
          const auto writer = evcoro::Loop::current()
                                  ->spawn([&] {
                                    for (int i = 0; i < 4; ++i) {
                                      if (EVTHREAD_delay(EVTHREAD_current(), moment) != 0) return;
                                      pipe.write("x");
                                    }
                                  })
                                  .value();
          EVIOEVENT* const event = EVIOEVENT_init(self, pipe.reader());
          EVPOLLER* const poller = EVPOLLER_init(self);
          CHECK(EVPOLLER_add(poller, pipe.reader(), EPOLLIN, {}) == 0);
          pollfd entry{.fd = pipe.reader(), .events = POLLIN, .revents = 0};
          epoll_event ready;
          int result = EVIOEVENT_wait(event, POLLIN, EVTIMEOUT_NEVER);
          if (result > 0) {
            pipe.empty();
            result = EVIO_wait(pipe.reader(), POLLIN, EVTIMEOUT_NEVER);
          }
          if (result > 0) {
            pipe.empty();
            result = EVIO_poll(&entry, 1, EVTIMEOUT_NEVER);
          }
          if (result > 0) {
            pipe.empty();
            result = EVPOLLER_wait(poller, &ready, 1, EVTIMEOUT_NEVER);
          }
          const int error = errno;
          EVPOLLER_free(poller);
          EVIOEVENT_free(event);
          errno = error;
          return result;
        }) >= 4);
  CHECK(cancel_at_every_park([&](EVTHREAD*) {
          const auto nothing = [](evutil_socket_t, short, void*) {};
          event* const timer = event_new(EVLOOP_base(loop), -1, 0, nothing, nullptr);
          event_add(timer, &moment);
          const int result = EVEVENT_await(timer, EVTIMEOUT_NEVER);
          const int error = errno;
          event_free(timer);
          errno = error;
          return result;
        }) == 1);
}

TEST_CASE_METHOD(CFixture, "cancelled at each park, in C: lines") {
  CHECK(cancel_at_every_park([](EVTHREAD* self) {
          const CPair pair{self};
          const auto sender = evcoro::Loop::current()
                                  ->spawn([&] {
                                    for (const char* piece : {"a", "\n", "b", "c"}) {
                                      if (EVTHREAD_delay(EVTHREAD_current(), moment) != 0) return;
                                      pair.peer.send(piece);
                                    }
                                  })
                                  .value();
          EVREADER* const reader = EVREADER_init(self, pair.socket, 0, 0);
          const char* line;
          const void* data;
          std::size_t length;
          int result = EVREADER_read_line(reader, &line, &length, EVTIMEOUT_NEVER);
          if (result > 0) result = EVREADER_read_exactly(reader, 2, &data, EVTIMEOUT_NEVER);
          const int error = errno;
          EVREADER_free(reader);
          errno = error;
          return result;
        }) >= 2);
}

TEST_CASE_METHOD(CFixture, "cancelled at each park, in C: drain") {
  const auto serve = [](EVTHREAD*, EVSOCKET* socket, void*) {
    char byte;
    while (EVSOCKET_recv(socket, &byte, 1, 0, EVTIMEOUT_NEVER) == 1) {
    }
  };
  static EVTHREAD_PROC proc = serve;
  SOCKADDR address;
  IPADDRESS loopback;
  REQUIRE(IPADDRESS_loopback(&loopback, AF_INET) == 0);
  REQUIRE(SOCKADDR_init(&address, &loopback, 0) == 0);
  const auto factory = [](int, EVTHREAD_PROC* chosen, void**) {
    *chosen = proc;
    return 0;
  };
  CHECK(cancel_at_every_park([&](EVTHREAD*) {
          EVTCPACCEPTOR* const acceptor =
              EVTCPACCEPTOR_init_ex(loop, &address, 10, factory, -1, -1);
          SOCKADDR there;
          CHECK(EVTCPACCEPTOR_local_address(acceptor, &there) == 0);
          support::RawSocket client = support::RawSocket::connected_to(evcoro::Address::loopback(
              AF_INET, static_cast<std::uint16_t>(SOCKADDR_port(&there))));
          const auto leaving = evcoro::Loop::current()
                                   ->spawn([&] {
                                     EVTHREAD_delay(EVTHREAD_current(), moment);
                                     client.close();
                                   })
                                   .value();
          const int result = EVTCPACCEPTOR_drain(acceptor, EVTIMEOUT_NEVER);
          const int error = errno;
          EVTCPACCEPTOR_close(acceptor);
          while (!leaving.has_ended()) EVTHREAD_yield();
          errno = error;
          return result;
        }) >= 1);
}

TEST_CASE_METHOD(CFixture, "cancelled at each park, in C: names, connect, and a pool") {
  support::DnsServer server;
  server.set("box.test", {.addresses = {"127.0.0.1"}, .ttl = 0});
  const std::string servers = server.name();
  const support::Listener listener;
  EVRESOLVER_OPTIONS options;
  CHECK(EVRESOLVER_OPTIONS_init(&options) == 0);
  options.servers = servers.c_str();
  options.hosts = "";
  options.cache_size = 0;
  EVRESOLVER* const resolver = EVRESOLVER_init(loop, &options);
  CHECK(cancel_at_every_park([&](EVTHREAD*) {
          return EVRESOLVER_resolve(resolver, "box.test", 80, 0, nullptr, 0, EVTIMEOUT_NEVER);
        }) >= 1);
  const auto connect = [&](EVTHREAD* self) {
    return EVSOCKET_connect_host(self, resolver, "box.test", listener.address().port(),
                                 EVTIMEOUT_NEVER);
  };
  CHECK(cancel_at_every_park([&](EVTHREAD* self) {
          EVSOCKET* const socket = connect(self);
          return socket == nullptr ? -1 : EVSOCKET_close(socket);
        }) >= 2);
  const std::function<EVSOCKET*(EVTHREAD*)> factory = connect;
  EVCONNECTIONPOOL_OPTIONS of_pool;
  CHECK(EVCONNECTIONPOOL_OPTIONS_init(&of_pool) == 0);
  of_pool.ctx = const_cast<std::function<EVSOCKET*(EVTHREAD*)>*>(&factory);
  of_pool.factory = [](EVTHREAD* self, timeval, void* ctx) {
    return (*static_cast<const std::function<EVSOCKET*(EVTHREAD*)>*>(ctx))(self);
  };
  EVCONNECTIONPOOL* const pool = EVCONNECTIONPOOL_init(loop, &of_pool);
  CHECK(cancel_at_every_park([&](EVTHREAD*) {
          EVSOCKET* const socket = EVCONNECTIONPOOL_take(pool, EVTIMEOUT_NEVER);
          return socket == nullptr ? -1 : EVSOCKET_close(socket);
        }) >= 2);
  CHECK(EVCONNECTIONPOOL_free(pool) == 0);
  CHECK(EVRESOLVER_free(resolver) == 0);
}

TEST_CASE_METHOD(CFixture, "cancelled at each park, in C: offloaded work and files") {
  CHECK(cancel_at_every_park([](EVTHREAD*) {
          const auto rest = [](void*) { return ::usleep(1000); };
          for (int i = 0; i < 2; ++i) {
            if (EVOFFLOAD_run(nullptr, rest, nullptr, nullptr, EVTIMEOUT_NEVER, nullptr) != 0) {
              return -1;
            }
          }
          if (EVFILE_write_all("/dev/null", "text", 4, EVTIMEOUT_NEVER) != 0) return -1;
          char* data = nullptr;
          std::size_t size = 0;
          if (EVFILE_read_all("/dev/null", 1, &data, &size, EVTIMEOUT_NEVER) != 0) return -1;
          std::free(data);
          return 0;
        }) == 4);
}
