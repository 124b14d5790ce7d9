// An evhttp in C. What it does is tested in tests/evcoro/libevent/.
#define _GNU_SOURCE
#include "fixture.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>

#include <evcoro/libevent/evhttp.h>
#include <evcoro/net/socket.h>

typedef struct Web {
  Fixture f;
  struct evhttp* http;
  struct sockaddr_in address;
  EVHTTPHANDLER* handler;
  EVHTTPHANDLER* chunks;
} Web;

static void answer_slowly(EVTHREAD* thread, EVHTTPREQUEST* request, void* ctx) {
  struct evbuffer* const body = evbuffer_new();
  REQUIRE_C(EVTHREAD_delay(thread, milliseconds(2)) == 0);
  REQUIRE_C(EVHTTPREQUEST_client_has_left(request) == 0);
  evbuffer_add_printf(body, "%s", evhttp_request_get_uri(EVHTTPREQUEST_get(request)));
  REQUIRE_C(EVHTTPREQUEST_reply(request, 200, NULL, body) == 0);
  REQUIRE_C(EVHTTPREQUEST_get(request) == NULL);
  REQUIRE_ERRNO(EVHTTPREQUEST_reply(request, 200, NULL, NULL) == -1, EALREADY);
  REQUIRE_C(EVHTTPREQUEST_wait_sent(request, long_time()) == 0);
  evbuffer_free(body);
}

static void answer_in_chunks(EVTHREAD* thread, EVHTTPREQUEST* request, void* ctx) {
  struct evbuffer* const piece = evbuffer_new();
  REQUIRE_C(EVHTTPREQUEST_start_reply(request, 200, "OK") == 0);
  for (int i = 0; i < 3; ++i) {
    evbuffer_add(piece, "piece", 5);
    REQUIRE_C(EVHTTPREQUEST_send_chunk(request, piece, long_time()) == 0);
  }
  REQUIRE_C(EVHTTPREQUEST_end_reply(request) == 0);
  evbuffer_free(piece);
}

static void ask(EVTHREAD* thread, Web* web, const char* path, const char* expected) {
  EVSOCKET* const socket = EVSOCKET_open(thread, AF_INET);
  char text[1000];
  const int size =
      snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nConnection: close\r\n\r\n", path);
  REQUIRE_C(EVSOCKET_connect(socket, (struct sockaddr*)&web->address, sizeof web->address,
                             long_time()) == 0);
  REQUIRE_C(EVSOCKET_send(socket, text, (size_t)size, 0, long_time()) == size);
  const int count = EVSOCKET_recv_all(socket, text, sizeof text - 1, 0, long_time());
  REQUIRE_C(count > 0);
  text[count] = '\0';
  REQUIRE_C(strstr(text, expected) != NULL);
  EVSOCKET_close(socket);
}

static void visit(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Web* const web = ctx;
  ask(thread, web, "/slow?1", "\r\n\r\n/slow?1");
  ask(thread, web, "/chunks", "5\r\npiece\r\n0\r\n\r\n");
  REQUIRE_C(EVHTTPHANDLER_active(web->handler) == 0);
  REQUIRE_C(EVHTTPHANDLER_drain(web->handler, long_time()) == 0);
  ask(thread, web, "/slow", "503");
  EVHTTPHANDLER_COUNTERS counters;
  REQUIRE_C(EVHTTPHANDLER_counters(web->handler, &counters) == 0);
  REQUIRE_C(counters.handled == 1 && counters.refused == 1);
  REQUIRE_C(counters.waiting == 0 && counters.active == 0);
  REQUIRE_C(EVHTTPHANDLER_free(web->handler) == 0);
  REQUIRE_C(EVHTTPHANDLER_free(web->chunks) == 0);
  EVLOOP_break(web->f.loop);
}

static void set_up_web(Web* web) {
  signal(SIGPIPE, SIG_IGN);
  set_up(&web->f);
  web->http = evhttp_new(EVLOOP_base(web->f.loop));
  struct evhttp_bound_socket* const bound =
      evhttp_bind_socket_with_handle(web->http, "127.0.0.1", 0);
  socklen_t length = sizeof web->address;
  REQUIRE_C(getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr*)&web->address,
                        &length) == 0);
}

TEST_CASE_C(http, "requests to an evhttp are handled by threads in C") {
  Web web;
  set_up_web(&web);
  web.handler = EVHTTPHANDLER_init(web.f.loop, web.http, "/slow", answer_slowly, NULL);
  EVHTTPHANDLER_OPTIONS options;
  REQUIRE_C(EVHTTPHANDLER_OPTIONS_init(&options) == 0);
  options.refuse_when_full = 1;
  options.cancel_on_departure = 1;
  web.chunks =
      EVHTTPHANDLER_init_options(web.f.loop, web.http, NULL, answer_in_chunks, NULL, &options);
  REQUIRE_C(web.handler != NULL && web.chunks != NULL);
  REQUIRE_ERRNO(EVHTTPHANDLER_init(web.f.loop, web.http, "/slow", answer_slowly, NULL) == NULL,
                EEXIST);
  start(&web.f, visit, &web);
  REQUIRE_C(EVLOOP_run(web.f.loop) == 0);
  evhttp_free(web.http);
  tear_down(&web.f);
}

// Replies when the client has left: to nobody.
static void reply_too_late(EVTHREAD* thread, EVHTTPREQUEST* request, void* replies) {
  REQUIRE_C(EVHTTPREQUEST_client_has_left(request) == 0);
  for (int i = 0; EVHTTPREQUEST_client_has_left(request) == 0; ++i) {
    REQUIRE_C(i < 30000);
    REQUIRE_C(EVTHREAD_delay(thread, milliseconds(1)) == 0);
  }
  REQUIRE_C(EVHTTPREQUEST_client_has_left(request) == 1);
  errno = 0;
  REQUIRE_C(EVHTTPREQUEST_reply(request, 200, NULL, NULL) == 0 || errno == EPIPE);
  ++*(int*)replies;
}

static void leave_early(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  Web* const web = ctx;
  const char text[] = "GET /slow HTTP/1.1\r\n\r\n";
  for (int with_reset = 0; with_reset < 2; ++with_reset) {
    EVSOCKET* const socket = EVSOCKET_open(thread, AF_INET);
    REQUIRE_C(EVSOCKET_connect(socket, (struct sockaddr*)&web->address, sizeof web->address,
                               long_time()) == 0);
    REQUIRE_C(EVSOCKET_send(socket, text, sizeof text - 1, 0, long_time()) > 0);
    while (EVHTTPHANDLER_active(web->handler) == 0) EVTHREAD_delay(thread, milliseconds(1));
    REQUIRE_C((with_reset ? EVSOCKET_reset(socket) : EVSOCKET_close(socket)) == 0);
    while (EVHTTPHANDLER_active(web->handler) != 0) EVTHREAD_delay(thread, milliseconds(1));
  }
  REQUIRE_C(EVHTTPHANDLER_free(web->handler) == 0);
  EVLOOP_break(web->f.loop);
}

TEST_CASE_C(http_departure, "a thread in C replies to a client that has left") {
  Web web;
  int replies = 0;
  set_up_web(&web);
  web.handler = EVHTTPHANDLER_init(web.f.loop, web.http, "/slow", reply_too_late, &replies);
  REQUIRE_C(web.handler != NULL);
  start(&web.f, leave_early, &web);
  REQUIRE_C(EVLOOP_run(web.f.loop) == 0);
  REQUIRE_C(replies == 2);
  evhttp_free(web.http);
  tear_down(&web.f);
}

TEST_CASE_C(evhttp_misuse, "NULL is an error for each function of an evhttp's handler") {
  REQUIRE_ERRNO(EVHTTPHANDLER_init(NULL, NULL, NULL, NULL, NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(EVHTTPHANDLER_OPTIONS_init(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVHTTPHANDLER_init_options(NULL, NULL, NULL, NULL, NULL, NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(EVHTTPHANDLER_drain(NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVHTTPHANDLER_active(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVHTTPHANDLER_counters(NULL, NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVHTTPHANDLER_free(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVHTTPREQUEST_get(NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(EVHTTPREQUEST_reply(NULL, 200, NULL, NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVHTTPREQUEST_start_reply(NULL, 200, NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVHTTPREQUEST_send_chunk(NULL, NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVHTTPREQUEST_end_reply(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVHTTPREQUEST_wait_sent(NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVHTTPREQUEST_client_has_left(NULL) == -1, EINVAL);
}
