// TLS in C: contexts, and what is agreed on by them.
#define _GNU_SOURCE
#include "tls_fixture.h"

// A file for the time of a test.
typedef struct TextFile {
  char path[32];
} TextFile;

static void write_file(const TextFile* file, const void* data, size_t size) {
  FILE* const stream = fopen(file->path, "w");
  REQUIRE_C(fwrite(data, 1, size, stream) == size);
  REQUIRE_C(fclose(stream) == 0);
}

static TextFile make_file(const void* data, size_t size) {
  TextFile file = {"/tmp/evcoro-tls.XXXXXX"};
  close(mkstemp(file.path));
  write_file(&file, data, size);
  return file;
}

// --- what is agreed on ---

static void agree(EVTHREAD* thread, EVSOCKET* unused, void* t) {
  const Ends ends = secure_ends(t, thread);
  uint8_t fingerprint[32];
  const void* ocsp = NULL;
  REQUIRE_C(strcmp(EVTLSSOCKET_version(ends.server), "TLSv1.2") == 0);
  require_in(EVTLSSOCKET_cipher(ends.server), "ECDHE-ECDSA-");
  REQUIRE_C(strcmp(EVTLSSOCKET_protocol(ends.server), "http/1.1") == 0);
  REQUIRE_C(strcmp(EVTLSSOCKET_protocol(ends.client), "http/1.1") == 0);
  REQUIRE_C(strcmp(EVTLSSOCKET_server_name(ends.server), "a.test") == 0);
  REQUIRE_C(EVTLSSOCKET_ocsp_response(ends.client, &ocsp) == 5);
  REQUIRE_C(memcmp(ocsp, "\x30\x03\x0a\x01\x03", 5) == 0);
  REQUIRE_C(EVTLSSOCKET_ocsp_response(ends.server, NULL) == 5);  // its own
  char* subject = EVTLSSOCKET_peer_subject(ends.client);
  REQUIRE_C(strcmp(subject, "CN=a.test") == 0);
  free(subject);
  subject = EVTLSSOCKET_peer_subject(ends.server);
  REQUIRE_C(strcmp(subject, "") == 0);
  free(subject);
  REQUIRE_C(EVTLSSOCKET_peer_fingerprint(ends.client, fingerprint) == 0);
  REQUIRE_ERRNO(EVTLSSOCKET_peer_fingerprint(ends.server, fingerprint) == -1, ENODATA);
}

TEST_CASE_C(tls_options, "options in C say what is agreed on") {
  TlsFixture t;
  const char* const servers[] = {"http/1.1", "h2"};
  const char* const clients[] = {"h2", "http/1.1"};
  const TextFile ocsp = make_file("\x30\x03\x0a\x01\x03", 5);  // "try later"
  set_up_tls(&t);
  const TextFile chain = make_file(t.pem, strlen(t.pem));
  const char* const other_names[] = {"b.test"};
  char* const other = EVTLSCERTIFICATE_make_self_signed(other_names, 1, 1);
  const EVTLSCERTIFICATE certificates[] = {{.chain = other},
                                           {.chain = chain.path, .key = t.pem, .ocsp = ocsp.path}};
  EVTLSSERVER_OPTIONS server = server_options(&t);
  EVTLSCLIENT_OPTIONS client = client_options(&t);
  server.certificates = certificates;
  server.num_certificates = 2;
  server.unknown_name = EVTLSUNKNOWN_NAME_REFUSE;
  server.highest_version = EVTLSVERSION_1_2;
  server.ticket_key_lifetime = EVTIMEOUT_NEVER;
  server.handshake_timeout = EVTIMEOUT_NEVER;
  server.openssl_stack_size = 0;
  server.protocols = servers;
  server.num_protocols = 2;
  client.authorities = chain.path;
  client.protocols = clients;
  client.num_protocols = 2;
  client.request_ocsp = 1;
  replace(&t.server, make_server(server));
  replace(&t.client, make_client(client));
  REQUIRE_C(EVTLSCONTEXT_is_server(t.server) == 1 && EVTLSCONTEXT_is_server(t.client) == 0);
  run_in_thread(&t.f, agree, &t);
  unlink(chain.path);
  unlink(ocsp.path);
  free(other);
  tear_down_tls(&t);
}

typedef struct Failure {
  TlsFixture t;
  int error;            // of the client
  const char* message;  // part of it
} Failure;

static void fail_to_agree(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  const Failure* const failure = ctx;
  const Ends ends = connect_ends(&failure->t, thread);
  REQUIRE_ERRNO(handshake_with(&ends, thread) == -1, failure->error);
  require_in(EVTLSSOCKET_error_text(ends.client), failure->message);
}

static void require_failure(Failure* failure, int error, const char* message) {
  failure->error = error;
  failure->message = message;
  run_in_thread(&failure->t.f, fail_to_agree, failure);
}

TEST_CASE_C(tls_failures, "handshakes in C fail with an errno, and say why") {
  Failure failure;
  TlsFixture* const t = &failure.t;
  EVTLSCONTEXT_COUNTERS counters;
  set_up_tls(t);
  const char* const names[] = {"b.test"};
  char* const other = EVTLSCERTIFICATE_make_self_signed(names, 1, 1);
  EVTLSCLIENT_OPTIONS client = client_options(t);
  client.authorities = other;
  replace(&t->client, make_client(client));
  require_failure(&failure, EACCES, "certificate: self-signed certificate");

  EVTLSSERVER_OPTIONS server = server_options(t);
  const EVTLSCERTIFICATE of_other = {.chain = other};
  server.certificates = &of_other;
  replace(&t->server, make_server(server));
  require_failure(&failure, EACCES, "certificate: hostname mismatch");

  server.unknown_name = EVTLSUNKNOWN_NAME_REFUSE;
  replace(&t->server, make_server(server));
  require_failure(&failure, EPROTO, "tls: tlsv1 unrecognized name");

  server.unknown_name = EVTLSUNKNOWN_NAME_SERVE_FIRST;
  server.lowest_version = EVTLSVERSION_1_3;
  client.highest_version = EVTLSVERSION_1_2;
  replace(&t->server, make_server(server));
  replace(&t->client, make_client(client));
  require_failure(&failure, EPROTO, "alert protocol version");
  REQUIRE_C(EVTLSCONTEXT_counters(t->client, &counters) == 0);
  REQUIRE_C(counters.failed == 1 && counters.handshakes == 0);
  free(other);
  tear_down_tls(t);
}

static void agree_at_all(EVTHREAD* thread, EVSOCKET* unused, void* t) { secure_ends(t, thread); }

TEST_CASE_C(tls_unverified, "a client in C that does not verify accepts whom it is told to") {
  TlsFixture t;
  set_up_tls(&t);
  EVTLSCLIENT_OPTIONS client;
  REQUIRE_C(EVTLSCLIENT_OPTIONS_init(&client) == 0);
  REQUIRE_C(client.verify == 1 && client.kept_sessions == 256);
  client.verify = 0;
  replace(&t.client, make_client(client));
  run_in_thread(&t.f, agree_at_all, &t);
  tear_down_tls(&t);
}

static void hurry(EVTHREAD* thread, EVSOCKET* unused, void* t) {
  const Ends ends = connect_ends(t, thread);
  REQUIRE_ERRNO(EVTLSSOCKET_handshake(ends.server, EVTIMEOUT_NEVER) == -1, ETIME);
}

TEST_CASE_C(tls_hasty, "a context in C has a timeout for handshakes") {
  TlsFixture t;
  set_up_tls(&t);
  EVTLSSERVER_OPTIONS server = server_options(&t);
  server.handshake_timeout = milliseconds(5);
  replace(&t.server, make_server(server));
  run_in_thread(&t.f, hurry, &t);
  tear_down_tls(&t);
}

// --- clients' certificates ---

static void be_known(EVTHREAD* thread, EVSOCKET* unused, void* t) {
  const Ends ends = secure_ends(t, thread);
  uint8_t one[32];
  uint8_t other[32];
  char* const subject = EVTLSSOCKET_peer_subject(ends.server);
  REQUIRE_C(strcmp(subject, "CN=a.test") == 0);
  free(subject);
  REQUIRE_C(EVTLSSOCKET_peer_fingerprint(ends.server, one) == 0);
  REQUIRE_C(EVTLSSOCKET_peer_fingerprint(ends.client, other) == 0);
  REQUIRE_C(memcmp(one, other, sizeof one) == 0);  // it is the same one here
}

static void be_unknown(EVTHREAD* thread, EVSOCKET* unused, void* t) {
  const Ends ends = connect_ends(t, thread);
  char byte;
  REQUIRE_C(handshake_with(&ends, thread) == 0);  // TLS 1.3: the server says so after it
  REQUIRE_ERRNO(EVTLSSOCKET_handshake(ends.server, long_time()) == -1, EPROTO);
  require_in(EVTLSSOCKET_error_text(ends.server), "peer did not return a certificate");
  REQUIRE_ERRNO(EVTLSSOCKET_recv(ends.client, &byte, 1, long_time()) == -1, EPROTO);
  require_in(EVTLSSOCKET_error_text(ends.client), "certificate required");
}

TEST_CASE_C(tls_clients, "a server in C asks clients for certificates") {
  TlsFixture t;
  set_up_tls(&t);
  EVTLSSERVER_OPTIONS server = server_options(&t);
  server.client_certificate = EVTLSCLIENT_CERTIFICATE_REQUIRED;
  server.client_authorities = t.pem;
  replace(&t.server, make_server(server));
  run_in_thread(&t.f, be_unknown, &t);
  EVTLSCLIENT_OPTIONS client = client_options(&t);
  client.certificates = &t.certificate;
  client.num_certificates = 1;
  replace(&t.client, make_client(client));
  run_in_thread(&t.f, be_known, &t);
  tear_down_tls(&t);
}

// --- resumption ---

typedef struct Session {
  TlsFixture t;
  int is_resumed;
} Session;

static void resume(EVTHREAD* thread, EVSOCKET* unused, void* ctx) {
  Session* const session = ctx;
  const Ends ends = secure_ends(&session->t, thread);
  session->is_resumed = EVTLSSOCKET_is_resumed(ends.client);
  REQUIRE_C(EVTLSSOCKET_is_resumed(ends.server) == session->is_resumed);
  send_text(ends.server, "x");
  require_text(ends.client, "x");  // and the ticket, before it
}

static int is_resumed(Session* session) {
  run_in_thread(&session->t.f, resume, session);
  return session->is_resumed;
}

TEST_CASE_C(tls_sessions, "sessions in C are resumed, until the keys of their tickets go") {
  Session session;
  TlsFixture* const t = &session.t;
  EVTLSCONTEXT_COUNTERS counters;
  set_up_tls(t);
  REQUIRE_C(!is_resumed(&session));
  REQUIRE_C(is_resumed(&session));
  REQUIRE_C(EVTLSCONTEXT_counters(t->server, &counters) == 0);
  REQUIRE_C(counters.handshakes == 2 && counters.resumed == 1 && counters.failed == 0);
  REQUIRE_C(EVTLSCONTEXT_rotate_ticket_keys(t->server) == 0);
  REQUIRE_C(is_resumed(&session));
  REQUIRE_C(EVTLSCONTEXT_rotate_ticket_keys(t->server) == 0);
  REQUIRE_C(EVTLSCONTEXT_rotate_ticket_keys(t->server) == 0);
  REQUIRE_C(!is_resumed(&session));
  REQUIRE_C(EVTLSCONTEXT_reload(t->client) == 0);
  REQUIRE_C(!is_resumed(&session));

  EVTLSSERVER_OPTIONS server = server_options(t);
  server.ticket_key_lifetime = EVTIMEOUT_NOW;
  replace(&t->server, make_server(server));
  REQUIRE_C(!is_resumed(&session) && is_resumed(&session));
  server.kept_sessions = 0;
  replace(&t->server, make_server(server));
  REQUIRE_C(!is_resumed(&session) && !is_resumed(&session));
  tear_down_tls(t);
}

// --- files ---

static void refuse_server(EVTLSSERVER_OPTIONS options, int error, const char* text) {
  REQUIRE_ERRNO(EVTLSCONTEXT_init_server(&options) == NULL, error);
  require_in(EVTLSERROR_text(), text);
}

static void refuse_client(EVTLSCLIENT_OPTIONS options, int error, const char* text) {
  REQUIRE_ERRNO(EVTLSCONTEXT_init_client(&options) == NULL, error);
  require_in(EVTLSERROR_text(), text);
}

TEST_CASE_C(tls_files, "a context in C names the file that is bad, and keeps what it had") {
  TlsFixture t;
  set_up_tls(&t);
  REQUIRE_C(strcmp(EVTLSERROR_text(), "") == 0);
  const TextFile file = make_file(t.pem, strlen(t.pem));
  EVTLSCERTIFICATE certificate = {.chain = file.path};
  EVTLSSERVER_OPTIONS server = server_options(&t);
  server.certificates = &certificate;
  replace(&t.server, make_server(server));
  run_in_thread(&t.f, agree_at_all, &t);

  write_file(&file, "no certificate", 14);
  REQUIRE_ERRNO(EVTLSCONTEXT_reload(t.server) == -1, EPROTO);
  require_in(EVTLSERROR_text(), "certificate file '/tmp/evcoro-tls.");
  run_in_thread(&t.f, agree_at_all, &t);  // as before
  refuse_server(server, EPROTO, file.path);
  write_file(&file, t.pem, strlen(t.pem));
  REQUIRE_C(EVTLSCONTEXT_reload(t.server) == 0);
  unlink(file.path);
  refuse_server(server, ENOENT, file.path);

  const char* const names[] = {"b.test"};
  char* const other = EVTLSCERTIFICATE_make_self_signed(names, 1, 1);
  certificate = (EVTLSCERTIFICATE){.chain = t.pem, .key = other};
  refuse_server(server, EPROTO, "private key given as text");
  certificate = (EVTLSCERTIFICATE){.chain = t.pem, .ocsp = "/nowhere/ocsp"};
  refuse_server(server, ENOENT, "/nowhere/ocsp");
  EVTLSCLIENT_OPTIONS client = client_options(&t);
  client.authorities = "/nowhere/authorities";
  refuse_client(client, ENOENT, "/nowhere/authorities");
  free(other);
  tear_down_tls(&t);
}

// --- misuse ---

TEST_CASE_C(tls_bad_options, "options in C that can't be are named") {
  TlsFixture t;
  const char* const no_text[] = {NULL};
  const EVTLSCERTIFICATE nothing = {.chain = NULL};
  const EVTLSCERTIFICATE two[2] = {{.chain = NULL}, {.chain = NULL}};
  set_up_tls(&t);
  EVTLSSERVER_OPTIONS server = server_options(&t);
  server.num_certificates = 0;
  refuse_server(server, EINVAL, "certificate");
  server.num_certificates = 1;
  server.certificates = NULL;
  refuse_server(server, EINVAL, "certificates");
  server.certificates = &nothing;
  refuse_server(server, EINVAL, "certificates: chain");
  server = server_options(&t);
  server.unknown_name = (EVTLSUNKNOWN_NAME)2;
  refuse_server(server, EINVAL, "unknown_name");
  server = server_options(&t);
  server.client_certificate = (EVTLSCLIENT_CERTIFICATE)3;
  refuse_server(server, EINVAL, "client_certificate");
  server.client_certificate = EVTLSCLIENT_CERTIFICATE_WANTED;
  refuse_server(server, EINVAL, "client_authorities");
  server = server_options(&t);
  server.lowest_version = (EVTLSVERSION)7;
  refuse_server(server, EINVAL, "lowest_version");

  EVTLSCLIENT_OPTIONS client = client_options(&t);
  client.highest_version = (EVTLSVERSION)7;
  refuse_client(client, EINVAL, "highest_version");
  client = client_options(&t);
  client.num_protocols = 1;
  refuse_client(client, EINVAL, "protocols");
  client.protocols = no_text;
  refuse_client(client, EINVAL, "protocols");
  client = client_options(&t);
  client.certificates = two;
  client.num_certificates = 2;
  refuse_client(client, EINVAL, "certificates: chain");
  tear_down_tls(&t);
}

TEST_CASE_C(tls_context_misuse, "NULL is an error for each function about TLS contexts") {
  const char* const names[] = {"a name with spaces"};
  EVTLSCONTEXT_COUNTERS counters;
  REQUIRE_ERRNO(EVTLSSERVER_OPTIONS_init(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVTLSCLIENT_OPTIONS_init(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVTLSCONTEXT_init_server(NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(EVTLSCONTEXT_free(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVTLSCONTEXT_reload(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVTLSCONTEXT_rotate_ticket_keys(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVTLSCONTEXT_is_server(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVTLSCONTEXT_counters(NULL, &counters) == -1, EINVAL);
  REQUIRE_ERRNO(EVTLSCERTIFICATE_make_self_signed(NULL, 1, 1) == NULL, EINVAL);
  REQUIRE_ERRNO(EVTLSCERTIFICATE_make_self_signed(NULL, 0, 1) == NULL, EINVAL);
  REQUIRE_ERRNO(EVTLSCERTIFICATE_make_self_signed(names, 1, 1) == NULL, EINVAL);
  require_in(EVTLSERROR_text(), "'a name with spaces' is no host name");
}
