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

// Listener is a plain listening socket on a loopback address; port 0 is any.
class Listener {
 public:
