// The echo server through evcoro's C face: a coroutine thread per connection, its buffer on its own
// stack, with --timeouts a timeout on each operation.
#include "tests/bench/echo/server_main.h"

#include <evcoro/evthread.h>

static struct EchoOptions options;
static struct timeval timeout;

static void echo_until_closed(EVSOCKET* socket, char* buffer) {
  int count;
  while ((count = EVSOCKET_recv(socket, buffer, options.buffer, 0, timeout)) > 0) {
    if (EVSOCKET_send(socket, buffer, (size_t)count, 0, timeout) != count) return;
  }
}

static void serve_small(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  char buffer[ECHO_SMALL_BUFFER];
  (void)thread, (void)ctx;
  echo_until_closed(socket, buffer);
}

static void serve_large(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  char buffer[ECHO_LARGE_BUFFER];
  (void)thread, (void)ctx;
  echo_until_closed(socket, buffer);
}

static int serve(int fd, EVTHREAD_PROC* proc, void** ctx) {
  (void)fd, (void)ctx;
  *proc = options.buffer <= ECHO_SMALL_BUFFER ? serve_small : serve_large;
  return 0;
}

int main(int argc, char** argv) {
  const int frame_pages = 2;
  const int guard_pages = 1;
  STACKS stacks;
  options = echo_init(argc, argv);
  timeout = options.timeouts ? (struct timeval){ECHO_TIMEOUT_SECONDS, 0} : EVTIMEOUT_NEVER;
  const int buffer = options.buffer <= ECHO_SMALL_BUFFER ? ECHO_SMALL_BUFFER : ECHO_LARGE_BUFFER;
  const int pages = guard_pages + frame_pages + buffer / (int)sysconf(_SC_PAGESIZE);
  echo_check(STACKS_init(&stacks, (int)options.connections, pages), "STACKS_init");
  EVLOOP* const loop = EVLOOP_init(&stacks);
  if (loop == NULL) echo_die("EVLOOP_init");
  const int listener = echo_listen_on_loopback();
  if (EVTCPACCEPTOR_init(loop, listener, serve, -1, -1) == NULL) echo_die("EVTCPACCEPTOR_init");
  echo_announce(echo_local_port(listener));
  return EVLOOP_run(loop);
}
