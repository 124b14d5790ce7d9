// A child process has its parent's descriptors and a copy of its memory, and must edit neither the
// parent's epoll set nor its backlog.
#include <cstdio>
#include <optional>
#include <stdexcept>
#include <thread>

#include <support/acceptor.hpp>
#include <support/contains.hpp>

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

TEST_CASE_METHOD(support::LoopFixture,
                 "a child process can't make an acceptor on its parent's loop") {
  const auto ended = support::in_child([&] {
    try {
      const TcpAcceptor acceptor{*loop, support::loopback(), support::echo};
      std::puts("no exception");
    } catch (const std::logic_error& error) {
      std::puts(error.what());
    }
  });
  REQUIRE(ended.status == 0);
  REQUIRE_THAT(ended.output,
               support::contains("TcpAcceptor: this loop belongs to the parent process"));
  REQUIRE(loop->run() == Loop::End::idle);
}

TEST_CASE_METHOD(support::LoopFixture,
                 "a child process can't wait for a socket of its parent's loop") {
  in_thread([&] {
    auto [socket, peer] = support::connected_pair(*loop);
    const auto ended = support::in_child([&, &socket = socket] {
      std::puts(support::receive(socket).error == Errc::parents_loop ? "named" : "not named");
    });
    REQUIRE(ended.output == "named\n");
    REQUIRE(support::ping_pong(socket, peer));
  });
}
