// Chapter 11: the echo server of chapter 7, in C.
//
//   11_echo_server_in_c [PORT]    of 127.0.0.1; 9999 when none is given
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <evcoro/evthread.h>

// [echo]
static const struct timeval timeout = {30, 0};

static void echo(EVTHREAD* thread, EVSOCKET* socket, void* user_ctx) {
  char buffer[1024];
  size_t total = 0;
  int count;
  while ((count = EVSOCKET_recv(socket, buffer, sizeof buffer, 0, timeout)) > 0) {
    count = EVSOCKET_send(socket, buffer, (size_t)count, 0, timeout);
    if (count < 0) break;
    total += (size_t)count;
  }
  if (count == 0) {
    printf("echoed %zu bytes\n", total);
  } else {
    printf("lost a client after %zu bytes: %s\n", total, EVERROR_text(errno));
  }
}

// Decides what runs on a new connection, and with which user_ctx.
static int run_echo(int fd, EVTHREAD_PROC* proc, void** user_ctx) {
  *proc = echo;
  *user_ctx = NULL;
  return 0;
}
// [/echo]

// [serve]
static int failed(const char* what) {
  fprintf(stderr, "11_echo_server_in_c: %s: %s\n", what, EVERROR_text(errno));
  return EXIT_FAILURE;
}

static int serve(EVLOOP* loop, uint16_t port) {
  IPADDRESS loopback;
  SOCKADDR address;
  IPADDRESS_loopback(&loopback, AF_INET);
  SOCKADDR_init(&address, &loopback, port);
  EVTCPACCEPTOR* acceptor = EVTCPACCEPTOR_init_ex(loop, &address, 4096, run_echo, -1, -1);
  if (acceptor == NULL) return failed("can't listen");

  EVTCPACCEPTOR_local_address(acceptor, &address);
  printf("listening on 127.0.0.1:%d\n", SOCKADDR_port(&address));
  const int result = EVLOOP_run(loop) < 0 ? failed("can't run") : EXIT_SUCCESS;
  EVTCPACCEPTOR_close(acceptor);
  return result;
}
// [/serve]

// [run]
static int run(uint16_t port) {
  STACKS stacks;
  if (STACKS_init(&stacks, 100, 5) != 0) return failed("no stacks");
  EVLOOP* loop = EVLOOP_init(&stacks);
  const int result = loop == NULL ? failed("no loop") : serve(loop, port);
  if (loop != NULL) EVLOOP_free(loop);
  STACKS_destroy(&stacks);
  return result;
}

int main(int argc, char** argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);  // each line at once, also into a pipe
  if (CTHREAD_libinit() != 0) return failed("can't report stack overflows");
  const char* text = argc > 1 ? argv[1] : "9999";
  char* end;
  const long port = strtol(text, &end, 10);
  if (end == text || *end != '\0' || port < 0 || port > UINT16_MAX) {
    fprintf(stderr, "11_echo_server_in_c: no port: %s\n", text);
    return EXIT_FAILURE;
  }
  return run((uint16_t)port);
}
// [/run]
