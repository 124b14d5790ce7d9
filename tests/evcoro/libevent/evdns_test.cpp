// evdns, awaited; its server is evdns, too.
#include <arpa/inet.h>
#include <event2/bufferevent.h>
#include <event2/dns.h>
#include <event2/dns_struct.h>
#include <event2/thread.h>
#include <netdb.h>
#include <netinet/in.h>

#include <cstring>
#include <memory>

#include <evcoro/libevent/evdns.hpp>
#include <evcoro/libevent/fixture.hpp>
#include <support/every_park.hpp>

using namespace evcoro;
using namespace std::chrono_literals;

namespace {

// DnsFixture has a name server, which knows "here.test", says that others don't exist, and of
// "silent.test" nothing.
class DnsFixture : public support::LibeventFixture {
 public:
  DnsFixture() {
    socket_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const Address any = Address::loopback(AF_INET, 0);
    REQUIRE(::bind(socket_, any.data(), any.size()) == 0);
    sockaddr_in address{};
    socklen_t size = sizeof address;
    REQUIRE(::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    server_ = evdns_add_server_port_with_base(base.get(), socket_, 0, answer, this);
    dns = evdns_base_new(base.get(), EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    const std::string name = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    REQUIRE(evdns_base_nameserver_ip_add(dns, name.c_str()) == 0);
    evdns_base_set_option(dns, "randomize-case", "0");
  }
  ~DnsFixture() noexcept(false) {
    free_dns();
    if (server_ != nullptr) evdns_close_server_port(server_);
    event_base_loop(base.get(), EVLOOP_NONBLOCK);
  }

  void free_dns() {
    if (dns != nullptr) evdns_base_free(dns, 1);
    dns = nullptr;
  }

  // run() runs client in a thread until it ends: the server's port keeps the base for ever.
  template <class F>
  void run(F&& client) {
    auto thread = loop->spawn([&] {
                        client();
                        event_base_loopbreak(base.get());
                      })
                      .value();
    dispatch();
    thread.join().value();
  }

  evdns_base* dns = nullptr;
  int questions = 0;

 private:
  static void answer(evdns_server_request* request, void* self) {
    ++static_cast<DnsFixture*>(self)->questions;
    int error = 0;
    bool silent = false;
    for (int i = 0; i < request->nquestions; ++i) {
      const evdns_server_question& question = *request->questions[i];
      silent |= std::strcmp(question.name, "silent.test") == 0;
      if (std::strcmp(question.name, "here.test") != 0) {
        error = DNS_ERR_NOTEXIST;
      } else if (question.type == EVDNS_TYPE_A) {
        const in_addr loopback{htonl(INADDR_LOOPBACK)};
        evdns_server_request_add_a_reply(request, question.name, 1, &loopback, 60);
      }
    }
    silent ? evdns_server_request_drop(request) : evdns_server_request_respond(request, error);
  }

  int socket_ = -1;
  evdns_server_port* server_ = nullptr;
};

}  // namespace

TEST_CASE_METHOD(DnsFixture, "a thread asks evdns for a name") {
  run([&] {
    const auto found = evdns_resolve(dns, "here.test", 80, 5s, AF_INET);
    REQUIRE(found.value().size() == 1);
    REQUIRE(found->front().to_string() == "127.0.0.1:80");
    REQUIRE(evdns_resolve(dns, "here.test", 80, 5s).value().size() == 1);
    REQUIRE(evdns_resolve(dns, "::1", 80, no_wait).value().front().to_string() == "[::1]:80");
    const auto nobody = evdns_resolve(dns, "nobody.test", 80, 5s);
    REQUIRE(nobody.error() == std::error_code(EAI_NONAME, gai_category()));
    REQUIRE(nobody.error() == std::errc::no_such_device_or_address);
    REQUIRE(!nobody.error().message().empty());
    REQUIRE(evdns_resolve(nullptr, "here.test", 80).error() == std::errc::invalid_argument);
  });
  REQUIRE(evdns_resolve(dns, "here.test", 80).error() == Errc::not_in_a_thread);
}

TEST_CASE_METHOD(DnsFixture, "an answer that doesn't come: timed out, cancelled, and forgotten") {
  run([&] {
    REQUIRE(evdns_resolve(dns, "silent.test", 80, 5ms).error() == std::errc::timed_out);
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      const auto found = evdns_resolve(dns, "here.test", 80, 5s);
      CHECK((found.error() == std::errc::operation_canceled) == cancelled);
    });
    REQUIRE(parks == 1);
    auto waiting = loop->spawn([&] {
                         return support::Outcome{evdns_resolve(dns, "silent.test", 80, 5s).error()};
                       })
                       .value();
    REQUIRE(support::until_parked(waiting));
    free_dns();
    REQUIRE(waiting.join().value().error.category() == gai_category());
  });
}

TEST_CASE_METHOD(DnsFixture, "evdns is freed right after a question was given up") {
  run([&] {
    REQUIRE(evdns_resolve(dns, "silent.test", 80, 1ms).error() == std::errc::timed_out);
    free_dns();
  });
}

TEST_CASE_METHOD(DnsFixture, "a bufferevent connects to a name, on a small stack") {
  const support::Listener listener;
  const std::uint16_t port = listener.address().port();
  stacks::StackPool small{{.capacity = 1, .stack_size = 16 * 1024}};
  run([&] {
    loop->spawn({.stacks = &small},
                [&] {
                  auto stream =
                      adopt(bufferevent_socket_new(base.get(), -1, BEV_OPT_CLOSE_ON_FREE));
                  return support::Outcome{stream.connect(dns, "here.test", port, 5s)};
                })
        .value()
        .join()
        .value();
    auto stream = adopt(bufferevent_socket_new(base.get(), -1, BEV_OPT_CLOSE_ON_FREE));
    REQUIRE(stream.connect(dns, "nobody.test", port, 5s) == std::errc::no_such_device_or_address);
    stream = adopt(bufferevent_socket_new(base.get(), -1, BEV_OPT_CLOSE_ON_FREE));
    REQUIRE(stream.connect(dns, "silent.test", port, 5ms) == std::errc::timed_out);
    stream.close();  // while evdns still looks
  });
}

TEST_CASE_METHOD(DnsFixture, "a bufferevent that connects to a name is cancelled at every wait") {
  const support::Listener listener;
  run([&] {
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      auto stream = adopt(bufferevent_socket_new(base.get(), -1, BEV_OPT_CLOSE_ON_FREE));
      const auto error = stream.connect(dns, "here.test", listener.address().port());
      CHECK((error == std::errc::operation_canceled) == cancelled);
    });
    REQUIRE(parks >= 1);
  });
}

TEST_CASE("evdns answers in a base with locks, too") {
  const bool locks = GENERATE(false, true);
  if (locks) REQUIRE(evthread_use_pthreads() == 0);
  DnsFixture fixture;
  fixture.run([&] {
    const auto found = evdns_resolve(fixture.dns, "here.test", 80, 5s, AF_INET);
    REQUIRE(found.value().front().to_string() == "127.0.0.1:80");
    REQUIRE(evdns_resolve(fixture.dns, "silent.test", 80, 5ms).error() == std::errc::timed_out);
    REQUIRE(evdns_resolve(fixture.dns, "nobody.test", 80, 5s).error().category() == gai_category());
  });
}
