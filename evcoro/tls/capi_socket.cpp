// EVTLSSOCKET
#include <algorithm>
#include <climits>
#include <new>
#include <string_view>

#include <evcoro/capi/bytes.hpp>
#include <evcoro/capi/text.hpp>
#include <evcoro/net/address.hpp>
#include <evcoro/thread.hpp>
#include <evcoro/tls/detail/capi.hpp>

using namespace evcoro::capi;
using evcoro::Address;
using evcoro::Result;
using evcoro::Socket;
using evcoro::TlsSocket;

namespace {

EVTLSSOCKET* refuse_tls(const std::error_code& error) noexcept { return tell(error), nullptr; }
EVTLSSOCKET* refuse_tls(int error) noexcept { return tell(error), nullptr; }

// Makes an EVTLSSOCKET of thread out of socket and what it has received.
EVTLSSOCKET* take_over(EVTHREAD* thread, EVSOCKET* socket, EVTLSCONTEXT* context,
                       const char* server_name, std::span<const std::byte> received) noexcept {
  if (thread == nullptr || socket == nullptr || context == nullptr) return refuse_tls(EINVAL);
  if (EVSOCKET_fd(socket) < 0) return refuse_tls(errno);
  Socket taken = take_socket(*socket);
  const std::string_view name = server_name == nullptr ? "" : server_name;
  TlsSocket tls{std::move(taken), context->context, name, received};
  if (!tls) return refuse_tls(tls.handshake());
  auto* const made = new (std::nothrow) EVTLSSOCKET(std::move(tls));
  return made == nullptr ? refuse_tls(ENOMEM) : give_to(*thread, made);
}

int store_address(const Address& from, SOCKADDR* to) noexcept {
  if (from.family() == AF_UNSPEC) return fail(EAFNOSUPPORT);
  return SOCKADDR_init_saddr(to, from.data(), from.size());
}

// OpenSSL's texts end in a zero.
const char* to_c(std::string_view text) noexcept { return text.empty() ? "" : text.data(); }

}  // namespace

// --- making and ending ---

EVTLSSOCKET* EVTLSSOCKET_init(EVTHREAD* thread, EVSOCKET* socket, EVTLSCONTEXT* context,
                              const char* server_name) noexcept {
  return take_over(thread, socket, context, server_name, {});
}

EVTLSSOCKET* EVTLSSOCKET_upgrade(EVTHREAD* thread, EVSOCKET* socket, EVREADER* reader,
                                 EVTLSCONTEXT* context, const char* server_name) noexcept {
  if (reader == nullptr) return refuse_tls(EINVAL);
  const void* data = nullptr;
  const size_t size = EVREADER_buffered(reader, &data);
  EVTLSSOCKET* const made = take_over(thread, socket, context, server_name, bytes(data, size));
  if (made != nullptr || errno == ENOMEM) EVREADER_free(reader);  // the socket is gone
  return made;
}

EVTLSSOCKET* EVTLSSOCKET_connect_host(EVTHREAD* thread, const char* host, uint16_t port,
                                      EVTLSCONTEXT* context, struct timeval timeout) noexcept try {
  if (thread == nullptr || host == nullptr || context == nullptr) return refuse_tls(EINVAL);
  if (&thread->task != evcoro::detail::current_thread()) return refuse_tls(EPERM);
  Result<TlsSocket> tls = evcoro::connect_tls(host, port, context->context, to_timeout(timeout));
  if (!tls) return refuse_tls(tls.error());
  return give_to(*thread, new EVTLSSOCKET(std::move(*tls)));
} catch (...) {
  tell_as_caught();
  return nullptr;
}

int EVTLSSOCKET_close(EVTLSSOCKET* socket) noexcept {
  if (socket == nullptr) return fail(EINVAL);
  socket->dispose();
  return 0;
}

const char* EVTLSSOCKET_error_text(EVTLSSOCKET* socket) noexcept {
  return socket == nullptr ? refuse(EINVAL) : socket->error_text();
}

// --- calls that wait ---

int EVTLSSOCKET_handshake(EVTLSSOCKET* socket, struct timeval timeout) noexcept {
  if (socket == nullptr) return fail(EINVAL);
  return finish(socket->call([&] { return socket->stream.handshake(to_timeout(timeout)); }));
}

int EVTLSSOCKET_recv(EVTLSSOCKET* socket, void* buf, size_t size, struct timeval timeout) noexcept {
  if (!is_usable(socket, buf, size) || size > INT_MAX) return fail(EINVAL);
  return to_int(socket->recv(bytes(buf, size), to_timeout(timeout)));
}

int EVTLSSOCKET_send(EVTLSSOCKET* socket, const void* buf, size_t size,
                     struct timeval timeout) noexcept {
  if (!is_usable(socket, buf, size) || size > INT_MAX) return fail(EINVAL);
  return to_int(socket->send(bytes(buf, size), to_timeout(timeout)));
}

int EVTLSSOCKET_send_ex(EVTLSSOCKET* socket, const void* buf, size_t size, struct timeval timeout,
                        size_t* count) noexcept {
  if (!is_usable(socket, buf, size) || count == nullptr) return fail(EINVAL);
  return to_int(socket->send(bytes(buf, size), to_timeout(timeout)), *count);
}

int EVTLSSOCKET_wait_readable(EVTLSSOCKET* socket, struct timeval timeout) noexcept {
  if (socket == nullptr) return fail(EINVAL);
  return finish(socket->wait_readable(to_timeout(timeout)));
}

int EVTLSSOCKET_close_notify(EVTLSSOCKET* socket, struct timeval timeout) noexcept {
  if (socket == nullptr) return fail(EINVAL);
  return finish(socket->call([&] { return socket->stream.close_notify(to_timeout(timeout)); }));
}

// --- the socket below ---

int EVTLSSOCKET_fd(EVTLSSOCKET* socket) noexcept {
  if (socket == nullptr) return fail(EINVAL);
  const int descriptor = socket->stream.socket().native_handle();
  return descriptor >= 0 ? descriptor : fail(EBADF);
}

int EVTLSSOCKET_local_address(EVTLSSOCKET* socket, SOCKADDR* address) noexcept {
  if (socket == nullptr || address == nullptr) return fail(EINVAL);
  return store_address(socket->stream.socket().local_address(), address);
}

int EVTLSSOCKET_peer_address(EVTLSSOCKET* socket, SOCKADDR* address) noexcept {
  if (socket == nullptr || address == nullptr) return fail(EINVAL);
  return store_address(socket->stream.socket().peer_address(), address);
}

void EVTLSSOCKET_set_idle_timeout(EVTLSSOCKET* socket, struct timeval timeout) noexcept {
  if (socket != nullptr) socket->stream.socket().set_idle_timeout(to_timeout(timeout));
}

// --- what was agreed on ---

int EVTLSSOCKET_is_resumed(EVTLSSOCKET* socket) noexcept {
  if (socket == nullptr) return fail(EINVAL);
  return socket->stream.is_resumed() ? 1 : 0;
}

const char* EVTLSSOCKET_protocol(EVTLSSOCKET* socket) noexcept try {
  if (socket == nullptr) return refuse(EINVAL);
  const std::string_view protocol = socket->stream.protocol();
  if (socket->protocol != protocol) socket->protocol = protocol;
  return socket->protocol.c_str();
} catch (...) {
  fail_as_caught();
  return nullptr;
}

const char* EVTLSSOCKET_version(EVTLSSOCKET* socket) noexcept {
  return socket == nullptr ? refuse(EINVAL) : to_c(socket->stream.version());
}

const char* EVTLSSOCKET_cipher(EVTLSSOCKET* socket) noexcept {
  return socket == nullptr ? refuse(EINVAL) : to_c(socket->stream.cipher());
}

const char* EVTLSSOCKET_server_name(EVTLSSOCKET* socket) noexcept {
  return socket == nullptr ? refuse(EINVAL) : to_c(socket->stream.server_name());
}

char* EVTLSSOCKET_peer_subject(EVTLSSOCKET* socket) noexcept try {
  if (socket == nullptr) return refuse(EINVAL);
  char* const text = copy_for_c(socket->stream.peer_subject());
  return text != nullptr ? text : refuse(ENOMEM);
} catch (...) {
  fail_as_caught();
  return nullptr;
}

int EVTLSSOCKET_peer_fingerprint(EVTLSSOCKET* socket, uint8_t fingerprint[32]) noexcept {
  if (socket == nullptr || fingerprint == nullptr) return fail(EINVAL);
  const auto result = socket->stream.peer_fingerprint();
  if (!result) return socket->remember(result.error()), fail(result.error());
  std::copy(result->begin(), result->end(), fingerprint);
  return 0;
}

size_t EVTLSSOCKET_ocsp_response(EVTLSSOCKET* socket, const void** data) noexcept {
  if (socket == nullptr) return fail(EINVAL), 0;
  const auto response = socket->stream.ocsp_response();
  if (data != nullptr) *data = response.data();
  return response.size();
}

struct ssl_st* EVTLSSOCKET_ssl(EVTLSSOCKET* socket) noexcept {
  return socket == nullptr ? refuse(EINVAL) : socket->stream.native_handle();
}

// --- readers and writers ---

EVREADER* EVREADER_init_tls(EVTHREAD* thread, EVTLSSOCKET* socket, size_t size,
                            size_t limit) noexcept {
  if (thread == nullptr || socket == nullptr) return refuse(EINVAL);
  return make_reader(*thread, *socket, size, limit);
}

EVWRITER* EVWRITER_init_tls(EVTHREAD* thread, EVTLSSOCKET* socket, size_t size) noexcept {
  if (thread == nullptr || socket == nullptr) return refuse(EINVAL);
  return make_writer(*thread, *socket, size);
}
