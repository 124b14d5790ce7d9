// EVSCOPE: structured concurrency in C. The threads that are started into a scope have ended when
// it is closed; the first to fail cancels the others, and so does the scope's deadline.
//
//   static int fetch(EVTHREAD* thread, void* ctx) {
//     return download(ctx) == 0 ? 0 : errno;              // what isn't 0 is a failure
//   }
//
//   static void handle(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
//     const struct timeval timeout = {3, 0};              // for all that follows together
//     EVSCOPE* scope = EVSCOPE_open(timeout);
//     EVSCOPE_start(scope, fetch, &one, NULL);
//     EVSCOPE_start(scope, fetch, &other, NULL);
//     if (EVSCOPE_wait(scope, EVTIMEOUT_NEVER) != 0) perror("fetch");
//     EVSCOPE_close(scope);
//   }
//
// What scope.hpp says of scopes, of their deadlines and of cancellation, holds here. What fails
// returns -1, or NULL, and sets errno. All is for the OS thread of the loop.
#pragma once

#include <stddef.h>

#include <evcoro/evthread.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tagEVSCOPE EVSCOPE;

// EVSCOPE_PROC is what a thread of a scope runs. It returns 0, or an errno: it has failed then.
// (But ECANCELED of a scope that is cancelled is no failure.) A C++ exception that leaves it goes
// to the loop's exception handler, and is the failure ENOTRECOVERABLE.
typedef int (*EVSCOPE_PROC)(EVTHREAD* thread, void* user_ctx);

// EVSCOPE_open() opens a scope of the running thread (EPERM outside one), inside of those that it
// has open. timeout counts from here. A scope that is not closed is when its thread ends.
EVCORO_API EVSCOPE* EVSCOPE_open(struct timeval timeout) EVCORO_NOEXCEPT;

// EVSCOPE_open_shielded() opens one that cancellation from outside does not reach, nor the
// deadlines of the scopes around it: for cleaning up in a cancelled thread.
EVCORO_API EVSCOPE* EVSCOPE_open_shielded(struct timeval timeout) EVCORO_NOEXCEPT;

// EVSCOPE_start() starts a thread in the scope: it is queued. options may be NULL. EAGAIN if all
// stacks are taken, ECANCELED if the scope is cancelled; others as those of EVTHREAD_init().
EVCORO_API int EVSCOPE_start(EVSCOPE* scope, EVSCOPE_PROC proc, void* user_ctx,
                             const EVTHREAD_OPTIONS* options) EVCORO_NOEXCEPT;

// EVSCOPE_wait() waits until all threads of the scope have ended. It fails with what the first to
// fail returned, with ECANCELED if the scope was cancelled, and with ETIMEDOUT if there still are
// threads: they go on. EPERM in another thread than the scope's own.
EVCORO_API int EVSCOPE_wait(EVSCOPE* scope, struct timeval timeout) EVCORO_NOEXCEPT;

// EVSCOPE_cancel() cancels the threads of the scope, its own within it, and all that they have
// started into scopes. The first reason stays; EVCANCEL_NONE is EINVAL.
EVCORO_API int EVSCOPE_cancel(EVSCOPE* scope, EVCANCEL_REASON reason) EVCORO_NOEXCEPT;
EVCORO_API EVCANCEL_REASON EVSCOPE_cancel_reason(EVSCOPE* scope) EVCORO_NOEXCEPT;

// EVSCOPE_close() waits until all threads of the scope have ended, cancelled or not, and frees it.
// EPERM in another thread than the scope's own, EBUSY if a scope that was opened after it is open
// still.
EVCORO_API int EVSCOPE_close(EVSCOPE* scope) EVCORO_NOEXCEPT;

// EVTHREAD_wait_any() waits until one of threads, which were started joinable, has ended, and
// returns its index: EVTHREAD_join() of it then doesn't wait. EBUSY if another thread waits for one
// of them, here or in EVTHREAD_join(); and so these and EVTHREAD_detach() fail there meanwhile.
EVCORO_API int EVTHREAD_wait_any(EVTHREAD* const* threads, size_t count,
                                 struct timeval timeout) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
