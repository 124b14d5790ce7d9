// The system calls of a quiet ping-pong, and the definitions at which those of the library arrive.
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <csignal>

#include <support/loop_fixture.hpp>
#include <support/network.hpp>
#include <support/system_calls.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::calls;

#if !defined(EVCORO_SANITIZED)
extern "C" {

int accept4(int descriptor, sockaddr* address, socklen_t* size, int flags) {
  if (calls.accept.fails()) return -1;
  return static_cast<int>(::syscall(SYS_accept4, descriptor, address, size, flags));
}

int connect(int descriptor, const sockaddr* address, socklen_t size) {
  const auto result = static_cast<int>(::syscall(SYS_connect, descriptor, address, size));
  return calls.connect.fails() ? -1 : result;
}

ssize_t recv(int descriptor, void* buffer, std::size_t size, int flags) {
  if (calls.receive.fails()) return -1;
  return ::syscall(SYS_recvfrom, descriptor, buffer, size, flags, nullptr, nullptr);
}

ssize_t recvmsg(int descriptor, msghdr* message, int flags) {
  if (calls.receive.fails()) return -1;
  return ::syscall(SYS_recvmsg, descriptor, message, flags);
}

ssize_t send(int descriptor, const void* buffer, std::size_t size, int flags) {
  if (calls.send.fails()) return -1;
  return ::syscall(SYS_sendto, descriptor, buffer, size, flags, nullptr, 0);
}

ssize_t recvfrom(int descriptor, void* buffer, std::size_t size, int flags, sockaddr* address,
                 socklen_t* address_size) {
  if (calls.receive.fails()) return -1;
  return ::syscall(SYS_recvfrom, descriptor, buffer, size, flags, address, address_size);
}

int recvmmsg(int descriptor, mmsghdr* messages, unsigned count, int flags, timespec* timeout) {
  if (calls.receive.fails()) return -1;
  return static_cast<int>(::syscall(SYS_recvmmsg, descriptor, messages, count, flags, timeout));
}

ssize_t sendto(int descriptor, const void* buffer, std::size_t size, int flags,
               const sockaddr* address, socklen_t address_size) {
  if (calls.send.fails()) return -1;
  return ::syscall(SYS_sendto, descriptor, buffer, size, flags, address, address_size);
}

ssize_t sendmsg(int descriptor, const msghdr* message, int flags) {
  if (calls.send.fails()) return -1;
  return ::syscall(SYS_sendmsg, descriptor, message, flags);
}

int sendmmsg(int descriptor, mmsghdr* messages, unsigned count, int flags) {
  calls.messages = count;
  if (calls.send.fails()) return -1;
  return static_cast<int>(::syscall(SYS_sendmmsg, descriptor, messages, count, flags));
}

ssize_t pwritev2(int descriptor, const iovec* vectors, int count, off_t offset, int flags) {
  if (calls.write.fails()) return -1;
  return ::syscall(SYS_pwritev2, descriptor, vectors, count, offset, 0, flags);
}

int setsockopt(int descriptor, int level, int name, const void* value, socklen_t size) noexcept {
  if (calls.set_option.fails()) return -1;
  return static_cast<int>(::syscall(SYS_setsockopt, descriptor, level, name, value, size));
}

int epoll_ctl(int epoll, int operation, int descriptor, epoll_event* event) noexcept {
  if (calls.control.fails()) return -1;
  if (operation != EPOLL_CTL_DEL) calls.events = event->events;
  return static_cast<int>(::syscall(SYS_epoll_ctl, epoll, operation, descriptor, event));
}

}  // extern "C"
#endif

namespace {

constexpr int rounds = 1000;

void serve(Socket& socket, std::size_t buffer_size, Timeout timeout) {
  std::string buffer(buffer_size, '\0');
  const std::span<std::byte> bytes = std::as_writable_bytes(std::span{buffer});
  while (const IoResult in = socket.recv(bytes, timeout)) {
    if (in.count == 0 || !socket.send(bytes.first(in.count), timeout)) break;
  }
}

// The same without a buffer while it waits.
void serve_without_buffer(Socket& socket, std::size_t buffer_size, Timeout timeout) {
  while (!socket.wait_readable(timeout)) {
    std::string buffer(buffer_size, '\0');
    const std::span<std::byte> bytes = std::as_writable_bytes(std::span{buffer});
    const IoResult in = socket.recv(bytes, no_wait);
    if (in.error == std::errc::timed_out) continue;
    if (in.count == 0 || !socket.send(bytes.first(in.count), timeout)) break;
  }
}

using Serve = void (*)(Socket& socket, std::size_t buffer_size, Timeout timeout);

// The calls of an echo server that gets messages of a size into a buffer of another. Those of its
// client, which are raw ones, are not counted.
support::SystemCalls count_calls(Loop& loop, std::size_t message_size, std::size_t buffer_size,
                                 Timeout timeout, Serve serve_by = serve) {
  auto [socket, peer] = support::connected_pair(loop);
  Thread server =
      loop.spawn([&, &socket = socket] { serve_by(socket, buffer_size, timeout); }).value();
  const std::string message = support::pattern(message_size);
  std::string reply(message_size, '\0');
  const auto ping_pong = [&, &peer = peer] {
    REQUIRE(support::until_parked(server));
    REQUIRE(::write(peer.get(), message.data(), message.size()) ==
            static_cast<ssize_t>(message_size));
    // The loop polls while this thread sleeps, and the server, woken before it, answers.
    REQUIRE(support::eventually([&, &peer = peer] {
      return ::syscall(SYS_recvfrom, peer.get(), reply.data(), reply.size(),
                       MSG_PEEK | MSG_DONTWAIT, nullptr,
                       nullptr) == static_cast<long>(message_size);
    }));
    REQUIRE(::read(peer.get(), reply.data(), reply.size()) == static_cast<ssize_t>(message_size));
    REQUIRE(reply == message);
  };
  for (int i = 0; i < 5; ++i) ping_pong();  // registers, and learns
  calls = {};
  for (int i = 0; i < rounds; ++i) ping_pong();
  const support::SystemCalls result = calls;
  peer.close();
  server.join().value();
  return result;
}

void require_edges_and_interposition(const Loop& loop) {
  support::require_interposition();
  if (!support::has_edges(loop)) support::skip("without edge-triggered events it takes more calls");
}

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "a kernel that can't write without SIGPIPE is asked once") {
  support::require_interposition();
  in_thread([&] {
    std::signal(SIGPIPE, SIG_DFL);
    Pipe ends = pipe().value();
    calls.write = {.failures = 1, .error = EOPNOTSUPP};
    for (int i = 0; i < 3; ++i) {
      REQUIRE(ends.writer.send("ping"));
      REQUIRE(support::receive(ends.reader).text == "ping");
    }
    ends.reader.close();
    REQUIRE(ends.writer.send("ping").error == std::errc::broken_pipe);
    REQUIRE(calls.write.count == 1);
    REQUIRE(std::signal(SIGPIPE, SIG_DFL) == SIG_DFL);  // nobody else keeps it away
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a ping-pong costs one recv and one send") {
  require_edges_and_interposition(*loop);
  in_thread([&] {
    const auto made = count_calls(*loop, 512, 1024, never);
    REQUIRE(made.receive.count == rounds);
    REQUIRE(made.send.count == rounds);
    REQUIRE(made.set_option.count == 0);
    REQUIRE(made.control.count == 0);
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "a ping-pong costs no more with a timeout on each operation") {
  require_edges_and_interposition(*loop);
  in_thread([&] {
    const auto made = count_calls(*loop, 512, 1024, 60s);
    REQUIRE(made.receive.count == rounds);
    REQUIRE(made.send.count == rounds);
    REQUIRE(made.set_option.count == 0);
    REQUIRE(made.control.count == 0);
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "a ping-pong costs no more when the buffer is there only after the wait") {
  require_edges_and_interposition(*loop);
  in_thread([&] {
    const auto made = count_calls(*loop, 512, 1024, 60s, serve_without_buffer);
    REQUIRE(made.receive.count == rounds);
    REQUIRE(made.send.count == rounds);
    REQUIRE(made.control.count == 0);
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "a ping-pong costs no more when messages are as long as the buffer") {
  require_edges_and_interposition(*loop);
  in_thread([&] {
    const auto made = count_calls(*loop, 512, 512, never);
    REQUIRE(made.receive.count == rounds);
    REQUIRE(made.send.count == rounds);
    REQUIRE(made.set_option.count == 0);
    REQUIRE(made.control.count == 0);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a connection that never has to wait is never registered") {
  require_edges_and_interposition(*loop);
  in_thread([&] {
    auto [socket, peer] = support::connected_pair(*loop);
    calls = {};
    peer.send("hello");
    REQUIRE(support::receive(socket).text == "hello");
    REQUIRE(socket.send("bye"));
    socket.close();
    REQUIRE(calls.control.count == 0);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "who waits to read first is registered for that alone") {
  require_edges_and_interposition(*loop);
  in_thread([&] {
    auto [socket, peer] = support::connected_pair(*loop, {.send = 4096});
    const auto in_thread_of_its_own = [&](auto function) {
      Thread thread = loop->spawn(function).value();
      REQUIRE(support::until_parked(thread));
      return thread;
    };
    calls = {};
    Thread reader = in_thread_of_its_own(
        [&, &socket = socket] { REQUIRE(support::receive(socket).text == "hello"); });
    REQUIRE((calls.events & (EPOLLIN | EPOLLOUT | EPOLLET)) == (EPOLLIN | EPOLLET));
    const std::string much = support::pattern(1 << 20);
    Thread writer = in_thread_of_its_own(
        [&, &socket = socket] { REQUIRE(socket.send(much, support::long_time)); });
    REQUIRE((calls.events & (EPOLLIN | EPOLLOUT | EPOLLET)) == (EPOLLIN | EPOLLOUT | EPOLLET));
    REQUIRE(calls.control.count == 3);  // there, away, and there again
    peer.send("hello");
    reader.join().value();
    std::string arrived;
    REQUIRE(support::eventually([&, &peer = peer] {
      if (peer.is_readable()) arrived += peer.recv();
      return arrived.size() == much.size();
    }));
    REQUIRE(arrived == much);
    writer.join().value();
    REQUIRE(calls.control.count == 3);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "who waits to write first is registered for all") {
  require_edges_and_interposition(*loop);
  in_thread([&] {
    auto [socket, peer] = support::connected_pair(*loop, {.send = 4096});
    calls = {};
    const std::string much = support::pattern(1 << 20);
    REQUIRE(socket.send(much, no_wait).error == std::errc::timed_out);
    REQUIRE(socket.send("more", 1ms).error == std::errc::timed_out);
    REQUIRE((calls.events & (EPOLLIN | EPOLLOUT)) == (EPOLLIN | EPOLLOUT));
    Thread reader =
        loop->spawn([&, &socket = socket] { REQUIRE(support::receive(socket).text == "hello"); })
            .value();
    REQUIRE(support::until_parked(reader));
    peer.send("hello");
    reader.join().value();
    REQUIRE(calls.control.count == 1);
  });
}
