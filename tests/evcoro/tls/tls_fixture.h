// TlsFixture: contexts of a server and of a client that trusts it, for a test in C, beside a loop;
// and connections with both ends in it.
//
//   TEST_CASE_C(tls_echo, "...") {
//     TlsFixture t;
//     set_up_tls(&t);
//     run_in_thread(&t.f, talk, &t);      // which begins with: Ends ends = connect_ends(&t,
//     thread); tear_down_tls(&t);
//   }
#pragma once

#include <stdio.h>

#include <evcoro/net/socket.h>
#include <evcoro/tls/tls.h>

#include <capi/evcoro/fixture.h>

typedef struct TlsFixture {
  Fixture f;
  char* pem;  // of the server, whom the client trusts
  EVTLSCERTIFICATE certificate;
  EVTLSCONTEXT* server;
  EVTLSCONTEXT* client;
} TlsFixture;

static inline EVTLSSERVER_OPTIONS server_options(const TlsFixture* t) {
  EVTLSSERVER_OPTIONS options;
  REQUIRE_C(EVTLSSERVER_OPTIONS_init(&options) == 0);
  options.certificates = &t->certificate;
  options.num_certificates = 1;
  return options;
}

static inline EVTLSCLIENT_OPTIONS client_options(const TlsFixture* t) {
  EVTLSCLIENT_OPTIONS options;
  REQUIRE_C(EVTLSCLIENT_OPTIONS_init(&options) == 0);
  options.authorities = t->pem;
  return options;
}

static inline EVTLSCONTEXT* make_server(EVTLSSERVER_OPTIONS options) {
  EVTLSCONTEXT* const context = EVTLSCONTEXT_init_server(&options);
  if (context == NULL) puts(EVTLSERROR_text());
  REQUIRE_C(context != NULL);
  return context;
}

static inline EVTLSCONTEXT* make_client(EVTLSCLIENT_OPTIONS options) {
  EVTLSCONTEXT* const context = EVTLSCONTEXT_init_client(&options);
  if (context == NULL) puts(EVTLSERROR_text());
  REQUIRE_C(context != NULL);
  return context;
}

static inline void set_up_tls(TlsFixture* t) {
  char address[INET_ADDRSTRLEN];
  const struct in_addr own = {htonl(own_loopback())};
  const char* const names[] = {"a.test", inet_ntop(AF_INET, &own, address, sizeof address)};
  set_up(&t->f);
  t->pem = EVTLSCERTIFICATE_make_self_signed(names, 2, 1);
  REQUIRE_C(t->pem != NULL);
  t->certificate = (EVTLSCERTIFICATE){.chain = t->pem};
  t->server = make_server(server_options(t));
  t->client = make_client(client_options(t));
}

static inline void tear_down_tls(TlsFixture* t) {
  REQUIRE_C(EVTLSCONTEXT_free(t->server) == 0);
  REQUIRE_C(EVTLSCONTEXT_free(t->client) == 0);
  free(t->pem);
  tear_down(&t->f);
}

// replace() puts another context in the place of one.
static inline void replace(EVTLSCONTEXT** context, EVTLSCONTEXT* by) {
  REQUIRE_C(EVTLSCONTEXT_free(*context) == 0);
  *context = by;
}

// --- connections ---

typedef struct Ends {
  EVTLSSOCKET* server;
  EVTLSSOCKET* client;
} Ends;

// connect_ends() makes a connection of thread. Its client means "a.test".
static inline Ends connect_ends(const TlsFixture* t, EVTHREAD* thread) {
  EVSOCKET* sockets[2];
  REQUIRE_C(EVSOCKET_pair(thread, sockets) == 0);
  const Ends ends = {EVTLSSOCKET_init(thread, sockets[0], t->server, NULL),
                     EVTLSSOCKET_init(thread, sockets[1], t->client, "a.test")};
  REQUIRE_C(ends.server != NULL && ends.client != NULL);
  return ends;
}

static inline void shake_hands(EVTHREAD* thread, EVSOCKET* socket, void* server) {
  (void)EVTLSSOCKET_handshake(server, long_time());
}

// handshake_with() makes the handshakes of both, the server's in a thread of its own, and returns
// the client's.
static inline int handshake_with(const Ends* ends, EVTHREAD* thread) {
  EVTHREAD* const serving = EVTHREAD_init(EVTHREAD_loop(thread), shake_hands, ends->server);
  REQUIRE_C(EVTHREAD_start_joinable(serving, NULL) == 0);
  const int result = EVTLSSOCKET_handshake(ends->client, long_time());
  const int error = errno;
  REQUIRE_C(EVTHREAD_join(serving, long_time()) == 0);
  errno = error;
  return result;
}

static inline Ends secure_ends(const TlsFixture* t, EVTHREAD* thread) {
  const Ends ends = connect_ends(t, thread);
  if (handshake_with(&ends, thread) != 0) puts(EVTLSSOCKET_error_text(ends.client));
  REQUIRE_C(EVTLSSOCKET_handshake(ends.client, EVTIMEOUT_NOW) == 0);
  REQUIRE_C(EVTLSSOCKET_handshake(ends.server, EVTIMEOUT_NOW) == 0);
  return ends;
}

// require_text() requires that text arrives.
static inline void require_text(EVTLSSOCKET* tls, const char* text) {
  char buffer[64] = {0};
  const int count = EVTLSSOCKET_recv(tls, buffer, sizeof buffer - 1, long_time());
  if (count < 0) puts(EVTLSSOCKET_error_text(tls));
  REQUIRE_C(count == (int)strlen(text) && strcmp(buffer, text) == 0);
}

static inline void send_text(EVTLSSOCKET* tls, const char* text) {
  REQUIRE_C(EVTLSSOCKET_send(tls, text, strlen(text), long_time()) == (int)strlen(text));
}

// require_in() requires that text, which may be NULL, has part in it.
static inline void require_in(const char* text, const char* part) {
  if (text == NULL || strstr(text, part) == NULL) printf("'%s' is not in: %s\n", part, text);
  REQUIRE_C(text != NULL && strstr(text, part) != NULL);
}
