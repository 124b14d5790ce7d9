// Chapter 21: the application of chapter 20, with a loop for coroutine threads in its event_base.
//
//   21_attach [HTTP_PORT LINE_PORT]      of 127.0.0.1; 8080 and 9999 when none are given
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

static struct event_base* base;

// [slow]
// GET /slow: an answer that takes a while, as if it came from a database.
struct slow_answer {
  struct evhttp_request* request;
  struct event* timer;
};

static void on_slow_answer(evutil_socket_t fd, short what, void* ctx) {
  struct slow_answer* answer = ctx;
  struct evbuffer* body = evbuffer_new();
  evbuffer_add_printf(body, "slow, but here\n");
  evhttp_send_reply(answer->request, 200, "OK", body);
  evbuffer_free(body);
  event_free(answer->timer);
  free(answer);
}

static void on_slow(struct evhttp_request* request, void* ctx) {
  const struct timeval delay = {0, 100000};
  struct slow_answer* answer = malloc(sizeof *answer);
  answer->request = request;
  answer->timer = evtimer_new(base, on_slow_answer, answer);
  evtimer_add(answer->timer, &delay);
}
// [/slow]

// [orders]
// The line server asks what, then how many, and takes the order.
struct order {
  char what[64];  // empty: not yet said
};

static void on_lines(struct bufferevent* bev, void* ctx) {
  struct order* order = ctx;
  char* line;
  while ((line = evbuffer_readln(bufferevent_get_input(bev), NULL, EVBUFFER_EOL_CRLF)) != NULL) {
    if (order->what[0] == '\0') {
      snprintf(order->what, sizeof order->what, "%s", line);
      evbuffer_add_printf(bufferevent_get_output(bev), "how many?\n");
    } else {
      printf("ordered: %s %s\n", line, order->what);
      evbuffer_add_printf(bufferevent_get_output(bev), "%s %s, coming\nwhat?\n", line, order->what);
      order->what[0] = '\0';
    }
    free(line);
  }
}

static void on_end(struct bufferevent* bev, short what, void* ctx) {
  puts("a client has left");
  bufferevent_free(bev);
  free(ctx);
}

static void serve(struct bufferevent* bev) {
  const struct timeval timeout = {30, 0};
  bufferevent_setcb(bev, on_lines, NULL, on_end, calloc(1, sizeof(struct order)));
  bufferevent_set_timeouts(bev, &timeout, &timeout);
  bufferevent_enable(bev, EV_READ | EV_WRITE);
  evbuffer_add_printf(bufferevent_get_output(bev), "what?\n");
}
// [/orders]

static void on_accept(struct evconnlistener* listener, evutil_socket_t fd, struct sockaddr* address,
                      int length, void* ctx) {
  serve(bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE));
}

static void greet(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  const struct timeval pause = {0, 10000};
  puts("a thread begins");
  EVTHREAD_delay(thread, pause);
  puts("a thread ends");
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
  EVLOOP* loop = EVLOOP_init_base(&stacks, base);
  EVTHREAD_start(EVTHREAD_init(loop, greet, NULL), NULL);
  evhttp_set_cb(http, "/slow", on_slow, NULL);

  event_base_dispatch(base);

  evconnlistener_free(listener);
  EVLOOP_free(loop);
  STACKS_destroy(&stacks);
  evhttp_free(http);
  event_free(end);
  event_base_free(base);
  puts("the end");
  return EXIT_SUCCESS;
}
// [/main]
