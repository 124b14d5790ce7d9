// Ports that nobody listens on; and several addresses of this machine with one port: what a name
// that has several addresses needs.
//
//   support::OnePort port;                        // 127.0.0.1 accepts
//   port.black_hole("127.0.0.2");                 // connecting takes for ever
//   // nobody listens on 127.0.0.3: refused
#pragma once

#include <poll.h>

#include <string>
#include <vector>

#include <support/network.hpp>

namespace support {

// ClosedPort is a port that nobody listens on, and nobody can meanwhile.
class ClosedPort {
 public:
  explicit ClosedPort(const evcoro::Address& address = own_address()) {
    if (::bind(socket_.get(), address.data(), address.size()) != 0) throw_errno("bind");
  }
  evcoro::Address address() const { return local_address(socket_); }

 private:
  RawSocket socket_ = RawSocket::open(AF_INET);
};

class OnePort {
 public:
  std::uint16_t number() const { return listener.address().port(); }

  evcoro::Address address(const std::string& host) const {
    return evcoro::Address::parse(host, number()).value();
  }

  // listen() makes a socket that accepts at host, too.
  const RawSocket& listen(const std::string& host, int backlog = 128) {
    const evcoro::Address here = address(host);
    RawSocket socket = RawSocket::open(here.family());
    socket.set(SOL_SOCKET, SO_REUSEADDR, 1);
    if (::bind(socket.get(), here.data(), here.size()) != 0) throw_errno("bind");
    if (::listen(socket.get(), backlog) != 0) throw_errno("listen");
    sockets_.push_back(std::move(socket));
    return sockets_.back();
  }

  // black_hole() fills the queue of a socket that accepts nobody: the kernel drops what comes then.
  void black_hole(const std::string& host) {
    listen(host, 0);
    const evcoro::Address here = address(host);
    pollfd connecting{-1, POLLOUT, 0};
    do {
      RawSocket client{::socket(here.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
      if (::connect(client.get(), here.data(), here.size()) == 0) errno = EISCONN;
      if (errno != EINPROGRESS && errno != EISCONN) throw_errno("connect");
      connecting.fd = client.get();
      sockets_.push_back(std::move(client));
    } while (::poll(&connecting, 1, 200) == 1);
  }

  Listener listener;

 private:
  std::vector<RawSocket> sockets_;
};

}  // namespace support
