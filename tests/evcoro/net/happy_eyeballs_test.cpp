#include <evcoro/net/happy_eyeballs.hpp>

#include <netinet/tcp.h>

#include <support/every_park.hpp>
#include <support/ports.hpp>
#include <support/resolver_fixture.hpp>
#include <support/system_calls.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::long_time;

namespace {

constexpr ConnectOptions patient{.resolution_delay = long_time, .attempt_delay = long_time};
constexpr ConnectOptions hasty{.resolution_delay = 5ms, .attempt_delay = 20ms};

class HappyEyeballs : public support::ResolverFixture {
 public:
  // name() makes a name of the addresses, in that order.
  void name(const std::string& name, const std::vector<std::string>& addresses) {
    std::string lines;
    for (const std::string& each : addresses) lines += each + " " + name + "\n";
    write(hosts, lines);
  }

  support::OnePort port;
};

// host() is whom socket is connected to, or why it isn't.
std::string host(const Result<Socket>& socket) {
  if (!socket) return socket.error().message();
  const std::string text = socket->peer_address().to_string();
  return text.substr(0, text.rfind(':'));
}

}  // namespace

TEST_CASE_METHOD(HappyEyeballs, "a name is connected to, by the loop's resolver and by one's own") {
  name("box.test", {"127.0.0.1"});
  in_thread([&] {
    auto socket = connect("127.0.0.1", port.number(), long_time);
    REQUIRE(host(socket) == "127.0.0.1");
    REQUIRE(socket->option(IPPROTO_TCP, TCP_NODELAY).value() != 0);
    Resolver resolver{*loop, options()};
    socket = connect(resolver, "box.test", port.number(), {}, long_time);
    REQUIRE(host(socket) == "127.0.0.1");
    REQUIRE(socket->option(IPPROTO_TCP, TCP_NODELAY).value() != 0);
    support::RawSocket first = port.listener.accept();
    support::RawSocket peer = port.listener.accept();
    REQUIRE(support::ping_pong(*socket, peer));
    REQUIRE(connect("a b", 80, long_time).error() == ResolveErrc::bad_name);
    REQUIRE(connect(resolver, "nobody.test", 80, {}, long_time).error() == ResolveErrc::not_found);
    REQUIRE(connect(resolver, "box.test", 80, {.family = AF_INET6}, long_time).error() ==
            ResolveErrc::no_data);
    REQUIRE(connect("127.0.0.1", port.number(), no_wait).error() == std::errc::timed_out);
    REQUIRE(connect_any({}, {}, long_time).error() == std::errc::destination_address_required);
  });
  REQUIRE(connect("127.0.0.1", port.number()).error() == Errc::not_in_a_thread);
  REQUIRE(connect_any({}).error() == Errc::not_in_a_thread);
}

TEST_CASE_METHOD(HappyEyeballs, "who refuses is followed by the next at once") {
  name("box.test", {"127.0.0.3", "127.0.0.4", "127.0.0.1"});
  in_thread([&] {
    Resolver resolver{*loop, options()};
    REQUIRE(host(connect(resolver, "box.test", port.number(), patient, long_time)) == "127.0.0.1");
    name("box.test", {"127.0.0.3", "127.0.0.4"});
    REQUIRE(connect(resolver, "box.test", port.number(), patient, long_time).error() ==
            std::errc::connection_refused);
    const Address addresses[] = {Address::parse("224.0.0.1:80").value(),  // ENETUNREACH
                                 port.address("127.0.0.3")};
    REQUIRE(connect_any(addresses, patient, long_time).error() == std::errc::connection_refused);
  });
}

TEST_CASE_METHOD(HappyEyeballs, "who doesn't answer is overtaken, and given up") {
  port.black_hole("127.0.0.2");
  name("box.test", {"127.0.0.2", "127.0.0.3", "127.0.0.2", "127.0.0.1"});
  in_thread([&] {
    Resolver resolver{*loop, options()};
    const std::size_t before = support::open_descriptors();
    {
      const TimePoint began = Clock::now();
      const auto socket = connect(resolver, "box.test", port.number(), hasty, long_time);
      REQUIRE(host(socket) == "127.0.0.1");
      REQUIRE(Clock::now() - began >= hasty.attempt_delay);
      REQUIRE(support::open_descriptors() == before + 1);
    }
    const Address hole[] = {port.address("127.0.0.2")};
    REQUIRE(connect_any(hole, hasty, 30ms).error() == std::errc::timed_out);
    REQUIRE(support::open_descriptors() == before);
  });
}

TEST_CASE_METHOD(HappyEyeballs, "cancelled at each park: connect to a name") {
  port.black_hole("127.0.0.2");
  server.set("box.test", {.addresses = {"127.0.0.2", "127.0.0.1"}, .ttl = 0});
  in_thread([&] {
    Resolver resolver{*loop, options()};
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      const auto socket = connect(resolver, "box.test", port.number(), hasty, never);
      CHECK((socket.error() == std::errc::operation_canceled) == cancelled);
    });
    CHECK(parks >= 2);
  });
}

TEST_CASE_METHOD(HappyEyeballs, "IPv6 comes first, and the families take turns") {
  if (!support::has_ipv6()) support::skip("no IPv6");
  server.set("box.test", {.addresses = {"127.0.0.1", "::1"}});
  port.listen("::1");
  in_thread([&] {
    Resolver resolver{*loop, options()};
    REQUIRE(host(connect(resolver, "box.test", port.number(), patient, long_time)) == "[::1]");
    const ConnectOptions ipv4{.family = AF_INET};
    REQUIRE(host(connect(resolver, "box.test", port.number(), ipv4, long_time)) == "127.0.0.1");
    support::OnePort other;  // nobody listens at ::1
    other.black_hole("127.0.0.2");
    const Address addresses[] = {other.address("127.0.0.1"), other.address("127.0.0.2"),
                                 other.address("::1")};
    REQUIRE(host(connect_any(addresses, patient, long_time)) == "127.0.0.1");
    REQUIRE(connect_any(addresses, {.family = AF_INET6}, long_time).error() ==
            std::errc::connection_refused);
  });
}

TEST_CASE_METHOD(HappyEyeballs, "addresses of IPv6 that don't come are waited for but briefly") {
  server.set("box.test", {.addresses = {"127.0.0.1"}, .only_ipv4 = true});
  in_thread([&] {
    Resolver resolver{*loop, options()};
    REQUIRE(host(connect(resolver, "box.test", port.number(), hasty, long_time)) == "127.0.0.1");
    REQUIRE(connect(resolver, "box.test", port.number(), patient, 30ms).error() ==
            std::errc::timed_out);
    const auto refused = connect(resolver, "box.test", port.number(), hasty, long_time);
    REQUIRE(refused);  // answered from the cache, IPv6 is being asked for still
  });
}

TEST_CASE_METHOD(HappyEyeballs, "connecting takes no stack but the caller's") {
  port.black_hole("127.0.0.2");
  name("box.test", {"127.0.0.2", "127.0.0.1"});
  stacks::StackPool small{{.capacity = 1, .stack_size = 16 * 1024}};
  in_thread([&] {
    Resolver resolver{*loop, options()};
    const auto body = [&] {
      return support::Outcome{
          connect(resolver, "box.test", port.number(), hasty, long_time).error()};
    };
    Thread thread = loop->spawn({.stacks = &small}, body).value();
    REQUIRE(!thread.join().value().error);
  });
}

TEST_CASE_METHOD(HappyEyeballs, "an attempt that can't be waited for has failed") {
  support::require_interposition();
  if (support::back_end != "epoll") support::skip("it is epoll_ctl(2) that fails");
  in_thread([&] {
    const Address addresses[] = {port.address("127.0.0.1"), port.address("127.0.0.1")};
    support::calls.connect = {.failures = 2, .error = EINPROGRESS};
    support::calls.control = {.failures = 1, .error = ENOSPC};
    REQUIRE(connect_any(addresses, patient, long_time));
    REQUIRE(support::calls.connect.count == 2);
    support::calls.connect = {.failures = 1, .error = EINPROGRESS};
    support::calls.control = {.failures = 1, .error = ENOSPC};
    REQUIRE(connect_any({addresses, 1}, patient, long_time).error());
  });
}

TEST_CASE_METHOD(HappyEyeballs, "a signal doesn't end an attempt") {
  support::require_interposition();
  in_thread([&] {
    const Address address = port.address("127.0.0.1");
    support::calls.connect = {.failures = 1, .error = EINTR};
    REQUIRE(connect_any({&address, 1}, patient, long_time));
    REQUIRE(support::calls.connect.count == 1);
  });
}

TEST_CASE_METHOD(HappyEyeballs, "an attempt may have all the time that there is") {
  constexpr ConnectOptions forever{.resolution_delay = std::chrono::milliseconds::max(),
                                   .attempt_delay = std::chrono::milliseconds::max()};
  port.black_hole("127.0.0.2");
  in_thread([&] {
    const Address addresses[] = {port.address("127.0.0.2"), port.address("127.0.0.1")};
    REQUIRE(connect_any(addresses, forever, 20ms).error() == std::errc::timed_out);
    server.set("box.test", {.addresses = {"127.0.0.1"}, .only_ipv4 = true});
    Resolver resolver{*loop, options()};
    REQUIRE(connect(resolver, "box.test", port.number(), forever, 20ms).error() ==
            std::errc::timed_out);
  });
}
