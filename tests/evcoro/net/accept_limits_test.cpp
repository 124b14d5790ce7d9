// Limits on new connections: how many a second, and how many of a client's address.
#include <array>
#include <span>
#include <vector>

#include <support/acceptor.hpp>
#include <support/failing_new.hpp>
#include <support/own_network.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::RawSocket;

namespace {

class Limited : public support::LoopFixture {
 public:
  ~Limited() noexcept(false) { loop.reset(); }

  // Only so many new connections, and no more.
  AcceptorOptions only(double count, WhenFull when) {
    AcceptorOptions options = noting();
    options.accept_rate = tokens = std::make_shared<TokenBucket>(Rate{0, count});
    options.when_full = when;
    return options;
  }
  AcceptorOptions per_address(std::size_t count, WhenFull when = WhenFull::reject) {
    AcceptorOptions options = noting();
    options.max_per_address = count;
    options.when_address_full = when;
    return options;
  }
  AcceptorOptions noting() {
    AcceptorOptions options;
    options.refuse = [this](Refusal& refusal) { reasons.push_back(refusal.reason()); };
    return options;
  }

  std::vector<Refusal::Reason> reasons;
  std::shared_ptr<TokenBucket> tokens;
};

// A client at an address of its own: 127.0.0.0/8 is all the machine's.
RawSocket client_from(const char* address, const Address& to) {
  const Address from = Address::parse(address).value();
  RawSocket client = RawSocket::open(from.family());
  if (::bind(client.get(), from.data(), from.size()) != 0) support::throw_errno("bind");
  if (::connect(client.get(), to.data(), to.size()) != 0) support::throw_errno("connect");
  return client;
}
RawSocket client_from(const char* address, const TcpAcceptor& acceptor) {
  return client_from(address, acceptor.local_address());
}

bool is_turned_away(const RawSocket& client) {
  return support::eventually([&] { return support::has_ended(client); });
}

}  // namespace

TEST_CASE_METHOD(Limited, "beyond the rate, clients wait in the backlog") {
  in_thread([&] {
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo, only(2, WhenFull::pause)};
    std::vector<RawSocket> clients;
    for (int i = 0; i < 2; ++i) {
      clients.push_back(RawSocket::connected_to(acceptor.local_address()));
      REQUIRE(support::is_served(clients.back()));
    }
    const RawSocket third = RawSocket::connected_to(acceptor.local_address());
    third.send("ping");
    REQUIRE(!this_thread::sleep_for(20ms));
    REQUIRE(acceptor.counters().waiting == 1);
    REQUIRE(support::arrived(third).empty());
    tokens->set_rate({.per_second = 1000, .burst = 1});
    REQUIRE(support::reply(third, 4) == "ping");
    REQUIRE(acceptor.counters().refused == 0);
  });
}

TEST_CASE_METHOD(Limited, "beyond the rate, an acceptor that rejects turns clients away") {
  in_thread([&] {
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo, only(1, WhenFull::reject)};
    REQUIRE(support::is_served(RawSocket::connected_to(acceptor.local_address())));
    REQUIRE(is_turned_away(RawSocket::connected_to(acceptor.local_address())));
    REQUIRE(reasons == std::vector{Refusal::Reason::rate});
    REQUIRE(acceptor.counters().refused_rate == 1);
    REQUIRE(acceptor.counters().refused == 1);
    tokens->give_back(1);  // nobody who was refused has taken one
    REQUIRE(support::is_served(RawSocket::connected_to(acceptor.local_address())));
  });
}

TEST_CASE_METHOD(Limited, "new connections come at the rate, after a burst") {
  in_thread([&] {
    AcceptorOptions options;
    options.accept_rate = std::make_shared<TokenBucket>(Rate{.per_second = 200, .burst = 3});
    int served = 0;
    TcpAcceptor acceptor{*loop, support::loopback(), [&](Socket&) { ++served; }, options};
    const auto begin = Clock::now();
    std::vector<RawSocket> clients;
    for (int i = 0; i < 13; ++i) {
      clients.push_back(RawSocket::connected_to(acceptor.local_address()));
    }
    REQUIRE(support::eventually([&] { return served == 13; }));
    REQUIRE(Clock::now() - begin >= 49ms);
  });
}

TEST_CASE_METHOD(Limited, "acceptors may share a rate, and both get on") {
  in_thread([&] {
    AcceptorOptions options;
    options.accept_rate = std::make_shared<TokenBucket>(Rate{.per_second = 200, .burst = 1});
    std::string order;
    const auto serve = [&](char name) { return [&order, name](Socket&) { order += name; }; };
    TcpAcceptor a{*loop, support::loopback(), serve('a'), options};
    TcpAcceptor b{*loop, support::loopback(), serve('b'), options};
    std::vector<RawSocket> clients;
    const auto begin = Clock::now();
    for (int i = 0; i < 5; ++i) {
      clients.push_back(RawSocket::connected_to(a.local_address()));
      clients.push_back(RawSocket::connected_to(b.local_address()));
    }
    REQUIRE(support::eventually([&] { return order.size() == 10; }));
    REQUIRE(Clock::now() - begin >= 44ms);
  });
}

TEST_CASE_METHOD(Limited, "an acceptor takes no tokens that a thread waits for") {
  in_thread([&] {
    auto options = noting();
    options.accept_rate = tokens =
        std::make_shared<TokenBucket>(Rate{.per_second = 100, .burst = 2});
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo, options};
    Thread waiting = loop->spawn([&] { return tokens->take(1000); }).value();  // two at a time
    REQUIRE(support::until_parked(waiting));
    const RawSocket client = RawSocket::connected_to(acceptor.local_address());
    client.send("ping");
    REQUIRE(!this_thread::sleep_for(40ms));
    REQUIRE(acceptor.counters().accepted == 0);
    waiting.request_stop();
    REQUIRE(waiting.join().value() == std::errc::operation_canceled);
    REQUIRE(support::reply(client, 4) == "ping");
  });
}

TEST_CASE_METHOD(Limited, "closed or drained, an acceptor at its rate's end is done") {
  in_thread([&] {
    TcpAcceptor closed{*loop, support::loopback(), support::echo, only(1, WhenFull::pause)};
    const RawSocket served = RawSocket::connected_to(closed.local_address());
    const RawSocket late = RawSocket::connected_to(closed.local_address());
    closed.close();
    REQUIRE(closed.counters().refused == 1);
    REQUIRE(is_turned_away(late));
    TcpAcceptor drained{*loop, support::loopback(), [](Socket&) {}, only(1, WhenFull::pause)};
    std::vector<RawSocket> clients;
    for (int i = 0; i < 3; ++i) clients.push_back(RawSocket::connected_to(drained.local_address()));
    REQUIRE(!drained.drain(support::long_time));  // who is there is served
    REQUIRE(drained.counters().accepted == 3);
  });
}

TEST_CASE_METHOD(Limited, "an address has so many connections, others are turned away") {
  in_thread([&] {
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo, per_address(2)};
    RawSocket one = client_from("127.0.0.1", acceptor);
    const RawSocket two = client_from("127.0.0.1", acceptor);
    REQUIRE(support::is_served(one));
    REQUIRE(support::is_served(two));
    REQUIRE(is_turned_away(client_from("127.0.0.1", acceptor)));
    const RawSocket other = client_from("127.0.0.2", acceptor);
    REQUIRE(support::is_served(other));
    REQUIRE(reasons == std::vector{Refusal::Reason::max_per_address});
    REQUIRE(acceptor.counters().refused_max_per_address == 1);
    one.close();
    REQUIRE(support::eventually([&] { return acceptor.counters().active == 2; }));
    const RawSocket again = client_from("127.0.0.1", acceptor);
    REQUIRE(support::is_served(again));
  });
}

TEST_CASE_METHOD(Limited, "with pause, an address's connections wait, and others don't") {
  in_thread([&] {
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo,
                         per_address(1, WhenFull::pause)};
    RawSocket one = client_from("127.0.0.1", acceptor);
    REQUIRE(support::is_served(one));
    const RawSocket two = client_from("127.0.0.1", acceptor);
    two.send("ping");
    REQUIRE(support::eventually([&] { return acceptor.counters().waiting == 1; }));
    REQUIRE(support::is_served(client_from("127.0.0.2", acceptor)));
    REQUIRE(support::arrived(two).empty());
    REQUIRE(is_turned_away(client_from("127.0.0.1", acceptor)));  // one may wait
    REQUIRE(acceptor.counters().refused_max_per_address == 1);
    one.close();
    REQUIRE(support::reply(two, 4) == "ping");
    REQUIRE(acceptor.counters().waiting == 0);
  });
}

TEST_CASE_METHOD(Limited, "who is held is refused by close, and served by drain") {
  in_thread([&] {
    TcpAcceptor closed{*loop, support::loopback(), support::echo, per_address(1, WhenFull::pause)};
    const RawSocket one = client_from("127.0.0.1", closed);
    const RawSocket two = client_from("127.0.0.1", closed);
    REQUIRE(support::eventually([&] { return closed.counters().waiting == 1; }));
    REQUIRE(support::is_served(one));
    closed.close();
    REQUIRE(is_turned_away(two));
    REQUIRE(closed.counters().refused == 1);
    TcpAcceptor drained{*loop, support::loopback(), support::echo, per_address(2, WhenFull::pause)};
    std::vector<RawSocket> clients;
    for (int i = 0; i < 4; ++i) clients.push_back(client_from("127.0.0.1", drained));
    for (const RawSocket& each : clients) each.shutdown(SHUT_WR);
    REQUIRE(!drained.drain(support::long_time));
    REQUIRE(drained.counters().accepted == 4);
  });
}

TEST_CASE_METHOD(Limited, "a connection that the factory refuses leaves its place to who is held") {
  in_thread([&] {
    bool willing = true;
    const auto factory = [&](Accepted& accepted) {
      if (!willing) return -1;
      accepted.run(support::echo);
      return 0;
    };
    TcpAcceptor acceptor{*loop, support::loopback(), factory, per_address(2, WhenFull::pause)};
    std::vector<RawSocket> clients;
    for (int i = 0; i < 4; ++i) clients.push_back(client_from("127.0.0.1", acceptor));
    REQUIRE(support::eventually([&] { return acceptor.counters().waiting == 2; }));
    willing = false;
    clients.erase(clients.begin());  // one leaves: both who are held are asked for
    REQUIRE(support::eventually([&] { return acceptor.counters().refused == 2; }));
    REQUIRE(acceptor.counters().active == 1);
    REQUIRE(acceptor.counters().waiting == 0);
  });
}

TEST_CASE_METHOD(Limited, "who was held and is refused on his turn passes it on") {
  stacks::StackPool connections{support::connection_stacks(3)};
  in_thread([&] {
    auto options = per_address(2, WhenFull::pause);
    options.stacks = &connections;
    options.when_full = WhenFull::reject;
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo, options};
    std::vector<RawSocket> clients;
    for (int i = 0; i < 4; ++i) clients.push_back(client_from("127.0.0.1", acceptor));
    REQUIRE(support::eventually([&] { return acceptor.counters().waiting == 2; }));
    const auto take_stack = [&] {
      return loop->spawn({.stacks = &connections}, [] { (void)this_thread::sleep_until(never); });
    };
    Thread third = take_stack().value();
    clients.front().close();
    // Between the end of its connection, in this pass of the loop, and the acceptor's callback.
    Result<Thread<void>> fourth = take_stack();
    for (; !fourth; fourth = take_stack()) REQUIRE(!this_thread::yield());
    REQUIRE(support::eventually([&] { return acceptor.counters().refused_no_stack == 2; }));
    REQUIRE(acceptor.counters().waiting == 0);
    third.request_stop();
    fourth->request_stop();
  });
}

TEST_CASE_METHOD(Limited,
                 "without memory, who is held is served or turned away, and not forgotten") {
  const auto echo = [](Socket& socket) {  // allocates nothing
    std::array<std::byte, 4> buffer;
    while (socket.recv(buffer, support::long_time).count > 0) (void)socket.send(buffer);
  };
  in_thread([&] {
    const int failed = support::fail_each_new([&](support::FailingNew& failing) {
      TcpAcceptor acceptor{*loop, support::loopback(), echo, per_address(2, WhenFull::pause)};
      std::vector<RawSocket> clients;
      for (int i = 0; i < 4; ++i) clients.push_back(client_from("127.0.0.1", acceptor));
      for (const RawSocket& each : clients) each.send("ping");
      REQUIRE(support::eventually([&] { return acceptor.counters().waiting == 2; }));
      const auto leave = [&] {
        clients.erase(clients.begin());
        return support::eventually([&] {
          const auto counters = acceptor.counters();
          return counters.accepted + counters.refused >= 3;
        });
      };
      REQUIRE(failing.run(leave).value());
      while (!clients.empty()) {
        const std::string reply = support::reply(clients.front(), 4);
        REQUIRE((reply == "ping" || reply.empty()));
        clients.erase(clients.begin());
      }
    });
    REQUIRE(failed >= 1);  // the socket
  });
}

TEST_CASE_METHOD(Limited, "clients of a UNIX socket have no address to be counted by") {
  in_thread([&] {
    TcpAcceptor acceptor{*loop, Address::unix_any(), support::echo, per_address(1)};
    std::vector<RawSocket> clients;
    for (int i = 0; i < 3; ++i) {
      clients.push_back(RawSocket::connected_to(acceptor.local_address()));
      REQUIRE(support::is_served(clients.back()));
    }
  });
}

TEST_CASE_METHOD(Limited, "on a dual stack, an IPv4 client is the same by either address") {
  if (!support::has_ipv6()) support::skip("no IPv6");
  in_thread([&] {
    auto options = per_address(1);
    options.v6_only = V6Only::off;
    options.ipv6_prefix = 64;  // doesn't make all IPv4 clients one
    TcpAcceptor acceptor{*loop, Address::any(AF_INET6, 0), support::echo, options};
    const auto port = acceptor.local_address().port();
    const auto client = [&](const char* from) {
      return client_from(from, Address::loopback(AF_INET, port));
    };
    const RawSocket one = client("127.0.0.1");
    const RawSocket two = client("127.0.0.2");
    REQUIRE(support::is_served(one));
    REQUIRE(support::is_served(two));
    REQUIRE(is_turned_away(client("127.0.0.1")));
    const RawSocket three = RawSocket::connected_to(Address::loopback(AF_INET6, port));
    REQUIRE(support::is_served(three));
  });
}

TEST_CASE_METHOD(Limited, "IPv6 clients are counted by the prefix that is asked for") {
  const support::OwnNetwork network;
  for (const char* address : {"2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:0:2::1"}) {
    network.add_address(address);
  }
  in_thread([&] {
    const Address any = Address::any(AF_INET6, 0);
    auto options = per_address(1);
    TcpAcceptor by_address{*loop, any, support::echo, options};
    options.ipv6_prefix = 64;
    TcpAcceptor by_network{*loop, any, support::echo, options};
    const auto client = [](const char* from, const TcpAcceptor& acceptor) {
      const auto to = Address::parse("2001:db8:0:1::1", acceptor.local_address().port()).value();
      return client_from(from, to);
    };
    const RawSocket one = client("2001:db8:0:1::1", by_address);
    const RawSocket two = client("2001:db8:0:1::2", by_address);
    REQUIRE(support::is_served(one));
    REQUIRE(support::is_served(two));
    REQUIRE(is_turned_away(client("2001:db8:0:1::2", by_address)));
    const RawSocket three = client("2001:db8:0:1::1", by_network);
    REQUIRE(support::is_served(three));
    REQUIRE(is_turned_away(client("2001:db8:0:1::2", by_network)));
    const RawSocket four = client("2001:db8:0:2::1", by_network);
    REQUIRE(support::is_served(four));
  });
}
