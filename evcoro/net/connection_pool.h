// EVCONNECTIONPOOL: connections that are used again, and no more than so many at once, in C. See
// connection_pool.hpp.
//
//   static EVSOCKET* make(EVTHREAD* thread, struct timeval timeout, void* ctx) {
//     return EVSOCKET_connect_host(thread, NULL, "db.test", 5432, timeout);
//   }
//
//   EVCONNECTIONPOOL_OPTIONS options;
//   EVCONNECTIONPOOL_OPTIONS_init(&options);
//   options.factory = make;
//   EVCONNECTIONPOOL* pool = EVCONNECTIONPOOL_init(loop, &options);
//   ...
//   EVSOCKET* socket = EVCONNECTIONPOOL_take(pool, timeout);      // in a thread
//   talk(socket) == 0 ? EVCONNECTIONPOOL_give_back(socket) : EVSOCKET_close(socket);
//
// What fails returns -1, or NULL, and sets errno. All is for the OS thread of the loop.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <evcoro/evthread.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tagEVCONNECTIONPOOL EVCONNECTIONPOOL;

typedef struct tagEVCONNECTIONPOOL_OPTIONS {
  size_t capacity;              // connections, idle ones too; at least one
  struct timeval idle_timeout;  // how long one may be idle; {0, 0}: none is kept

  // Makes a connection, a socket of thread, which is the running one, and waits no longer than
  // timeout. NULL, and errno, if that fails.
  EVSOCKET* (*factory)(EVTHREAD* thread, struct timeval timeout, void* ctx);

  // Says whether a connection that was idle may be used again: not 0. It may block, but not close
  // the socket, which it has during the call only. NULL: one that has something to be read, or was
  // closed by its peer, may not.
  int (*is_healthy)(EVSOCKET* socket, void* ctx);
  void* ctx;
  uintptr_t reserved[4];
} EVCONNECTIONPOOL_OPTIONS;

// EVCONNECTIONPOOL_OPTIONS_init() stores the defaults: 16 connections, a minute; no factory.
EVCORO_API int EVCONNECTIONPOOL_OPTIONS_init(EVCONNECTIONPOOL_OPTIONS* options) EVCORO_NOEXCEPT;

// EVCONNECTIONPOOL_init() makes a pool in a loop. EINVAL without a factory or capacity.
EVCORO_API EVCONNECTIONPOOL* EVCONNECTIONPOOL_init(
    EVLOOP* loop, const EVCONNECTIONPOOL_OPTIONS* options) EVCORO_NOEXCEPT;

// EVCONNECTIONPOOL_free() closes what is idle; what is out is closed when it comes back. Threads
// that wait fail with ECANCELED. It is to be called also if the loop is freed.
EVCORO_API int EVCONNECTIONPOOL_free(EVCONNECTIONPOOL* pool) EVCORO_NOEXCEPT;

// EVCONNECTIONPOOL_take() makes a socket of the running thread out of the connection that was used
// last and is healthy, or of a new one. If all are out it waits; who comes first is served first.
// It fails with what the factory says, too. EVSOCKET_close() of it, and the end of its thread,
// close the connection, and leave its place to the next.
EVCORO_API EVSOCKET* EVCONNECTIONPOOL_take(EVCONNECTIONPOOL* pool,
                                           struct timeval timeout) EVCORO_NOEXCEPT;

// EVCONNECTIONPOOL_give_back() frees the EVSOCKET, and keeps its connection for others. EINVAL for
// a socket that is of no pool.
EVCORO_API int EVCONNECTIONPOOL_give_back(EVSOCKET* socket) EVCORO_NOEXCEPT;

typedef struct tagEVCONNECTIONPOOL_COUNTERS {
  size_t idle;
  size_t taken;    // being made, too
  size_t waiting;  // threads
  uintptr_t reserved[4];
} EVCONNECTIONPOOL_COUNTERS;

EVCORO_API int EVCONNECTIONPOOL_counters(EVCONNECTIONPOOL* pool,
                                         EVCONNECTIONPOOL_COUNTERS* counters) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
