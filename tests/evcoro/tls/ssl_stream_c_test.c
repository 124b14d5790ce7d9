// TLS in C: an application's own SSL.
#define _GNU_SOURCE
#include "tls_fixture.h"

#include <fcntl.h>
#include <openssl/ssl.h>

typedef struct OwnSsl {
  TlsFixture t;
  SSL_CTX* context;
} OwnSsl;

static void set_up_ssl(OwnSsl* own) {
  set_up_tls(&own->t);
  own->context = SSL_CTX_new(TLS_client_method());
}

static void tear_down_ssl(OwnSsl* own) {
  SSL_CTX_free(own->context);
  tear_down_tls(&own->t);
}

typedef struct Connection {
  EVTLSSOCKET* server;
  SSL* ssl;
  int descriptor;
} Connection;

static Connection connect_ssl(OwnSsl* own, EVTHREAD* thread) {
  EVSOCKET* sockets[2];
  REQUIRE_C(EVSOCKET_pair(thread, sockets) == 0);
  const Connection made = {EVTLSSOCKET_init(thread, sockets[0], own->t.server, NULL),
                           SSL_new(own->context), EVSOCKET_release(sockets[1])};
  REQUIRE_C(fcntl(made.descriptor, F_SETFL, O_NONBLOCK) == 0);
  REQUIRE_C(SSL_set_fd(made.ssl, made.descriptor) == 1);
  SSL_set_connect_state(made.ssl);
  return made;
}

static void disconnect_ssl(const Connection* connection) {
  SSL_free(connection->ssl);
  close(connection->descriptor);
}

static void answer(EVTHREAD* thread, EVSOCKET* socket, void* tls) {
  require_text(tls, "hello");
  send_text(tls, "bye\n");
}

static void read_stream(EVTHREAD* thread, EVSOCKET* socket, void* stream) {
  char buffer[8];
  REQUIRE_C(EVSSLSTREAM_recv(stream, buffer, sizeof buffer, long_time()) == 5);
}

static void use_ssl(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  const Connection connection = connect_ssl(ctx, thread);
  EVSSLSTREAM* const stream = EVSSLSTREAM_init(thread, connection.ssl);
  EVLOOP* const loop = EVTHREAD_loop(thread);
  char buffer[8];
  size_t count;
  REQUIRE_C(EVSSLSTREAM_ssl(stream) == connection.ssl);
  REQUIRE_C(strcmp(EVSSLSTREAM_error_text(stream), "") == 0);
  EVTHREAD* const answering = EVTHREAD_init(loop, answer, connection.server);
  REQUIRE_C(EVTHREAD_start_joinable(answering, NULL) == 0);
  REQUIRE_C(EVSSLSTREAM_handshake(stream, long_time()) == 0);
  REQUIRE_C(EVSSLSTREAM_send_ex(stream, "hello", 5, long_time(), &count) == 0 && count == 5);
  REQUIRE_C(EVTHREAD_join(answering, long_time()) == 0);
  REQUIRE_C(EVSSLSTREAM_wait_readable(stream, long_time()) == 0);
  REQUIRE_C(EVSSLSTREAM_recv(stream, buffer, sizeof buffer, long_time()) == 4);
  REQUIRE_ERRNO(EVSSLSTREAM_recv(stream, buffer, 8, EVTIMEOUT_NOW) == -1, ETIMEDOUT);
  REQUIRE_ERRNO(EVSSLSTREAM_wait_readable(stream, milliseconds(1)) == -1, ETIMEDOUT);

  EVTHREAD* const reading = EVTHREAD_init(loop, read_stream, stream);
  REQUIRE_C(EVTHREAD_start_joinable(reading, NULL) == 0);
  REQUIRE_ERRNO(EVSSLSTREAM_free(stream) == -1, EBUSY);
  REQUIRE_ERRNO(EVSSLSTREAM_recv(stream, buffer, 8, long_time()) == -1, EBUSY);
  require_in(EVSSLSTREAM_error_text(stream), "thread");
  send_text(connection.server, "there");
  REQUIRE_C(EVTHREAD_join(reading, long_time()) == 0);

  REQUIRE_C(EVSSLSTREAM_send(stream, "again", 5, long_time()) == 5);
  require_text(connection.server, "again");
  REQUIRE_C(EVSSLSTREAM_shutdown(stream, long_time()) == 0);
  REQUIRE_C(EVTLSSOCKET_recv(connection.server, buffer, 8, long_time()) == 0);
  REQUIRE_C(EVTLSSOCKET_close(connection.server) == 0);
  REQUIRE_C(EVSSLSTREAM_recv(stream, buffer, 8, long_time()) == 0);
  REQUIRE_C(EVSSLSTREAM_free(stream) == 0);
  disconnect_ssl(&connection);
}

static void read_ssl(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  const Connection connection = connect_ssl(ctx, thread);
  EVSSLSTREAM* const stream = EVSSLSTREAM_init(thread, connection.ssl);
  EVTHREAD* const answering = EVTHREAD_init(EVTHREAD_loop(thread), answer, connection.server);
  REQUIRE_C(EVTHREAD_start_joinable(answering, NULL) == 0);
  REQUIRE_C(EVSSLSTREAM_handshake(stream, long_time()) == 0);
  EVREADER* const reader = EVREADER_init_ssl(thread, stream, 0, 0);
  EVWRITER* const writer = EVWRITER_init_ssl(thread, stream, 0);
  const char* line;
  size_t length;
  REQUIRE_C(EVWRITER_write(writer, "hello", 5, NULL, long_time()) == 0);
  REQUIRE_C(EVWRITER_flush(writer, long_time()) == 0);
  REQUIRE_C(EVREADER_read_line(reader, &line, &length, long_time()) == 1);
  REQUIRE_C(strcmp(line, "bye") == 0);
  REQUIRE_C(EVTHREAD_join(answering, long_time()) == 0);
  REQUIRE_C(shutdown(EVTLSSOCKET_fd(connection.server), SHUT_WR) == 0);
  REQUIRE_ERRNO(EVREADER_read_line(reader, &line, &length, long_time()) == -1, ECONNABORTED);
  require_in(EVSSLSTREAM_error_text(stream), "without close_notify");
  REQUIRE_ERRNO(EVREADER_init_ssl(thread, NULL, 0, 0) == NULL, EINVAL);
  REQUIRE_ERRNO(EVREADER_init_ssl(NULL, stream, 0, 0) == NULL, EINVAL);
  REQUIRE_ERRNO(EVWRITER_init_ssl(thread, NULL, 0) == NULL, EINVAL);
  REQUIRE_ERRNO(EVWRITER_init_ssl(NULL, stream, 0) == NULL, EINVAL);
  REQUIRE_C(EVREADER_free(reader) == 0);
  REQUIRE_C(EVWRITER_free(writer) == 0);
  REQUIRE_C(EVSSLSTREAM_free(stream) == 0);
  disconnect_ssl(&connection);
}

TEST_CASE_C(own_ssl, "threads in C wait for an own SSL, and read lines of it") {
  OwnSsl own;
  set_up_ssl(&own);
  run_in_thread(&own.t.f, use_ssl, &own);
  run_in_thread(&own.t.f, read_ssl, &own);
  tear_down_ssl(&own);
}

static void misuse_ssl(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  OwnSsl* const own = ctx;
  SSL* const ssl = SSL_new(own->context);
  REQUIRE_ERRNO(EVSSLSTREAM_init(NULL, ssl) == NULL, EINVAL);
  REQUIRE_ERRNO(EVSSLSTREAM_init(thread, NULL) == NULL, EINVAL);
  EVSSLSTREAM* const stream = EVSSLSTREAM_init(thread, ssl);
  REQUIRE_ERRNO(EVSSLSTREAM_recv(stream, NULL, 1, long_time()) == -1, EINVAL);
  REQUIRE_ERRNO(EVSSLSTREAM_send(stream, NULL, 1, long_time()) == -1, EINVAL);
  REQUIRE_ERRNO(EVSSLSTREAM_send_ex(stream, "a", 1, long_time(), NULL) == -1, EINVAL);
  REQUIRE_C(EVSSLSTREAM_free(stream) == 0);
  SSL_free(ssl);
}

TEST_CASE_C(own_ssl_misuse, "NULL is an error for each function about an own SSL") {
  OwnSsl own;
  size_t count;
  char byte = 0;
  set_up_ssl(&own);
  run_in_thread(&own.t.f, misuse_ssl, &own);
  tear_down_ssl(&own);
  REQUIRE_ERRNO(EVSSLSTREAM_free(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVSSLSTREAM_error_text(NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(EVSSLSTREAM_handshake(NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVSSLSTREAM_recv(NULL, &byte, 1, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVSSLSTREAM_send(NULL, &byte, 1, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVSSLSTREAM_send_ex(NULL, &byte, 1, EVTIMEOUT_NOW, &count) == -1, EINVAL);
  REQUIRE_ERRNO(EVSSLSTREAM_wait_readable(NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVSSLSTREAM_shutdown(NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVSSLSTREAM_ssl(NULL) == NULL, EINVAL);
}
