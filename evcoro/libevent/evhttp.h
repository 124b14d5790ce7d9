// EVHTTPHANDLER: requests to an application's evhttp, each handled in a coroutine thread, in C.
//
//   static void report(EVTHREAD* thread, EVHTTPREQUEST* request, void* ctx) {
//     struct evbuffer* body = evbuffer_new();
//     slowly_make_report(evhttp_request_get_uri(EVHTTPREQUEST_get(request)), body);
//     EVHTTPREQUEST_reply(request, 200, "OK", body);
//     evbuffer_free(body);
//   }
//
//   struct evhttp* http = evhttp_new(base);
//   EVHTTPHANDLER* handler = EVHTTPHANDLER_init(loop, http, "/report", report, NULL);
//
// What evhttp.hpp says of EvhttpHandler and EvhttpRequest holds here. What fails returns -1, or
// NULL, and sets errno, see evthread.h; of a request: EALREADY if it is too late or too early for
// the call, EPIPE if the connection is gone.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <evcoro/evthread.h>

struct evbuffer;
struct evhttp;
struct evhttp_request;

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tagEVHTTPHANDLER EVHTTPHANDLER;
typedef struct tagEVHTTPREQUEST EVHTTPREQUEST;

// EVHTTPHANDLER_PROC handles a request, which is good during the call. One that returns without a
// reply has 500 sent.
typedef void (*EVHTTPHANDLER_PROC)(EVTHREAD* thread, EVHTTPREQUEST* request, void* ctx);

// EVHTTPHANDLER_init() has requests to path handled by proc, as evhttp_set_cb() would; path NULL:
// all that have no other callback, evhttp_set_gencb(). EEXIST if path has a callback. When all
// stacks are taken, requests wait, up to 1000.
EVCORO_API EVHTTPHANDLER* EVHTTPHANDLER_init(EVLOOP* loop, struct evhttp* http, const char* path,
                                             EVHTTPHANDLER_PROC proc, void* ctx) EVCORO_NOEXCEPT;

typedef struct tagEVHTTPHANDLER_OPTIONS {
  const char* name;         // of the threads; copied
  STACKS* stacks;           // others than the loop's, which must outlive the threads
  int refuse_when_full;     // not 0: 503 with Retry-After, instead of waiting for a stack
  size_t max_waiting;       // for a stack; those beyond are refused
  unsigned retry_after;     // seconds, in a refusal
  int cancel_on_departure;  // not 0: a client that leaves cancels its thread
  const char* file;         // where it is made, for people: not copied
  int line;
  uintptr_t reserved[4];
} EVHTTPHANDLER_OPTIONS;

// EVHTTPHANDLER_OPTIONS_init() stores the defaults: max_waiting 1000, retry_after 1, others zero.
EVCORO_API int EVHTTPHANDLER_OPTIONS_init(EVHTTPHANDLER_OPTIONS* options) EVCORO_NOEXCEPT;
EVCORO_API EVHTTPHANDLER* EVHTTPHANDLER_init_options(
    EVLOOP* loop, struct evhttp* http, const char* path, EVHTTPHANDLER_PROC proc, void* ctx,
    const EVHTTPHANDLER_OPTIONS* options) EVCORO_NOEXCEPT;

// EVHTTPHANDLER_drain() lets further requests have 503, serves those that wait, and waits until
// none is left. To be called in a thread, which should have a stack of its own.
EVCORO_API int EVHTTPHANDLER_drain(EVHTTPHANDLER* handler, struct timeval timeout) EVCORO_NOEXCEPT;

typedef struct tagEVHTTPHANDLER_COUNTERS {
  size_t handled;  // requests that got a thread
  size_t refused;  // those that got 503
  size_t waiting;  // for a stack, now
  size_t active;   // have a thread now
} EVHTTPHANDLER_COUNTERS;

EVCORO_API int EVHTTPHANDLER_counters(EVHTTPHANDLER* handler,
                                      EVHTTPHANDLER_COUNTERS* counters) EVCORO_NOEXCEPT;

// EVHTTPHANDLER_active() is how many requests have a thread now.
EVCORO_API int EVHTTPHANDLER_active(EVHTTPHANDLER* handler) EVCORO_NOEXCEPT;

// EVHTTPHANDLER_free() removes the callback; it comes before evhttp_free(). Requests that wait get
// 503, threads go on.
EVCORO_API int EVHTTPHANDLER_free(EVHTTPHANDLER* handler) EVCORO_NOEXCEPT;

// EVHTTPREQUEST_get() is libevent's request, for its evhttp_request_get_...(): not for
// evhttp_send_...(), nor to be freed. NULL once there is a whole reply.
EVCORO_API struct evhttp_request* EVHTTPREQUEST_get(EVHTTPREQUEST* request) EVCORO_NOEXCEPT;

// EVHTTPREQUEST_reply() is evhttp_send_reply(): reason may be NULL, and so may body, whose content
// is moved out.
EVCORO_API int EVHTTPREQUEST_reply(EVHTTPREQUEST* request, int status, const char* reason,
                                   struct evbuffer* body) EVCORO_NOEXCEPT;

// A reply in pieces, evhttp_send_reply_start() and so on. EVHTTPREQUEST_send_chunk() waits until
// the piece before has been written to the socket. Without an end the connection breaks off.
EVCORO_API int EVHTTPREQUEST_start_reply(EVHTTPREQUEST* request, int status,
                                         const char* reason) EVCORO_NOEXCEPT;
EVCORO_API int EVHTTPREQUEST_send_chunk(EVHTTPREQUEST* request, struct evbuffer* data,
                                        struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API int EVHTTPREQUEST_end_reply(EVHTTPREQUEST* request) EVCORO_NOEXCEPT;

// EVHTTPREQUEST_wait_sent() waits, after a reply, until all of it has been written to the socket.
EVCORO_API int EVHTTPREQUEST_wait_sent(EVHTTPREQUEST* request,
                                       struct timeval timeout) EVCORO_NOEXCEPT;

// EVHTTPREQUEST_client_has_left() is 1 if the client has closed the connection, or its side of it.
EVCORO_API int EVHTTPREQUEST_client_has_left(EVHTTPREQUEST* request) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
