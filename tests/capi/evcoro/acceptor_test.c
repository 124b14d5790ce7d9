#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>

#include "fixture.h"

static void echo(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  char buffer[64];
  int count;
  REQUIRE_C(EVTHREAD_current() == thread);
  while ((count = EVSOCKET_recv(socket, buffer, sizeof buffer, 0, long_time())) > 0) {
    if (EVSOCKET_send(socket, buffer, (size_t)count, 0, long_time()) != count) break;
  }
  if (ctx != NULL) ++*(int*)ctx;
}

static int echo_factory(int fd, EVTHREAD_PROC* proc, void** ctx) {
  REQUIRE_C(fd >= 0);
  REQUIRE_C(EVTHREAD_current() == NULL);
  *proc = echo;
  *ctx = NULL;
  return 0;
}

// Service is an acceptor, and the test's clients.
typedef struct Service {
  Fixture f;
  EVTCPACCEPTOR* acceptor;
  SOCKADDR address;
  STACKS client_stacks;
  int served;     // connections that have ended
  int discarded;  // contexts of which nothing became
  int asked;      // calls of a factory
  int verdict;    // what it returns
} Service;

static void open_service(Service* service, EVTCPACCEPTOR* acceptor) {
  service->acceptor = acceptor;
  REQUIRE_C(acceptor != NULL);
  REQUIRE_C(EVTCPACCEPTOR_local_address(acceptor, &service->address) == 0);
  REQUIRE_C(SOCKADDR_port(&service->address) > 0);
  REQUIRE_C(STACKS_init(&service->client_stacks, 8, 65) == 0);
}

static void close_service(Service* service) {
  EVTCPACCEPTOR_close(service->acceptor);
  REQUIRE_C(EVLOOP_run(service->f.loop) == 1);
  REQUIRE_C(STACKS_destroy(&service->client_stacks) == 0);
  tear_down(&service->f);
}

static EVSOCKET* connect_client(EVTHREAD* thread, Service* service) {
  EVSOCKET* const socket = EVSOCKET_open(thread, AF_INET);
  REQUIRE_C(EVSOCKET_connect(socket, SOCKADDR_saddr(&service->address),
                             SOCKADDR_length(&service->address), long_time()) == 0);
  return socket;
}

static void exchange(EVSOCKET* socket) {
  char buffer[5];
  REQUIRE_C(EVSOCKET_send(socket, "hello", 5, 0, long_time()) == 5);
  REQUIRE_C(EVSOCKET_recv_all(socket, buffer, 5, 0, long_time()) == 5);
  REQUIRE_C(memcmp(buffer, "hello", 5) == 0);
}

// run_client() runs proc in a thread that takes no stack of the service's, and breaks the loop.
static void run_client(Service* service, EVTHREAD_PROC proc) {
  EVTHREAD_OPTIONS options = {.name = "client", .stacks = &service->client_stacks};
  EVTHREAD* const thread = EVTHREAD_init_ex(service->f.loop, proc, service, &options);
  REQUIRE_C(EVTHREAD_start(thread, NULL) == 0);
  REQUIRE_C(EVLOOP_run(service->f.loop) == 0);
}

static EVTCPACCEPTOR_COUNTERS counters_of(Service* service) {
  EVTCPACCEPTOR_COUNTERS counters;
  REQUIRE_C(EVTCPACCEPTOR_counters(service->acceptor, &counters) == 0);
  return counters;
}

static void be_echoed(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  Service* const service = ctx;
  for (int i = 0; i < 3; ++i) {
    EVSOCKET* const socket = connect_client(thread, service);
    exchange(socket);
    REQUIRE_C(EVSOCKET_close(socket) == 0);
  }
  REQUIRE_C(EVLOOP_break(service->f.loop) == 0);
}

TEST_CASE_C(accepts, "an acceptor runs each connection in a thread of its own") {
  Service service = {.served = 0};
  set_up(&service.f);
  const SOCKADDR address = own_address(0);
  open_service(&service,
               EVTCPACCEPTOR_init_ex(service.f.loop, &address, 30, echo_factory, 8192, 8192));
  run_client(&service, be_echoed);
  REQUIRE_C(counters_of(&service).accepted == 3);
  REQUIRE_C(counters_of(&service).refused == 0);
  REQUIRE_C(counters_of(&service).peak >= 1);
  close_service(&service);
}

// --- factories ---

static int counting_factory(int fd, EVTHREAD_PROC* proc, void** ctx, void* factory_ctx) {
  Service* const service = factory_ctx;
  ++service->asked;
  *proc = echo;
  *ctx = &service->served;
  return service->verdict;
}

TEST_CASE_C(factory_context, "a factory can have a context of its own") {
  Service service = {.served = 0};
  set_up(&service.f);
  const SOCKADDR address = own_address(0);
  open_service(&service, EVTCPACCEPTOR_init_ctx(service.f.loop, &address, 30, counting_factory, -1,
                                                -1, &service));
  run_client(&service, be_echoed);
  close_service(&service);
  REQUIRE_C(service.asked == 3);
  REQUIRE_C(service.served == 3);
}

static void be_turned_away(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  Service* const service = ctx;
  char buffer[1];
  EVSOCKET* const socket = connect_client(thread, service);
  REQUIRE_C(EVSOCKET_recv(socket, buffer, 1, 0, long_time()) == 0);
  REQUIRE_C(EVLOOP_break(service->f.loop) == 0);
}

TEST_CASE_C(factory_refuses, "a factory that returns non-zero closes the connection") {
  Service service = {.verdict = 1};
  set_up(&service.f);
  const SOCKADDR address = own_address(0);
  open_service(&service, EVTCPACCEPTOR_init_ctx(service.f.loop, &address, 30, counting_factory, -1,
                                                -1, &service));
  run_client(&service, be_turned_away);
  REQUIRE_C(counters_of(&service).refused == 1);
  REQUIRE_C(service.served == 0);
  close_service(&service);
}

static int no_proc_factory(int fd, EVTHREAD_PROC* proc, void** ctx) {
  REQUIRE_C(*proc == NULL && *ctx == NULL);
  return 0;
}

TEST_CASE_C(factory_without_proc, "a factory that stores no function closes the connection") {
  Service service = {.served = 0};
  set_up(&service.f);
  const SOCKADDR address = own_address(0);
  open_service(&service,
               EVTCPACCEPTOR_init_ex(service.f.loop, &address, 30, no_proc_factory, -1, -1));
  run_client(&service, be_turned_away);
  close_service(&service);
}

// Shuts the loop down, so that the connection that it decides about can't have a thread.
static int late_factory(int fd, EVTHREAD_PROC* proc, void** ctx, void* factory_ctx) {
  Service* const service = factory_ctx;
  *proc = echo;
  *ctx = &service->served;
  REQUIRE_C(EVLOOP_shutdown(service->f.loop, EVTIMEOUT_NOW) >= 0);
  return 0;
}

static void discard(void* ctx, void* factory_ctx) {
  Service* const service = factory_ctx;
  REQUIRE_C(ctx == &service->served);
  ++service->discarded;
}

static int undecided_factory(int fd, EVTHREAD_PROC* proc, void** ctx, void* factory_ctx) {
  *ctx = &((Service*)factory_ctx)->served;
  return 0;  // and no function
}

static void connect_in_vain(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  Service* const service = ctx;
  char buffer[1];
  EVSOCKET* const socket = EVSOCKET_open(thread, AF_INET);
  EVSOCKET_connect(socket, SOCKADDR_saddr(&service->address), SOCKADDR_length(&service->address),
                   long_time());  // perhaps it is cancelled already
  REQUIRE_ERRNO(EVSOCKET_recv(socket, buffer, 1, 0, long_time()) == -1, ECANCELED);
}

TEST_CASE_C(context_discarded, "a context for which there is no thread after all is handed back") {
  Service service = {.served = 0};
  set_up(&service.f);
  const SOCKADDR address = own_address(0);
  EVTCPACCEPTOR_OPTIONS options;
  REQUIRE_C(EVTCPACCEPTOR_OPTIONS_init(&options) == 0);
  options.address = &address;
  options.factory = late_factory;
  options.factory_ctx = &service;
  options.discard = discard;
  open_service(&service, EVTCPACCEPTOR_init_options(service.f.loop, &options));
  EVTHREAD_OPTIONS client = {.stacks = &service.client_stacks};
  EVTHREAD_start(EVTHREAD_init_ex(service.f.loop, connect_in_vain, &service, &client), NULL);
  REQUIRE_C(EVLOOP_run(service.f.loop) == 1);
  REQUIRE_C(service.discarded == 1);
  REQUIRE_C(service.served == 0);
  close_service(&service);
}

TEST_CASE_C(context_without_proc, "so is one that comes without a function") {
  Service service = {.served = 0};
  set_up(&service.f);
  const SOCKADDR address = own_address(0);
  EVTCPACCEPTOR_OPTIONS options = {.address = &address};  // zero is as good as the default
  options.factory = undecided_factory;
  options.factory_ctx = &service;
  options.discard = discard;
  open_service(&service, EVTCPACCEPTOR_init_options(service.f.loop, &options));
  run_client(&service, be_turned_away);
  REQUIRE_C(service.discarded == 1);
  close_service(&service);
}

// --- the throttle ---

static void fill_and_wait(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  Service* const service = ctx;
  char buffer[5];
  EVSOCKET* const first = connect_client(thread, service);
  exchange(first);
  EVSOCKET* const second = connect_client(thread, service);
  REQUIRE_C(EVSOCKET_send(second, "hello", 5, 0, long_time()) == 5);
  REQUIRE_ERRNO(EVSOCKET_recv(second, buffer, 5, 0, milliseconds(5)) == -1, ETIMEDOUT);
  const EVTCPACCEPTOR_COUNTERS full = counters_of(service);
  REQUIRE_C(full.accepted == 1 && full.active == 1 && full.waiting == 1 && full.refused == 0);
  REQUIRE_C(EVSOCKET_close(first) == 0);
  REQUIRE_C(EVSOCKET_recv_all(second, buffer, 5, 0, long_time()) == 5);
  REQUIRE_C(counters_of(service).accepted == 2);
  REQUIRE_C(counters_of(service).peak == 1);
  REQUIRE_C(EVLOOP_break(service->f.loop) == 0);
}

TEST_CASE_C(pauses, "when no stack is left, clients wait until one is free") {
  Service service = {.served = 0};
  set_up_with(&service.f, 1);
  const SOCKADDR address = own_address(0);
  open_service(&service, EVTCPACCEPTOR_init_ctx(service.f.loop, &address, 30, counting_factory, -1,
                                                -1, &service));
  run_client(&service, fill_and_wait);
  REQUIRE_C(service.asked == 2);  // nobody is asked for a connection that has no stack
  close_service(&service);
}

static void refuse_service(EVREFUSAL* refusal, void* factory_ctx) {
  Service* const service = factory_ctx;
  SOCKADDR peer;
  REQUIRE_C(EVREFUSAL_peer_address(refusal, &peer) == 0);
  REQUIRE_C(SOCKADDR_port(&peer) > 0);
  REQUIRE_C(EVREFUSAL_write(refusal, "full\n", 5) == 5);
  REQUIRE_ERRNO(EVREFUSAL_write(NULL, "x", 1) == -1, EINVAL);
  REQUIRE_ERRNO(EVREFUSAL_write(refusal, NULL, 1) == -1, EINVAL);
  REQUIRE_ERRNO(EVREFUSAL_peer_address(NULL, &peer) == -1, EINVAL);
  REQUIRE_ERRNO(EVREFUSAL_peer_address(refusal, NULL) == -1, EINVAL);
  ++service->discarded;
}

static void be_refused(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  Service* const service = ctx;
  char buffer[16];
  EVSOCKET* const first = connect_client(thread, service);
  exchange(first);
  EVSOCKET* const second = connect_client(thread, service);
  REQUIRE_C(EVSOCKET_recv_all(second, buffer, sizeof buffer, 0, long_time()) == 5);
  REQUIRE_C(memcmp(buffer, "full\n", 5) == 0);
  exchange(first);
  REQUIRE_C(counters_of(service).refused == 1);
  REQUIRE_C(EVLOOP_break(service->f.loop) == 0);
}

TEST_CASE_C(rejects, "an acceptor may turn clients away, with a word") {
  Service service = {.served = 0};
  STACKS one;
  set_up(&service.f);
  REQUIRE_C(STACKS_init(&one, 1, 65) == 0);
  const SOCKADDR address = own_address(0);
  EVTCPACCEPTOR_OPTIONS options;
  REQUIRE_C(EVTCPACCEPTOR_OPTIONS_init(&options) == 0);
  options.address = &address;
  options.factory = counting_factory;
  options.factory_ctx = &service;
  options.when_full = EVWHEN_FULL_REJECT;
  options.refuse = refuse_service;
  options.name = "guest";
  options.stacks = &one;
  open_service(&service, EVTCPACCEPTOR_init_options(service.f.loop, &options));
  run_client(&service, be_refused);
  REQUIRE_C(service.discarded == 1);
  close_service(&service);
  REQUIRE_C(STACKS_destroy(&one) == 0);
}

// --- listeners ---

TEST_CASE_C(listens_already, "an acceptor takes over a descriptor that listens") {
  Service service = {.served = 0};
  set_up(&service.f);
  SOCKADDR address = own_address(0);
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  REQUIRE_C(bind(listener, SOCKADDR_saddr(&address), SOCKADDR_length(&address)) == 0);
  REQUIRE_ERRNO(EVTCPACCEPTOR_init(service.f.loop, listener, echo_factory, -1, -1) == NULL, EINVAL);
  REQUIRE_C(listen(listener, 5) == 0);  // it is the caller's still
  open_service(&service, EVTCPACCEPTOR_init(service.f.loop, listener, echo_factory, -1, -1));
  socklen_t length = sizeof address;
  REQUIRE_C(getsockname(listener, SOCKADDR_saddr(&address), &length) == 0);  // under its number
  REQUIRE_C(SOCKADDR_port(&address) == SOCKADDR_port(&service.address));
  run_client(&service, be_echoed);
  close_service(&service);
}

static void drain(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  Service* const service = ctx;
  char buffer[1];
  EVSOCKET* const socket = connect_client(thread, service);
  exchange(socket);
  REQUIRE_ERRNO(EVTCPACCEPTOR_drain(service->acceptor, milliseconds(1)) == -1, ETIMEDOUT);
  EVSOCKET* const late = EVSOCKET_open(thread, AF_INET);
  REQUIRE_ERRNO(EVSOCKET_connect(late, SOCKADDR_saddr(&service->address),
                                 SOCKADDR_length(&service->address), long_time()) == -1,
                ECONNREFUSED);
  exchange(socket);  // is served as before
  REQUIRE_C(EVSOCKET_shutdown(socket, SHUT_WR) == 0);
  REQUIRE_C(EVSOCKET_recv(socket, buffer, 1, 0, long_time()) == 0);
  REQUIRE_C(EVTCPACCEPTOR_drain(service->acceptor, long_time()) == 0);
  REQUIRE_C(EVLOOP_break(service->f.loop) == 0);
}

TEST_CASE_C(drains, "an acceptor that is drained serves who is there, and nobody else") {
  Service service = {.served = 0};
  set_up(&service.f);
  const SOCKADDR address = own_address(0);
  open_service(&service, EVTCPACCEPTOR_init_ctx(service.f.loop, &address, 30, counting_factory, -1,
                                                -1, &service));
  run_client(&service, drain);
  REQUIRE_C(service.served == 1);
  close_service(&service);
}

static void buffer_sizes(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  int* const sizes = ctx;
  socklen_t length = sizeof(int);
  int nodelay = 0;
  REQUIRE_C(getsockopt(EVSOCKET_fd(socket), SOL_SOCKET, SO_RCVBUF, &sizes[0], &length) == 0);
  REQUIRE_C(getsockopt(EVSOCKET_fd(socket), SOL_SOCKET, SO_SNDBUF, &sizes[1], &length) == 0);
  REQUIRE_C(getsockopt(EVSOCKET_fd(socket), IPPROTO_TCP, TCP_NODELAY, &nodelay, &length) == 0);
  REQUIRE_C(nodelay != 0);
}

static int sizes_factory(int fd, EVTHREAD_PROC* proc, void** ctx, void* factory_ctx) {
  *proc = buffer_sizes;
  *ctx = factory_ctx;
  return 0;
}

TEST_CASE_C(buffers, "connections have the buffers that the acceptor was given") {
  Service service = {.served = 0};
  int sizes[2] = {0, 0};
  set_up(&service.f);
  const SOCKADDR address = own_address(0);
  open_service(&service, EVTCPACCEPTOR_init_ctx(service.f.loop, &address, 30, sizes_factory, 8192,
                                                16384, sizes));
  run_client(&service, be_turned_away);
  REQUIRE_C(sizes[0] == 2 * 8192 && sizes[1] == 2 * 16384);  // the kernel doubles them, socket(7)
  close_service(&service);
}

TEST_CASE_C(loop_freed_first, "an acceptor may be closed after its loop") {
  Fixture f;
  EVTCPACCEPTOR_COUNTERS counters;
  SOCKADDR address = own_address(0);
  set_up(&f);
  EVTCPACCEPTOR* const acceptor = EVTCPACCEPTOR_init_ex(f.loop, &address, 30, echo_factory, -1, -1);
  tear_down(&f);
  REQUIRE_C(EVTCPACCEPTOR_counters(acceptor, &counters) == 0);
  REQUIRE_ERRNO(EVTCPACCEPTOR_local_address(acceptor, &address) == -1, EAFNOSUPPORT);
  REQUIRE_ERRNO(EVTCPACCEPTOR_drain(acceptor, EVTIMEOUT_NOW) == -1, ENXIO);
  EVTCPACCEPTOR_close(acceptor);
}

// --- misuse ---

TEST_CASE_C(acceptor_misuse, "what an acceptor can't do is an error") {
  Fixture f;
  EVTCPACCEPTOR_OPTIONS options;
  EVTCPACCEPTOR_COUNTERS counters;
  STACKS none = {0};
  SOCKADDR address = own_address(0);
  set_up(&f);
  REQUIRE_ERRNO(EVTCPACCEPTOR_init_ex(NULL, &address, 5, echo_factory, -1, -1) == NULL, EINVAL);
  REQUIRE_ERRNO(EVTCPACCEPTOR_init_ex(f.loop, NULL, 5, echo_factory, -1, -1) == NULL, EINVAL);
  REQUIRE_ERRNO(EVTCPACCEPTOR_init_ex(f.loop, &address, 5, NULL, -1, -1) == NULL, EINVAL);
  REQUIRE_ERRNO(EVTCPACCEPTOR_init_ctx(f.loop, &address, 5, NULL, -1, -1, NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(EVTCPACCEPTOR_init(f.loop, -1, echo_factory, -1, -1) == NULL, EBADF);
  REQUIRE_ERRNO(EVTCPACCEPTOR_init_options(f.loop, NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(EVTCPACCEPTOR_OPTIONS_init(NULL) == -1, EINVAL);
  REQUIRE_C(EVTCPACCEPTOR_OPTIONS_init(&options) == 0);
  options.address = &address;
  options.factory = counting_factory;
  options.stacks = &none;
  REQUIRE_ERRNO(EVTCPACCEPTOR_init_options(f.loop, &options) == NULL, EINVAL);
  REQUIRE_ERRNO(EVTCPACCEPTOR_counters(NULL, &counters) == -1, EINVAL);
  REQUIRE_ERRNO(EVTCPACCEPTOR_local_address(NULL, &address) == -1, EINVAL);
  REQUIRE_ERRNO(EVTCPACCEPTOR_drain(NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  EVTCPACCEPTOR_close(NULL);  // does nothing

  EVTCPACCEPTOR* const first = EVTCPACCEPTOR_init_ex(f.loop, &address, 5, echo_factory, -1, -1);
  REQUIRE_C(EVTCPACCEPTOR_local_address(first, &address) == 0);
  REQUIRE_ERRNO(EVTCPACCEPTOR_counters(first, NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVTCPACCEPTOR_local_address(first, NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVTCPACCEPTOR_init_ex(f.loop, &address, 5, echo_factory, -1, -1) == NULL,
                EADDRINUSE);
  EVTCPACCEPTOR_close(first);
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  REQUIRE_C(listen(listener, 1) == 0);
  REQUIRE_ERRNO(EVTCPACCEPTOR_init(NULL, listener, echo_factory, -1, -1) == NULL, EINVAL);
  options.address = NULL;
  options.listener_fd = listener;
  REQUIRE_ERRNO(EVTCPACCEPTOR_init_options(f.loop, &options) == NULL, EINVAL);  // its stacks
  REQUIRE_C(close(listener) == 0);  // is the caller's still
  tear_down(&f);
}
