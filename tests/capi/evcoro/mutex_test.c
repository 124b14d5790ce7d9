// evcoro/sync/mutex.h
#define _GNU_SOURCE
#include <evcoro/sync/mutex.h>
#include <event2/event.h>

#include "waits.h"

static int lock_mutex(void* mutex, struct timeval timeout) {
  return EVMUTEX_timedlock(mutex, timeout);
}

TEST_CASE_C(mutex_waits, "a mutex that is locked is waited for") {
  EVMUTEX* const mutex = EVMUTEX_init();
  REQUIRE_C(EVMUTEX_is_held(mutex) == 0);
  REQUIRE_C(EVMUTEX_lock(mutex) == 0);
  REQUIRE_C(EVMUTEX_is_held(mutex) == 1);
  require_waits(lock_mutex, mutex);
  REQUIRE_C(EVMUTEX_unlock(mutex) == 0);
  REQUIRE_C(EVMUTEX_timedlock(mutex, EVTIMEOUT_NOW) == 0);
  REQUIRE_ERRNO(EVMUTEX_timedlock(mutex, EVTIMEOUT_NOW) == -1, EDEADLK);
  REQUIRE_ERRNO(EVMUTEX_trylock(mutex) == -1, EBUSY);
  REQUIRE_C(EVMUTEX_unlock(mutex) == 0);
  REQUIRE_C(EVMUTEX_trylock(mutex) == 0);
  REQUIRE_C(EVMUTEX_unlock(mutex) == 0);
  REQUIRE_C(EVMUTEX_free(mutex) == 0);
}

TEST_CASE_C(recursive_mutex, "a recursive mutex is locked again by its holder only") {
  EVMUTEX* const mutex = EVMUTEX_init_recursive();
  REQUIRE_C(EVMUTEX_lock(mutex) == 0);
  REQUIRE_C(EVMUTEX_timedlock(mutex, EVTIMEOUT_NOW) == 0);
  REQUIRE_C(EVMUTEX_trylock(mutex) == 0);
  for (int i = 0; i < 3; i++) {
    REQUIRE_C(EVMUTEX_is_held(mutex) == 1);
    require_waits(lock_mutex, mutex);
    REQUIRE_C(EVMUTEX_unlock(mutex) == 0);
  }
  REQUIRE_C(EVMUTEX_is_held(mutex) == 0);
  REQUIRE_C(EVMUTEX_free(mutex) == 0);
}

// Held is a mutex, and the thread that holds it until it is woken.
typedef struct Held {
  EVMUTEX* mutex;
  EVTHREAD* holder;
} Held;

static void lock_though_cancelled(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  const Held* const held = ctx;
  REQUIRE_C(EVTHREAD_cancel(thread, EVCANCEL_USER) == 0);
  REQUIRE_ERRNO(EVMUTEX_timedlock(held->mutex, EVTIMEOUT_NEVER) == -1, ECANCELED);
  REQUIRE_ERRNO(EVMUTEX_trylock(held->mutex) == -1, EBUSY);
  REQUIRE_C(EVTHREAD_wake(held->holder) == 0);
  REQUIRE_C(EVMUTEX_lock(held->mutex) == 0);
  REQUIRE_C(EVMUTEX_unlock(held->mutex) == 0);
}

static void hold_until_woken(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  REQUIRE_C(EVMUTEX_lock(((Held*)ctx)->mutex) == 0);
  REQUIRE_C(EVTHREAD_park(EVTIMEOUT_NEVER) == 0);
  REQUIRE_C(EVMUTEX_unlock(((Held*)ctx)->mutex) == 0);
}

TEST_CASE_C(lock_cancelled, "EVMUTEX_lock() waits in a cancelled thread, too") {
  Fixture f;
  Held held = {.mutex = EVMUTEX_init()};
  set_up(&f);
  held.holder = start(&f, hold_until_woken, &held);
  run_in_thread(&f, lock_though_cancelled, &held);
  REQUIRE_C(EVMUTEX_free(held.mutex) == 0);
  tear_down(&f);
}

// Counter is what a lock guards.
typedef struct Counter {
  EVMUTEX* mutex;
  EVRWLOCK* rwlock;
  EVCOND* changed;
  int number;
  int twin;  // the same, unless somebody is at it
} Counter;

enum { rounds = 200 };

static void count_up(void* ctx) {
  Counter* const counter = ctx;
  for (int i = 0; i < rounds; i++) {
    REQUIRE_C(EVMUTEX_lock(counter->mutex) == 0);
    const int before = counter->number;
    let_others_run();
    counter->number = before + 1;
    REQUIRE_C(EVMUTEX_unlock(counter->mutex) == 0);
  }
}

TEST_CASE_C(mutex_everywhere, "a mutex keeps threads of all loops and OS threads apart") {
  Counter counter = {.mutex = EVMUTEX_init(), .number = 0};
  run_everywhere(count_up, &counter);
  REQUIRE_C(counter.number == places * rounds);
  REQUIRE_C(EVMUTEX_free(counter.mutex) == 0);
  counter.mutex = EVMUTEX_init_recursive();
  run_everywhere(count_up, &counter);
  REQUIRE_C(counter.number == 2 * places * rounds);
  REQUIRE_C(EVMUTEX_free(counter.mutex) == 0);
}

static void lock_mutex_for_good(void* mutex) {
  REQUIRE_C(EVMUTEX_lock(mutex) == 0);
  REQUIRE_C(EVMUTEX_free(mutex) == 0);
}

static void lock_mutex_twice(void* mutex) {
  REQUIRE_C(EVMUTEX_lock(mutex) == 0);
  REQUIRE_C(EVMUTEX_lock(mutex) == 0);
}

static void unlock_mutex(void* mutex) { (void)EVMUTEX_unlock(mutex); }

TEST_CASE_C(mutex_misuse, "what a mutex doesn't forgive, and what it refuses") {
  EVMUTEX* const mutex = EVMUTEX_init();
  require_misuse(lock_mutex_for_good, mutex, "a Mutex was destroyed while it was locked");
  require_misuse(lock_mutex_twice, mutex, "a Mutex was locked by who holds it already");
  require_misuse(unlock_mutex, mutex, "a Mutex was unlocked by somebody who doesn't hold it");
  REQUIRE_C(EVMUTEX_free(mutex) == 0);
  REQUIRE_ERRNO(EVMUTEX_free(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVMUTEX_lock(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVMUTEX_timedlock(NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVMUTEX_trylock(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVMUTEX_unlock(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVMUTEX_is_held(NULL) == -1, EINVAL);
}

// --- EVRWLOCK ---

static int lock_to_read(void* lock, struct timeval timeout) {
  return EVRWLOCK_timedrdlock(lock, timeout);
}
static int lock_to_write(void* lock, struct timeval timeout) {
  return EVRWLOCK_timedwrlock(lock, timeout);
}

static void read_in_thread(EVTHREAD* thread, EVSOCKET* socket, void* lock) {
  REQUIRE_C(EVRWLOCK_timedrdlock(lock, EVTIMEOUT_NOW) == 0);
  REQUIRE_C(EVRWLOCK_rdunlock(lock) == 0);
  REQUIRE_C(EVRWLOCK_tryrdlock(lock) == 0);
  REQUIRE_C(EVRWLOCK_rdunlock(lock) == 0);
  REQUIRE_C(EVRWLOCK_rdlock(lock) == 0);
  REQUIRE_C(EVRWLOCK_rdunlock(lock) == 0);
}

TEST_CASE_C(rwlock_waits, "readers wait for a writer, who waits for them") {
  Fixture f;
  EVRWLOCK* const lock = EVRWLOCK_init();
  REQUIRE_C(EVRWLOCK_wrlock(lock) == 0);
  require_waits(lock_to_read, lock);
  require_waits(lock_to_write, lock);
  REQUIRE_ERRNO(EVRWLOCK_timedwrlock(lock, EVTIMEOUT_NOW) == -1, EDEADLK);
  REQUIRE_ERRNO(EVRWLOCK_timedrdlock(lock, EVTIMEOUT_NOW) == -1, EDEADLK);
  REQUIRE_ERRNO(EVRWLOCK_tryrdlock(lock) == -1, EBUSY);
  REQUIRE_ERRNO(EVRWLOCK_trywrlock(lock) == -1, EBUSY);
  REQUIRE_C(EVRWLOCK_wrunlock(lock) == 0);
  REQUIRE_C(EVRWLOCK_rdlock(lock) == 0);
  require_waits(lock_to_write, lock);
  set_up(&f);
  run_in_thread(&f, read_in_thread, lock);
  tear_down(&f);
  REQUIRE_C(EVRWLOCK_rdunlock(lock) == 0);
  REQUIRE_C(EVRWLOCK_trywrlock(lock) == 0);
  REQUIRE_C(EVRWLOCK_wrunlock(lock) == 0);
  REQUIRE_C(EVRWLOCK_timedwrlock(lock, EVTIMEOUT_NOW) == 0);
  REQUIRE_C(EVRWLOCK_wrunlock(lock) == 0);
  REQUIRE_C(EVRWLOCK_free(lock) == 0);
}

static void read_and_write(void* ctx) {
  Counter* const counter = ctx;
  for (int i = 0; i < rounds; i++) {
    REQUIRE_C(EVRWLOCK_rdlock(counter->rwlock) == 0);
    const int seen = counter->number;
    let_others_run();
    REQUIRE_C(counter->number == seen && counter->twin == seen);
    REQUIRE_C(EVRWLOCK_rdunlock(counter->rwlock) == 0);
    REQUIRE_C(EVRWLOCK_wrlock(counter->rwlock) == 0);
    const int before = counter->number++;
    let_others_run();
    counter->twin = before + 1;
    REQUIRE_C(EVRWLOCK_wrunlock(counter->rwlock) == 0);
  }
}

TEST_CASE_C(rwlock_everywhere, "a lock for readers and writers keeps them apart everywhere") {
  Counter counter = {.rwlock = EVRWLOCK_init(), .number = 0, .twin = 0};
  run_everywhere(read_and_write, &counter);
  REQUIRE_C(counter.number == places * rounds && counter.twin == counter.number);
  REQUIRE_C(EVRWLOCK_free(counter.rwlock) == 0);
}

static void lock_rwlock_for_good(void* lock) {
  REQUIRE_C(EVRWLOCK_rdlock(lock) == 0);
  REQUIRE_C(EVRWLOCK_free(lock) == 0);
}

TEST_CASE_C(rwlock_misuse, "what a lock for readers and writers doesn't forgive, or refuses") {
  EVRWLOCK* const lock = EVRWLOCK_init();
  require_misuse(lock_rwlock_for_good, lock, "a SharedMutex was destroyed");
  REQUIRE_C(EVRWLOCK_free(lock) == 0);
  REQUIRE_ERRNO(EVRWLOCK_free(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVRWLOCK_rdlock(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVRWLOCK_timedrdlock(NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVRWLOCK_tryrdlock(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVRWLOCK_rdunlock(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVRWLOCK_wrlock(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVRWLOCK_timedwrlock(NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVRWLOCK_trywrlock(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVRWLOCK_wrunlock(NULL) == -1, EINVAL);
}

// --- EVCOND ---

static int wait_for_change(void* ctx, struct timeval timeout) {
  Counter* const counter = ctx;
  REQUIRE_C(EVMUTEX_lock(counter->mutex) == 0);
  const int result = EVCOND_wait(counter->changed, counter->mutex, timeout);
  const int error = errno;
  REQUIRE_C(EVMUTEX_is_held(counter->mutex) == 1);
  REQUIRE_C(EVMUTEX_unlock(counter->mutex) == 0);
  errno = error;
  return result;
}

static void wait_for_signal(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  REQUIRE_C(wait_for_change(ctx, EVTIMEOUT_NEVER) == 0);
  ((Counter*)ctx)->number++;
}

TEST_CASE_C(cond_signals, "a signal wakes one, a broadcast all") {
  Fixture f;
  Counter counter = {.mutex = EVMUTEX_init(), .changed = EVCOND_init(), .number = 0};
  set_up(&f);
  for (int i = 0; i < 3; i++) start(&f, wait_for_signal, &counter);
  REQUIRE_C(EVCOND_signal(counter.changed) == 0);
  while (counter.number == 0) REQUIRE_C(event_base_loop(EVLOOP_base(f.loop), EVLOOP_ONCE) == 0);
  REQUIRE_C(counter.number == 1);
  REQUIRE_C(EVCOND_broadcast(counter.changed) == 0);
  REQUIRE_C(EVLOOP_run(f.loop) == 1);
  REQUIRE_C(counter.number == 3);
  tear_down(&f);
  require_waits(wait_for_change, &counter);
  REQUIRE_C(EVCOND_free(counter.changed) == 0);
  REQUIRE_C(EVMUTEX_free(counter.mutex) == 0);
}

// All take turns: each waits until the number is its own.
static void take_turns(void* ctx) {
  Counter* const counter = ctx;
  REQUIRE_C(EVMUTEX_lock(counter->mutex) == 0);
  const int mine = counter->twin++;
  for (int i = 0; i < rounds; i++) {
    while (counter->number % places != mine) {
      REQUIRE_C(EVCOND_wait(counter->changed, counter->mutex, long_time()) == 0);
    }
    counter->number++;
    REQUIRE_C(EVCOND_broadcast(counter->changed) == 0);
  }
  REQUIRE_C(EVMUTEX_unlock(counter->mutex) == 0);
}

TEST_CASE_C(cond_everywhere, "threads of all loops and OS threads signal each other") {
  for (int recursive = 0; recursive < 2; recursive++) {
    Counter counter = {.mutex = recursive ? EVMUTEX_init_recursive() : EVMUTEX_init(),
                       .changed = EVCOND_init(),
                       .number = 0,
                       .twin = 0};
    run_everywhere(take_turns, &counter);
    REQUIRE_C(counter.number == places * rounds);
    REQUIRE_C(EVCOND_free(counter.changed) == 0);
    REQUIRE_C(EVMUTEX_free(counter.mutex) == 0);
  }
}

static void free_cond_waited_for(void* ctx) {
  Fixture f;
  Counter counter = {.mutex = EVMUTEX_init(), .changed = EVCOND_init()};
  set_up(&f);
  start(&f, wait_for_signal, &counter);
  EVCOND_free(counter.changed);
}

TEST_CASE_C(cond_misuse, "what a condition doesn't forgive, or refuses") {
  require_misuse(free_cond_waited_for, NULL, "condition variable");
  EVCOND* const cond = EVCOND_init();
  EVMUTEX* const mutex = EVMUTEX_init();
  REQUIRE_ERRNO(EVCOND_free(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVCOND_wait(NULL, mutex, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVCOND_wait(cond, NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVCOND_signal(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVCOND_broadcast(NULL) == -1, EINVAL);
  REQUIRE_C(EVCOND_free(cond) == 0);
  REQUIRE_C(EVMUTEX_free(mutex) == 0);
}
