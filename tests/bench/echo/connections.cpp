#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/bench/echo/client.hpp"

namespace {

constexpr std::size_t variants = 251;  // of a message: starts in the pattern

// loopback_address() is 127.0.0.<host>.
sockaddr_in loopback_address(std::uint32_t host) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl((INADDR_LOOPBACK & IN_CLASSC_NET) | host);
  return address;
}

// Connections come from many addresses in turn. One has some 28,000 ports for connections to the
// same server, and whoever closes first can't have a port again for a minute (TIME_WAIT).
void bind_to_source(int fd, std::size_t connection) {
  constexpr std::uint32_t sources = 250;
  const sockaddr_in address =
      loopback_address(static_cast<std::uint32_t>(connection % sources) + 1);
  const int on = 1;
  check(setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on),
        "IP_BIND_ADDRESS_NO_PORT");
  check(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind");
}

}  // namespace

Connections::Connections(std::uint16_t port, std::size_t count, std::size_t size)
    : epoll_(check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      port_(port),
      size_(size),
      connections_(count),
      pattern_(size + variants),
      reply_(size) {
  allow_descriptors(count);
  for (std::size_t i = 0; i < pattern_.size(); ++i) pattern_[i] = static_cast<char>(i * 31 + 7);
  for (std::size_t i = 0; i < count; ++i) {
    connections_[i].index = i;
    open(connections_[i]);
  }
}

void Connections::open(Connection& connection) {
  connection.fd = check(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  bind_to_source(connection.fd, opened_++);
  sockaddr_in address = loopback_address(1);
  address.sin_port = htons(port_);
  check(connect(connection.fd, reinterpret_cast<sockaddr*>(&address), sizeof address), "connect");
  const int on = 1;
  check(setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "TCP_NODELAY");
  epoll_event event = {.events = EPOLLIN, .data = {.ptr = &connection}};
  check(epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event), "epoll_ctl");
}

void Connections::reopen(Connection& connection) {
  check(close(connection.fd), "close");
  open(connection);
}

void Connections::watch(std::uint32_t events) {
  for (Connection& connection : connections_) {
    epoll_event event = {.events = events, .data = {.ptr = &connection}};
    check(epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd, &event), "epoll_ctl");
  }
}

bool Connections::send_some(Connection& connection) {
  const ssize_t count = send(connection.fd, rest_of(connection, connection.sent),
                             size_ - connection.sent.bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (count < 0 && errno == EAGAIN) return false;
  return advance(connection.sent, static_cast<std::size_t>(check(static_cast<int>(count), "send")));
}

bool Connections::receive_some(Connection& connection) {
  const ssize_t count =
      recv(connection.fd, reply_.data(), size_ - connection.received.bytes, MSG_DONTWAIT);
  if (count == 0) errno = ECONNRESET;
  if (count <= 0) die("recv");
  const auto size = static_cast<std::size_t>(count);
  if (std::memcmp(reply_.data(), rest_of(connection, connection.received), size) != 0) {
    std::fputs("client: the echo differs from what was sent\n", stderr);
    std::exit(1);
  }
  return advance(connection.received, size);
}

const char* Connections::rest_of(const Connection& connection,
                                 const Connection::Progress& progress) const {
  return pattern_.data() + (connection.index + progress.message) % variants + progress.bytes;
}

bool Connections::advance(Connection::Progress& progress, std::size_t bytes) const {
  progress.bytes += bytes;
  if (progress.bytes < size_) return false;
  ++progress.message;
  progress.bytes = 0;
  return true;
}
