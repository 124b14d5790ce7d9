// EVSSLSTREAM
#include <climits>
#include <new>

#include <evcoro/capi/bytes.hpp>
#include <evcoro/tls/detail/capi.hpp>

using namespace evcoro::capi;

EVSSLSTREAM* EVSSLSTREAM_init(EVTHREAD* thread, struct ssl_st* ssl) noexcept {
  if (thread == nullptr || ssl == nullptr) return tell(EINVAL), nullptr;
  auto* const made = new (std::nothrow) EVSSLSTREAM(ssl);
  return made == nullptr ? (tell(ENOMEM), nullptr) : give_to(*thread, made);
}

int EVSSLSTREAM_free(EVSSLSTREAM* stream) noexcept {
  if (stream == nullptr) return fail(EINVAL);
  if (stream->is_in_use()) return fail(EBUSY);
  stream->dispose();
  return 0;
}

const char* EVSSLSTREAM_error_text(EVSSLSTREAM* stream) noexcept {
  return stream == nullptr ? refuse(EINVAL) : stream->error_text();
}

int EVSSLSTREAM_handshake(EVSSLSTREAM* stream, struct timeval timeout) noexcept {
  if (stream == nullptr) return fail(EINVAL);
  return finish(stream->call([&] { return stream->stream.handshake(to_timeout(timeout)); }));
}

int EVSSLSTREAM_recv(EVSSLSTREAM* stream, void* buf, size_t size, struct timeval timeout) noexcept {
  if (!is_usable(stream, buf, size) || size > INT_MAX) return fail(EINVAL);
  return to_int(stream->recv(bytes(buf, size), to_timeout(timeout)));
}

int EVSSLSTREAM_send(EVSSLSTREAM* stream, const void* buf, size_t size,
                     struct timeval timeout) noexcept {
  if (!is_usable(stream, buf, size) || size > INT_MAX) return fail(EINVAL);
  return to_int(stream->send(bytes(buf, size), to_timeout(timeout)));
}

int EVSSLSTREAM_send_ex(EVSSLSTREAM* stream, const void* buf, size_t size, struct timeval timeout,
                        size_t* count) noexcept {
  if (!is_usable(stream, buf, size) || count == nullptr) return fail(EINVAL);
  return to_int(stream->send(bytes(buf, size), to_timeout(timeout)), *count);
}

int EVSSLSTREAM_wait_readable(EVSSLSTREAM* stream, struct timeval timeout) noexcept {
  if (stream == nullptr) return fail(EINVAL);
  return finish(stream->wait_readable(to_timeout(timeout)));
}

int EVSSLSTREAM_shutdown(EVSSLSTREAM* stream, struct timeval timeout) noexcept {
  if (stream == nullptr) return fail(EINVAL);
  return finish(stream->call([&] { return stream->stream.shutdown(to_timeout(timeout)); }));
}

struct ssl_st* EVSSLSTREAM_ssl(EVSSLSTREAM* stream) noexcept {
  return stream == nullptr ? refuse(EINVAL) : stream->stream.native_handle();
}

EVREADER* EVREADER_init_ssl(EVTHREAD* thread, EVSSLSTREAM* stream, size_t size,
                            size_t limit) noexcept {
  if (thread == nullptr || stream == nullptr) return refuse(EINVAL);
  return make_reader(*thread, *stream, size, limit);
}

EVWRITER* EVWRITER_init_ssl(EVTHREAD* thread, EVSSLSTREAM* stream, size_t size) noexcept {
  if (thread == nullptr || stream == nullptr) return refuse(EINVAL);
  return make_writer(*thread, *stream, size);
}
