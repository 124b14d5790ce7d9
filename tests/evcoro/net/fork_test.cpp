// A child process has its parent's descriptors and a copy of its memory, and must edit neither the
// parent's epoll set nor its backlog.
#include <optional>
#include <thread>

#include <support/acceptor.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::RawSocket;

TEST_CASE_METHOD(support::LoopFixture,
                 "an acceptor that is closed in a child process goes on in its parent") {
  in_thread([&] {
    std::optional<TcpAcceptor> acceptor;
    acceptor.emplace(*loop, support::loopback(), support::echo);
    const RawSocket before = RawSocket::connected_to(acceptor->local_address());
    REQUIRE(support::is_served(before));
    const RawSocket waiting = RawSocket::connected_to(acceptor->local_address());
    const auto ended = support::in_child([&] { acceptor.reset(); });
    REQUIRE(ended.output.empty());
    REQUIRE(ended.signal == 0);
    REQUIRE(support::is_served(waiting));
    REQUIRE(support::is_served(before));
    REQUIRE(support::is_served(RawSocket::connected_to(acceptor->local_address())));
    REQUIRE(acceptor->counters().accepted == 3);
    std::thread{[&] { loop->post([&] { acceptor->close(); }); }}.join();
    REQUIRE(support::eventually([&] { return !acceptor->is_open(); }));
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "a socket that is closed in a child process goes on in its parent") {
  in_thread([&] {
    auto [socket, peer] = support::connected_pair(*loop);
    REQUIRE(support::ping_pong(socket, peer));
    Thread reader = loop->spawn([&, &socket = socket] { return support::receive(socket); }).value();
    REQUIRE(support::until_parked(reader));
    const auto ended = support::in_child([&, &socket = socket] { socket.close(); });
    REQUIRE(ended.output.empty());
    REQUIRE(ended.signal == 0);
    peer.send("for the parent");
    REQUIRE(reader.join().value().text == "for the parent");
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "in a child process, sockets and acceptors outlive their loop") {
  auto [socket, peer] = support::connected_pair(*loop);
  std::optional<TcpAcceptor> acceptor;
  acceptor.emplace(*loop, support::loopback(), support::echo);
  const auto ended = support::in_child([&, &socket = socket] {
    loop.reset();
    socket.close();
    acceptor.reset();
  });
  REQUIRE(ended.output.empty());
  REQUIRE(ended.signal == 0);
  REQUIRE(acceptor->is_open());
  in_thread([&] {
    REQUIRE(support::is_served(RawSocket::connected_to(acceptor->local_address())));
    std::thread{[&] { loop->post([&] { acceptor->close(); }); }}.join();
    REQUIRE(support::eventually([&] { return !acceptor->is_open(); }));
  });
}
