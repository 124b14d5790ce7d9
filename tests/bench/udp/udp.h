// What the UDP echo servers have in common: their socket.
#pragma once

#include "tests/bench/echo/server_main.h"

// udp_bind_to_loopback() returns a non-blocking socket on a port that the kernel chooses.
static inline int udp_bind_to_loopback(void) {
  const int fd =
      echo_check(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
  struct sockaddr_in address;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  echo_check(bind(fd, (struct sockaddr*)&address, sizeof address), "bind");
  return fd;
}
