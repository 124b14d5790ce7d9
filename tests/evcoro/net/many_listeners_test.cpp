// Several acceptors on one loop, dual stacks, caps and reserves on a pool that they share.
#include <vector>

#include <support/acceptor.hpp>
#include <support/ports.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::RawSocket;

namespace {

class SharedPool : public support::LoopFixture {
 public:
  ~SharedPool() noexcept(false) { loop.reset(); }

  TcpAcceptor::Options shared() {
    TcpAcceptor::Options options;
    options.stacks = &connections;
    return options;
  }
  TcpAcceptor::Options reserving(std::size_t count) {
    auto options = shared();
    options.reserve = count;
    return options;
  }
  TcpAcceptor::Options capped(std::size_t count, WhenFull when = WhenFull::pause) {
    auto options = shared();
    options.max_connections = count;
    options.when_full = when;
    return options;
  }

  static RawSocket served_client(const TcpAcceptor& acceptor) {
    RawSocket client = RawSocket::connected_to(acceptor.local_address());
    const bool served = support::is_served(client);
    REQUIRE(served);
    return client;
  }

  // A client that has sent its ping, and stays without an answer.
  static RawSocket waiting_client(const TcpAcceptor& acceptor) {
    RawSocket client = RawSocket::connected_to(acceptor.local_address());
    client.send("ping");
    REQUIRE(!this_thread::sleep_for(20ms));
    REQUIRE(support::arrived(client).empty());
    REQUIRE(!support::has_ended(client));
    return client;
  }

  bool holds_all(TcpAcceptor& acceptor, std::size_t count) {
    std::vector<RawSocket> clients;
    for (std::size_t i = 0; i < count; ++i) clients.push_back(served_client(acceptor));
    return acceptor.counters().active == count;
  }

  stacks::StackPool connections{support::connection_stacks(3)};
};

bool can_connect(const Address& address) {
  const RawSocket client = RawSocket::open(address.family());
  return ::connect(client.get(), address.data(), address.size()) == 0;
}

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "many acceptors serve on one loop, each in its own way") {
  in_thread([&] {
    std::vector<TcpAcceptor> acceptors;
    for (int i = 0; i < 10; ++i) {
      acceptors.emplace_back(*loop, i % 2 == 0 ? support::loopback() : Address::unix_any(),
                             [i](Socket& socket) { (void)socket.send(std::to_string(i)); });
    }
    for (int i = 0; i < 10; ++i) {
      const auto address = acceptors[static_cast<std::size_t>(i)].local_address();
      REQUIRE(support::reply(RawSocket::connected_to(address), 1) == std::to_string(i));
    }
    for (TcpAcceptor& each : acceptors) REQUIRE(each.counters().accepted == 1);
    acceptors.erase(acceptors.begin(), acceptors.begin() + 5);
    REQUIRE(support::reply(RawSocket::connected_to(acceptors[0].local_address()), 1) == "5");
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a dual stack serves IPv4, too, and one for IPv6 only not") {
  if (!support::has_ipv6()) support::skip("no IPv6");
  in_thread([&] {
    const auto any = Address::any(AF_INET6, 0);
    TcpAcceptor dual{*loop, any, support::echo, {.v6_only = V6Only::off}};
    TcpAcceptor pure{*loop, any, support::echo, {.v6_only = V6Only::on}};
    for (const int family : {AF_INET, AF_INET6}) {
      const auto to_dual = Address::loopback(family, dual.local_address().port());
      REQUIRE(support::is_served(RawSocket::connected_to(to_dual)));
    }
    const auto port = pure.local_address().port();
    REQUIRE(support::is_served(RawSocket::connected_to(Address::loopback(AF_INET6, port))));
    const support::ClosedPort same_of_ipv4{support::own_address(port)};
    REQUIRE(!can_connect(same_of_ipv4.address()));
  });
}

TEST_CASE_METHOD(SharedPool, "an acceptor serves so many at once, and then waits for one to end") {
  in_thread([&] {
    TcpAcceptor small{*loop, support::loopback(), support::echo, capped(1)};
    TcpAcceptor other{*loop, support::loopback(), support::echo, shared()};
    RawSocket first = served_client(small);
    const RawSocket second = waiting_client(small);
    REQUIRE(small.counters().waiting == 1);
    REQUIRE(holds_all(other, 2));  // its stacks are free
    first.close();
    REQUIRE(support::reply(second, 4) == "ping");
    REQUIRE(small.counters().peak == 1);
    REQUIRE(small.counters().accepted == 2);
    REQUIRE(small.counters().refused == 0);
  });
}

TEST_CASE_METHOD(SharedPool, "an acceptor that rejects turns away whom it has no place for") {
  in_thread([&] {
    auto options = capped(1, WhenFull::reject);
    std::vector<Refusal::Reason> reasons;
    options.refuse = [&](Refusal& refusal) {
      reasons.push_back(refusal.reason());
      refusal.write("full");
    };
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo, options};
    RawSocket first = served_client(acceptor);
    REQUIRE(support::reply(RawSocket::connected_to(acceptor.local_address()), 100) == "full");
    REQUIRE(reasons == std::vector{Refusal::Reason::max_connections});
    REQUIRE(acceptor.counters().refused_max_connections == 1);
    REQUIRE(acceptor.counters().refused_no_stack == 0);
    REQUIRE(acceptor.counters().refused == 1);
    first.close();
    REQUIRE(support::eventually([&] { return acceptor.counters().active == 0; }));
    served_client(acceptor);
  });
}

TEST_CASE_METHOD(SharedPool, "stacks that are reserved go to nobody else") {
  in_thread([&] {
    TcpAcceptor vip{*loop, support::loopback(), support::echo, reserving(2)};
    TcpAcceptor other{*loop, support::loopback(), support::echo, shared()};
    REQUIRE(connections.available() == 1);
    RawSocket first = served_client(other);
    const RawSocket second = waiting_client(other);
    const auto spawned = loop->spawn({.stacks = &connections}, [] {});
    REQUIRE(spawned.error() == std::errc::resource_unavailable_try_again);
    REQUIRE(holds_all(vip, 2));
    REQUIRE(support::eventually([&] { return vip.counters().active == 0; }));
    REQUIRE(support::arrived(second).empty());  // nor when they are free again
    REQUIRE(holds_all(vip, 2));
    first.close();
    REQUIRE(support::reply(second, 4) == "ping");
    REQUIRE(holds_all(vip, 2));
  });
}

TEST_CASE_METHOD(SharedPool, "who waits for a stack gets what is reserved when that is given up") {
  in_thread([&] {
    TcpAcceptor vip{*loop, support::loopback(), support::echo, reserving(3)};
    TcpAcceptor other{*loop, support::loopback(), support::echo, shared()};
    TcpAcceptor third{*loop, support::loopback(), support::echo, shared()};
    const RawSocket one = waiting_client(other);
    const RawSocket two = waiting_client(third);
    Thread spawner = loop->spawn([&] {
                           auto thread = loop->spawn_wait(
                               {.stacks = &connections}, [] {}, support::long_time);
                           return thread.has_value() && thread->join().has_value();
                         })
                         .value();
    REQUIRE(support::until_parked(spawner));
    vip.close();
    REQUIRE(support::reply(one, 4) == "ping");
    REQUIRE(support::reply(two, 4) == "ping");
    REQUIRE(spawner.join().value());
  });
}

TEST_CASE_METHOD(SharedPool, "with its reserve in use, an acceptor competes for the rest") {
  in_thread([&] {
    TcpAcceptor vip{*loop, support::loopback(), support::echo, reserving(1)};
    TcpAcceptor other{*loop, support::loopback(), support::echo, reserving(1)};
    REQUIRE(connections.available() == 1);
    std::vector<RawSocket> clients;
    clients.push_back(served_client(vip));
    clients.push_back(served_client(vip));
    const RawSocket third = waiting_client(vip);
    RawSocket reserved = served_client(other);
    const RawSocket queued = waiting_client(other);
    clients.pop_back();
    REQUIRE(support::reply(third, 4) == "ping");  // it came first
    REQUIRE(support::arrived(queued).empty());
    reserved.close();
    REQUIRE(support::reply(queued, 4) == "ping");
  });
}

// The stack that becomes free is one of b's reserve: a, which is first in the queue, mustn't have
// it.
TEST_CASE_METHOD(SharedPool, "a reserved stack passes over who waits before its owner") {
  in_thread([&] {
    TcpAcceptor b{*loop, support::loopback(), support::echo, reserving(2)};
    TcpAcceptor a{*loop, support::loopback(), support::echo, shared()};
    const RawSocket holder = served_client(a);
    std::vector<RawSocket> clients;
    clients.push_back(served_client(b));
    clients.push_back(served_client(b));
    const RawSocket for_a = waiting_client(a);
    const RawSocket for_b = waiting_client(b);
    clients.pop_back();
    REQUIRE(support::reply(for_b, 4) == "ping");
    REQUIRE(support::arrived(for_a).empty());
  });
}

TEST_CASE_METHOD(SharedPool, "reserves that exceed the pool are refused") {
  const auto error_of = [&](std::size_t reserve) {
    try {
      TcpAcceptor{*loop, support::loopback(), support::echo, reserving(reserve)};
    } catch (const std::system_error& error) {
      return error.code();
    }
    return std::error_code{};
  };
  in_thread([&] {
    REQUIRE(error_of(4) == std::errc::invalid_argument);
    {
      TcpAcceptor first{*loop, support::loopback(), support::echo, reserving(2)};
      const RawSocket client = served_client(first);
      REQUIRE(error_of(2) == std::errc::invalid_argument);  // one is in use, but of the reserve
      REQUIRE(!error_of(1));
    }
    REQUIRE(!error_of(3));
    REQUIRE(connections.available() == 3 - connections.in_use());
  });
}

TEST_CASE_METHOD(SharedPool,
                 "an acceptor that is closed gives its reserve up, its connections not") {
  in_thread([&] {
    std::optional<TcpAcceptor> vip{std::in_place, *loop, support::loopback(), support::echo,
                                   reserving(3)};
    RawSocket client = served_client(*vip);
    REQUIRE(connections.available() == 0);
    vip.reset();
    REQUIRE(connections.available() == 2);
    REQUIRE(support::is_served(client));
    client.close();
    REQUIRE(support::eventually([&] { return connections.available() == 3; }));
  });
}
