// The baseline: raw epoll, a datagram at a time until there is none.
#include <sys/epoll.h>

#include <cerrno>
#include <vector>

#include "tests/bench/udp/udp.h"

int main(int argc, char** argv) {
  const EchoOptions options = echo_init(argc, argv);
  const int fd = udp_bind_to_loopback();
  const int epoll = echo_check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};
  echo_check(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
  std::vector<char> buffer(options.buffer);
  echo_announce(echo_local_port(fd));
  while (epoll_wait(epoll, &event, 1, -1) >= 0 || errno == EINTR) {
    while (true) {
      sockaddr_in sender;
      socklen_t size = sizeof sender;
      auto* const address = reinterpret_cast<sockaddr*>(&sender);
      const ssize_t count = recvfrom(fd, buffer.data(), buffer.size(), 0, address, &size);
      if (count < 0) break;
      sendto(fd, buffer.data(), static_cast<std::size_t>(count), MSG_NOSIGNAL, address, size);
    }
  }
}
