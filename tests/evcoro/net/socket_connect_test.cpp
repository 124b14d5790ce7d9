#include <chrono>
#include <vector>

#include <support/loop_fixture.hpp>
#include <support/network.hpp>
#include <support/ports.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::ClosedPort;
using support::Listener;
using support::Outcome;
using support::RawSocket;

namespace {

// A listener whose backlog is full: it answers no further SYN.
class BlackHole {
 public:
  Address address() const { return listener_.address(); }
  void close() { listener_.close(); }  // from now on it refuses, when it is asked again

 private:
  Listener listener_{AF_INET, 0};
  RawSocket first_ = RawSocket::connected_to(listener_.address());
};

void connect_and_talk(int family) {
  const Listener listener{family};
  Result<Socket> socket = connect(listener.address(), support::long_time);
  REQUIRE(socket);
  const RawSocket peer = listener.accept();
  REQUIRE(socket->send("hello").count == 5);
  REQUIRE(peer.recv() == "hello");
  REQUIRE(socket->peer_address() == listener.address());
}

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "connect reaches a listener") {
  in_thread([] { connect_and_talk(AF_INET); });
}

TEST_CASE_METHOD(support::LoopFixture, "connect reaches a listener on IPv6") {
  if (!support::has_ipv6()) support::skip("there is no IPv6 here");
  in_thread([] { connect_and_talk(AF_INET6); });
}

TEST_CASE_METHOD(support::LoopFixture, "many threads connect at once") {
  const Listener listener;
  in_thread([&] {
    std::vector<Thread<Outcome>> threads;
    for (int i = 0; i < 50; ++i) {
      threads.push_back(
          loop->spawn([&] { return Outcome{connect(listener.address(), 60s).error()}; }).value());
    }
    for (auto& each : threads) REQUIRE(!each.join().value().error);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "connect to a closed port is refused") {
  in_thread([] {
    const ClosedPort port;
    REQUIRE(connect(port.address(), support::long_time).error() == std::errc::connection_refused);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "after a refusal another socket connects") {
  in_thread([] {
    const ClosedPort port;
    const Listener listener;
    Socket socket = Socket::open(AF_INET).value();
    REQUIRE(socket.connect(port.address(), support::long_time) == std::errc::connection_refused);
    socket = Socket::open(AF_INET).value();
    REQUIRE(!socket.connect(listener.address(), support::long_time));
    REQUIRE(socket.send("x").count == 1);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "an operation on a socket whose connect was refused fails") {
  in_thread([] {
    const ClosedPort port;
    Socket socket = Socket::open(AF_INET).value();
    REQUIRE(socket.connect(port.address(), support::long_time) == std::errc::connection_refused);
    REQUIRE(socket.send("x", support::long_time).error);
    const auto in = support::receive(socket);
    REQUIRE((in.error || in.text.empty()));
  });
}

// Whoever asks first gets the refusal; the connect must not wait for it any further.
TEST_CASE_METHOD(support::LoopFixture, "a refusal that a reader learns of first ends the connect") {
  in_thread([&] {
    const ClosedPort port;
    Socket socket = Socket::open(AF_INET).value();
    Thread connecting =
        loop->spawn([&] { return Outcome{socket.connect(port.address(), never)}; }).value();
    Thread reader = loop->spawn([&] { return support::receive(socket); }).value();
    REQUIRE(connecting.join(support::long_time).value().error);
    REQUIRE(reader.join().value().error == std::errc::connection_refused);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a refusal ends a connect and a recv that wait at once") {
  in_thread([&] {
    BlackHole hole;
    Socket socket = Socket::open(AF_INET).value();
    Thread connecting =
        loop->spawn([&] { return Outcome{socket.connect(hole.address(), never)}; }).value();
    Thread reader = loop->spawn([&] { return support::receive(socket, 10, never); }).value();
    REQUIRE(support::until_parked(connecting));
    REQUIRE(support::until_parked(reader));
    hole.close();
    REQUIRE(connecting.join(support::long_time).value().error);
    REQUIRE(reader.join(support::long_time).value().error);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "connect to an address of no family does not disconnect") {
  in_thread([&] {
    auto [socket, peer] = support::connected_pair(*loop);
    REQUIRE(socket.connect(Address{}) == std::errc::address_family_not_supported);
    REQUIRE(support::ping_pong(socket, peer));
    REQUIRE(connect(Address{}).error() == std::errc::address_family_not_supported);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "connect to a host that doesn't answer times out") {
  in_thread([] {
    const BlackHole hole;
    const auto begin = Clock::now();
    REQUIRE(connect(hole.address(), 50ms).error() == std::errc::timed_out);
    REQUIRE(Clock::now() - begin >= 50ms);
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "connect without waiting times out unless it succeeds at once") {
  in_thread([] {
    const BlackHole hole;
    REQUIRE(connect(hole.address(), no_wait).error() == std::errc::timed_out);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a connect that waits blocks its own thread only") {
  in_thread([&] {
    const BlackHole hole;
    Thread waiting = loop->spawn([&] { return Outcome{connect(hole.address()).error()}; }).value();
    REQUIRE(support::until_parked(waiting));
    REQUIRE(waiting.info().wait_reason.starts_with("connect fd "));
    connect_and_talk(AF_INET);
    REQUIRE(!waiting.has_ended());
    waiting.request_stop();
    REQUIRE(waiting.join().value().error == std::errc::operation_canceled);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "closing a socket ends its connect") {
  in_thread([&] {
    const BlackHole hole;
    Socket socket = Socket::open(AF_INET).value();
    Thread waiting = loop->spawn([&] { return Outcome{socket.connect(hole.address())}; }).value();
    REQUIRE(support::until_parked(waiting));
    socket.close();
    REQUIRE(waiting.join().value().error == std::errc::operation_canceled);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "connect reports an address that can't be reached") {
  in_thread([] {
    // A TCP connection to a broadcast address is refused by the system itself.
    const auto error = connect(Address::parse("255.255.255.255:9").value(), 5s).error();
    REQUIRE(error);
    REQUIRE(error != std::errc::timed_out);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "an open socket has TCP_NODELAY on") {
  in_thread([] {
    Socket socket = Socket::open(AF_INET).value();
    REQUIRE(*socket.option(IPPROTO_TCP, TCP_NODELAY) == 1);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a socket of an impossible family can't be opened") {
  REQUIRE(Socket::open(*loop, 12345).error() == std::errc::address_family_not_supported);
}
