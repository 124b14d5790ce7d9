// Waiting for each other in C, for coroutine threads of all loops and OS threads: EVSEMAPHORE,
// EVFLAG, EVWAITGROUP, EVLATCH, EVBARRIER and EVONCE.
//
//   EVWAITGROUP* group = EVWAITGROUP_init(0);
//   for (size_t i = 0; i < count; i++) {
//     EVWAITGROUP_add(group, 1);
//     EVGO(fetch, &pages[i]);                        // which calls EVWAITGROUP_done(group)
//   }
//   if (EVWAITGROUP_wait(group, timeout) != 0) perror("fetch");
//
// The rules of all of evcoro/sync are in mutex.h: who may call, what waits fail with, how objects
// are freed. The headers of the same things in C++ say more. Those that return a number return 0
// for NULL, with EINVAL.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <evcoro/evthread.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tagEVSEMAPHORE EVSEMAPHORE;
typedef struct tagEVFLAG EVFLAG;
typedef struct tagEVWAITGROUP EVWAITGROUP;
typedef struct tagEVLATCH EVLATCH;
typedef struct tagEVBARRIER EVBARRIER;
typedef struct tagEVONCE EVONCE;

// --- EVSEMAPHORE ---

// EVSEMAPHORE_init() makes a number of permits. A permit is nobody's: who releases it need not have
// acquired it.
EVCORO_API EVSEMAPHORE* EVSEMAPHORE_init(size_t permits) EVCORO_NOEXCEPT;
EVCORO_API int EVSEMAPHORE_free(EVSEMAPHORE* semaphore) EVCORO_NOEXCEPT;

// EVSEMAPHORE_acquire() takes count permits at once, as soon as there are so many; if it fails, it
// has taken none. Who wants few does not get ahead of who wants many.
EVCORO_API int EVSEMAPHORE_acquire(EVSEMAPHORE* semaphore, size_t count,
                                   struct timeval timeout) EVCORO_NOEXCEPT;

// EVSEMAPHORE_tryacquire() fails with EAGAIN if there are not so many, or others wait.
EVCORO_API int EVSEMAPHORE_tryacquire(EVSEMAPHORE* semaphore, size_t count) EVCORO_NOEXCEPT;

// EVSEMAPHORE_release() adds count permits, and hands them to those who wait.
EVCORO_API int EVSEMAPHORE_release(EVSEMAPHORE* semaphore, size_t count) EVCORO_NOEXCEPT;

// EVSEMAPHORE_available() is how many there are for who comes now.
EVCORO_API size_t EVSEMAPHORE_available(EVSEMAPHORE* semaphore) EVCORO_NOEXCEPT;

// --- EVFLAG: Event in C++ ---

// EVFLAG_RESET says what becomes of a flag that has let somebody pass.
typedef enum tagEVFLAG_RESET EVCORO_ENUM {
  EVFLAG_AUTOMATIC,  // each EVFLAG_set() lets one pass: who waits, or else the next to come
  EVFLAG_MANUAL,     // it lets all pass, until EVFLAG_reset()
} EVFLAG_RESET;

// EVFLAG_init() makes a flag, which is set if is_set is not 0. EINVAL for another reset.
EVCORO_API EVFLAG* EVFLAG_init(EVFLAG_RESET reset, int is_set) EVCORO_NOEXCEPT;
EVCORO_API int EVFLAG_free(EVFLAG* flag) EVCORO_NOEXCEPT;

EVCORO_API int EVFLAG_set(EVFLAG* flag) EVCORO_NOEXCEPT;
EVCORO_API int EVFLAG_reset(EVFLAG* flag) EVCORO_NOEXCEPT;

// EVFLAG_wait() returns when the flag has let the caller pass.
EVCORO_API int EVFLAG_wait(EVFLAG* flag, struct timeval timeout) EVCORO_NOEXCEPT;

// EVFLAG_trywait() fails with EAGAIN if it isn't set.
EVCORO_API int EVFLAG_trywait(EVFLAG* flag) EVCORO_NOEXCEPT;

// EVFLAG_is_set() is 1 if it is, and 0 if not.
EVCORO_API int EVFLAG_is_set(EVFLAG* flag) EVCORO_NOEXCEPT;

// --- EVWAITGROUP ---

// EVWAITGROUP_init() makes a group that waits for count things to be done. It can be used again.
EVCORO_API EVWAITGROUP* EVWAITGROUP_init(size_t count) EVCORO_NOEXCEPT;
EVCORO_API int EVWAITGROUP_free(EVWAITGROUP* group) EVCORO_NOEXCEPT;

// EVWAITGROUP_add() makes it wait for count more, EVWAITGROUP_done() for one less. More of these
// than there are to be done is a misuse.
EVCORO_API int EVWAITGROUP_add(EVWAITGROUP* group, size_t count) EVCORO_NOEXCEPT;
EVCORO_API int EVWAITGROUP_done(EVWAITGROUP* group) EVCORO_NOEXCEPT;

// EVWAITGROUP_wait() waits until nothing is missing; EVWAITGROUP_wait_done() until so many have
// been done since the group was made, or nothing is missing.
EVCORO_API int EVWAITGROUP_wait(EVWAITGROUP* group, struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API int EVWAITGROUP_wait_done(EVWAITGROUP* group, uint64_t target,
                                     struct timeval timeout) EVCORO_NOEXCEPT;

// EVWAITGROUP_missing() is how many are to be done yet, EVWAITGROUP_done_count() how many have
// been.
EVCORO_API size_t EVWAITGROUP_missing(EVWAITGROUP* group) EVCORO_NOEXCEPT;
EVCORO_API uint64_t EVWAITGROUP_done_count(EVWAITGROUP* group) EVCORO_NOEXCEPT;

// --- EVLATCH ---

// EVLATCH_init() makes a number that counts down, once.
EVCORO_API EVLATCH* EVLATCH_init(size_t expected) EVCORO_NOEXCEPT;
EVCORO_API int EVLATCH_free(EVLATCH* latch) EVCORO_NOEXCEPT;

// EVLATCH_count_down() by more than what is missing is a misuse.
EVCORO_API int EVLATCH_count_down(EVLATCH* latch, size_t count) EVCORO_NOEXCEPT;

// EVLATCH_wait() waits for zero; EVLATCH_trywait() fails with EAGAIN if it isn't.
// EVLATCH_arrive_and_wait() counts down by one, also if it fails (but for EINVAL), and waits.
EVCORO_API int EVLATCH_wait(EVLATCH* latch, struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API int EVLATCH_trywait(EVLATCH* latch) EVCORO_NOEXCEPT;
EVCORO_API int EVLATCH_arrive_and_wait(EVLATCH* latch, struct timeval timeout) EVCORO_NOEXCEPT;

// --- EVBARRIER ---

// EVBARRIER_init() makes a barrier that so many come to, again and again; each waits there until
// all have. completion(ctx) is called by the last to come, before anybody goes on: nobody may come
// meanwhile. It may be NULL.
EVCORO_API EVBARRIER* EVBARRIER_init(size_t expected, void (*completion)(void* ctx),
                                     void* ctx) EVCORO_NOEXCEPT;
EVCORO_API int EVBARRIER_free(EVBARRIER* barrier) EVCORO_NOEXCEPT;

// EVBARRIER_arrive_and_wait() comes, and waits until all have. If it fails (but for EINVAL) the
// caller has come all the same, so that the others are not kept.
EVCORO_API int EVBARRIER_arrive_and_wait(EVBARRIER* barrier,
                                         struct timeval timeout) EVCORO_NOEXCEPT;

// EVBARRIER_arrive() comes for count of those that are expected, doesn't wait, and stores the phase
// that EVBARRIER_wait() waits for the end of; phase may be NULL. More than are missing is a misuse.
EVCORO_API int EVBARRIER_arrive(EVBARRIER* barrier, size_t count, uint64_t* phase) EVCORO_NOEXCEPT;
EVCORO_API int EVBARRIER_wait(EVBARRIER* barrier, uint64_t phase,
                              struct timeval timeout) EVCORO_NOEXCEPT;

// EVBARRIER_arrive_and_drop() comes, and lets one less be expected from the next phase on.
EVCORO_API int EVBARRIER_arrive_and_drop(EVBARRIER* barrier) EVCORO_NOEXCEPT;

// --- EVONCE ---

EVCORO_API EVONCE* EVONCE_init(void) EVCORO_NOEXCEPT;
EVCORO_API int EVONCE_free(EVONCE* once) EVCORO_NOEXCEPT;

// EVONCE_PROC is what is to be done once. It returns 0, or an errno: it has failed then.
typedef int (*EVONCE_PROC)(void* ctx);

// EVONCE_call() returns 0 when proc(ctx) has returned 0, called now or before; if before, it
// returns at once, also in a cancelled thread. If proc fails, this fails with what it returned, and
// the next of those who wait tries. (A C++ exception that leaves proc is reported, and is the
// failure ENOTRECOVERABLE.) EDEADLK if proc itself calls it.
EVCORO_API int EVONCE_call(EVONCE* once, EVONCE_PROC proc, void* ctx,
                           struct timeval timeout) EVCORO_NOEXCEPT;

// EVONCE_is_done() is 1 if it has been done, and 0 if not.
EVCORO_API int EVONCE_is_done(EVONCE* once) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
