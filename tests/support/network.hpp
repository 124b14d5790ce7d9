// Plain sockets for tests: the other end of a connection, outside the library.
//
//   auto [socket, peer] = support::connected_pair(*loop);   // an evcoro::Socket and a RawSocket
//   peer.send("hello");
//   REQUIRE(support::receive(socket).text == "hello");
//   peer.reset();                                           // close with a reset
//
// A RawSocket blocks, with a limit that only a broken test reaches. Its members throw and assert
// nothing, so that they may be used in any OS thread.
#pragma once

#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <support/own_loopback.h>
#include <evcoro/loop.hpp>
#include <evcoro/net/address.hpp>
#include <evcoro/net/socket.hpp>
#include <evcoro/thread.hpp>

namespace support {

inline constexpr std::chrono::seconds long_time{60};  // never reached unless something is broken

[[noreturn]] inline void throw_errno(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

class RawSocket {
 public:
  RawSocket() noexcept = default;
  explicit RawSocket(int descriptor) : descriptor_(descriptor) {
    if (descriptor < 0) throw_errno("socket");
    set_receive_timeout(long_time);
    const timeval limit{.tv_sec = long_time.count(), .tv_usec = 0};
    set(SOL_SOCKET, SO_SNDTIMEO, limit);
  }
  RawSocket(RawSocket&& other) noexcept : descriptor_(other.release()) {}
  RawSocket& operator=(RawSocket&& other) noexcept {
    close();
    descriptor_ = other.release();
    return *this;
  }
  ~RawSocket() { close(); }

  static RawSocket open(int family) {
    return RawSocket{::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  }

  static RawSocket connected_to(const evcoro::Address& address) {
    RawSocket socket = open(address.family());
    if (::connect(socket.get(), address.data(), address.size()) != 0) throw_errno("connect");
    return socket;
  }

  int get() const noexcept { return descriptor_; }
  int release() noexcept { return std::exchange(descriptor_, -1); }
  void close() noexcept {
    if (descriptor_ >= 0) ::close(release());
  }

  // reset() closes so that the other end gets a reset.
  void reset() {
    set(SOL_SOCKET, SO_LINGER, linger{.l_onoff = 1, .l_linger = 0});
    close();
  }

  void send(std::string_view text, int flags = 0) const {
    while (!text.empty()) {
      const ssize_t count = ::send(descriptor_, text.data(), text.size(), flags | MSG_NOSIGNAL);
      if (count < 0) throw_errno("send");
      text.remove_prefix(static_cast<std::size_t>(count));
    }
  }

  // recv() is one recv(2): "" at the end of file.
  std::string recv(std::size_t most = 65536, int flags = 0) const {
    std::string text(most, '\0');
    const ssize_t count = ::recv(descriptor_, text.data(), text.size(), flags);
    if (count < 0) throw_errno("recv");
    text.resize(static_cast<std::size_t>(count));
    return text;
  }

  // is_readable() says whether recv() would return at once.
  bool is_readable() const noexcept {
    pollfd event{.fd = descriptor_, .events = POLLIN, .revents = 0};
    return ::poll(&event, 1, 0) > 0;
  }

  // recv_all() receives size bytes, fewer only at the end of file.
  std::string recv_all(std::size_t size) const {
    std::string all;
    while (all.size() < size) {
      const std::string part = recv(size - all.size());
      if (part.empty()) break;
      all += part;
    }
    return all;
  }

  // recv_error() is the errno of a recv(2) that must fail; 0 if it doesn't.
  int recv_error() const {
    char byte;
    return ::recv(descriptor_, &byte, 1, 0) < 0 ? errno : 0;
  }

  void shutdown(int how) const {
    if (::shutdown(descriptor_, how) != 0) throw_errno("shutdown");
  }

  void set_receive_timeout(std::chrono::microseconds limit) const {
    const timeval value{.tv_sec = limit.count() / 1'000'000, .tv_usec = limit.count() % 1'000'000};
    set(SOL_SOCKET, SO_RCVTIMEO, value);
  }

  template <class T>
  void set(int level, int name, const T& value) const {
    if (::setsockopt(descriptor_, level, name, &value, sizeof value) != 0)
      throw_errno("setsockopt");
  }

 private:
  int descriptor_ = -1;
};

// own_address() is where no other test listens; see own_loopback.h.
inline evcoro::Address own_address(std::uint16_t port = 0) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(::own_loopback());
  return {reinterpret_cast<const sockaddr*>(&address), sizeof address};
}

// local_address() is what getsockname(2) says.
inline evcoro::Address local_address(const RawSocket& socket) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* const address = reinterpret_cast<sockaddr*>(&storage);
  if (::getsockname(socket.get(), address, &size) != 0) throw_errno("getsockname");
  return {address, size};
}

// Listener is a plain listening socket on a loopback address; port 0 is any.
class Listener {
 public:
  explicit Listener(int family = AF_INET, int backlog = 128, std::uint16_t port = 0)
      : Listener(evcoro::Address::loopback(family, port), backlog) {}
  Listener(const evcoro::Address& address, int backlog)
      : socket_(RawSocket::open(address.family())) {
    if (::bind(socket_.get(), address.data(), address.size()) != 0) throw_errno("bind");
    if (::listen(socket_.get(), backlog) != 0) throw_errno("listen");
  }

  evcoro::Address address() const { return local_address(socket_); }

  RawSocket accept() const {
    return RawSocket{::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
  }
  int get() const noexcept { return socket_.get(); }
  int release() noexcept { return socket_.release(); }
  void close() noexcept { socket_.close(); }

 private:
  RawSocket socket_;
};

inline bool has_ipv6() {
  const int descriptor = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return false;
  const auto address = evcoro::Address::loopback(AF_INET6, 0);
  const bool bound = ::bind(descriptor, address.data(), address.size()) == 0;
  ::close(descriptor);
  return bound;
}

struct Pair {
  evcoro::Socket socket;
  RawSocket peer;
};

struct Buffers {
  int send = 0;  // SO_SNDBUF of the Socket, SO_RCVBUF of its peer; 0: the system's
};

// connected_pair() is a TCP connection; the Socket is the accepted end.
inline Pair connected_pair(evcoro::Loop& loop, Buffers buffers = {}) {
  const Listener listener;
  const int on = 1;
  if (buffers.send > 0)
    ::setsockopt(listener.get(), SOL_SOCKET, SO_SNDBUF, &buffers.send, sizeof(int));
  RawSocket peer = RawSocket::open(AF_INET);
  if (buffers.send > 0) peer.set(SOL_SOCKET, SO_RCVBUF, buffers.send);
  const auto address = listener.address();
  if (::connect(peer.get(), address.data(), address.size()) != 0) throw_errno("connect");
  peer.set(IPPROTO_TCP, TCP_NODELAY, on);
  RawSocket accepted = listener.accept();
  accepted.set(IPPROTO_TCP, TCP_NODELAY, on);
  return {evcoro::Socket::adopt(loop, accepted.release()).value(), std::move(peer)};
}

struct SocketPair {
  evcoro::Socket one;
  evcoro::Socket other;
};

// connected_sockets() is a TCP connection with a Socket at both ends.
inline SocketPair connected_sockets(evcoro::Loop& loop, Buffers buffers = {}) {
  auto [socket, peer] = connected_pair(loop, buffers);
  return {std::move(socket), evcoro::Socket::adopt(loop, peer.release()).value()};
}

// unix_pair() is a socketpair(2). The Socket gets the descriptor number, if given, which is free.
inline Pair unix_pair(evcoro::Loop& loop, int number = 0) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw_errno("socketpair");
  RawSocket peer{::fcntl(ends[1], F_DUPFD_CLOEXEC, number + 1)};
  ::close(ends[1]);
  if (number > 0 && ends[0] != number) {
    const RawSocket temporary{ends[0]};
    ends[0] = ::dup3(temporary.get(), number, O_CLOEXEC);
  }
  return {evcoro::Socket::adopt(loop, ends[0]).value(), std::move(peer)};
}

struct Received {
  std::string text;
  std::error_code error;
  bool is_end_of_file() const { return text.empty() && !error; }
};

// Outcome is what a thread returns of an operation that has nothing else to say.
struct Outcome {
  std::error_code error;
};

// receive() is Socket::recv() into a string.
inline Received receive(evcoro::Socket& socket, std::size_t most = 4096,
                        evcoro::Timeout timeout = long_time) {
  std::string text(most, '\0');
  const auto result = socket.recv(std::as_writable_bytes(std::span{text}), timeout);
  text.resize(result.count);
  return {std::move(text), result.error};
}

inline Received receive_all(evcoro::Socket& socket, std::size_t size,
                            evcoro::Timeout timeout = long_time) {
  std::string text(size, '\0');
  const auto result = socket.recv_all(std::as_writable_bytes(std::span{text}), timeout);
  text.resize(result.count);
  return {std::move(text), result.error};
}

// ping_pong() exchanges a message, after which the socket is registered with the loop and knows
// that there is nothing to be read.
inline bool ping_pong(evcoro::Socket& socket, RawSocket& peer) {
  if (receive(socket, 64, std::chrono::milliseconds{1}).error != std::errc::timed_out) return false;
  peer.send("ping");
  if (receive(socket, 64).text != "ping") return false;
  return socket.send("pong", long_time).count == 4 && peer.recv_all(4) == "pong";
}

// eventually() lets the loop run until condition holds; false if that takes much too long. It is
// for what can't be waited for otherwise. To be called in a thread.
template <class Condition>
bool eventually(Condition&& condition) {
  const auto deadline = evcoro::Clock::now() + long_time;
  while (!condition()) {
    if (evcoro::Clock::now() > deadline) return false;
    if (evcoro::this_thread::sleep_for(std::chrono::milliseconds{1})) return condition();
  }
  return true;
}

// until_parked() lets the loop run until thread waits; false if it has ended instead.
template <class T>
bool until_parked(const evcoro::Thread<T>& thread) {
  const auto state = [&] { return thread.info().state; };
  return eventually([&] { return thread.has_ended() || state() == evcoro::TaskState::parked; }) &&
         state() == evcoro::TaskState::parked;
}

// pattern() is size bytes of text that doesn't repeat itself soon.
inline std::string pattern(std::size_t size, std::uint32_t seed = 1) {
  std::string text(size, '\0');
  for (char& each : text) {
    seed = seed * 1664525 + 1013904223;
    each = static_cast<char>(seed >> 24);
  }
  return text;
}

// fill() sends until socket has taken nothing for a while, and returns how many bytes that were.
inline std::size_t fill(evcoro::Socket& socket) {
  std::size_t total = 0;
  const std::string block(65536, 'x');
  while (true) {
    const auto result = socket.send(block, std::chrono::milliseconds{50});
    total += result.count;
    if (result.error && result.count == 0) return total;
  }
}

// has_edges() says whether the loop's back end has edge-triggered events.
inline bool has_edges(const evcoro::Loop& loop) {
  return (event_base_get_features(loop.base()) & EV_FEATURE_ET) != 0;
}

}  // namespace support
