#define _GNU_SOURCE
#include <evcoro/net/limits.h>

#include <evcoro/net/socket_activation.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "fixture.h"

// --- buckets ---

static uint64_t available(EVTOKENBUCKET* bucket) {
  uint64_t count = 0;
  REQUIRE_C(EVTOKENBUCKET_available(bucket, &count) == 0);
  return count;
}

static void take_tokens(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  EVTOKENBUCKET* const bucket = ctx;
  REQUIRE_C(EVTOKENBUCKET_take(bucket, 7, EVTIMEOUT_NOW) == 0);
  REQUIRE_ERRNO(EVTOKENBUCKET_take(bucket, 4, milliseconds(1)) == -1, ETIMEDOUT);
  REQUIRE_C(available(bucket) == 3);
  REQUIRE_C(EVTOKENBUCKET_give_back(bucket, 1) == 0);
  REQUIRE_C(EVTOKENBUCKET_take(bucket, 4, EVTIMEOUT_NOW) == 0);
  REQUIRE_C(EVTOKENBUCKET_set_rate(bucket, 1e6, 10) == 0);
  REQUIRE_C(EVTOKENBUCKET_take(bucket, 50, long_time()) == 0);
}

TEST_CASE_C(bucket, "a thread takes tokens") {
  Fixture f;
  set_up(&f);
  EVTOKENBUCKET* const bucket = EVTOKENBUCKET_init(0, 10);
  REQUIRE_ERRNO(EVTOKENBUCKET_take(bucket, 1, EVTIMEOUT_NOW) == -1, EPERM);
  run_in_thread(&f, take_tokens, bucket);
  EVTOKENBUCKET_free(bucket);
  EVTOKENBUCKET_free(NULL);
  tear_down(&f);
}

TEST_CASE_C(limits_misuse, "what limits can't be is an error") {
  uint64_t count;
  REQUIRE_ERRNO(EVTOKENBUCKET_take(NULL, 1, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVTOKENBUCKET_give_back(NULL, 1) == -1, EINVAL);
  REQUIRE_ERRNO(EVTOKENBUCKET_set_rate(NULL, 1, 1) == -1, EINVAL);
  REQUIRE_ERRNO(EVTOKENBUCKET_available(NULL, &count) == -1, EINVAL);
  REQUIRE_ERRNO(EVSOCKET_set_bandwidth(NULL, NULL, NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVLOOP_set_bandwidth(NULL, NULL, NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVTCPACCEPTOR_LIMITS_init(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVTCPACCEPTOR_refusals(NULL, NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVREFUSAL_reason(NULL) == EVREFUSAL_NO_STACK, EINVAL);
  REQUIRE_ERRNO(EVACTIVATION_take(NULL, NULL) == -1, EINVAL);
}

// --- acceptors ---

typedef struct Visit {
  Fixture f;
  EVTCPACCEPTOR* acceptor;
  EVTCPACCEPTOR_OPTIONS options;
  EVTCPACCEPTOR_LIMITS limits;
  SOCKADDR address;
  EVREFUSAL_REASON reason;
} Visit;

// Sends ten bytes for each that it gets.
static void multiply(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  char byte;
  while (EVSOCKET_recv(socket, &byte, 1, 0, long_time()) == 1) {
    if (EVSOCKET_send(socket, "0123456789", 10, 0, milliseconds(20)) != 10) return;
  }
}

static int factory(int fd, EVTHREAD_PROC* proc, void** ctx, void* factory_ctx) {
  *proc = multiply;
  *ctx = NULL;
  return 0;
}

static void note_reason(EVREFUSAL* refusal, void* factory_ctx) {
  ((Visit*)factory_ctx)->reason = EVREFUSAL_reason(refusal);
}

static void prepare(Visit* visit) {
  set_up(&visit->f);
  visit->address = own_address(0);
  REQUIRE_C(EVTCPACCEPTOR_OPTIONS_init(&visit->options) == 0);
  REQUIRE_C(EVTCPACCEPTOR_LIMITS_init(&visit->limits) == 0);
  visit->options.address = &visit->address;
  visit->options.factory = factory;
  visit->options.factory_ctx = visit;
  visit->options.when_full = EVWHEN_FULL_REJECT;
  visit->options.refuse = note_reason;
  visit->options.limits = &visit->limits;
}

static void run(Visit* visit, EVTHREAD_PROC proc) {
  visit->acceptor = EVTCPACCEPTOR_init_options(visit->f.loop, &visit->options);
  REQUIRE_C(visit->acceptor != NULL);
  REQUIRE_C(EVTCPACCEPTOR_local_address(visit->acceptor, &visit->address) == 0);
  run_in_thread(&visit->f, proc, visit);
  tear_down(&visit->f);
}

static EVSOCKET* connect_client(EVTHREAD* thread, Visit* visit) {
  EVSOCKET* const socket = EVSOCKET_open(thread, SOCKADDR_family(&visit->address));
  REQUIRE_C(EVSOCKET_connect(socket, SOCKADDR_saddr(&visit->address),
                             SOCKADDR_length(&visit->address), long_time()) == 0);
  return socket;
}

// ask() returns how much comes for a byte, until the connection ends or ten bytes are there.
static int ask(EVSOCKET* socket) {
  char buffer[10];
  if (EVSOCKET_send(socket, "x", 1, 0, long_time()) != 1) return 0;
  return EVSOCKET_recv_all(socket, buffer, sizeof buffer, 0, long_time());
}

static void be_one_too_many(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  Visit* const visit = ctx;
  EVTCPACCEPTOR_REFUSALS refusals;
  char byte;
  REQUIRE_C(ask(connect_client(thread, visit)) == 10);
  EVSOCKET* const second = connect_client(thread, visit);
  REQUIRE_C(EVSOCKET_recv(second, &byte, 1, 0, long_time()) == 0);
  REQUIRE_C(EVTCPACCEPTOR_refusals(visit->acceptor, &refusals) == 0);
  REQUIRE_C(
      refusals.no_stack + refusals.max_connections + refusals.rate + refusals.max_per_address == 1);
  REQUIRE_C(refusals.max_connections == (visit->reason == EVREFUSAL_MAX_CONNECTIONS));
  REQUIRE_C(refusals.rate == (visit->reason == EVREFUSAL_RATE));
  REQUIRE_C(refusals.max_per_address == (visit->reason == EVREFUSAL_MAX_PER_ADDRESS));
  EVTCPACCEPTOR_close(visit->acceptor);
}

TEST_CASE_C(max_connections, "an acceptor has a maximum of connections") {
  Visit visit = {.acceptor = NULL};
  prepare(&visit);
  visit.limits.max_connections = 1;
  run(&visit, be_one_too_many);
  REQUIRE_C(visit.reason == EVREFUSAL_MAX_CONNECTIONS);
}

TEST_CASE_C(accept_rate, "an acceptor has a rate of new connections") {
  Visit visit = {.acceptor = NULL};
  prepare(&visit);
  visit.limits.accept_rate = EVTOKENBUCKET_init(0, 1);
  run(&visit, be_one_too_many);
  EVTOKENBUCKET_free(visit.limits.accept_rate);
  REQUIRE_C(visit.reason == EVREFUSAL_RATE);
}

TEST_CASE_C(max_per_address, "a client has a maximum of connections") {
  Visit visit = {.acceptor = NULL};
  prepare(&visit);
  visit.limits.max_per_address = 1;
  run(&visit, be_one_too_many);
  REQUIRE_C(visit.reason == EVREFUSAL_MAX_PER_ADDRESS);
}

static void be_held(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  Visit* const visit = ctx;
  EVTCPACCEPTOR_REFUSALS refusals;
  char buffer[10];
  EVSOCKET* const first = connect_client(thread, visit);
  REQUIRE_C(ask(first) == 10);
  EVSOCKET* const second = connect_client(thread, visit);
  REQUIRE_C(EVSOCKET_send(second, "x", 1, 0, long_time()) == 1);
  REQUIRE_ERRNO(EVSOCKET_recv(second, buffer, 1, 0, milliseconds(20)) == -1, ETIMEDOUT);
  EVSOCKET_close(first);
  REQUIRE_C(EVSOCKET_recv_all(second, buffer, sizeof buffer, 0, long_time()) == sizeof buffer);
  REQUIRE_C(EVTCPACCEPTOR_refusals(visit->acceptor, &refusals) == 0);
  REQUIRE_C(refusals.max_per_address == 0);
  EVTCPACCEPTOR_close(visit->acceptor);
}

TEST_CASE_C(when_address_full, "a client's connection beyond its maximum waits, if so wished") {
  Visit visit = {.acceptor = NULL};
  prepare(&visit);
  visit.limits.max_per_address = 1;
  visit.limits.when_address_full = EVWHEN_FULL_PAUSE;
  run(&visit, be_held);
}

static void be_throttled(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  Visit* const visit = ctx;
  REQUIRE_C(ask(connect_client(thread, visit)) == 5);
  EVTCPACCEPTOR_close(visit->acceptor);
}

TEST_CASE_C(bandwidth_each, "an acceptor's connections have a bandwidth") {
  Visit visit = {.acceptor = NULL};
  prepare(&visit);
  visit.limits.send_burst = 5;
  run(&visit, be_throttled);
}

TEST_CASE_C(bandwidth_together, "an acceptor's connections share a bandwidth") {
  Visit visit = {.acceptor = NULL};
  prepare(&visit);
  visit.limits.send = EVTOKENBUCKET_init(0, 5);
  run(&visit, be_throttled);
  EVTOKENBUCKET_free(visit.limits.send);
}

// The server's bucket holds 5 bytes, and gets 100 more a second.
static void be_heard_slowly(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  Visit* const visit = ctx;
  EVSOCKET* const socket = connect_client(thread, visit);
  char buffer[100];
  const int64_t begin = now_us();
  REQUIRE_C(EVSOCKET_send(socket, "0123456789", 10, 0, long_time()) == 10);
  REQUIRE_C(EVSOCKET_recv_all(socket, buffer, sizeof buffer, 0, long_time()) == sizeof buffer);
  REQUIRE_C(now_us() - begin >= 49000);
  EVTCPACCEPTOR_close(visit->acceptor);
}

TEST_CASE_C(receive_rate, "an acceptor's connections receive at a rate") {
  Visit visit = {.acceptor = NULL};
  prepare(&visit);
  visit.limits.receive_rate = 100;
  visit.limits.receive_burst = 5;
  run(&visit, be_heard_slowly);
}

static void throttle_self(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  Visit* const visit = ctx;
  EVTOKENBUCKET* const bucket = EVTOKENBUCKET_init(0, 3);
  EVSOCKET* const socket = connect_client(thread, visit);
  char buffer[10];
  REQUIRE_C(EVSOCKET_set_bandwidth(socket, bucket, NULL) == 0);
  REQUIRE_C(EVSOCKET_send(socket, "x", 1, 0, long_time()) == 1);
  REQUIRE_C(EVSOCKET_recv_all(socket, buffer, 3, 0, long_time()) == 3);
  REQUIRE_ERRNO(EVSOCKET_recv(socket, buffer, 7, 0, milliseconds(1)) == -1, ETIMEDOUT);
  REQUIRE_C(EVSOCKET_set_bandwidth(socket, NULL, NULL) == 0);
  REQUIRE_C(EVSOCKET_recv_all(socket, buffer, 7, 0, long_time()) == 7);
  REQUIRE_C(EVTOKENBUCKET_give_back(bucket, 2) == 0);
  REQUIRE_C(EVLOOP_set_bandwidth(visit->f.loop, NULL, bucket) == 0);
  EVSOCKET* const next = connect_client(thread, visit);
  REQUIRE_C(EVLOOP_set_bandwidth(visit->f.loop, NULL, NULL) == 0);
  EVTOKENBUCKET_free(bucket);  // the socket keeps it
  const int sent = EVSOCKET_send(next, "xyz", 3, 0, milliseconds(1));
  REQUIRE_C(sent == 2 || (sent == -1 && errno == ETIMEDOUT));
  EVTCPACCEPTOR_close(visit->acceptor);
}

TEST_CASE_C(bandwidth_of_socket, "a socket, and a loop, have a bandwidth") {
  Visit visit = {.acceptor = NULL};
  prepare(&visit);
  run(&visit, throttle_self);
}

static void visit_path(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  Visit* const visit = ctx;
  REQUIRE_C(ask(connect_client(thread, visit)) == 10);
  REQUIRE_C(access(SOCKADDR_path(&visit->address), F_OK) == 0);
  EVTCPACCEPTOR_close(visit->acceptor);
  REQUIRE_C(access(SOCKADDR_path(&visit->address), F_OK) != 0);
}

TEST_CASE_C(unix_listener, "an acceptor listens at a path") {
  Visit visit = {.acceptor = NULL};
  char path[64];
  snprintf(path, sizeof path, "/tmp/evcoro-limits-%d", (int)getpid());
  prepare(&visit);
  REQUIRE_C(SOCKADDR_init_unix(&visit.address, path) == 0);
  run(&visit, visit_path);
}

TEST_CASE_C(reserve, "a reserve that the stacks don't have is refused") {
  Visit visit = {.acceptor = NULL};
  prepare(&visit);
  visit.limits.reserve = 17;
  REQUIRE_ERRNO(EVTCPACCEPTOR_init_options(visit.f.loop, &visit.options) == NULL, EINVAL);
  tear_down(&visit.f);
}

// Others get all stacks but the three that are set aside, and that clients get.
static void use_reserve(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  Visit* const visit = ctx;
  EVTHREAD* others[16];
  char byte;
  int count = 0;
  errno = 0;
  while ((others[count] = EVTHREAD_init(visit->f.loop, use_reserve, NULL)) != NULL) {
    REQUIRE_C(++count < 16);
  }
  REQUIRE_C(errno == EAGAIN);
  REQUIRE_C(count == 12);
  for (int i = 0; i < 3; ++i) REQUIRE_C(ask(connect_client(thread, visit)) == 10);
  REQUIRE_C(EVSOCKET_recv(connect_client(thread, visit), &byte, 1, 0, long_time()) == 0);
  REQUIRE_C(visit->reason == EVREFUSAL_NO_STACK);
  while (count > 0) REQUIRE_C(EVTHREAD_free(others[--count]) == 0);
  EVTCPACCEPTOR_close(visit->acceptor);
}

TEST_CASE_C(reserve_kept, "stacks that are set aside are for the acceptor's connections") {
  Visit visit = {.acceptor = NULL, .reason = EVREFUSAL_RATE};
  prepare(&visit);
  visit.limits.reserve = 3;
  run(&visit, use_reserve);
}

// --- IPv6 ---

static void connect_by_ipv4(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  Visit* const visit = ctx;
  SOCKADDR ipv4 = own_address((uint16_t)SOCKADDR_port(&visit->address));
  const socklen_t length = SOCKADDR_length(&ipv4);
  EVSOCKET* const socket = EVSOCKET_open(thread, AF_INET);
  if (visit->limits.v6_only == EVV6ONLY_OFF) {
    REQUIRE_C(EVSOCKET_connect(socket, SOCKADDR_saddr(&ipv4), length, long_time()) == 0);
    REQUIRE_C(ask(socket) == 10);
  } else {
    const int nobody = bound_socket(&ipv4);  // the port of IPv4 was left to others
    REQUIRE_ERRNO(EVSOCKET_connect(socket, SOCKADDR_saddr(&ipv4), length, long_time()) == -1,
                  ECONNREFUSED);
    close(nobody);
  }
  EVTCPACCEPTOR_close(visit->acceptor);
}

static void listen_for_ipv6(EVV6ONLY v6_only) {
  Visit visit = {.acceptor = NULL};
  IPADDRESS everywhere;
  prepare(&visit);
  REQUIRE_C(IPADDRESS_any(&everywhere, AF_INET6) == 0);
  REQUIRE_C(SOCKADDR_init(&visit.address, &everywhere, 0) == 0);
  visit.limits.v6_only = v6_only;
  run(&visit, connect_by_ipv4);
}

static void skip_without_ipv6(void) {
  const struct sockaddr_in6 everywhere = {.sin6_family = AF_INET6};
  const int descriptor = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) c_test_skip("there is no IPv6");
  if (bind(descriptor, (const struct sockaddr*)&everywhere, sizeof everywhere) != 0) {
    c_test_skip("there is no IPv6");
  }
  close(descriptor);
}

TEST_CASE_C(v6_only, "an acceptor for IPv6 is for IPv4, too, or not") {
  skip_without_ipv6();
  listen_for_ipv6(EVV6ONLY_OFF);
  listen_for_ipv6(EVV6ONLY_ON);
}

// --- activation ---

static void note_descriptor(int fd, const char* name, void* ctx) {
  *(int*)ctx = strcmp(name, "http") == 0 ? fd : -1;
}

// In a child: its descriptor 3 is passed.
static int take_what_is_passed(void) {
  char number[16];
  int fd = 0;
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  if (dup2(listener, 3) != 3) return 1;
  snprintf(number, sizeof number, "%d", (int)getpid());
  setenv("LISTEN_PID", number, 1);
  setenv("LISTEN_FDS", "1", 1);
  setenv("LISTEN_FDNAMES", "http", 1);
  if (EVACTIVATION_take(note_descriptor, &fd) != 1 || fd != 3) return 2;
  if (EVACTIVATION_take(note_descriptor, &fd) != 0) return 3;
  setenv("LISTEN_PID", "nobody", 1);
  setenv("LISTEN_FDS", "1", 1);
  return EVACTIVATION_take(note_descriptor, &fd) == -1 && errno == EINVAL ? 0 : 4;
}

TEST_CASE_C(activation, "what a service manager passes is handed out by name") {
  int status = -1;
  const pid_t child = fork();
  if (child == 0) _exit(take_what_is_passed());
  REQUIRE_C(waitpid(child, &status, 0) == child);
  REQUIRE_C(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
