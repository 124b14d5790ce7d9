// Linked into a program that listens on a fixed port, this has the kernel choose the port, and
// prints it once connections are accepted. So the program can stay as it is, and be run beside
// others.
#define _DEFAULT_SOURCE  // syscall()
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int bind(int fd, const struct sockaddr* address, socklen_t length) {
  struct sockaddr_in any;
  if (address->sa_family != AF_INET) return (int)syscall(SYS_bind, fd, address, length);
  memcpy(&any, address, sizeof any);
  any.sin_port = 0;
  return (int)syscall(SYS_bind, fd, &any, sizeof any);
}

int listen(int fd, int backlog) {
  struct sockaddr_in address;
  socklen_t length = sizeof address;
  int result = (int)syscall(SYS_listen, fd, backlog);
  getsockname(fd, (struct sockaddr*)&address, &length);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return result;
}
