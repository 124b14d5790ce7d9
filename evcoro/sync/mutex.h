// Locks in C, for coroutine threads of one loop, of several, and OS threads, all at once: EVMUTEX,
// EVRWLOCK (many readers, or one writer), and EVCOND, which waits outside of a lock.
//
//   EVMUTEX* mutex = EVMUTEX_init();
//   EVCOND* changed = EVCOND_init();
//   ...
//   EVMUTEX_lock(mutex);                             // only this thread waits, not its loop
//   while (queue_is_empty(queue)) {
//     if (EVCOND_wait(changed, mutex, timeout) != 0) break;
//   }
//   ...
//   EVMUTEX_unlock(mutex);
//
// These rules hold for all of evcoro/sync in C:
//
// Any OS thread may call all functions. Who waits is served first come, first served, and may be a
// coroutine thread or an OS thread. A wait fails with ETIMEDOUT, with ECANCELED in a cancelled
// thread (also for what could be had at once), and with EPERM in a callback of a loop, outside of
// its threads, where it would stop the loop. Forms that are called try never wait, and work in a
// cancelled thread and in callbacks.
//
// What *_init() makes is the caller's, to be given to *_free(). Who has got what it waited for may
// free the object. To free it while somebody waits for it is a misuse, which terminates; so is what
// is called one below.
//
// What fails returns -1, or NULL, and sets errno: EINVAL for NULL, ENOMEM, and what is said below.
// mutex.hpp, shared_mutex.hpp and condition_variable.hpp say more.
#pragma once

#include <evcoro/evthread.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tagEVMUTEX EVMUTEX;
typedef struct tagEVRWLOCK EVRWLOCK;
typedef struct tagEVCOND EVCOND;

// --- EVMUTEX ---

// EVMUTEX_init() makes a mutex. EVMUTEX_init_recursive() makes one that its holder may lock again:
// it is free when it has been unlocked as often.
EVCORO_API EVMUTEX* EVMUTEX_init(void) EVCORO_NOEXCEPT;
EVCORO_API EVMUTEX* EVMUTEX_init_recursive(void) EVCORO_NOEXCEPT;

// EVMUTEX_free() of a mutex that is locked is a misuse.
EVCORO_API int EVMUTEX_free(EVMUTEX* mutex) EVCORO_NOEXCEPT;

// EVMUTEX_lock() waits until the caller holds the lock, also in a cancelled thread: a lock is
// needed for cleaning up as well. A caller that holds it already (and it isn't recursive), or that
// is in a callback of a loop and would have to wait, is a misuse.
EVCORO_API int EVMUTEX_lock(EVMUTEX* mutex) EVCORO_NOEXCEPT;

// EVMUTEX_timedlock() waits no longer than timeout, and can be cancelled. EDEADLK if the caller
// holds it already, and it isn't recursive.
EVCORO_API int EVMUTEX_timedlock(EVMUTEX* mutex, struct timeval timeout) EVCORO_NOEXCEPT;

// EVMUTEX_trylock() fails with EBUSY if it is locked.
EVCORO_API int EVMUTEX_trylock(EVMUTEX* mutex) EVCORO_NOEXCEPT;

// EVMUTEX_unlock() lets in who has waited longest. By anybody but the holder it is a misuse.
EVCORO_API int EVMUTEX_unlock(EVMUTEX* mutex) EVCORO_NOEXCEPT;

// EVMUTEX_is_held() is 1 if the calling thread, or OS thread, holds the lock, and 0 if not.
EVCORO_API int EVMUTEX_is_held(EVMUTEX* mutex) EVCORO_NOEXCEPT;

// --- EVRWLOCK ---

// EVRWLOCK_init() makes a lock for many readers, or one writer. A reader who comes while a writer
// waits, waits behind that one: so who reads must not lock it once more.
EVCORO_API EVRWLOCK* EVRWLOCK_init(void) EVCORO_NOEXCEPT;

// EVRWLOCK_free() of one that is locked is a misuse.
EVCORO_API int EVRWLOCK_free(EVRWLOCK* lock) EVCORO_NOEXCEPT;

// For a reader, as EVMUTEX_lock() and its kin. EDEADLK if the caller is the writer.
EVCORO_API int EVRWLOCK_rdlock(EVRWLOCK* lock) EVCORO_NOEXCEPT;
EVCORO_API int EVRWLOCK_timedrdlock(EVRWLOCK* lock, struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API int EVRWLOCK_tryrdlock(EVRWLOCK* lock) EVCORO_NOEXCEPT;
EVCORO_API int EVRWLOCK_rdunlock(EVRWLOCK* lock) EVCORO_NOEXCEPT;

// For a writer.
EVCORO_API int EVRWLOCK_wrlock(EVRWLOCK* lock) EVCORO_NOEXCEPT;
EVCORO_API int EVRWLOCK_timedwrlock(EVRWLOCK* lock, struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API int EVRWLOCK_trywrlock(EVRWLOCK* lock) EVCORO_NOEXCEPT;
EVCORO_API int EVRWLOCK_wrunlock(EVRWLOCK* lock) EVCORO_NOEXCEPT;

// --- EVCOND ---

EVCORO_API EVCOND* EVCOND_init(void) EVCORO_NOEXCEPT;
EVCORO_API int EVCOND_free(EVCOND* cond) EVCORO_NOEXCEPT;

// EVCOND_wait() unlocks mutex, which the caller holds (once, if it is recursive), and waits until
// it is signalled. The caller holds it again when this returns, also if it fails: a cancelled
// thread waits for the lock, too. Nobody is woken for nothing, but others may have been faster to
// the lock: so wait in a loop. A signal that a thread got is not lost although its timeout or
// cancellation comes at the same time.
EVCORO_API int EVCOND_wait(EVCOND* cond, EVMUTEX* mutex, struct timeval timeout) EVCORO_NOEXCEPT;

// EVCOND_signal() wakes who has waited longest, EVCOND_broadcast() all.
EVCORO_API int EVCOND_signal(EVCOND* cond) EVCORO_NOEXCEPT;
EVCORO_API int EVCOND_broadcast(EVCOND* cond) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
