#include <sys/un.h>

#include <cstring>

#include <support/acceptor.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::Listener;
using support::RawSocket;

namespace {

// An AF_UNIX listener without a name in the file system.
struct UnixListener {
  explicit UnixListener(int backlog = 16) {
    address.sun_family = AF_UNIX;
    if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(sa_family_t)) != 0)
      support::throw_errno("bind");
    if (::listen(socket.get(), backlog) != 0) support::throw_errno("listen");
    size = sizeof address;
    ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
  }

  RawSocket connect() const {
    RawSocket client = RawSocket::open(AF_UNIX);
    if (::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0)
      support::throw_errno("connect");
    return client;
  }

  RawSocket socket = RawSocket::open(AF_UNIX);
  sockaddr_un address{};
  socklen_t size = 0;
};

std::string what_is_thrown(const std::function<void()>& body) {
  try {
    body();
  } catch (const std::system_error& error) {
    return error.what();
  }
  return "nothing";
}

// Tells the client SO_RCVBUF, SO_SNDBUF and TCP_NODELAY of its connection.
void tell_options(Socket& socket) {
  static_cast<void>(socket.send(std::to_string(*socket.option(SOL_SOCKET, SO_RCVBUF)) + " " +
                                std::to_string(*socket.option(SOL_SOCKET, SO_SNDBUF)) + " " +
                                std::to_string(*socket.option(IPPROTO_TCP, TCP_NODELAY))));
}

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "an acceptor listens on IPv6") {
  if (!support::has_ipv6()) support::skip("there is no IPv6 here");
  in_thread([&] {
    TcpAcceptor acceptor{*loop, Address::loopback(AF_INET6, 0), support::echo};
    REQUIRE(acceptor.local_address().family() == AF_INET6);
    REQUIRE(support::is_served(RawSocket::connected_to(acceptor.local_address())));
  });
}

TEST_CASE_METHOD(support::LoopFixture, "an acceptor takes over a descriptor that listens") {
  in_thread([&] {
    Listener listener;
    const Address address = listener.address();
    const RawSocket early = RawSocket::connected_to(address);
    TcpAcceptor acceptor{*loop, listener.release(), support::echo};
    REQUIRE(acceptor.local_address() == address);
    REQUIRE(support::is_served(early));
    REQUIRE(support::is_served(RawSocket::connected_to(address)));
    acceptor.close();
    REQUIRE_THROWS_AS(RawSocket::connected_to(address), std::system_error);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "an acceptor takes over a local socket that listens") {
  in_thread([&] {
    UnixListener listener;
    TcpAcceptor acceptor{*loop, listener.socket.release(), support::echo};
    REQUIRE(acceptor.local_address().family() == AF_UNIX);
    REQUIRE(support::is_served(listener.connect()));
    REQUIRE(support::is_served(listener.connect()));
    REQUIRE(acceptor.counters().accepted == 2);
  });
}

// The kernel doesn't say how many wait on a local socket.
TEST_CASE_METHOD(support::LoopFixture, "closing an acceptor on a local socket serves who waits") {
  in_thread([&] {
    UnixListener listener;
    TcpAcceptor acceptor{*loop, listener.socket.release(), support::echo};
    const RawSocket first = listener.connect();
    const RawSocket second = listener.connect();
    acceptor.close();
    REQUIRE(support::is_served(first));
    REQUIRE(support::is_served(second));
  });
}

TEST_CASE_METHOD(support::LoopFixture, "draining an acceptor on a local socket serves who waits") {
  stacks::StackPool connections{support::connection_stacks(1)};
  in_thread([&] {
    UnixListener listener;
    TcpAcceptor acceptor{*loop, listener.socket.release(), support::echo, {.stacks = &connections}};
    std::vector<RawSocket> clients;
    for (int i = 0; i < 4; ++i) {
      clients.push_back(listener.connect());
      clients.back().send("ping");
      clients.back().shutdown(SHUT_WR);
    }
    REQUIRE(!acceptor.drain(support::long_time));
    for (const RawSocket& each : clients) REQUIRE(each.recv_all(100) == "ping");
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "a descriptor that doesn't listen is an error that says what to do") {
  const auto accept_on = [&](int descriptor) {
    return what_is_thrown([&] { const TcpAcceptor acceptor{*loop, descriptor, support::echo}; });
  };
  REQUIRE(accept_on(RawSocket::open(AF_INET).release()).find("call listen(2) first") !=
          std::string::npos);
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  ::close(ends[1]);
  REQUIRE(accept_on(ends[0]).find("is no socket") != std::string::npos);
  REQUIRE(accept_on(-1).find("Bad file descriptor") != std::string::npos);
  REQUIRE(loop->run() == Loop::End::idle);
}

TEST_CASE_METHOD(support::LoopFixture, "a port that is in use is an error that names the address") {
  const Listener other;
  const std::string what = what_is_thrown([&] {
    const TcpAcceptor acceptor{*loop, other.address(), support::echo};
  });
  REQUIRE(what.find(other.address().to_string()) != std::string::npos);
  REQUIRE(what.find("Address already in use") != std::string::npos);
}

TEST_CASE_METHOD(support::LoopFixture, "an address of another host is an error that names it") {
  const std::string what = what_is_thrown([&] {
    const TcpAcceptor acceptor{*loop, Address::parse("192.0.2.1:4711").value(), support::echo};
  });
  if (what == "nothing") support::skip("this host has the documentation's address");
  REQUIRE(what.find("192.0.2.1:4711") != std::string::npos);
}

// A client that the server has closed first leaves the port in TIME_WAIT.
TEST_CASE_METHOD(support::LoopFixture, "a port can be used again at once") {
  in_thread([&] {
    TcpAcceptor first{*loop, support::loopback(), [](Socket& socket) { socket.close(); }};
    const Address address = first.local_address();
    REQUIRE(support::reply(RawSocket::connected_to(address), 1).empty());
    first.close();
    TcpAcceptor second{*loop, address, support::echo};
    REQUIRE(support::is_served(RawSocket::connected_to(address)));
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "connections have the buffer sizes that the options say, and TCP_NODELAY") {
  in_thread([&] {
    const TcpAcceptor::Options options{.receive_buffer = 20'000, .send_buffer = 30'000};
    TcpAcceptor acceptor{*loop, support::loopback(), tell_options, options};
    TcpAcceptor taken_over{*loop, Listener{}.release(), tell_options, options};
    for (const TcpAcceptor* const each : {&acceptor, &taken_over}) {
      const RawSocket client = RawSocket::connected_to(each->local_address());
      REQUIRE(support::reply(client, 100) == "40000 60000 1");  // the kernel doubles them
    }
  });
}

// One more than the backlog, and the kernel answers no further client.
TEST_CASE_METHOD(support::LoopFixture, "the backlog is as long as the options say") {
  stacks::StackPool connections{support::connection_stacks(1)};
  in_thread([&] {
    TcpAcceptor acceptor{
        *loop, support::loopback(), support::echo, {.backlog = 2, .stacks = &connections}};
    std::vector<RawSocket> clients;
    clients.push_back(RawSocket::connected_to(acceptor.local_address()));
    REQUIRE(support::is_served(clients.back()));
    for (int i = 0; i < 3; ++i)
      clients.push_back(RawSocket::connected_to(acceptor.local_address()));
    REQUIRE(acceptor.counters().waiting == 3);
    REQUIRE(connect(acceptor.local_address(), 50ms).error() == std::errc::timed_out);
    clients.clear();
  });
}
