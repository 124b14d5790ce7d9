#include <cerrno>
#include <vector>

#include <support/acceptor.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::RawSocket;

namespace {

// The errno of a client's attempt to connect, 0 if it succeeds.
int connect_error(const Address& address) {
  const RawSocket client = RawSocket::open(address.family());
  return ::connect(client.get(), address.data(), address.size()) == 0 ? 0 : errno;
}

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "drain waits until all connections have ended") {
  in_thread([&] {
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo};
    const Address address = acceptor.local_address();
    RawSocket client = RawSocket::connected_to(address);
    REQUIRE(support::is_served(client));
    Thread drainer =
        loop->spawn([&] { return support::Outcome{acceptor.drain(support::long_time)}; }).value();
    REQUIRE(support::until_parked(drainer));
    REQUIRE(!acceptor.is_open());
    REQUIRE_THROWS_AS(RawSocket::connected_to(address), std::system_error);
    REQUIRE(support::is_served(client));
    REQUIRE(!drainer.has_ended());
    client.close();
    REQUIRE(!drainer.join().value().error);
    REQUIRE(acceptor.counters().active == 0);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "drain of an acceptor without connections returns at once") {
  in_thread([&] {
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo};
    REQUIRE(!acceptor.drain());
    REQUIRE(!acceptor.is_open());
    REQUIRE(!acceptor.drain());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "drain gives up at its deadline") {
  in_thread([&] {
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo};
    const RawSocket client = RawSocket::connected_to(acceptor.local_address());
    REQUIRE(support::is_served(client));
    const auto begin = Clock::now();
    REQUIRE(acceptor.drain(30ms) == std::errc::timed_out);
    REQUIRE(Clock::now() - begin >= 30ms);
    REQUIRE(!acceptor.is_open());
    REQUIRE(acceptor.counters().active == 1);
    REQUIRE(support::is_served(client));
    REQUIRE(acceptor.drain(no_wait) == std::errc::timed_out);
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "drain serves who waits in the backlog, through few stacks") {
  stacks::StackPool connections{support::connection_stacks(2)};
  in_thread([&] {
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo, {.stacks = &connections}};
    std::vector<RawSocket> clients;
    for (int i = 0; i < 20; ++i) {
      clients.push_back(RawSocket::connected_to(acceptor.local_address()));
      clients.back().send("ping");
      clients.back().shutdown(SHUT_WR);
    }
    REQUIRE(!acceptor.drain(support::long_time));
    for (const RawSocket& each : clients) REQUIRE(each.recv_all(100) == "ping");
    REQUIRE(acceptor.counters().accepted == 20);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "who cancels a drain gets it ended") {
  in_thread([&] {
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo};
    const RawSocket client = RawSocket::connected_to(acceptor.local_address());
    REQUIRE(support::is_served(client));
    Thread drainer = loop->spawn([&] { return support::Outcome{acceptor.drain()}; }).value();
    REQUIRE(support::until_parked(drainer));
    drainer.request_stop();
    REQUIRE(drainer.join().value().error == std::errc::operation_canceled);
    REQUIRE(!acceptor.is_open());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "drain outside a thread is named") {
  TcpAcceptor acceptor{*loop, support::loopback(), support::echo};
  REQUIRE(acceptor.drain() == Errc::not_in_a_thread);
  REQUIRE(acceptor.is_open());
}

TEST_CASE_METHOD(support::LoopFixture, "drain in a thread of another loop is named") {
  TcpAcceptor acceptor{*loop, support::loopback(), support::echo};
  Loop other{support::connection_stacks(1)};
  Thread thread = other.spawn([&] { return support::Outcome{acceptor.drain()}; }).value();
  other.run();
  REQUIRE(thread.join().value().error == Errc::wrong_loop);
  REQUIRE(acceptor.is_open());
}

TEST_CASE_METHOD(support::LoopFixture,
                 "a second drain at once gets an error, and the first goes on") {
  in_thread([&] {
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo};
    RawSocket client = RawSocket::connected_to(acceptor.local_address());
    REQUIRE(support::is_served(client));
    Thread drainer = loop->spawn([&] { return support::Outcome{acceptor.drain()}; }).value();
    REQUIRE(support::until_parked(drainer));
    REQUIRE(acceptor.drain() == std::errc::device_or_resource_busy);
    client.close();
    REQUIRE(!drainer.join().value().error);
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "drain lets nobody new in, while who waited is still to be served") {
  stacks::StackPool connections{support::connection_stacks(1)};
  in_thread([&] {
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo, {.stacks = &connections}};
    const Address address = acceptor.local_address();
    RawSocket served = RawSocket::connected_to(address);
    REQUIRE(support::is_served(served));
    RawSocket waiting = RawSocket::connected_to(address);
    Thread drainer =
        loop->spawn([&] { return support::Outcome{acceptor.drain(support::long_time)}; }).value();
    REQUIRE(support::until_parked(drainer));
    REQUIRE(connect_error(address) == ECONNREFUSED);
    REQUIRE(!acceptor.is_open());
    REQUIRE(acceptor.counters().waiting == 1);
    REQUIRE(support::is_served(served));
    served.close();
    REQUIRE(support::is_served(waiting));
    REQUIRE(acceptor.counters().waiting == 0);
    waiting.close();
    REQUIRE(!drainer.join().value().error);
    REQUIRE(acceptor.counters().accepted == 2);
    REQUIRE(acceptor.counters().refused == 0);
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "who still waits at a drain's deadline is refused, and counted") {
  stacks::StackPool connections{support::connection_stacks(1)};
  in_thread([&] {
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo, {.stacks = &connections}};
    const RawSocket served = RawSocket::connected_to(acceptor.local_address());
    REQUIRE(support::is_served(served));
    std::vector<RawSocket> clients;
    for (int i = 0; i < 3; ++i)
      clients.push_back(RawSocket::connected_to(acceptor.local_address()));
    REQUIRE(acceptor.drain(30ms) == std::errc::timed_out);
    REQUIRE(acceptor.counters().refused == 3);
    REQUIRE(acceptor.counters().waiting == 0);
    REQUIRE(acceptor.counters().accepted == 1);
    for (const RawSocket& each : clients) REQUIRE(support::has_ended(each));
    REQUIRE(support::is_served(served));
  });
}
