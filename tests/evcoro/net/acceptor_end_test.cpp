#include <event2/event.h>

#include <optional>
#include <vector>

#include <support/acceptor.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::RawSocket;

TEST_CASE_METHOD(support::LoopFixture, "closing serves who waits in the backlog") {
  in_thread([&] {
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo};
    std::vector<RawSocket> clients;
    for (int i = 0; i < 10; ++i)
      clients.push_back(RawSocket::connected_to(acceptor.local_address()));
    REQUIRE(acceptor.counters().waiting == 10);  // the loop hasn't run since
    acceptor.close();
    acceptor.close();
    REQUIRE(acceptor.counters().accepted == 10);
    for (const RawSocket& each : clients) REQUIRE(support::is_served(each));
  });
}

TEST_CASE_METHOD(support::LoopFixture, "closing resets who waits without a stack to be had") {
  stacks::StackPool connections{support::connection_stacks(2)};
  in_thread([&] {
    TcpAcceptor acceptor{*loop, support::loopback(), support::echo, {.stacks = &connections}};
    std::vector<RawSocket> clients;
    for (int i = 0; i < 5; ++i)
      clients.push_back(RawSocket::connected_to(acceptor.local_address()));
    acceptor.close();
    int served = 0;
    for (const RawSocket& each : clients) {
      if (!support::has_ended(each) && support::is_served(each)) ++served;
    }
    REQUIRE(served == 2);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "connections go on without their acceptor") {
  in_thread([&] {
    std::optional<TcpAcceptor> acceptor;
    acceptor.emplace(*loop, support::loopback(), support::echo);
    const RawSocket client = RawSocket::connected_to(acceptor->local_address());
    REQUIRE(support::is_served(client));
    acceptor.reset();
    REQUIRE(support::is_served(client));
  });
}

TEST_CASE_METHOD(support::LoopFixture, "an acceptor outlives its loop") {
  TcpAcceptor acceptor{*loop, support::loopback(), support::echo};
  const RawSocket client = RawSocket::connected_to(acceptor.local_address());
  loop->run_once(support::long_time);
  REQUIRE(acceptor.counters().active == 1);
  loop.reset();
  REQUIRE(!acceptor.is_open());
  REQUIRE(acceptor.counters().active == 0);
  REQUIRE(acceptor.drain() == Errc::no_loop);
  acceptor.close();
}

TEST_CASE_METHOD(support::LoopFixture,
                 "shutdown of the loop ends acceptors, and connections that wait") {
  TcpAcceptor acceptor{*loop, support::loopback(), support::echo};
  const RawSocket client = RawSocket::connected_to(acceptor.local_address());
  while (acceptor.counters().active == 0) loop->run_once(support::long_time);
  REQUIRE(loop->shutdown(support::long_time).empty());
  REQUIRE(!acceptor.is_open());
  REQUIRE(acceptor.counters().active == 0);
  REQUIRE(client.recv().empty());
  REQUIRE(loop->run() == Loop::End::idle);
}

TEST_CASE_METHOD(support::LoopFixture, "an acceptor can be moved; assignment closes") {
  in_thread([&] {
    TcpAcceptor first{*loop, support::loopback(), support::echo};
    const Address first_address = first.local_address();
    TcpAcceptor moved = std::move(first);
    REQUIRE(!first.is_open());  // NOLINT: that is the question
    REQUIRE(first.counters().accepted == 0);
    REQUIRE(first.drain() == std::errc::bad_file_descriptor);
    first.close();
    REQUIRE(support::is_served(RawSocket::connected_to(first_address)));
    moved = TcpAcceptor{*loop, support::loopback(), support::echo};
    REQUIRE_THROWS_AS(RawSocket::connected_to(first_address), std::system_error);
    REQUIRE(support::is_served(RawSocket::connected_to(moved.local_address())));
  });
}

// libevent refuses to mix kinds of events on a descriptor in its debug mode.
TEST_CASE("an acceptor that can't be registered leaves nothing behind") {
  event_enable_debug_mode();
  Loop loop{{.capacity = 1}};
  if (!support::has_edges(loop)) support::skip("there are no edge-triggered events");
  support::Listener listener;
  REQUIRE(::fcntl(listener.get(), F_SETFL, O_NONBLOCK) == 0);
  const auto nothing = [](evutil_socket_t, short, void*) {};
  event* const other = event_new(loop.base(), listener.get(), EV_READ | EV_ET, nothing, nullptr);
  REQUIRE(event_add(other, nullptr) == 0);
  REQUIRE_THROWS_AS((TcpAcceptor{loop, listener.release(), support::echo}), std::system_error);
  event_free(other);
  REQUIRE(loop.run() == Loop::End::idle);
}
