#include <vector>

#include <support/acceptor.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::RawSocket;

namespace {

class FullFixture : public support::LoopFixture {
 public:
  ~FullFixture() noexcept(false) { loop.reset(); }

  TcpAcceptor::Options pausing() { return {.stacks = &connections}; }
  TcpAcceptor::Options rejecting(std::function<void(Refusal&)> refuse = {}) {
    return {.when_full = TcpAcceptor::WhenFull::reject,
            .refuse = std::move(refuse),
            .stacks = &connections};
  }

  // Clients that are connected and served, until all stacks are in use.
  std::vector<RawSocket> occupy_all(const TcpAcceptor& acceptor) {
    std::vector<RawSocket> clients;
    while (connections.available() > 0) {
      clients.push_back(RawSocket::connected_to(acceptor.local_address()));
      REQUIRE(support::is_served(clients.back()));
    }
    return clients;
  }

  stacks::StackPool connections{support::connection_stacks(3)};
};

}  // namespace

TEST_CASE_METHOD(FullFixture, "one client more than stacks waits, and is served when one ends") {
  in_thread([&] {
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo, pausing()};
    auto clients = occupy_all(acceptor);
    REQUIRE(clients.size() == 3);
    const RawSocket last = RawSocket::connected_to(acceptor.local_address());
    last.send("ping");
    REQUIRE(!this_thread::sleep_for(20ms));
    REQUIRE(support::arrived(last).empty());
    REQUIRE(acceptor.counters().waiting == 1);
    REQUIRE(acceptor.counters().active == 3);
    for (const RawSocket& each : clients) REQUIRE(support::is_served(each));
    clients.pop_back();
    REQUIRE(support::reply(last, 4) == "ping");
    REQUIRE(acceptor.counters().waiting == 0);
    REQUIRE(acceptor.counters().active == 3);
    REQUIRE(acceptor.counters().peak == 3);
    REQUIRE(acceptor.counters().accepted == 4);
    REQUIRE(acceptor.counters().refused == 0);
  });
}

TEST_CASE_METHOD(FullFixture, "two hundred clients pass through three stacks, and nobody is lost") {
  in_thread([&] {
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo, pausing()};
    std::vector<RawSocket> clients;
    for (int i = 0; i < 200; ++i) {
      clients.push_back(RawSocket::connected_to(acceptor.local_address()));
      clients.back().send(support::pattern(100, static_cast<std::uint32_t>(i)));
      clients.back().shutdown(SHUT_WR);
    }
    for (std::uint32_t i = 0; i < 200; ++i) {
      REQUIRE(support::reply(clients[i], 100) == support::pattern(100, i));
    }
    REQUIRE(acceptor.counters().accepted == 200);
    REQUIRE(acceptor.counters().peak == 3);
  });
}

TEST_CASE_METHOD(FullFixture, "a client that gives up while it waits does no harm") {
  in_thread([&] {
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo, pausing()};
    auto clients = occupy_all(acceptor);
    RawSocket impatient = RawSocket::connected_to(acceptor.local_address());
    RawSocket resetting = RawSocket::connected_to(acceptor.local_address());
    const RawSocket patient = RawSocket::connected_to(acceptor.local_address());
    impatient.close();
    resetting.reset();
    clients.clear();
    REQUIRE(support::is_served(patient));
    REQUIRE(support::eventually([&] { return acceptor.counters().active == 1; }));
  });
}

TEST_CASE_METHOD(FullFixture,
                 "a full acceptor that rejects closes one client more, and counts it") {
  in_thread([&] {
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo, rejecting()};
    auto clients = occupy_all(acceptor);
    REQUIRE(support::reply(RawSocket::connected_to(acceptor.local_address()), 1).empty());
    REQUIRE(acceptor.counters().refused == 1);
    REQUIRE(acceptor.counters().accepted == 3);
    clients.pop_back();
    REQUIRE(support::eventually([&] { return connections.available() == 1; }));
    REQUIRE(support::is_served(RawSocket::connected_to(acceptor.local_address())));
    REQUIRE(acceptor.counters().accepted == 4);
  });
}

TEST_CASE_METHOD(FullFixture, "a refusal reaches the client") {
  in_thread([&] {
    const auto refuse = [](Refusal& refusal) {
      CHECK(refusal.peer_address().family() == AF_INET);
      CHECK(refusal.write("come back later") == 15);
    };
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo, rejecting(refuse)};
    const auto clients = occupy_all(acceptor);
    const RawSocket client = RawSocket::connected_to(acceptor.local_address());
    REQUIRE(support::reply(client, 15) == "come back later");
    REQUIRE(client.recv().empty());
  });
}

// Closing a socket with unread data resets the connection, and the client would lose the text.
TEST_CASE_METHOD(FullFixture, "a refusal reaches a client that has sent data") {
  in_thread([&] {
    const auto refuse = [](Refusal& refusal) { refusal.write("come back later"); };
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo, rejecting(refuse)};
    const auto clients = occupy_all(acceptor);
    for (int i = 0; i < 20; ++i) {
      const RawSocket client = RawSocket::connected_to(acceptor.local_address());
      client.send(std::string(20'000, 'x'));
      REQUIRE(support::reply(client, 15) == "come back later");
      REQUIRE(client.recv().empty());
    }
    REQUIRE(acceptor.counters().refused == 20);
  });
}

TEST_CASE_METHOD(FullFixture, "a refusal that throws is reported, and the client closed") {
  std::string report;
  loop->set_exception_handler(
      [&](const ThreadInfo& thread, std::exception_ptr) { report = thread.name; });
  in_thread([&] {
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo,
                         rejecting([](Refusal&) { throw 1; })};
    const auto clients = occupy_all(acceptor);
    REQUIRE(support::reply(RawSocket::connected_to(acceptor.local_address()), 1).empty());
    REQUIRE(report == "connection (refuse)");
  });
}

TEST_CASE_METHOD(FullFixture,
                 "two acceptors and a spawning thread share a pool, and nobody starves") {
  in_thread([&] {
    TcpAcceptor one{*loop, support::loopback(), support::echo, pausing()};
    TcpAcceptor other{*loop, support::loopback(), support::echo, pausing()};
    int spawned = 0;
    Thread spawner = loop->spawn({.name = "spawner"},
                                 [&] {
                                   while (spawned < 50) {
                                     auto thread = loop->spawn_wait({.stacks = &connections},
                                                                    [] { this_thread::yield(); });
                                     if (!thread) return;
                                     ++spawned;
                                     thread->detach();
                                   }
                                 })
                         .value();
    std::vector<RawSocket> clients;
    for (int i = 0; i < 100; ++i) {
      clients.push_back(RawSocket::connected_to((i % 2 == 0 ? one : other).local_address()));
      clients.back().send("ping");
      clients.back().shutdown(SHUT_WR);
    }
    for (const RawSocket& each : clients) REQUIRE(support::reply(each, 4) == "ping");
    spawner.join().value();
    REQUIRE(spawned == 50);
    REQUIRE(one.counters().accepted == 50);
    REQUIRE(other.counters().accepted == 50);
  });
}

// A stack that an acceptor is told of, and doesn't need since its client has gone, is for the next.
TEST_CASE_METHOD(FullFixture, "a stack that one acceptor doesn't need goes to the other") {
  in_thread([&] {
    TcpAcceptor one{*loop, support::loopback(), support::echo, pausing()};
    TcpAcceptor other{*loop, support::loopback(), support::echo, pausing()};
    auto clients = occupy_all(one);
    REQUIRE(support::eventually([&] { return connections.available() == 0; }));
    const RawSocket waiting = RawSocket::connected_to(other.local_address());
    waiting.send("ping");
    REQUIRE(!this_thread::sleep_for(5ms));
    clients.pop_back();  // of the first acceptor, for which nobody waits
    REQUIRE(support::reply(waiting, 4) == "ping");
  });
}

TEST_CASE_METHOD(support::LoopFixture, "two full acceptors take turns with the stack they share") {
  stacks::StackPool one{support::connection_stacks(1)};
  in_thread([&] {
    AcceptorOptions options;
    options.stacks = &one;
    std::string order;
    const auto serve = [&](char name) { return [&order, name](Socket&) { order += name; }; };
    TcpAcceptor a{*loop, support::loopback(), serve('a'), options};
    TcpAcceptor b{*loop, support::loopback(), serve('b'), options};
    std::vector<RawSocket> clients;
    for (int i = 0; i < 5; ++i) {
      clients.push_back(RawSocket::connected_to(a.local_address()));
      clients.push_back(RawSocket::connected_to(b.local_address()));
    }
    REQUIRE(support::eventually([&] { return order.size() == 10; }));
    REQUIRE(order.substr(0, 6).find("aaa") == std::string::npos);
    REQUIRE(order.substr(0, 6).find("bbb") == std::string::npos);
  });
}
