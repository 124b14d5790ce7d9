// The system calls of a quiet connection that is kept: one recv and one send for each request. The
// library's calls arrive here, as these definitions are the executable's.
#include <poll.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <corothread/detail/sanitizers.hpp>
#include <support/http.hpp>

using namespace evcoro;
using support::LoopFixture;

namespace {

struct Calls {
  int receive = 0;
  int send = 0;
  int poll = 0;
  int control = 0;
  int option = 0;
};
Calls calls;

}  // namespace

#if !defined(EVCORO_SANITIZED)
extern "C" {

ssize_t recv(int descriptor, void* buffer, std::size_t size, int flags) {
  ++calls.receive;
  return ::syscall(SYS_recvfrom, descriptor, buffer, size, flags, nullptr, nullptr);
}

ssize_t recvmsg(int descriptor, msghdr* message, int flags) {
  ++calls.receive;
  return ::syscall(SYS_recvmsg, descriptor, message, flags);
}

ssize_t send(int descriptor, const void* buffer, std::size_t size, int flags) {
  ++calls.send;
  return ::syscall(SYS_sendto, descriptor, buffer, size, flags, nullptr, 0);
}

ssize_t sendmsg(int descriptor, const msghdr* message, int flags) {
  ++calls.send;
  return ::syscall(SYS_sendmsg, descriptor, message, flags);
}

int poll(pollfd* descriptors, nfds_t count, int timeout) {
  ++calls.poll;
  const timespec limit{.tv_sec = timeout / 1000, .tv_nsec = timeout % 1000 * 1'000'000L};
  return static_cast<int>(
      ::syscall(SYS_ppoll, descriptors, count, timeout < 0 ? nullptr : &limit, nullptr, 0));
}

int setsockopt(int descriptor, int level, int name, const void* value, socklen_t size) noexcept {
  ++calls.option;
  return static_cast<int>(::syscall(SYS_setsockopt, descriptor, level, name, value, size));
}

int epoll_ctl(int epoll, int operation, int descriptor, epoll_event* event) noexcept {
  ++calls.control;
  return static_cast<int>(::syscall(SYS_epoll_ctl, epoll, operation, descriptor, event));
}

}  // extern "C"
#endif

TEST_CASE_METHOD(LoopFixture, "connections: a quiet one costs a recv and a send a request") {
#if defined(EVCORO_SANITIZED)
  support::skip("a sanitizer intercepts the system calls");
#endif
  if (!support::has_edges(*loop)) return;
  in_thread([&] {
    auto [socket, peer] = support::connected_pair(*loop);
    Thread server =
        loop->spawn([&, &socket = socket] { http::serve(socket, support::echo_body); }).value();
    constexpr std::string_view request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    std::string reply(4096, '\0');
    std::size_t reply_size = 0;
    const auto exchange = [&, &peer = peer] {
      REQUIRE(support::until_parked(server));
      REQUIRE(::write(peer.get(), request.data(), request.size()) ==
              static_cast<ssize_t>(request.size()));
      REQUIRE(support::eventually([&, &peer = peer] {
        const long count = ::syscall(SYS_recvfrom, peer.get(), reply.data(), reply.size(),
                                     MSG_DONTWAIT, nullptr, nullptr);
        if (count > 0) reply_size = static_cast<std::size_t>(count);
        return count > 0;
      }));
    };
    for (int i = 0; i < 3; ++i) exchange();
    REQUIRE(support::until_parked(server));
    calls = {};
    constexpr int rounds = 100;
    for (int i = 0; i < rounds; ++i) exchange();
    REQUIRE(support::until_parked(server));
    CHECK(calls.receive == rounds);
    CHECK(calls.send == rounds);
    CHECK(calls.poll == 0);
    CHECK(calls.control == 0);
    CHECK(calls.option == 0);
    CHECK(reply.substr(0, 15) == "HTTP/1.1 200 OK");
    CHECK(reply.substr(reply_size - 5, 5) == "\r\n\r\n/");
    peer.shutdown(SHUT_WR);
    server.join().value();
  });
}

TEST_CASE_METHOD(LoopFixture, "connections: a stream that can is waited for before each request") {
  struct Watched {  // a stream that notes what happens while it waits
    support::PieceStream pieces{{"GET / HTTP/1.1\r\nHost: x\r\n\r\n"}};
    int waits = 0;
    IoResult recv(std::span<std::byte> buffer, Timeout timeout) {
      return pieces.recv(buffer, timeout);
    }
    IoResult send(std::span<const std::byte> data, Timeout timeout) {
      return pieces.send(data, timeout);
    }
    std::error_code wait_readable(Timeout) { return ++waits, std::error_code{}; }
  };
  static_assert(WaitingStream<Watched>);
  Watched stream;
  http::serve(stream, support::echo_body);
  CHECK(stream.waits == 2);
  CHECK(stream.pieces.receives == 2);
  CHECK(support::parse_replies(stream.pieces.sent).size() == 1);
}
