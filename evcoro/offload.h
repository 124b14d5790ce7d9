// EVOFFLOAD: runs what would block the OS thread in a worker thread, in C; see offload.hpp.
//
//   static int hash(void* ctx) {                            // in a worker
//     Work* work = ctx;
//     return digest(work->path, work->digest);
//   }
//
//   static void handle(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
//     Work* work = new_work("file");
//     int result;
//     if (EVOFFLOAD_run(NULL, hash, work, free, timeout, &result) != 0) return;   // work is gone
//     ...
//     free(work);
//   }
//
// What offload.hpp says holds here. What fails returns -1, or NULL, and sets errno.
#pragma once

#include <stddef.h>

#include <evcoro/evthread.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tagEVWORKERS EVWORKERS;

// EVOFFLOAD_PROC is called in a worker. What it returns is for whom it may concern. A C++ exception
// that leaves it goes to the exception handler of its caller's loop; the call fails with
// ENOTRECOVERABLE.
typedef int (*EVOFFLOAD_PROC)(void* ctx);

// EVWORKERS_init() makes a pool of at most max_workers OS threads, with a queue of queue_limit
// jobs. Any OS thread may use it. EVWORKERS_free() waits for the jobs that have begun, and calls
// off the others (ECANCELED).
EVCORO_API EVWORKERS* EVWORKERS_init(size_t max_workers, size_t queue_limit) EVCORO_NOEXCEPT;
EVCORO_API int EVWORKERS_free(EVWORKERS* workers) EVCORO_NOEXCEPT;

// EVOFFLOAD_run() waits until a worker has run proc(ctx), and stores what that returned in *result,
// which may be NULL. workers may be NULL: the pool that the process shares. A full queue is waited
// for in line. ctx is the caller's again when it returns 0. When it fails (ETIMEDOUT, ECANCELED,
// EAGAIN and so on) ctx is the job's: discard(ctx) is called, unless discard is NULL, when the job
// is over, or at once if it never begins; in a worker or in the calling OS thread.
EVCORO_API int EVOFFLOAD_run(EVWORKERS* workers, EVOFFLOAD_PROC proc, void* ctx,
                             void (*discard)(void* ctx), struct timeval timeout,
                             int* result) EVCORO_NOEXCEPT;

// EVOFFLOAD_try_run() fails with EAGAIN at once if the queue is full.
EVCORO_API int EVOFFLOAD_try_run(EVWORKERS* workers, EVOFFLOAD_PROC proc, void* ctx,
                                 void (*discard)(void* ctx), struct timeval timeout,
                                 int* result) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
