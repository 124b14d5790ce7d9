// Names and pools of connections in C. What they do is tested in tests/evcoro/net/.
#define _GNU_SOURCE
#include <evcoro/net/resolver.h>

#include <netinet/in.h>
#include <stdio.h>

#include <evcoro/net/connection_pool.h>

#include "fixture.h"

// Network is a listener on 127.0.0.1, and a resolver that knows its name, "box.test", by a file.
typedef struct Network {
  Fixture f;
  int listener;
  uint16_t port;
  char hosts[64];
  EVRESOLVER* resolver;
  EVCONNECTIONPOOL* pool;
  int made;
} Network;

static void set_up_network(Network* n) {
  set_up(&n->f);
  SOCKADDR address;
  IPADDRESS loopback;
  socklen_t length = sizeof address;
  REQUIRE_C(IPADDRESS_loopback(&loopback, AF_INET) == 0);
  REQUIRE_C(SOCKADDR_init(&address, &loopback, 0) == 0);
  n->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE_C(bind(n->listener, SOCKADDR_saddr(&address), SOCKADDR_length(&address)) == 0);
  REQUIRE_C(listen(n->listener, 16) == 0);
  REQUIRE_C(getsockname(n->listener, SOCKADDR_saddr(&address), &length) == 0);
  n->port = (uint16_t)SOCKADDR_port(&address);

  snprintf(n->hosts, sizeof n->hosts, "/tmp/evcoro-c-hosts-%d", (int)getpid());
  FILE* const file = fopen(n->hosts, "w");
  REQUIRE_C(file != NULL && fputs("127.0.0.2 box.test\n127.0.0.1 box.test\n", file) >= 0);
  fclose(file);
  EVRESOLVER_OPTIONS options;
  REQUIRE_C(EVRESOLVER_OPTIONS_init(&options) == 0);
  options.hosts = n->hosts;
  options.servers = "127.0.0.1:1";
  n->resolver = EVRESOLVER_init(n->f.loop, &options);
  REQUIRE_C(n->resolver != NULL);
  n->made = 0;
}

static void tear_down_network(Network* n) {
  REQUIRE_C(EVRESOLVER_free(n->resolver) == 0);
  close(n->listener);
  unlink(n->hosts);
  tear_down(&n->f);
}

static void resolve(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Network* const n = ctx;
  SOCKADDR found[2];
  REQUIRE_C(EVRESOLVER_resolve(n->resolver, "Box.test", 80, AF_UNSPEC, found, 2, EVTIMEOUT_NOW) ==
            2);
  char* const text = SOCKADDR_to_string(&found[1]);
  REQUIRE_C(strcmp(text, "127.0.0.1:80") == 0);
  free(text);
  REQUIRE_C(EVRESOLVER_resolve(n->resolver, "box.test", 80, AF_INET, NULL, 0, EVTIMEOUT_NOW) == 2);
  REQUIRE_C(EVRESOLVER_resolve(NULL, "::1", 80, AF_UNSPEC, found, 1, EVTIMEOUT_NOW) == 1);
  REQUIRE_C(SOCKADDR_family(&found[0]) == AF_INET6);
  REQUIRE_ERRNO(
      EVRESOLVER_resolve(n->resolver, "box.test", 80, AF_INET6, found, 2, long_time()) == -1,
      ENODATA);
  REQUIRE_ERRNO(EVRESOLVER_resolve(n->resolver, "a b", 80, AF_INET, found, 2, long_time()) == -1,
                EINVAL);
  REQUIRE_ERRNO(EVRESOLVER_resolve(n->resolver, NULL, 80, AF_INET, found, 2, long_time()) == -1,
                EINVAL);
  REQUIRE_ERRNO(EVRESOLVER_resolve(n->resolver, "x.test", 80, AF_INET, found, 2, long_time()) == -1,
                EHOSTUNREACH);
}

TEST_CASE_C(names_in_c, "names are resolved in C, and errors told by errno") {
  Network n;
  set_up_network(&n);
  run_in_thread(&n.f, resolve, &n);
  REQUIRE_ERRNO(EVRESOLVER_resolve(n.resolver, "box.test", 80, 0, NULL, 0, EVTIMEOUT_NOW) == -1,
                EPERM);
  REQUIRE_ERRNO(EVRESOLVER_resolve(NULL, "box.test", 80, 0, NULL, 0, EVTIMEOUT_NOW) == -1, EPERM);
  EVRESOLVER_OPTIONS options;
  REQUIRE_C(EVRESOLVER_OPTIONS_init(&options) == 0);
  options.servers = "nobody";
  REQUIRE_ERRNO(EVRESOLVER_init(n.f.loop, &options) == NULL, EINVAL);
  REQUIRE_ERRNO(EVRESOLVER_init(NULL, NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(EVRESOLVER_free(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVRESOLVER_OPTIONS_init(NULL) == -1, EINVAL);
  tear_down_network(&n);
}

static void connect_to_name(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  Network* const n = ctx;
  EVSOCKET* const socket =
      EVSOCKET_connect_host(thread, n->resolver, "box.test", n->port, long_time());
  REQUIRE_C(socket != NULL);  // 127.0.0.2 has refused
  SOCKADDR peer;
  REQUIRE_C(EVSOCKET_peer_address(socket, &peer) == 0);
  REQUIRE_C(SOCKADDR_port(&peer) == n->port);
  REQUIRE_C(EVSOCKET_connect_host(thread, NULL, "127.0.0.1", n->port, long_time()) != NULL);
  REQUIRE_ERRNO(EVSOCKET_connect_host(thread, NULL, "127.0.0.2", n->port, long_time()) == NULL,
                ECONNREFUSED);
  REQUIRE_ERRNO(EVSOCKET_connect_host(thread, NULL, NULL, n->port, long_time()) == NULL, EINVAL);
}

TEST_CASE_C(connect_host_in_c, "a name is connected to in C") {
  Network n;
  set_up_network(&n);
  run_in_thread(&n.f, connect_to_name, &n);
  tear_down_network(&n);
}

static EVSOCKET* make(EVTHREAD* thread, struct timeval timeout, void* ctx) {
  Network* const n = ctx;
  ++n->made;
  return EVSOCKET_connect_host(thread, n->resolver, "box.test", n->port, timeout);
}

static void use_pool(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  Network* const n = ctx;
  EVCONNECTIONPOOL_COUNTERS counters;
  EVSOCKET* socket = EVCONNECTIONPOOL_take(n->pool, long_time());
  REQUIRE_C(socket != NULL);
  REQUIRE_ERRNO(EVCONNECTIONPOOL_take(n->pool, milliseconds(1)) == NULL, ETIMEDOUT);
  REQUIRE_C(EVCONNECTIONPOOL_counters(n->pool, &counters) == 0);
  REQUIRE_C(counters.taken == 1 && counters.idle == 0 && counters.waiting == 0);
  REQUIRE_C(EVCONNECTIONPOOL_give_back(socket) == 0);
  REQUIRE_C(EVCONNECTIONPOOL_counters(n->pool, &counters) == 0);
  REQUIRE_C(counters.taken == 0 && counters.idle == 1);
  socket = EVCONNECTIONPOOL_take(n->pool, EVTIMEOUT_NOW);
  REQUIRE_C(socket != NULL && n->made == 1);
  REQUIRE_C(EVSOCKET_close(socket) == 0);
  socket = EVCONNECTIONPOOL_take(n->pool, long_time());
  REQUIRE_C(socket != NULL && n->made == 2);
  EVSOCKET* const other = EVSOCKET_open(thread, AF_INET);
  REQUIRE_ERRNO(EVCONNECTIONPOOL_give_back(other) == -1, EINVAL);
  REQUIRE_ERRNO(EVCONNECTIONPOOL_give_back(NULL) == -1, EINVAL);
  // The end of the thread closes what it has taken.
}

static int never_healthy(EVSOCKET* socket, void* ctx) {
  REQUIRE_C(EVSOCKET_fd(socket) >= 0);
  return 0;
}

static void use_picky_pool(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  Network* const n = ctx;
  for (int i = 1; i <= 3; ++i) {
    EVSOCKET* const socket = EVCONNECTIONPOOL_take(n->pool, long_time());
    REQUIRE_C(socket != NULL && n->made == i);
    REQUIRE_C(EVCONNECTIONPOOL_give_back(socket) == 0);
  }
  close(n->listener);
  n->listener = -1;
  REQUIRE_ERRNO(EVCONNECTIONPOOL_take(n->pool, long_time()) == NULL, ECONNREFUSED);
}

static void wait_for_pool(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  REQUIRE_ERRNO(EVCONNECTIONPOOL_take(((Network*)ctx)->pool, EVTIMEOUT_NEVER) == NULL, ECANCELED);
}

static void free_pool(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  Network* const n = ctx;
  EVSOCKET* const socket = EVCONNECTIONPOOL_take(n->pool, long_time());
  REQUIRE_C(socket != NULL);
  start(&n->f, wait_for_pool, n);
  REQUIRE_C(EVCONNECTIONPOOL_free(n->pool) == 0);
  REQUIRE_C(EVSOCKET_send(socket, "still good", 10, 0, long_time()) == 10);
  REQUIRE_C(EVCONNECTIONPOOL_give_back(socket) == 0);
}

TEST_CASE_C(pools_in_c, "connections are pooled in C") {
  Network n;
  set_up_network(&n);
  EVCONNECTIONPOOL_OPTIONS options;
  REQUIRE_C(EVCONNECTIONPOOL_OPTIONS_init(&options) == 0);
  REQUIRE_ERRNO(EVCONNECTIONPOOL_init(n.f.loop, &options) == NULL, EINVAL);
  options.factory = make;
  options.ctx = &n;
  options.capacity = 0;
  REQUIRE_ERRNO(EVCONNECTIONPOOL_init(n.f.loop, &options) == NULL, EINVAL);
  options.capacity = 1;
  n.pool = EVCONNECTIONPOOL_init(n.f.loop, &options);
  REQUIRE_C(n.pool != NULL);
  REQUIRE_ERRNO(EVCONNECTIONPOOL_take(n.pool, EVTIMEOUT_NOW) == NULL, EPERM);
  run_in_thread(&n.f, use_pool, &n);
  run_in_thread(&n.f, free_pool, &n);
  options.is_healthy = never_healthy;
  n.made = 0;
  n.pool = EVCONNECTIONPOOL_init(n.f.loop, &options);
  run_in_thread(&n.f, use_picky_pool, &n);
  REQUIRE_C(EVCONNECTIONPOOL_free(n.pool) == 0);
  REQUIRE_ERRNO(EVCONNECTIONPOOL_free(NULL) == -1, EINVAL);
  tear_down_network(&n);
}

static void use_parents_loop(void* ctx) {
  Network* const n = ctx;
  EVCONNECTIONPOOL_OPTIONS options;
  REQUIRE_C(EVCONNECTIONPOOL_OPTIONS_init(&options) == 0);
  options.factory = make;
  REQUIRE_ERRNO(EVRESOLVER_init(n->f.loop, NULL) == NULL, ECHILD);
  REQUIRE_ERRNO(EVCONNECTIONPOOL_init(n->f.loop, &options) == NULL, ECHILD);
}

static void use_parents_resolver(void* ctx) {
  use_parents_loop(ctx);
  Network* const n = ctx;
  REQUIRE_ERRNO(EVRESOLVER_resolve(NULL, "box.test", 80, 0, NULL, 0, EVTIMEOUT_NOW) == -1, ECHILD);
  REQUIRE_ERRNO(EVRESOLVER_resolve(n->resolver, "box.test", 80, 0, NULL, 0, EVTIMEOUT_NOW) == -1,
                ECHILD);
  REQUIRE_ERRNO(
      EVSOCKET_connect_host(EVTHREAD_current(), NULL, "box.test", 80, EVTIMEOUT_NOW) == NULL,
      ECHILD);
}

static void require_success_in_child(void (*body)(void* ctx), Network* n) {
  struct c_test_ended child;
  c_test_in_child(body, n, &child);
  if (child.status != 0) puts(child.output);
  REQUIRE_C(child.status == 0 && child.signal == 0);
}

static void fork_in_thread(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  require_success_in_child(use_parents_resolver, ctx);
}

TEST_CASE_C(names_in_child, "in a child process, names and pools say that a loop is the parent's") {
  Network n;
  set_up_network(&n);
  require_success_in_child(use_parents_loop, &n);
  run_in_thread(&n.f, fork_in_thread, &n);
  tear_down_network(&n);
}
