// EVBUFFEREVENT: a bufferevent that a coroutine thread reads and writes, in C.
//
//   static void serve(EVTHREAD* thread, EVSOCKET* socket, void* bev) {
//     EVBUFFEREVENT* stream = EVBUFFEREVENT_init(thread, bev);
//     char buffer[512];
//     int count;
//     while ((count = EVBUFFEREVENT_recv(stream, buffer, sizeof buffer, timeout)) > 0) {
//       if (EVBUFFEREVENT_send(stream, buffer, (size_t)count, timeout) != count) break;
//     }
//     EVBUFFEREVENT_drain(stream, timeout);
//   }                                              // the bufferevent is freed with its thread
//
// What bufferevent.hpp says of BuffereventStream holds here. What fails returns -1, or NULL, and
// sets errno, see evthread.h.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <evcoro/evthread.h>
#include <evcoro/io/stream.h>

struct bufferevent;
struct evdns_base;

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tagEVBUFFEREVENT EVBUFFEREVENT;

// EVBUFFEREVENT_init() takes over bev, of the base of the thread's loop, which then is freed when
// the thread ends. If this fails, it stays the caller's. EXDEV for one of another base.
EVCORO_API EVBUFFEREVENT* EVBUFFEREVENT_init(EVTHREAD* thread,
                                             struct bufferevent* bev) EVCORO_NOEXCEPT;

// EVBUFFEREVENT_init_limits() does so with other limits than 64 KiB for what its buffers hold.
EVCORO_API EVBUFFEREVENT* EVBUFFEREVENT_init_limits(EVTHREAD* thread, struct bufferevent* bev,
                                                    size_t input_limit,
                                                    size_t output_limit) EVCORO_NOEXCEPT;

// EVBUFFEREVENT_release() frees the EVBUFFEREVENT, and returns the bufferevent as it was before,
// with what is in its buffers: the caller's. Its callbacks are then told what they have missed.
// ECANCELED if somebody else has taken it.
EVCORO_API struct bufferevent* EVBUFFEREVENT_release(EVBUFFEREVENT* stream) EVCORO_NOEXCEPT;

// EVBUFFEREVENT_free() frees the bufferevent, too. Threads that wait for it fail with ECANCELED.
EVCORO_API int EVBUFFEREVENT_free(EVBUFFEREVENT* stream) EVCORO_NOEXCEPT;

// EVBUFFEREVENT_get() is the bufferevent, for its buffers and questions about it.
EVCORO_API struct bufferevent* EVBUFFEREVENT_get(EVBUFFEREVENT* stream) EVCORO_NOEXCEPT;

// EVBUFFEREVENT_connect() is bufferevent_socket_connect(), EVBUFFEREVENT_connect_hostname() is
// bufferevent_socket_connect_hostname(); both wait until the bufferevent is connected.
// EVBUFFEREVENT_wait_connected() is for one that has begun to connect, or to shake hands.
EVCORO_API int EVBUFFEREVENT_connect(EVBUFFEREVENT* stream, const struct sockaddr* address,
                                     socklen_t length, struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API int EVBUFFEREVENT_connect_hostname(EVBUFFEREVENT* stream, struct evdns_base* dns,
                                              int family, const char* host, uint16_t port,
                                              struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API int EVBUFFEREVENT_wait_connected(EVBUFFEREVENT* stream,
                                            struct timeval timeout) EVCORO_NOEXCEPT;

// EVBUFFEREVENT_recv() waits until there is something, and returns how many bytes it has taken: 0
// if the peer has closed. EVBUFFEREVENT_send() puts all into the output buffer, waiting while that
// is full; EVBUFFEREVENT_drain() waits until it is empty. A size over INT_MAX is EINVAL.
EVCORO_API int EVBUFFEREVENT_recv(EVBUFFEREVENT* stream, void* buf, size_t size,
                                  struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API int EVBUFFEREVENT_send(EVBUFFEREVENT* stream, const void* buf, size_t size,
                                  struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API int EVBUFFEREVENT_drain(EVBUFFEREVENT* stream, struct timeval timeout) EVCORO_NOEXCEPT;

// EVBUFFEREVENT_wait_input() waits until the input buffer holds size bytes at least, and returns
// how many it holds: fewer than size only if no more will come. For evbuffer_readln() and the like.
EVCORO_API int EVBUFFEREVENT_wait_input(EVBUFFEREVENT* stream, size_t size,
                                        struct timeval timeout) EVCORO_NOEXCEPT;

// EVREADER_init_bufferevent() and EVWRITER_init_bufferevent() are EVREADER_init() and
// EVWRITER_init() of io/stream.h for a bufferevent, which must not go before them, but at the end
// of the thread.
EVCORO_API EVREADER* EVREADER_init_bufferevent(EVTHREAD* thread, EVBUFFEREVENT* stream, size_t size,
                                               size_t limit) EVCORO_NOEXCEPT;
EVCORO_API EVWRITER* EVWRITER_init_bufferevent(EVTHREAD* thread, EVBUFFEREVENT* stream,
                                               size_t size) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
