#include <fcntl.h>
#include <sys/epoll.h>

#include <array>
#include <cstring>

#include <support/loop_fixture.hpp>
#include <support/network.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::connected_pair;
using support::receive;

namespace {

// Sends text together with a descriptor.
void send_with_descriptor(const support::RawSocket& socket, std::string text) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  iovec vector{text.data(), text.size()};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const int passed = socket.get();
  std::memcpy(CMSG_DATA(header), &passed, sizeof passed);
  if (::sendmsg(socket.get(), &message, 0) < 0) support::throw_errno("sendmsg");
}

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "an empty handle says so") {
  in_thread([] {
    Socket empty;
    const auto bad = std::errc::bad_file_descriptor;
    REQUIRE(!empty);
    REQUIRE(empty.native_handle() == -1);
    REQUIRE(empty.connect(Address::loopback(AF_INET, 1)) == bad);
    REQUIRE(receive(empty).error == bad);
    REQUIRE(support::receive_all(empty, 1).error == bad);
    REQUIRE(empty.send("x").error == bad);
    REQUIRE(empty.shutdown(Socket::Shutdown::both) == bad);
    REQUIRE(empty.set_option(SOL_SOCKET, SO_RCVBUF, 1) == bad);
    REQUIRE(empty.option(SOL_SOCKET, SO_RCVBUF).error() == bad);
    REQUIRE(empty.local_address().family() == AF_UNSPEC);
    REQUIRE(empty.peer_address().family() == AF_UNSPEC);
    REQUIRE(empty.release() == -1);
    empty.set_idle_timeout(1s);
    empty.close();
    empty.close();
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "a handle is empty once it is closed, released or moved from") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    Socket moved = std::move(socket);
    REQUIRE(!socket);  // NOLINT: that is the question
    REQUIRE(moved);
    moved.close();
    REQUIRE(!moved);
    moved.close();
    REQUIRE(moved.send("x").error == std::errc::bad_file_descriptor);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a moved socket goes on where it was") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    REQUIRE(support::ping_pong(socket, peer));
    Socket moved = std::move(socket);
    peer.send("to whom it belongs");
    REQUIRE(receive(moved).text == "to whom it belongs");
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a moved socket keeps the reader that waits for it") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    Thread reader = loop->spawn([&, &socket = socket] { return receive(socket); }).value();
    REQUIRE(support::until_parked(reader));
    const Socket moved = std::move(socket);
    peer.send("x");
    REQUIRE(reader.join().value().text == "x");
  });
}

TEST_CASE_METHOD(support::LoopFixture, "assignment and destruction close") {
  in_thread([&] {
    auto [first, first_peer] = connected_pair(*loop);
    auto second = connected_pair(*loop);
    first = std::move(second.socket);
    REQUIRE(first_peer.recv().empty());
    REQUIRE(first.send("second").count == 6);
    REQUIRE(second.peer.recv() == "second");
    Socket& self = first;
    first = std::move(self);
    REQUIRE(first.send("itself").count == 6);
    REQUIRE(second.peer.recv() == "itself");
    { const Socket doomed = std::move(first); }
    REQUIRE(second.peer.recv().empty());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "an adopted descriptor becomes non-blocking") {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  const support::RawSocket peer{ends[1]};
  REQUIRE((::fcntl(ends[0], F_GETFL) & O_NONBLOCK) == 0);
  const Socket socket = Socket::adopt(*loop, ends[0]).value();
  REQUIRE(socket.native_handle() == ends[0]);
  REQUIRE((::fcntl(ends[0], F_GETFL) & O_NONBLOCK) != 0);
}

TEST_CASE_METHOD(support::LoopFixture, "adopting what is no descriptor is an error") {
  REQUIRE(Socket::adopt(*loop, -1).error() == std::errc::bad_file_descriptor);
  const int closed = ::dup(0);
  ::close(closed);
  REQUIRE(Socket::adopt(*loop, closed).error() == std::errc::bad_file_descriptor);
}

TEST_CASE_METHOD(support::LoopFixture, "a descriptor that can't be read fails at its first use") {
  in_thread([&] {
    Socket socket = Socket::adopt(*loop, ::epoll_create1(EPOLL_CLOEXEC)).value();
    REQUIRE(receive(socket).error == std::errc::invalid_argument);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a socketpair can be adopted") {
  in_thread([&] {
    auto [socket, peer] = support::unix_pair(*loop);
    Thread reader = loop->spawn([&, &socket = socket] { return receive(socket); }).value();
    REQUIRE(support::until_parked(reader));
    peer.send("local");
    REQUIRE(reader.join().value().text == "local");
    REQUIRE(socket.send("reply").count == 5);
    REQUIRE(peer.recv() == "reply");
    REQUIRE(socket.local_address().family() == AF_UNIX);
    peer.close();
    REQUIRE(receive(socket).is_end_of_file());
    REQUIRE(socket.send("x").error == std::errc::broken_pipe);
  });
}

// A read stops where a descriptor was passed: that it was short doesn't mean that nothing is left.
TEST_CASE_METHOD(support::LoopFixture, "data behind a passed descriptor arrives") {
  in_thread([&] {
    auto [socket, peer] = support::unix_pair(*loop);
    REQUIRE(support::ping_pong(socket, peer));
    send_with_descriptor(peer, "with a descriptor");
    peer.send("behind it");
    REQUIRE(receive(socket).text == "with a descriptor");
    REQUIRE(socket.send("reply"));
    REQUIRE(receive(socket, 100, 5s).text == "behind it");
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a released descriptor is open, and out of the loop") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    REQUIRE(support::ping_pong(socket, peer));
    Thread reader = loop->spawn([&, &socket = socket] { return receive(socket); }).value();
    REQUIRE(support::until_parked(reader));
    const int number = socket.native_handle();
    support::RawSocket released{socket.release()};
    REQUIRE(released.get() == number);
    REQUIRE(!socket);
    REQUIRE(reader.join().value().error == std::errc::operation_canceled);
    peer.send("outside");
    REQUIRE(released.recv() == "outside");
    released.send("too");
    REQUIRE(peer.recv() == "too");
    // Another may have it, or the same loop again.
    Socket again = Socket::adopt(*loop, released.release()).value();
    REQUIRE(support::ping_pong(again, peer));
  });
}

TEST_CASE_METHOD(support::LoopFixture, "socket options are set and read") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    REQUIRE(!socket.set_option(SOL_SOCKET, SO_KEEPALIVE, 1));
    REQUIRE(*socket.option(SOL_SOCKET, SO_KEEPALIVE) == 1);
    REQUIRE(!socket.set_option(SOL_SOCKET, SO_RCVBUF, 20'000));
    REQUIRE(*socket.option(SOL_SOCKET, SO_RCVBUF) == 40'000);  // the kernel doubles it
    REQUIRE(!socket.set_option(SOL_SOCKET, SO_SNDBUF, 30'000));
    REQUIRE(*socket.option(SOL_SOCKET, SO_SNDBUF) == 60'000);
    REQUIRE(socket.set_option(SOL_SOCKET, 9999, 1) == std::errc::no_protocol_option);
    REQUIRE(socket.option(SOL_SOCKET, 9999).error() == std::errc::no_protocol_option);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a socket knows both ends of its connection") {
  in_thread([&] {
    const support::Listener listener;
    Socket socket = connect(listener.address(), support::long_time).value();
    const support::RawSocket accepted = listener.accept();
    REQUIRE(socket.peer_address() == listener.address());
    REQUIRE(socket.local_address().family() == AF_INET);
    REQUIRE(socket.local_address().port() != 0);
    REQUIRE(socket.local_address() != socket.peer_address());
    Socket unconnected = Socket::open(AF_INET).value();
    REQUIRE(unconnected.peer_address().family() == AF_UNSPEC);
  });
}
