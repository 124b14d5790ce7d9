// The echo server of the article on EVCOROTHREAD: its fragments put together, the calls as they
// stand there.
#include <corothread/evthread.h>
#include <stdio.h>
#include <stdlib.h>

#define BF_SIZE 1024

static struct timeval TIME_OUT = {3, 0};

void echo_thread(EVTHREAD* thread, struct tagEVSOCKET* socket, void* user_ctx) {
  char* buffer;
  int rt;

  buffer = malloc(BF_SIZE);

  while ((rt = EVSOCKET_recv(socket, buffer, BF_SIZE, 0, TIME_OUT)) > 0) {
    if (EVSOCKET_send(socket, buffer, rt, 0, TIME_OUT) != rt) {
      break;
    }
  }

  free(buffer);
}

int echo_thread_factory(int fd, EVTHREAD_PROC* proc, void** ctx) {
  *proc = echo_thread;
  *ctx = 0;
  return 0;
}

int main(void) {
  STACKS stacks;
  EVLOOP* loop;
  EVTCPACCEPTOR* acceptor;
  IPADDRESS addr;
  SOCKADDR saddr;

  CTHREAD_libinit();

  STACKS_init(&stacks, 100, 5);

  loop = EVLOOP_init(&stacks);

  IPADDRESS_any(&addr, AF_INET);
  SOCKADDR_init(&saddr, &addr, 9999);

  acceptor = EVTCPACCEPTOR_init_ex(loop, &saddr, 30, echo_thread_factory, 8192, 8192);
  if (!acceptor) {
    perror("EVTCPACCEPTOR_init_ex");
    return 1;
  }

  return EVLOOP_run(loop);
}
