// Chapter 23: the application of chapter 22, with its line server in coroutine threads, too.
//
//   23_lines [HTTP_PORT LINE_PORT]      of 127.0.0.1; 8080 and 9999 when none are given
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <evcoro/evthread.h>
#include <evcoro/libevent/bufferevent.h>
#include <evcoro/libevent/evhttp.h>

static struct event_base* base;
static EVLOOP* loop;

// [slow]
// GET /slow: an answer that takes a while, as if it came from a database.
static void answer_slowly(EVTHREAD* thread, EVHTTPREQUEST* request, void* ctx) {
  const struct timeval delay = {0, 100000};
  EVTHREAD_delay(thread, delay);
  struct evbuffer* body = evbuffer_new();
  evbuffer_add_printf(body, "slow, but here\n");
  EVHTTPREQUEST_reply(request, 200, "OK", body);
  evbuffer_free(body);
}
// [/slow]

// [orders]
static const struct timeval timeout = {30, 0};

// Says text, and reads the line that is the answer. False at the end.
static int ask(EVBUFFEREVENT* stream, const char* text, char* answer, size_t size) {
  struct evbuffer* input = bufferevent_get_input(EVBUFFEREVENT_get(stream));
  char* line;
  if (EVBUFFEREVENT_send(stream, text, strlen(text), timeout) < 0) return 0;
  while ((line = evbuffer_readln(input, NULL, EVBUFFER_EOL_CRLF)) == NULL) {
    const size_t before = evbuffer_get_length(input);
    if (EVBUFFEREVENT_wait_input(stream, before + 1, timeout) <= (int)before) return 0;
  }
  snprintf(answer, size, "%s", line);
  free(line);
  return 1;
}

// The line server asks what, then how many, and takes the order.
static void take_orders(EVTHREAD* thread, EVSOCKET* socket, void* bev) {
  EVBUFFEREVENT* stream = EVBUFFEREVENT_init(thread, bev);
  char what[64], how_many[64], text[160] = "";
  while (ask(stream, strcat(text, "what?\n"), what, sizeof what) &&
         ask(stream, "how many?\n", how_many, sizeof how_many)) {
    printf("ordered: %s %s\n", how_many, what);
    snprintf(text, sizeof text, "%s %s, coming\n", how_many, what);
  }
  puts("a client has left");
}

static void serve(struct bufferevent* bev) {
  EVTHREAD* thread = EVTHREAD_init(loop, take_orders, bev);
  if (thread != NULL) {
    EVTHREAD_start(thread, NULL);
  } else {
    bufferevent_free(bev);  // no stack is left
  }
}
// [/orders]

static void on_accept(struct evconnlistener* listener, evutil_socket_t fd, struct sockaddr* address,
                      int length, void* ctx) {
  serve(bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE));
}

static void on_signal(evutil_socket_t number, short what, void* ctx) {
  event_base_loopexit(base, NULL);
}

static void print_port(const char* what, evutil_socket_t fd) {
  struct sockaddr_in address;
  socklen_t length = sizeof address;
  getsockname(fd, (struct sockaddr*)&address, &length);
  printf("%s on 127.0.0.1:%d\n", what, ntohs(address.sin_port));
}

// [main]
int main(int argc, char** argv) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  setvbuf(stdout, NULL, _IOLBF, 0);
  signal(SIGPIPE, SIG_IGN);
  base = event_base_new();
  struct event* end = evsignal_new(base, SIGTERM, on_signal, NULL);
  event_add(end, NULL);

  struct evhttp* http = evhttp_new(base);
  struct evhttp_bound_socket* bound = evhttp_bind_socket_with_handle(
      http, "127.0.0.1", (ev_uint16_t)(argc > 2 ? atoi(argv[1]) : 8080));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons((uint16_t)(argc > 2 ? atoi(argv[2]) : 9999));
  struct evconnlistener* listener =
      evconnlistener_new_bind(base, on_accept, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, -1,
                              (struct sockaddr*)&address, sizeof address);
  if (bound == NULL || listener == NULL) return perror("can't listen"), EXIT_FAILURE;
  print_port("http", evhttp_bound_socket_get_fd(bound));
  print_port("lines", evconnlistener_get_fd(listener));

  STACKS stacks;
  CTHREAD_libinit();             // reports stack overflows
  STACKS_init(&stacks, 100, 5);  // 100 stacks of 4 pages
  loop = EVLOOP_init_base(&stacks, base);
  EVHTTPHANDLER* handler = EVHTTPHANDLER_init(loop, http, "/slow", answer_slowly, NULL);

  event_base_dispatch(base);

  evconnlistener_free(listener);
  EVHTTPHANDLER_free(handler);
  EVLOOP_free(loop);
  STACKS_destroy(&stacks);
  evhttp_free(http);
  event_free(end);
  event_base_free(base);
  puts("the end");
  return EXIT_SUCCESS;
}
// [/main]
