// Bufferevents and evdns in C. What they do is tested in tests/evcoro/libevent/.
#define _GNU_SOURCE
#include "fixture.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/dns.h>
#include <event2/dns_struct.h>
#include <event2/event.h>
#include <event2/util.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>

#include <evcoro/libevent/bufferevent.h>
#include <evcoro/libevent/evdns.h>
#include <evcoro/net/socket.h>

typedef struct Ends {
  struct bufferevent* one;
  struct bufferevent* other;
  int reads;  // calls of the application's callback
} Ends;

static Ends make_pair(Fixture* f) {
  struct bufferevent* ends[2];
  REQUIRE_C(bufferevent_pair_new(EVLOOP_base(f->loop), 0, ends) == 0);
  Ends result = {ends[0], ends[1], 0};
  return result;
}

static void echo(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Ends* const ends = ctx;
  EVBUFFEREVENT* const stream = EVBUFFEREVENT_init(thread, ends->other);
  char buffer[16];
  int count;
  REQUIRE_C(EVBUFFEREVENT_get(stream) == ends->other);
  while ((count = EVBUFFEREVENT_recv(stream, buffer, sizeof buffer, milliseconds(50))) > 0) {
    REQUIRE_C(EVBUFFEREVENT_send(stream, buffer, (size_t)count, long_time()) == count);
  }
  REQUIRE_C(count == -1 && errno == ETIMEDOUT);
}

static void converse(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Ends* const ends = ctx;
  EVBUFFEREVENT* const stream = EVBUFFEREVENT_init_limits(thread, ends->one, 64, 64);
  char buffer[200] = "";
  REQUIRE_C(EVBUFFEREVENT_send(stream, buffer, sizeof buffer, long_time()) == sizeof buffer);
  REQUIRE_C(EVBUFFEREVENT_drain(stream, long_time()) == 0);
  REQUIRE_C(EVBUFFEREVENT_wait_input(stream, sizeof buffer, long_time()) >= (int)sizeof buffer);
  REQUIRE_C(EVBUFFEREVENT_recv(stream, buffer, sizeof buffer, EVTIMEOUT_NOW) == sizeof buffer);
  REQUIRE_ERRNO(EVBUFFEREVENT_recv(stream, buffer, 1, EVTIMEOUT_NOW) == -1, ETIMEDOUT);
  REQUIRE_ERRNO(EVBUFFEREVENT_wait_connected(stream, EVTIMEOUT_NOW) == -1, ETIMEDOUT);
  REQUIRE_C(EVBUFFEREVENT_release(stream) == ends->one);
  REQUIRE_C(bufferevent_get_enabled(ends->one) == EV_WRITE);
  bufferevent_free(ends->one);
}

TEST_CASE_C(bufferevents, "threads in C read and write bufferevents, and give them back") {
  Fixture f;
  set_up(&f);
  Ends ends = make_pair(&f);
  start(&f, echo, &ends);
  run_in_thread(&f, converse, &ends);
  tear_down(&f);
}

static void answer_lines(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Ends* const ends = ctx;
  EVBUFFEREVENT* const stream = EVBUFFEREVENT_init(thread, ends->other);
  EVREADER* const reader = EVREADER_init_bufferevent(thread, stream, 0, 0);
  EVWRITER* const writer = EVWRITER_init_bufferevent(thread, stream, 0);
  const char* line;
  size_t length;
  while (EVREADER_read_line(reader, &line, &length, long_time()) > 0) {
    REQUIRE_C(EVWRITER_write(writer, line, length, NULL, long_time()) == 0);
    REQUIRE_C(EVWRITER_write(writer, "!\n", 2, NULL, long_time()) == 0);
  }
  REQUIRE_C(EVWRITER_flush(writer, long_time()) == 0);
}  // all are freed with the thread

static void ask_lines(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Ends* const ends = ctx;
  EVBUFFEREVENT* const stream = EVBUFFEREVENT_init(thread, ends->one);
  char buffer[16];
  REQUIRE_ERRNO(EVREADER_init_bufferevent(thread, NULL, 0, 0) == NULL, EINVAL);
  REQUIRE_ERRNO(EVWRITER_init_bufferevent(NULL, stream, 0) == NULL, EINVAL);
  REQUIRE_C(EVBUFFEREVENT_send(stream, "one\ntwo\n", 8, long_time()) == 8);
  REQUIRE_C(bufferevent_flush(EVBUFFEREVENT_get(stream), EV_WRITE, BEV_FINISHED) >= 0);
  REQUIRE_C(EVBUFFEREVENT_wait_input(stream, 10, long_time()) == 10);
  REQUIRE_C(EVBUFFEREVENT_recv(stream, buffer, sizeof buffer, long_time()) == 10);
  REQUIRE_C(memcmp(buffer, "one!\ntwo!\n", 10) == 0);
}

TEST_CASE_C(bufferevent_lines, "threads in C read and write lines on bufferevents") {
  Fixture f;
  set_up(&f);
  Ends ends = make_pair(&f);
  start(&f, answer_lines, &ends);
  run_in_thread(&f, ask_lines, &ends);
  tear_down(&f);
}

// A port on which nobody listens, and nobody can while the descriptor is open.
static int socket_of_nobody(struct sockaddr_in* address, socklen_t* length) {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  address->sin_family = AF_INET;
  address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE_C(bind(descriptor, (struct sockaddr*)address, *length) == 0);
  REQUIRE_C(getsockname(descriptor, (struct sockaddr*)address, length) == 0);
  return descriptor;
}

static void connect_in_vain(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  struct event_base* const base = EVLOOP_base(EVTHREAD_loop(thread));
  struct sockaddr_in address = {0};
  socklen_t length = sizeof address;
  const int unused = socket_of_nobody(&address, &length);
  EVBUFFEREVENT* stream =
      EVBUFFEREVENT_init(thread, bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE));
  REQUIRE_ERRNO(
      EVBUFFEREVENT_connect(stream, (struct sockaddr*)&address, length, long_time()) == -1,
      ECONNREFUSED);
  REQUIRE_ERRNO(
      EVBUFFEREVENT_connect_hostname(stream, NULL, AF_INET, "localhost", 1, long_time()) == -1,
      EINVAL);
  REQUIRE_C(EVBUFFEREVENT_free(stream) == 0);
  close(unused);
}

// Accepts the only client, which stream is, and talks to it.
static void converse_with_peer(EVBUFFEREVENT* stream, int descriptor) {
  char buffer[16];
  const int peer = accept4(descriptor, NULL, NULL, SOCK_CLOEXEC);
  REQUIRE_C(peer >= 0);
  REQUIRE_C(write(peer, "hello", 5) == 5);
  REQUIRE_C(EVBUFFEREVENT_recv(stream, buffer, sizeof buffer, long_time()) == 5);
  REQUIRE_C(memcmp(buffer, "hello", 5) == 0);
  REQUIRE_C(EVBUFFEREVENT_send(stream, "answer", 6, long_time()) == 6);
  REQUIRE_C(EVBUFFEREVENT_drain(stream, long_time()) == 0);
  REQUIRE_C(read(peer, buffer, sizeof buffer) == 6);
  close(peer);
  REQUIRE_C(EVBUFFEREVENT_recv(stream, buffer, sizeof buffer, long_time()) == 0);
}

static void connect_to_listener(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  struct event_base* const base = EVLOOP_base(EVTHREAD_loop(thread));
  struct sockaddr_in address = {0};
  socklen_t length = sizeof address;
  const int listener = socket_of_nobody(&address, &length);
  REQUIRE_C(listen(listener, 5) == 0);
  EVBUFFEREVENT* const stream =
      EVBUFFEREVENT_init(thread, bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE));
  REQUIRE_C(EVBUFFEREVENT_connect(stream, (struct sockaddr*)&address, length, long_time()) == 0);
  REQUIRE_C(EVBUFFEREVENT_wait_connected(stream, EVTIMEOUT_NOW) == 0);
  converse_with_peer(stream, listener);
  REQUIRE_C(EVBUFFEREVENT_free(stream) == 0);
  close(listener);
}

static void resolve(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  struct evdns_base* const dns =
      evdns_base_new(EVLOOP_base(EVTHREAD_loop(thread)), EVDNS_BASE_DISABLE_WHEN_INACTIVE);
  struct addrinfo* found = NULL;
  REQUIRE_C(EVDNS_getaddrinfo(dns, "127.0.0.1", "80", NULL, &found, EVTIMEOUT_NOW) == 0);
  REQUIRE_C(found != NULL && found->ai_family == AF_INET);
  evutil_freeaddrinfo(found);
  REQUIRE_C(evdns_base_nameserver_ip_add(dns, "127.0.0.1:9") == 0);
  REQUIRE_ERRNO(EVDNS_getaddrinfo(dns, "a.test", "80", NULL, &found, milliseconds(2)) == EAI_SYSTEM,
                ETIMEDOUT);
  REQUIRE_C(EVDNS_getaddrinfo(dns, NULL, NULL, NULL, &found, EVTIMEOUT_NOW) == EAI_NONAME);
  evdns_base_free(dns, 0);
}

TEST_CASE_C(connecting, "threads in C connect bufferevents, and ask evdns") {
  Fixture f;
  set_up(&f);
  run_in_thread(&f, connect_in_vain, NULL);
  run_in_thread(&f, connect_to_listener, NULL);
  run_in_thread(&f, resolve, NULL);
  tear_down(&f);
}

// --- a name server of the test's own, which is evdns, too ---

typedef struct Names {
  Fixture f;
  struct evdns_base* dns;
  struct evdns_server_port* server;
} Names;

// It knows "here.test".
static void answer(struct evdns_server_request* request, void* ctx) {
  const struct in_addr here = {htonl(INADDR_LOOPBACK)};
  int error = DNS_ERR_NOTEXIST;
  for (int i = 0; i < request->nquestions; ++i) {
    const struct evdns_server_question* const question = request->questions[i];
    if (strcmp(question->name, "here.test") != 0) continue;
    error = DNS_ERR_NONE;
    if (question->type != EVDNS_TYPE_A) continue;
    evdns_server_request_add_a_reply(request, question->name, 1, &here, 60);
  }
  evdns_server_request_respond(request, error);
}

static void set_up_names(Names* names) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t length = sizeof address;
  char server[32];
  set_up(&names->f);
  struct event_base* const base = EVLOOP_base(names->f.loop);
  const int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  REQUIRE_C(bind(descriptor, (struct sockaddr*)&address, length) == 0);
  REQUIRE_C(getsockname(descriptor, (struct sockaddr*)&address, &length) == 0);
  names->server = evdns_add_server_port_with_base(base, descriptor, 0, answer, NULL);
  names->dns = evdns_base_new(base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
  snprintf(server, sizeof server, "127.0.0.1:%d", ntohs(address.sin_port));
  REQUIRE_C(evdns_base_nameserver_ip_add(names->dns, server) == 0);
  evdns_base_set_option(names->dns, "randomize-case", "0");
}

static void ask_for_names(Names* names) {
  const struct addrinfo only_ipv4 = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
  struct addrinfo* found = NULL;
  REQUIRE_C(EVDNS_getaddrinfo(names->dns, "here.test", "80", &only_ipv4, &found, long_time()) == 0);
  REQUIRE_C(found->ai_next == NULL && found->ai_family == AF_INET);
  const struct sockaddr_in* const address = (const struct sockaddr_in*)(void*)found->ai_addr;
  REQUIRE_C(address->sin_addr.s_addr == htonl(INADDR_LOOPBACK));
  REQUIRE_C(address->sin_port == htons(80));
  evutil_freeaddrinfo(found);
  REQUIRE_C(EVDNS_getaddrinfo(names->dns, "nobody.test", "80", NULL, &found, long_time()) ==
            EAI_NONAME);
}

static void connect_to_name(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  Names* const names = ctx;
  struct event_base* const base = EVLOOP_base(names->f.loop);
  struct sockaddr_in address = {0};
  socklen_t length = sizeof address;
  const int listener = socket_of_nobody(&address, &length);
  const uint16_t port = ntohs(address.sin_port);
  REQUIRE_C(listen(listener, 5) == 0);
  ask_for_names(names);
  EVBUFFEREVENT* stream =
      EVBUFFEREVENT_init(thread, bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE));
  REQUIRE_C(EVBUFFEREVENT_connect_hostname(stream, names->dns, AF_INET, "here.test", port,
                                           long_time()) == 0);
  converse_with_peer(stream, listener);
  REQUIRE_C(EVBUFFEREVENT_free(stream) == 0);
  stream = EVBUFFEREVENT_init(thread, bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE));
  REQUIRE_ERRNO(EVBUFFEREVENT_connect_hostname(stream, names->dns, AF_INET, "nobody.test", port,
                                               long_time()) == -1,
                ENXIO);
  REQUIRE_C(EVBUFFEREVENT_free(stream) == 0);
  close(listener);
  EVLOOP_break(names->f.loop);
}

TEST_CASE_C(names, "threads in C get answers of evdns, and connect bufferevents to names") {
  Names names;
  set_up_names(&names);
  start(&names.f, connect_to_name, &names);
  REQUIRE_C(EVLOOP_run(names.f.loop) == 0);
  evdns_base_free(names.dns, 0);
  evdns_close_server_port(names.server);
  REQUIRE_C(EVLOOP_run(names.f.loop) == 1);  // nothing is left
  tear_down(&names.f);
}

TEST_CASE_C(libevent_misuse, "NULL is an error for each function of a bufferevent and of evdns") {
  struct addrinfo* found;
  char byte;
  REQUIRE_ERRNO(EVBUFFEREVENT_init(NULL, NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(EVBUFFEREVENT_init_limits(NULL, NULL, 1, 1) == NULL, EINVAL);
  REQUIRE_ERRNO(EVBUFFEREVENT_release(NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(EVBUFFEREVENT_free(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVBUFFEREVENT_get(NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(EVBUFFEREVENT_connect(NULL, NULL, 0, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVBUFFEREVENT_connect_hostname(NULL, NULL, 0, "a", 1, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVBUFFEREVENT_wait_connected(NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVBUFFEREVENT_recv(NULL, &byte, 1, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVBUFFEREVENT_send(NULL, &byte, 1, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVBUFFEREVENT_drain(NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVBUFFEREVENT_wait_input(NULL, 1, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVDNS_getaddrinfo(NULL, "a", NULL, NULL, NULL, EVTIMEOUT_NOW) == EAI_SYSTEM,
                EINVAL);
  REQUIRE_ERRNO(EVDNS_getaddrinfo(NULL, "a", NULL, NULL, &found, EVTIMEOUT_NOW) == EAI_SYSTEM,
                EPERM);
}
