// An evhttp that says hello, each time by a coroutine thread, in C.
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

#include <evcoro/libevent/evhttp.h>

#include "tests/bench/echo/server_main.h"

static void hello(EVTHREAD* thread, EVHTTPREQUEST* request, void* ctx) {
  (void)thread;
  (void)ctx;
  struct evbuffer* const body = evbuffer_new();
  evbuffer_add(body, "hello, world\n", 13);
  EVHTTPREQUEST_reply(request, 200, "OK", body);
  evbuffer_free(body);
}

int main(int argc, char** argv) {
  echo_init(argc, argv);
  signal(SIGPIPE, SIG_IGN);
  STACKS stacks;
  if (STACKS_init(&stacks, 1000, 5) != 0) echo_die("STACKS_init");
  struct event_base* const base = event_base_new();
  struct evhttp* const http = evhttp_new(base);
  evhttp_set_allowed_methods(http, EVHTTP_REQ_GET);
  const int listener = echo_listen_on_loopback();
  if (evhttp_accept_socket(http, listener) != 0) echo_die("evhttp_accept_socket");
  EVLOOP* const loop = EVLOOP_init_base(&stacks, base);
  if (EVHTTPHANDLER_init(loop, http, "/", hello, NULL) == NULL) echo_die("EVHTTPHANDLER_init");
  echo_announce(echo_local_port(listener));
  event_base_dispatch(base);
  echo_die("event_base_dispatch");
}
