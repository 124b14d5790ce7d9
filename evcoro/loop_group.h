// EVLOOPGROUP: loops on OS threads of their own in C, one per core as a rule. A coroutine thread
// stays on the loop that it was started on; what crosses loops is starting, EVLOOP_post() and
// evcoro/sync.
//
//   static void fetch(EVTHREAD* thread, EVSOCKET* socket, void* page) { ... }   // socket is NULL
//
//   EVLOOPGROUP* group = EVLOOPGROUP_init(NULL);
//   EVREMOTETHREAD* fetching = EVLOOPGROUP_start(group, fetch, page, NULL);     // on the next loop
//   ...
//   if (EVREMOTETHREAD_join(fetching, timeout) < 0) perror("fetch");
//   EVLOOPGROUP_free(group);
//
//   EVGO(fetch, page);                     // without a group, or a handle
//
// The application's own loop, in its own event_base, may be the first of the group:
//
//   EVLOOPGROUP_OPTIONS options;
//   EVLOOPGROUP_OPTIONS_init(&options);
//   options.own = EVLOOP_init_base(&stacks, base);
//   EVLOOPGROUP* group = EVLOOPGROUP_init(&options);
//   event_base_dispatch(base);
//
// Any OS thread may call all of these, but for EVLOOPGROUP_init() and EVLOOPGROUP_free() with a
// loop of one's own: the OS thread of that one calls these. What fails returns -1, or NULL, and
// sets errno: EINVAL for NULL, and for an index that the group doesn't have; ECHILD in a child
// process; and what is said below. loop_group.hpp and remote_thread.hpp say more.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <evcoro/evthread.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tagEVLOOPGROUP EVLOOPGROUP;
typedef struct tagEVREMOTETHREAD EVREMOTETHREAD;

// --- EVLOOPGROUP ---

typedef struct tagEVLOOPGROUP_OPTIONS {
  size_t loops;       // with own; 0: one per core that the process may run on
  size_t num_stacks;  // of each loop, as of STACKS_init()
  size_t stack_size;  // usable bytes of each, rounded up to whole pages
  int on_demand;      // not 0: each stack is mapped when it is first needed
  int pin;            // not 0: each OS thread to a core of its own
  const char* name;   // of the OS threads: "loop" makes "loop 0"; copied
  EVLOOP* own;        // the calling OS thread's, which must outlive the group; NULL: none
  uintptr_t reserved[4];
} EVLOOPGROUP_OPTIONS;

// EVLOOPGROUP_OPTIONS_init() stores the defaults: a loop per core, each with 100 stacks of 16 KiB
// that are mapped at once. ENOMEM.
EVCORO_API int EVLOOPGROUP_OPTIONS_init(EVLOOPGROUP_OPTIONS* options) EVCORO_NOEXCEPT;

// EVLOOPGROUP_init() starts the OS threads; options may be NULL. Errors are those of STACKS_init()
// and EVLOOP_init(), and of starting and pinning OS threads, such as EAGAIN. EBUSY if own is of a
// group already.
EVCORO_API EVLOOPGROUP* EVLOOPGROUP_init(const EVLOOPGROUP_OPTIONS* options) EVCORO_NOEXCEPT;

// EVLOOPGROUP_free() cancels all threads of the group's loops (EVCANCEL_SHUTDOWN), waits for their
// end, and ends the OS threads; own's threads are the application's. EVREMOTETHREADs may outlive
// it, the EVLOOPs of its loops don't; joinable EVTHREADs of these are to be joined before. EDEADLK
// in one of its own OS threads. In a callback of another loop it is a misuse, which terminates.
EVCORO_API int EVLOOPGROUP_free(EVLOOPGROUP* group) EVCORO_NOEXCEPT;

// EVLOOPGROUP_size() is how many loops it has. 0 and EINVAL for NULL.
EVCORO_API size_t EVLOOPGROUP_size(EVLOOPGROUP* group) EVCORO_NOEXCEPT;

// EVLOOPGROUP_loop() is the loop of that index, which is the group's: all that takes an EVLOOP is
// for its own OS thread, but for EVLOOP_post(), and what is of the whole group is not to be called:
// EVLOOP_run() and EVLOOP_free().
EVCORO_API EVLOOP* EVLOOPGROUP_loop(EVLOOPGROUP* group, size_t index) EVCORO_NOEXCEPT;

// EVLOOPGROUP_index() is the index of the loop whose OS thread calls it; in another, -1 and EPERM.
EVCORO_API int EVLOOPGROUP_index(EVLOOPGROUP* group) EVCORO_NOEXCEPT;

// EVLOOPGROUP_next() takes turns among the loops, and EVLOOPGROUP_least_loaded() chooses the one
// with the fewest threads. They return its index.
EVCORO_API int EVLOOPGROUP_next(EVLOOPGROUP* group) EVCORO_NOEXCEPT;
EVCORO_API int EVLOOPGROUP_least_loaded(EVLOOPGROUP* group) EVCORO_NOEXCEPT;

// EVLOOPGROUP_start_on() runs proc in a thread on that loop, EVLOOPGROUP_start() on the next. If
// there is no stack it waits for one there, first come, first served; but not of stacks that
// options name, which must be of that loop's OS thread. options may be NULL, as in
// EVTHREAD_init_ex(); its file, too, is where people are told that it was started. Returns a
// handle, to be joined, detached or freed. ENOMEM.
EVCORO_API EVREMOTETHREAD* EVLOOPGROUP_start(EVLOOPGROUP* group, EVTHREAD_PROC proc, void* user_ctx,
                                             const EVTHREAD_OPTIONS* options) EVCORO_NOEXCEPT;
EVCORO_API EVREMOTETHREAD* EVLOOPGROUP_start_on(EVLOOPGROUP* group, size_t index,
                                                EVTHREAD_PROC proc, void* user_ctx,
                                                const EVTHREAD_OPTIONS* options) EVCORO_NOEXCEPT;

// EVLOOPGROUP_go() and EVLOOPGROUP_go_on() are the same without a handle. A thread that can't be
// started any more, since the group ends, has its user_ctx given to options->discard.
EVCORO_API int EVLOOPGROUP_go(EVLOOPGROUP* group, EVTHREAD_PROC proc, void* user_ctx,
                              const EVTHREAD_OPTIONS* options) EVCORO_NOEXCEPT;
EVCORO_API int EVLOOPGROUP_go_on(EVLOOPGROUP* group, size_t index, EVTHREAD_PROC proc,
                                 void* user_ctx, const EVTHREAD_OPTIONS* options) EVCORO_NOEXCEPT;

// EVLOOPGROUP_call_on() calls function(ctx) in that loop's OS thread, outside any thread, and
// returns when it has returned: it must not block, but may start threads. own has to be dispatched
// by somebody. In a callback of another loop it can't be waited for, which is a misuse.
EVCORO_API int EVLOOPGROUP_call_on(EVLOOPGROUP* group, size_t index, void (*function)(void* ctx),
                                   void* ctx) EVCORO_NOEXCEPT;

// EVLOOPGROUP_shutdown() cancels all threads of all loops but the calling one (EVCANCEL_SHUTDOWN),
// and waits for their end; meanwhile nothing new is started. Returns how many have not ended by
// then: those go on. It includes own only in a thread of that or its OS thread. One thread at a
// time may call it, and not in a callback of a loop.
EVCORO_API int EVLOOPGROUP_shutdown(EVLOOPGROUP* group, struct timeval timeout) EVCORO_NOEXCEPT;

// --- EVGO ---

// EVGO() runs proc in a thread on the next loop of the group that the caller's loop belongs to, or
// else of one of the whole process: a loop per core, with 10,000 stacks of 64 KiB each, that is
// started at the first call and stops with the process. What can't be started any more, since its
// group ends, is dropped. ENOMEM, and what starting the group fails with.
EVCORO_API int EVGO(EVTHREAD_PROC proc, void* user_ctx) EVCORO_NOEXCEPT;

// A call of EVGO() notes where it is made.
EVCORO_API int EVGO_at(EVTHREAD_PROC proc, void* user_ctx, const char* file,
                       int line) EVCORO_NOEXCEPT;
#define EVGO(proc, user_ctx) EVGO_at((proc), (user_ctx), __FILE__, __LINE__)

// --- EVREMOTETHREAD ---

// A handle of a thread on whatever loop. One OS thread uses it at a time; while one of its threads
// waits in EVREMOTETHREAD_join() or EVREMOTETHREAD_free(), these and EVREMOTETHREAD_detach() are
// EBUSY. To join or free a thread in that itself is EDEADLK.

// EVREMOTETHREAD_join() waits until the thread has ended, and frees the handle: 0; or 1 if the
// thread was never started, with errno saying why, such as ECANCELED since the group has ended. If
// it fails, nothing has changed: ETIMEDOUT, ECANCELED if the caller is cancelled, EPERM in a
// callback of a loop, ECHILD.
EVCORO_API int EVREMOTETHREAD_join(EVREMOTETHREAD* thread, struct timeval timeout) EVCORO_NOEXCEPT;

// EVREMOTETHREAD_detach() frees the handle, and lets the thread go.
EVCORO_API int EVREMOTETHREAD_detach(EVREMOTETHREAD* thread) EVCORO_NOEXCEPT;

// EVREMOTETHREAD_cancel() cancels the thread, as soon as its loop hears of it. The first reason
// stays; EVCANCEL_NONE is EINVAL. ENOMEM.
EVCORO_API int EVREMOTETHREAD_cancel(EVREMOTETHREAD* thread,
                                     EVCANCEL_REASON reason) EVCORO_NOEXCEPT;

// EVREMOTETHREAD_has_ended() is 1 if it has, or was never started and never will be, and 0 if not.
EVCORO_API int EVREMOTETHREAD_has_ended(EVREMOTETHREAD* thread) EVCORO_NOEXCEPT;

// EVREMOTETHREAD_free() cancels the thread, waits for its end, also if the caller is cancelled, and
// frees the handle. In a callback of a loop it is a misuse, which terminates.
EVCORO_API int EVREMOTETHREAD_free(EVREMOTETHREAD* thread) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
