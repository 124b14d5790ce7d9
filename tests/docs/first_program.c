// [first_program]
#include <stdio.h>
#include <stdlib.h>

#include <evcoro/evthread.h>

static const struct timeval timeout = {3, 0};

static void echo(EVTHREAD* thread, EVSOCKET* socket, void* user_ctx) {
  char buffer[1024];
  int count;
  while ((count = EVSOCKET_recv(socket, buffer, sizeof buffer, 0, timeout)) > 0) {
    if (EVSOCKET_send(socket, buffer, (size_t)count, 0, timeout) != count) break;
  }
}

static int run_echo(int fd, EVTHREAD_PROC* proc, void** user_ctx) {
  *proc = echo;
  return 0;
}

int main(int argc, char** argv) {
  STACKS stacks;
  IPADDRESS everywhere;
  SOCKADDR address;
  CTHREAD_libinit();             // reports stack overflows
  STACKS_init(&stacks, 100, 5);  // 100 stacks of 4 pages: at most 100 connections
  IPADDRESS_any(&everywhere, AF_INET);
  SOCKADDR_init(&address, &everywhere, (uint16_t)(argc > 1 ? atoi(argv[1]) : 9999));

  EVLOOP* loop = EVLOOP_init(&stacks);
  EVTCPACCEPTOR* acceptor = EVTCPACCEPTOR_init_ex(loop, &address, 4096, run_echo, -1, -1);
  if (acceptor == NULL) {
    perror("can't listen");
    return 1;
  }
  EVTCPACCEPTOR_local_address(acceptor, &address);
  printf("listening on 0.0.0.0:%d\n", SOCKADDR_port(&address));
  fflush(stdout);
  EVLOOP_run(loop);
  return 0;
}
// [/first_program]
