// TLS in C: EVTLSCONTEXT, the certificates and rules of servers or clients; EVTLSSOCKET, a
// connection under TLS; EVSSLSTREAM, for an application's own SSL.
//
//   EVTLSCERTIFICATE certificate = {.chain = "server.pem", .key = "server.key"};
//   EVTLSSERVER_OPTIONS options;
//   EVTLSSERVER_OPTIONS_init(&options);
//   options.certificates = &certificate;
//   options.num_certificates = 1;
//   EVTLSCONTEXT* context = EVTLSCONTEXT_init_server(&options);
//   if (context == NULL) puts(EVTLSERROR_text());         // "file 'server.pem': No such file ..."
//
//   static void serve(EVTHREAD* thread, EVSOCKET* socket, void* context) {
//     EVTLSSOCKET* const tls = EVTLSSOCKET_init(thread, socket, context, NULL);
//     if (tls == NULL) return;
//     char buffer[512];
//     int count;
//     while ((count = EVTLSSOCKET_recv(tls, buffer, sizeof buffer, timeout)) > 0) {
//       if (EVTLSSOCKET_send(tls, buffer, (size_t)count, timeout) != count) break;
//     }
//     if (count < 0) puts(EVTLSSOCKET_error_text(tls));   // "tls: no shared cipher"
//   }                                                     // closed and freed with its thread
//
//   EVTLSSOCKET* tls = EVTLSSOCKET_connect_host(thread, "example.org", 443, client, timeout);
//
// What context.hpp, socket.hpp and ssl_stream.hpp say holds here. An EVTLSCONTEXT may be used by
// any OS thread; all else is for the OS thread of the loop, and what waits for the running thread.
//
// What fails returns -1, or NULL, and sets errno, see evthread.h; beside these, EACCES: the peer's
// certificate is not accepted; EPROTO: what OpenSSL says of the connection; ECONNABORTED: the
// stream has ended without close_notify, data may be missing; EPIPE: nothing can be sent after
// close_notify; ENOBUFS: the peer does not read the answers that it asks for. More is in the texts:
// EVTLSSOCKET_error_text(), EVSSLSTREAM_error_text(), and EVTLSERROR_text() for the others.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>

#include <evcoro/evthread.h>
#include <evcoro/io/stream.h>

struct ssl_st;  // OpenSSL's SSL

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tagEVTLSCONTEXT EVTLSCONTEXT;
typedef struct tagEVTLSSOCKET EVTLSSOCKET;
typedef struct tagEVSSLSTREAM EVSSLSTREAM;

// EVTLSERROR_text() says why a call about a context or a certificate, or one that makes an
// EVTLSSOCKET or an EVSSLSTREAM, has failed last in this OS thread: it names the file, or the
// option. "" if none has. Good until the next one fails: to be read before the thread waits.
EVCORO_API const char* EVTLSERROR_text(void) EVCORO_NOEXCEPT;

// --- EVTLSCERTIFICATE ---

// EVTLSCERTIFICATE is a certificate and its key, both in PEM: the path of a file, or the text
// itself (which begins with "-----BEGIN"). What isn't named must be zero.
typedef struct tagEVTLSCERTIFICATE {
  const char* chain;  // the certificate, followed by those of its issuers, without the root
  const char* key;    // NULL: in the same file or text
  const char* ocsp;   // the path of an OCSP response (DER), to be stapled; NULL: none
  uintptr_t reserved[1];
} EVTLSCERTIFICATE;

// EVTLSCERTIFICATE_make_self_signed() makes a certificate for some names or IP addresses, valid for
// so many days, and its key, as one text, which is the caller's to free(3): for tests, and for a
// first look.
EVCORO_API char* EVTLSCERTIFICATE_make_self_signed(const char* const* names, size_t num_names,
                                                   int days) EVCORO_NOEXCEPT;

// --- EVTLSCONTEXT ---

typedef enum tagEVTLSVERSION EVCORO_ENUM { EVTLSVERSION_1_2, EVTLSVERSION_1_3 } EVTLSVERSION;

typedef enum tagEVTLSCLIENT_CERTIFICATE EVCORO_ENUM {
  EVTLSCLIENT_CERTIFICATE_IGNORED,
  EVTLSCLIENT_CERTIFICATE_WANTED,
  EVTLSCLIENT_CERTIFICATE_REQUIRED,
} EVTLSCLIENT_CERTIFICATE;

// EVTLSUNKNOWN_NAME is for who names no host, or one that no certificate is for: the first
// certificate, or a fatal alert.
typedef enum tagEVTLSUNKNOWN_NAME EVCORO_ENUM {
  EVTLSUNKNOWN_NAME_SERVE_FIRST,
  EVTLSUNKNOWN_NAME_REFUSE,
} EVTLSUNKNOWN_NAME;

// All that the options point to is copied.
typedef struct tagEVTLSSERVER_OPTIONS {
  const EVTLSCERTIFICATE* certificates;  // a client gets the first for the host that it names
  size_t num_certificates;
  EVTLSUNKNOWN_NAME unknown_name;
  EVTLSCLIENT_CERTIFICATE client_certificate;
  const char* client_authorities;      // PEM, a file or text: who may have issued those
  struct timeval ticket_key_lifetime;  // {0, 0}: no tickets
  size_t kept_sessions;                // for resumption without tickets; 0: none
  EVTLSVERSION lowest_version;
  EVTLSVERSION highest_version;
  const char* const* protocols;  // above TLS (ALPN), such as "http/1.1", the preferred first
  size_t num_protocols;
  struct timeval handshake_timeout;  // from its first step to its last
  size_t openssl_stack_size;         // in bytes, one for each loop; 0: on the thread's own stack
  uintptr_t reserved[4];
} EVTLSSERVER_OPTIONS;

typedef struct tagEVTLSCLIENT_OPTIONS {
  int verify;                            // not 0: the server's chain, and its name
  const char* authorities;               // PEM, a file or text; NULL: those of the system
  const EVTLSCERTIFICATE* certificates;  // for servers that ask for one: at most one
  size_t num_certificates;
  size_t kept_sessions;  // for resumption; 0: none
  int request_ocsp;      // not 0: servers are asked to staple an OCSP response
  EVTLSVERSION lowest_version;
  EVTLSVERSION highest_version;
  const char* const* protocols;  // what is offered
  size_t num_protocols;
  struct timeval handshake_timeout;
  size_t openssl_stack_size;
  uintptr_t reserved[4];
} EVTLSCLIENT_OPTIONS;

// These store the defaults, which context.hpp tells: TLS 1.2 and 1.3, ten seconds for a handshake,
// 256 KiB for OpenSSL; a server needs a certificate beside them, a client verifies.
EVCORO_API int EVTLSSERVER_OPTIONS_init(EVTLSSERVER_OPTIONS* options) EVCORO_NOEXCEPT;
EVCORO_API int EVTLSCLIENT_OPTIONS_init(EVTLSCLIENT_OPTIONS* options) EVCORO_NOEXCEPT;

// EVTLSCONTEXT_init_server() and EVTLSCONTEXT_init_client() read the files, while the OS thread
// waits; a client's options may be NULL. Errors are those of open(2) and read(2), what OpenSSL says
// of a file, and EINVAL for options that can't be.
EVCORO_API EVTLSCONTEXT* EVTLSCONTEXT_init_server(const EVTLSSERVER_OPTIONS* options)
    EVCORO_NOEXCEPT;
EVCORO_API EVTLSCONTEXT* EVTLSCONTEXT_init_client(const EVTLSCLIENT_OPTIONS* options)
    EVCORO_NOEXCEPT;

// EVTLSCONTEXT_free() frees the handle. Connections that were made by it go on.
EVCORO_API int EVTLSCONTEXT_free(EVTLSCONTEXT* context) EVCORO_NOEXCEPT;

// EVTLSCONTEXT_reload() reads the files again: handshakes that begin after it use what they have
// now. If it fails, all stays as it was. Connections go on, and sessions can be resumed.
EVCORO_API int EVTLSCONTEXT_reload(EVTLSCONTEXT* context) EVCORO_NOEXCEPT;

// EVTLSCONTEXT_rotate_ticket_keys() makes a new key for tickets, before its time. Tickets of the
// key before are good still, and those of earlier ones are not: twice, all are void.
EVCORO_API int EVTLSCONTEXT_rotate_ticket_keys(EVTLSCONTEXT* context) EVCORO_NOEXCEPT;

// EVTLSCONTEXT_is_server() is 1 for a server's, and 0 for a client's.
EVCORO_API int EVTLSCONTEXT_is_server(EVTLSCONTEXT* context) EVCORO_NOEXCEPT;

// EVTLSCONTEXT_COUNTERS are of all loops together.
typedef struct tagEVTLSCONTEXT_COUNTERS {
  uint64_t handshakes;  // completed, with those that were resumed
  uint64_t resumed;
  uint64_t failed;  // handshakes that failed or did not come to their end
  uintptr_t reserved[4];
} EVTLSCONTEXT_COUNTERS;

EVCORO_API int EVTLSCONTEXT_counters(EVTLSCONTEXT* context,
                                     EVTLSCONTEXT_COUNTERS* counters) EVCORO_NOEXCEPT;

// --- EVTLSSOCKET ---

// EVTLSSOCKET_init() takes over a connected socket, and frees the EVSOCKET. The EVTLSSOCKET is of
// thread, which closes and frees it when it ends. Nothing is sent yet. A client says by server_name
// whom it means: it asks for that name, and verifies it (a name, or an IP address); for a server it
// is NULL. If this fails with ENOMEM the socket is closed; after other errors it stays the
// caller's.
EVCORO_API EVTLSSOCKET* EVTLSSOCKET_init(EVTHREAD* thread, EVSOCKET* socket, EVTLSCONTEXT* context,
                                         const char* server_name) EVCORO_NOEXCEPT;

// EVTLSSOCKET_upgrade() does so for a connection that has spoken something else before (STARTTLS),
// by way of reader, which goes with the socket: what that has received and not handed out is the
// beginning of what the peer says in TLS. An EVWRITER of the socket must have gone before.
EVCORO_API EVTLSSOCKET* EVTLSSOCKET_upgrade(EVTHREAD* thread, EVSOCKET* socket, EVREADER* reader,
                                            EVTLSCONTEXT* context,
                                            const char* server_name) EVCORO_NOEXCEPT;

// EVTLSSOCKET_connect_host() makes an EVTLSSOCKET of thread, which must be the running one (EPERM),
// connects it to host as EVSOCKET_connect_host() of net/resolver.h does, and makes the connection
// secure, verifying the host's name. EVTLSERROR_text() says why it can't. (With an EVRESOLVER of
// one's own: EVSOCKET_connect_host(), EVTLSSOCKET_init() and EVTLSSOCKET_handshake().)
EVCORO_API EVTLSSOCKET* EVTLSSOCKET_connect_host(EVTHREAD* thread, const char* host, uint16_t port,
                                                 EVTLSCONTEXT* context,
                                                 struct timeval timeout) EVCORO_NOEXCEPT;

// EVTLSSOCKET_close() sends close_notify, if it can be sent at once and was not yet, closes the
// socket, and frees the EVTLSSOCKET. Threads that wait for it fail with ECANCELED.
EVCORO_API int EVTLSSOCKET_close(EVTLSSOCKET* socket) EVCORO_NOEXCEPT;

// EVTLSSOCKET_error_text() says why a call about this socket, or about an EVREADER or EVWRITER of
// it, has failed last: "certificate: self-signed certificate". "" if none has. Good until the next
// call about the socket.
EVCORO_API const char* EVTLSSOCKET_error_text(EVTLSSOCKET* socket) EVCORO_NOEXCEPT;

// EVTLSSOCKET_handshake() makes the connection secure; without it the first call that receives or
// sends does. No longer than the context's handshake_timeout in all. After it has succeeded it
// returns at once. EINVAL for a client that verifies, and was given no name, or what is none.
EVCORO_API int EVTLSSOCKET_handshake(EVTLSSOCKET* socket, struct timeval timeout) EVCORO_NOEXCEPT;

// One thread may receive while another sends: EBUSY for a second one in the same direction. After
// ETIMEDOUT or ECANCELED these can be called again, and nothing is lost; other errors are final:
// ETIME, if the context's handshake_timeout is over.
//
// EVTLSSOCKET_recv() waits until there is something, and returns how many bytes it has taken: 0
// after the peer's close_notify. EVTLSSOCKET_send() sends all. A size over INT_MAX is EINVAL.
EVCORO_API int EVTLSSOCKET_recv(EVTLSSOCKET* socket, void* buf, size_t size,
                                struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API int EVTLSSOCKET_send(EVTLSSOCKET* socket, const void* buf, size_t size,
                                struct timeval timeout) EVCORO_NOEXCEPT;

// EVTLSSOCKET_send_ex() returns 0 or -1, and stores in *count how many bytes need not be sent
// again, also if it fails half way: they are encrypted, and sent, or go before whatever is sent
// next. size has no limit.
EVCORO_API int EVTLSSOCKET_send_ex(EVTLSSOCKET* socket, const void* buf, size_t size,
                                   struct timeval timeout, size_t* count) EVCORO_NOEXCEPT;

// EVTLSSOCKET_wait_readable() waits until EVTLSSOCKET_recv() may find something, or the end, for
// who holds no buffer meanwhile. It may be wrong, and then a call with EVTIMEOUT_NOW fails with
// ETIMEDOUT, after which it is right.
EVCORO_API int EVTLSSOCKET_wait_readable(EVTLSSOCKET* socket,
                                         struct timeval timeout) EVCORO_NOEXCEPT;

// EVTLSSOCKET_close_notify() tells the peer that nothing will be sent any more. Receiving goes on.
// ENOTCONN before the handshake.
EVCORO_API int EVTLSSOCKET_close_notify(EVTLSSOCKET* socket,
                                        struct timeval timeout) EVCORO_NOEXCEPT;

// The socket below. EVTLSSOCKET_fd() is the descriptor, for getsockopt(2) and the like: not to be
// closed, nor read or written. The others are as those of EVSOCKET.
EVCORO_API int EVTLSSOCKET_fd(EVTLSSOCKET* socket) EVCORO_NOEXCEPT;
EVCORO_API int EVTLSSOCKET_local_address(EVTLSSOCKET* socket, SOCKADDR* address) EVCORO_NOEXCEPT;
EVCORO_API int EVTLSSOCKET_peer_address(EVTLSSOCKET* socket, SOCKADDR* address) EVCORO_NOEXCEPT;
EVCORO_API void EVTLSSOCKET_set_idle_timeout(EVTLSSOCKET* socket,
                                             struct timeval timeout) EVCORO_NOEXCEPT;

// What was agreed on: known after the handshake. The texts are good as long as the socket.
//
// EVTLSSOCKET_is_resumed() is 1 if a session was, and 0 if not. EVTLSSOCKET_protocol() is by ALPN,
// "" if none was agreed on; EVTLSSOCKET_version() such as "TLSv1.3"; EVTLSSOCKET_cipher() such as
// "TLS_AES_256_GCM_SHA384"; EVTLSSOCKET_server_name() whom the client meant, "" if it did not say.
EVCORO_API int EVTLSSOCKET_is_resumed(EVTLSSOCKET* socket) EVCORO_NOEXCEPT;
EVCORO_API const char* EVTLSSOCKET_protocol(EVTLSSOCKET* socket) EVCORO_NOEXCEPT;
EVCORO_API const char* EVTLSSOCKET_version(EVTLSSOCKET* socket) EVCORO_NOEXCEPT;
EVCORO_API const char* EVTLSSOCKET_cipher(EVTLSSOCKET* socket) EVCORO_NOEXCEPT;
EVCORO_API const char* EVTLSSOCKET_server_name(EVTLSSOCKET* socket) EVCORO_NOEXCEPT;

// EVTLSSOCKET_peer_subject() is the distinguished name (RFC 2253) of the peer's certificate, "" if
// it gave none, as a text that is the caller's to free(3). EVTLSSOCKET_peer_fingerprint() stores
// the SHA-256 of the certificate; ENODATA if the peer gave none. A server has verified it, a client
// unless it was told not to.
EVCORO_API char* EVTLSSOCKET_peer_subject(EVTLSSOCKET* socket) EVCORO_NOEXCEPT;
EVCORO_API int EVTLSSOCKET_peer_fingerprint(EVTLSSOCKET* socket,
                                            uint8_t fingerprint[32]) EVCORO_NOEXCEPT;

// EVTLSSOCKET_ocsp_response() is how long the response is that the server has stapled (DER), 0 if
// it has not; data, if not NULL, gets where it is, for as long as the socket.
EVCORO_API size_t EVTLSSOCKET_ocsp_response(EVTLSSOCKET* socket, const void** data) EVCORO_NOEXCEPT;

// EVTLSSOCKET_ssl() is OpenSSL's, for questions. To read or write by it would break the stream.
EVCORO_API struct ssl_st* EVTLSSOCKET_ssl(EVTLSSOCKET* socket) EVCORO_NOEXCEPT;

// EVREADER_init_tls() and EVWRITER_init_tls() are EVREADER_init() and EVWRITER_init() of
// io/stream.h for an EVTLSSOCKET, which must not go before them, but at the end of the thread.
EVCORO_API EVREADER* EVREADER_init_tls(EVTHREAD* thread, EVTLSSOCKET* socket, size_t size,
                                       size_t limit) EVCORO_NOEXCEPT;
EVCORO_API EVWRITER* EVWRITER_init_tls(EVTHREAD* thread, EVTLSSOCKET* socket,
                                       size_t size) EVCORO_NOEXCEPT;

// --- EVSSLSTREAM ---

// EVSSLSTREAM_init() waits for an application's own SSL, which has been told its role, and has a
// non-blocking descriptor: SSL_set_fd(3). Both stay the application's. It is made in a thread of
// the loop, is of thread, which frees it when it ends, and must go before the SSL and the
// descriptor do.
EVCORO_API EVSSLSTREAM* EVSSLSTREAM_init(EVTHREAD* thread, struct ssl_st* ssl) EVCORO_NOEXCEPT;

// EVSSLSTREAM_free() leaves the SSL as it is. EBUSY while a thread is in one of the calls below.
EVCORO_API int EVSSLSTREAM_free(EVSSLSTREAM* stream) EVCORO_NOEXCEPT;

// These are as those of an EVTLSSOCKET; EVSSLSTREAM_shutdown() sends close_notify. After a send
// that has timed out the next one must begin with the same data: OpenSSL may have begun to send it.
EVCORO_API const char* EVSSLSTREAM_error_text(EVSSLSTREAM* stream) EVCORO_NOEXCEPT;
EVCORO_API int EVSSLSTREAM_handshake(EVSSLSTREAM* stream, struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API int EVSSLSTREAM_recv(EVSSLSTREAM* stream, void* buf, size_t size,
                                struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API int EVSSLSTREAM_send(EVSSLSTREAM* stream, const void* buf, size_t size,
                                struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API int EVSSLSTREAM_send_ex(EVSSLSTREAM* stream, const void* buf, size_t size,
                                   struct timeval timeout, size_t* count) EVCORO_NOEXCEPT;
EVCORO_API int EVSSLSTREAM_wait_readable(EVSSLSTREAM* stream,
                                         struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API int EVSSLSTREAM_shutdown(EVSSLSTREAM* stream, struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API struct ssl_st* EVSSLSTREAM_ssl(EVSSLSTREAM* stream) EVCORO_NOEXCEPT;
EVCORO_API EVREADER* EVREADER_init_ssl(EVTHREAD* thread, EVSSLSTREAM* stream, size_t size,
                                       size_t limit) EVCORO_NOEXCEPT;
EVCORO_API EVWRITER* EVWRITER_init_ssl(EVTHREAD* thread, EVSSLSTREAM* stream,
                                       size_t size) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
