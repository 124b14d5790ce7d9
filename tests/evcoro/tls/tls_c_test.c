// TLS in C: connections. What they do is tested in the other files.
#define _GNU_SOURCE
#include "tls_fixture.h"

#include <stdatomic.h>

#include <evcoro/loop_group.h>

// --- data ---

static void echo(EVTHREAD* thread, EVSOCKET* socket, void* context) {
  EVTLSSOCKET* const tls = EVTLSSOCKET_init(thread, socket, context, NULL);
  char buffer[16];
  int count;
  while ((count = EVTLSSOCKET_recv(tls, buffer, sizeof buffer, long_time())) > 0) {
    REQUIRE_C(EVTLSSOCKET_send(tls, buffer, (size_t)count, long_time()) == count);
  }
}

static void talk_to_echo(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  TlsFixture* const t = ctx;
  EVSOCKET* sockets[2];
  REQUIRE_C(EVSOCKET_pair(thread, sockets) == 0);
  const int descriptor = EVSOCKET_release(sockets[0]);
  EVTHREAD* const server = EVTHREAD_init(t->f.loop, echo, t->server);
  EVSOCKET* const its_socket = EVSOCKET_init(server, descriptor, 1);
  REQUIRE_C(EVTHREAD_start_joinable(server, its_socket) == 0);
  EVTLSSOCKET* const tls = EVTLSSOCKET_init(thread, sockets[1], t->client, "a.test");
  REQUIRE_C(strcmp(EVTLSSOCKET_version(tls), "") == 0);
  size_t count;
  REQUIRE_C(EVTLSSOCKET_send_ex(tls, "hello", 5, long_time(), &count) == 0 && count == 5);
  require_text(tls, "hello");
  send_text(tls, "bye");
  require_text(tls, "bye");
  REQUIRE_C(strcmp(EVTLSSOCKET_version(tls), "TLSv1.3") == 0);
  require_in(EVTLSSOCKET_cipher(tls), "TLS_");
  REQUIRE_C(strcmp(EVTLSSOCKET_protocol(tls), "") == 0);
  REQUIRE_C(strcmp(EVTLSSOCKET_error_text(tls), "") == 0);
  REQUIRE_C(EVTLSSOCKET_ssl(tls) != NULL);
  REQUIRE_C(EVTLSSOCKET_close_notify(tls, long_time()) == 0);
  REQUIRE_ERRNO(EVTLSSOCKET_send(tls, "x", 1, long_time()) == -1, EPIPE);
  require_in(EVTLSSOCKET_error_text(tls), "close_notify was sent");
  char byte;
  REQUIRE_C(EVTLSSOCKET_recv(tls, &byte, 1, long_time()) == 0);
  REQUIRE_C(EVTHREAD_join(server, long_time()) == 0);
}

TEST_CASE_C(tls_echo, "a thread in C echoes over TLS to another") {
  TlsFixture t;
  set_up_tls(&t);
  run_in_thread(&t.f, talk_to_echo, &t);
  tear_down_tls(&t);
}

// Calls that wait, and fail.
static void read_into_nothing(EVTHREAD* thread, EVSOCKET* socket, void* tls) {
  char byte;
  REQUIRE_ERRNO(EVTLSSOCKET_recv(tls, &byte, 1, long_time()) == -1, ECANCELED);
}

static void wait_in_vain(EVTHREAD* thread, EVSOCKET* unused, void* t) {
  char buffer[8];
  Ends ends = connect_ends(t, thread);
  REQUIRE_ERRNO(EVTLSSOCKET_close_notify(ends.server, EVTIMEOUT_NOW) == -1, ENOTCONN);
  REQUIRE_ERRNO(EVTLSSOCKET_handshake(ends.server, EVTIMEOUT_NOW) == -1, ETIMEDOUT);
  REQUIRE_C(handshake_with(&ends, thread) == 0);
  REQUIRE_ERRNO(EVTLSSOCKET_recv(ends.server, buffer, 8, milliseconds(1)) == -1, ETIMEDOUT);
  REQUIRE_ERRNO(EVTLSSOCKET_recv(ends.server, buffer, 8, EVTIMEOUT_NOW) == -1, ETIMEDOUT);
  REQUIRE_ERRNO(EVTLSSOCKET_wait_readable(ends.server, milliseconds(1)) == -1, ETIMEDOUT);
  send_text(ends.client, "hello");
  REQUIRE_C(EVTLSSOCKET_wait_readable(ends.server, long_time()) == 0);
  require_text(ends.server, "hello");
  EVTLSSOCKET_set_idle_timeout(ends.server, milliseconds(1));
  REQUIRE_ERRNO(EVTLSSOCKET_recv(ends.server, buffer, 8, EVTIMEOUT_NEVER) == -1, ETIMEDOUT);
  EVTLSSOCKET_set_idle_timeout(ends.server, EVTIMEOUT_NEVER);

  EVTHREAD* const reader = EVTHREAD_init(EVTHREAD_loop(thread), read_into_nothing, ends.server);
  REQUIRE_C(EVTHREAD_start_joinable(reader, NULL) == 0);
  REQUIRE_ERRNO(EVTLSSOCKET_recv(ends.server, buffer, 8, long_time()) == -1, EBUSY);
  require_in(EVTLSSOCKET_error_text(ends.server), "thread");
  REQUIRE_C(EVTLSSOCKET_close(ends.server) == 0);  // while the other one waits
  REQUIRE_C(EVTHREAD_join(reader, long_time()) == 0);
  REQUIRE_C(EVTLSSOCKET_recv(ends.client, buffer, 8, long_time()) == 0);

  ends = secure_ends(t, thread);
  REQUIRE_C(shutdown(EVTLSSOCKET_fd(ends.client), SHUT_WR) == 0);
  REQUIRE_ERRNO(EVTLSSOCKET_recv(ends.server, buffer, 8, long_time()) == -1, ECONNABORTED);
  require_in(EVTLSSOCKET_error_text(ends.server), "without close_notify");
}

TEST_CASE_C(tls_waits, "calls of TLS in C time out, are cancelled, and are told of a cut") {
  TlsFixture t;
  set_up_tls(&t);
  run_in_thread(&t.f, wait_in_vain, &t);
  tear_down_tls(&t);
}

// --- readers and writers ---

static void read_and_write(EVTHREAD* thread, EVSOCKET* unused, void* t) {
  const Ends ends = secure_ends(t, thread);
  EVREADER* const reader = EVREADER_init_tls(thread, ends.server, 0, 0);
  EVWRITER* const writer = EVWRITER_init_tls(thread, ends.client, 0);
  const char* line;
  size_t length;
  REQUIRE_C(EVWRITER_write(writer, "one\ntwo", 7, NULL, long_time()) == 0);
  REQUIRE_C(EVWRITER_flush(writer, long_time()) == 0);
  REQUIRE_C(EVREADER_read_line(reader, &line, &length, long_time()) == 1);
  REQUIRE_C(strcmp(line, "one") == 0);
  REQUIRE_C(EVREADER_buffered(reader, NULL) == 3);
  REQUIRE_C(send(EVTLSSOCKET_fd(ends.client), "no TLS at all", 13, 0) == 13);
  REQUIRE_ERRNO(EVREADER_read_line(reader, &line, &length, long_time()) == -1, EPROTO);
  require_in(EVTLSSOCKET_error_text(ends.server), "tls: wrong version number");
  REQUIRE_ERRNO(EVREADER_init_tls(thread, NULL, 0, 0) == NULL, EINVAL);
  REQUIRE_ERRNO(EVREADER_init_tls(NULL, ends.server, 0, 0) == NULL, EINVAL);
  REQUIRE_ERRNO(EVWRITER_init_tls(thread, NULL, 0) == NULL, EINVAL);
  REQUIRE_ERRNO(EVWRITER_init_tls(NULL, ends.server, 0) == NULL, EINVAL);
}  // all are freed with the thread, the sockets first

TEST_CASE_C(tls_lines, "readers and writers in C work over TLS") {
  TlsFixture t;
  set_up_tls(&t);
  run_in_thread(&t.f, read_and_write, &t);
  tear_down_tls(&t);
}

// --- STARTTLS ---

typedef struct Upgrade {
  TlsFixture t;
  EVSOCKET* socket;
} Upgrade;

// Does not wait for the answer.
static void ask_for_upgrade(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Upgrade* const upgrade = ctx;
  REQUIRE_C(EVSOCKET_send(socket, "STARTTLS\r\n", 10, 0, long_time()) == 10);
  EVTLSSOCKET* const tls = EVTLSSOCKET_init(thread, socket, upgrade->t.client, "a.test");
  send_text(tls, "under TLS");
  require_text(tls, "bye");
}

static void serve_upgrade(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  Upgrade* const upgrade = ctx;
  EVSOCKET* sockets[2];
  REQUIRE_C(EVSOCKET_pair(thread, sockets) == 0);
  EVTHREAD* const asking = EVTHREAD_init(upgrade->t.f.loop, ask_for_upgrade, upgrade);
  REQUIRE_C(
      EVTHREAD_start_joinable(asking, EVSOCKET_init(asking, EVSOCKET_release(sockets[1]), 1)) == 0);
  EVREADER* const reader = EVREADER_init(thread, sockets[0], 0, 0);
  const void* data;
  const char* line;
  size_t length;
  REQUIRE_C(EVREADER_peek(reader, 20, &data, &length, long_time()) == 1);  // TLS, too
  REQUIRE_C(EVREADER_read_line(reader, &line, &length, long_time()) == 1);
  REQUIRE_C(strcmp(line, "STARTTLS") == 0);
  REQUIRE_ERRNO(EVTLSSOCKET_upgrade(thread, sockets[0], NULL, upgrade->t.server, NULL) == NULL,
                EINVAL);
  REQUIRE_ERRNO(EVTLSSOCKET_upgrade(thread, sockets[0], reader, NULL, NULL) == NULL, EINVAL);
  REQUIRE_C(EVREADER_buffered(reader, NULL) > 0);
  EVTLSSOCKET* const tls = EVTLSSOCKET_upgrade(thread, sockets[0], reader, upgrade->t.server, NULL);
  require_text(tls, "under TLS");
  send_text(tls, "bye");
  REQUIRE_C(EVTHREAD_join(asking, long_time()) == 0);
}

TEST_CASE_C(tls_upgrade, "a connection in C is upgraded with what its reader holds") {
  Upgrade upgrade;
  set_up_tls(&upgrade.t);
  run_in_thread(&upgrade.t.f, serve_upgrade, &upgrade);
  tear_down_tls(&upgrade.t);
}

// --- by host and port ---

static int serve_echo(int fd, EVTHREAD_PROC* proc, void** ctx, void* context) {
  *proc = echo;
  *ctx = context;
  return 0;
}

static void connect_by_host(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  TlsFixture* const t = ctx;
  SOCKADDR address = own_address(0);
  char host[INET_ADDRSTRLEN];
  EVTCPACCEPTOR* const acceptor =
      EVTCPACCEPTOR_init_ctx(t->f.loop, &address, 8, serve_echo, -1, -1, t->server);
  REQUIRE_C(EVTCPACCEPTOR_local_address(acceptor, &address) == 0);
  const uint16_t port = (uint16_t)SOCKADDR_port(&address);
  inet_ntop(AF_INET, &address.addr_ipv4.sin_addr, host, sizeof host);
  EVTLSSOCKET* const tls = EVTLSSOCKET_connect_host(thread, host, port, t->client, long_time());
  if (tls == NULL) puts(EVTLSERROR_text());
  REQUIRE_C(tls != NULL);
  send_text(tls, "hello");
  require_text(tls, "hello");
  REQUIRE_C(EVTLSSOCKET_peer_address(tls, &address) == 0 && SOCKADDR_port(&address) == port);
  REQUIRE_C(EVTLSSOCKET_local_address(tls, &address) == 0 && SOCKADDR_port(&address) != port);
  REQUIRE_C(EVTLSSOCKET_close(tls) == 0);

  EVTLSCONTEXT* const system = EVTLSCONTEXT_init_client(NULL);
  REQUIRE_ERRNO(EVTLSSOCKET_connect_host(thread, host, port, system, long_time()) == NULL, EACCES);
  require_in(EVTLSERROR_text(), "certificate: self-signed certificate");
  REQUIRE_C(EVTLSCONTEXT_free(system) == 0);
  EVTHREAD* const other = EVTHREAD_init(t->f.loop, echo, NULL);
  REQUIRE_ERRNO(EVTLSSOCKET_connect_host(other, host, port, t->client, long_time()) == NULL, EPERM);
  REQUIRE_C(EVTHREAD_free(other) == 0);
  EVTCPACCEPTOR_close(acceptor);
  REQUIRE_ERRNO(EVTLSSOCKET_connect_host(thread, host, port, t->client, long_time()) == NULL,
                ECONNREFUSED);
}

TEST_CASE_C(tls_connect, "a client in C connects to a host over TLS, and believes no other") {
  TlsFixture t;
  set_up_tls(&t);
  run_in_thread(&t.f, connect_by_host, &t);
  tear_down_tls(&t);
}

// --- loops that share a context ---

typedef struct Shared {
  TlsFixture* t;
  atomic_int done;
} Shared;

static void use_context(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  Shared* const shared = ctx;
  for (int i = 0; i < 8; i++) {
    const Ends ends = secure_ends(shared->t, thread);
    send_text(ends.client, "hello");
    require_text(ends.server, "hello");
    REQUIRE_C(EVTLSCONTEXT_reload(shared->t->server) == 0);
    REQUIRE_C(EVTLSSOCKET_close(ends.client) == 0);
    REQUIRE_C(EVTLSSOCKET_close(ends.server) == 0);
  }
  shared->done++;
}

TEST_CASE_C(tls_loops, "loops in C share contexts of TLS") {
  TlsFixture t;
  set_up_tls(&t);
  Shared shared = {.t = &t};
  EVTLSCONTEXT_COUNTERS counters;
  EVLOOPGROUP_OPTIONS options;
  REQUIRE_C(EVLOOPGROUP_OPTIONS_init(&options) == 0);
  options.loops = 2;
  options.num_stacks = 8;
  options.stack_size = 64 * 1024;
  EVLOOPGROUP* const group = EVLOOPGROUP_init(&options);
  EVREMOTETHREAD* threads[4];
  for (int i = 0; i < 4; i++) threads[i] = EVLOOPGROUP_start(group, use_context, &shared, NULL);
  for (int i = 0; i < 4; i++) REQUIRE_C(EVREMOTETHREAD_join(threads[i], long_time()) == 0);
  REQUIRE_C(EVLOOPGROUP_free(group) == 0);
  REQUIRE_C(shared.done == 4);
  REQUIRE_C(EVTLSCONTEXT_counters(t.server, &counters) == 0 && counters.handshakes == 32);
  tear_down_tls(&t);
}

// --- misuse ---

static void misuse_tls(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  TlsFixture* const t = ctx;
  EVSOCKET* sockets[2];
  char byte = 0;
  REQUIRE_C(EVSOCKET_pair(thread, sockets) == 0);
  REQUIRE_ERRNO(EVTLSSOCKET_init(NULL, sockets[0], t->server, NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(EVTLSSOCKET_init(thread, NULL, t->server, NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(EVTLSSOCKET_init(thread, sockets[0], NULL, NULL) == NULL, EINVAL);
  require_in(EVTLSERROR_text(), "Invalid argument");
  REQUIRE_ERRNO(EVTLSSOCKET_connect_host(NULL, "a", 1, t->client, long_time()) == NULL, EINVAL);
  REQUIRE_ERRNO(EVTLSSOCKET_connect_host(thread, NULL, 1, t->client, long_time()) == NULL, EINVAL);
  REQUIRE_ERRNO(EVTLSSOCKET_connect_host(thread, "a", 1, NULL, long_time()) == NULL, EINVAL);
  EVTLSSOCKET* const tls = EVTLSSOCKET_init(thread, sockets[0], t->client, NULL);
  REQUIRE_ERRNO(EVTLSSOCKET_handshake(tls, long_time()) == -1, EINVAL);
  require_in(EVTLSSOCKET_error_text(tls), "needs the server's name");
  REQUIRE_ERRNO(EVTLSSOCKET_recv(tls, NULL, 1, long_time()) == -1, EINVAL);
  REQUIRE_ERRNO(EVTLSSOCKET_recv(tls, &byte, SIZE_MAX, long_time()) == -1, EINVAL);
  REQUIRE_ERRNO(EVTLSSOCKET_send(tls, NULL, 1, long_time()) == -1, EINVAL);
  REQUIRE_ERRNO(EVTLSSOCKET_send_ex(tls, &byte, 1, long_time(), NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVTLSSOCKET_peer_fingerprint(tls, NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVTLSSOCKET_peer_address(tls, NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVTLSSOCKET_local_address(tls, NULL) == -1, EINVAL);
  EVTLSSOCKET* const odd = EVTLSSOCKET_init(thread, sockets[1], t->client, "not a name\n");
  REQUIRE_C(odd != NULL);
}

TEST_CASE_C(tls_misuse, "NULL is an error for each function about TLS sockets") {
  TlsFixture t;
  size_t count;
  SOCKADDR address;
  uint8_t fingerprint[32];
  char byte = 0;
  set_up_tls(&t);
  run_in_thread(&t.f, misuse_tls, &t);
  tear_down_tls(&t);
  REQUIRE_ERRNO(EVTLSSOCKET_close(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVTLSSOCKET_error_text(NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(EVTLSSOCKET_handshake(NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVTLSSOCKET_recv(NULL, &byte, 1, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVTLSSOCKET_send(NULL, &byte, 1, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVTLSSOCKET_send_ex(NULL, &byte, 1, EVTIMEOUT_NOW, &count) == -1, EINVAL);
  REQUIRE_ERRNO(EVTLSSOCKET_wait_readable(NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVTLSSOCKET_close_notify(NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVTLSSOCKET_fd(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVTLSSOCKET_local_address(NULL, &address) == -1, EINVAL);
  REQUIRE_ERRNO(EVTLSSOCKET_peer_address(NULL, &address) == -1, EINVAL);
  EVTLSSOCKET_set_idle_timeout(NULL, EVTIMEOUT_NOW);
  REQUIRE_ERRNO(EVTLSSOCKET_is_resumed(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVTLSSOCKET_protocol(NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(EVTLSSOCKET_version(NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(EVTLSSOCKET_cipher(NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(EVTLSSOCKET_server_name(NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(EVTLSSOCKET_peer_subject(NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(EVTLSSOCKET_peer_fingerprint(NULL, fingerprint) == -1, EINVAL);
  REQUIRE_ERRNO(EVTLSSOCKET_ocsp_response(NULL, NULL) == 0, EINVAL);
  REQUIRE_ERRNO(EVTLSSOCKET_ssl(NULL) == NULL, EINVAL);
}
