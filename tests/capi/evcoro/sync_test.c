// evcoro/sync/sync.h
#define _GNU_SOURCE
#include <evcoro/sync/sync.h>

#include <stdatomic.h>

#include "waits.h"

enum { rounds = 200 };

// --- EVSEMAPHORE ---

static int acquire_two(void* semaphore, struct timeval timeout) {
  return EVSEMAPHORE_acquire(semaphore, 2, timeout);
}

TEST_CASE_C(semaphore_waits, "permits that are not there are waited for") {
  EVSEMAPHORE* const semaphore = EVSEMAPHORE_init(3);
  REQUIRE_C(EVSEMAPHORE_acquire(semaphore, 1, EVTIMEOUT_NOW) == 0);
  REQUIRE_C(EVSEMAPHORE_tryacquire(semaphore, 1) == 0);
  REQUIRE_ERRNO(EVSEMAPHORE_tryacquire(semaphore, 2) == -1, EAGAIN);
  REQUIRE_C(EVSEMAPHORE_available(semaphore) == 1);
  require_waits(acquire_two, semaphore);
  REQUIRE_C(EVSEMAPHORE_available(semaphore) == 1);
  REQUIRE_C(EVSEMAPHORE_release(semaphore, 2) == 0);
  REQUIRE_C(EVSEMAPHORE_available(semaphore) == 3);
  REQUIRE_C(EVSEMAPHORE_free(semaphore) == 0);
}

typedef struct Limited {
  EVSEMAPHORE* semaphore;
  atomic_int working;
  atomic_int done;
} Limited;

static void work_at_most_two(void* ctx) {
  Limited* const limited = ctx;
  for (int i = 0; i < rounds; i++) {
    REQUIRE_C(EVSEMAPHORE_acquire(limited->semaphore, 1, long_time()) == 0);
    REQUIRE_C(++limited->working <= 2);
    let_others_run();
    --limited->working;
    ++limited->done;
    REQUIRE_C(EVSEMAPHORE_release(limited->semaphore, 1) == 0);
  }
}

TEST_CASE_C(semaphore_everywhere, "permits limit threads of all loops and OS threads together") {
  Limited limited = {.semaphore = EVSEMAPHORE_init(2), .working = 0, .done = 0};
  run_everywhere(work_at_most_two, &limited);
  REQUIRE_C(limited.done == places * rounds);
  REQUIRE_C(EVSEMAPHORE_available(limited.semaphore) == 2);
  REQUIRE_C(EVSEMAPHORE_free(limited.semaphore) == 0);
}

TEST_CASE_C(semaphore_null, "a semaphore that is NULL is EINVAL") {
  REQUIRE_ERRNO(EVSEMAPHORE_free(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVSEMAPHORE_acquire(NULL, 1, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVSEMAPHORE_tryacquire(NULL, 1) == -1, EINVAL);
  REQUIRE_ERRNO(EVSEMAPHORE_release(NULL, 1) == -1, EINVAL);
  REQUIRE_ERRNO(EVSEMAPHORE_available(NULL) == 0, EINVAL);
}

// --- EVFLAG ---

static int wait_for_flag(void* flag, struct timeval timeout) { return EVFLAG_wait(flag, timeout); }

TEST_CASE_C(flag_automatic, "an automatic flag lets one pass each time that it is set") {
  EVFLAG* const flag = EVFLAG_init(EVFLAG_AUTOMATIC, 1);
  REQUIRE_C(EVFLAG_is_set(flag) == 1);
  REQUIRE_C(EVFLAG_wait(flag, EVTIMEOUT_NOW) == 0);
  REQUIRE_C(EVFLAG_is_set(flag) == 0);
  REQUIRE_ERRNO(EVFLAG_trywait(flag) == -1, EAGAIN);
  require_waits(wait_for_flag, flag);
  REQUIRE_C(EVFLAG_set(flag) == 0 && EVFLAG_set(flag) == 0);
  REQUIRE_C(EVFLAG_trywait(flag) == 0);
  REQUIRE_ERRNO(EVFLAG_trywait(flag) == -1, EAGAIN);
  REQUIRE_C(EVFLAG_free(flag) == 0);
}

TEST_CASE_C(flag_manual, "a manual flag lets all pass until it is reset") {
  EVFLAG* const flag = EVFLAG_init(EVFLAG_MANUAL, 0);
  REQUIRE_ERRNO(EVFLAG_trywait(flag) == -1, EAGAIN);
  REQUIRE_C(EVFLAG_set(flag) == 0);
  for (int i = 0; i < 2; i++) {
    REQUIRE_C(EVFLAG_wait(flag, EVTIMEOUT_NOW) == 0);
    REQUIRE_C(EVFLAG_trywait(flag) == 0);
  }
  REQUIRE_C(EVFLAG_reset(flag) == 0);
  require_waits(wait_for_flag, flag);
  REQUIRE_C(EVFLAG_free(flag) == 0);
}

typedef struct Baton {
  EVFLAG* flag;
  int number;
} Baton;

static void pass_baton(void* ctx) {
  Baton* const baton = ctx;
  for (int i = 0; i < rounds; i++) {
    REQUIRE_C(EVFLAG_wait(baton->flag, long_time()) == 0);
    baton->number++;
    let_others_run();
    REQUIRE_C(EVFLAG_set(baton->flag) == 0);
  }
}

TEST_CASE_C(flag_everywhere, "a flag is passed on among threads of all loops and OS threads") {
  Baton baton = {.flag = EVFLAG_init(EVFLAG_AUTOMATIC, 1), .number = 0};
  run_everywhere(pass_baton, &baton);
  REQUIRE_C(baton.number == places * rounds);
  REQUIRE_C(EVFLAG_free(baton.flag) == 0);
}

static void wait_in_vain(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  (void)EVFLAG_wait(ctx, EVTIMEOUT_NEVER);
}

static void free_flag_waited_for(void* ctx) {
  Fixture f;
  EVFLAG* const flag = EVFLAG_init(EVFLAG_AUTOMATIC, 0);
  set_up(&f);
  start(&f, wait_in_vain, flag);
  EVFLAG_free(flag);
}

TEST_CASE_C(flag_misuse, "what a flag doesn't forgive, or refuses") {
  require_misuse(free_flag_waited_for, NULL, "wait");
  REQUIRE_ERRNO(EVFLAG_init((EVFLAG_RESET)2, 0) == NULL, EINVAL);
  REQUIRE_ERRNO(EVFLAG_free(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVFLAG_set(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVFLAG_reset(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVFLAG_wait(NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVFLAG_trywait(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVFLAG_is_set(NULL) == -1, EINVAL);
}

// --- EVWAITGROUP ---

static int wait_for_group(void* group, struct timeval timeout) {
  return EVWAITGROUP_wait(group, timeout);
}
static int wait_for_two(void* group, struct timeval timeout) {
  return EVWAITGROUP_wait_done(group, 2, timeout);
}

TEST_CASE_C(group_waits, "a group is waited for until all is done, or so many") {
  EVWAITGROUP* const group = EVWAITGROUP_init(1);
  REQUIRE_C(EVWAITGROUP_add(group, 2) == 0);
  REQUIRE_C(EVWAITGROUP_done(group) == 0);
  REQUIRE_C(EVWAITGROUP_missing(group) == 2);
  REQUIRE_C(EVWAITGROUP_done_count(group) == 1);
  require_waits(wait_for_group, group);
  require_waits(wait_for_two, group);
  REQUIRE_C(EVWAITGROUP_wait_done(group, 1, EVTIMEOUT_NOW) == 0);
  REQUIRE_C(EVWAITGROUP_done(group) == 0);
  REQUIRE_C(EVWAITGROUP_wait_done(group, 2, EVTIMEOUT_NOW) == 0);
  REQUIRE_C(EVWAITGROUP_done(group) == 0);
  REQUIRE_C(EVWAITGROUP_wait(group, EVTIMEOUT_NOW) == 0);
  REQUIRE_C(EVWAITGROUP_free(group) == 0);
}

typedef struct Done {
  EVWAITGROUP* group;
  EVLATCH* latch;
  EVBARRIER* barrier;
  atomic_int count;
  int completions;
} Done;

static void be_done(void* ctx) {
  Done* const done = ctx;
  ++done->count;
  REQUIRE_C(EVWAITGROUP_done(done->group) == 0);
  REQUIRE_C(EVWAITGROUP_wait(done->group, long_time()) == 0);
  REQUIRE_C(done->count == places);
}

TEST_CASE_C(group_everywhere, "threads of all loops and OS threads are waited for") {
  Done done = {.group = EVWAITGROUP_init(places), .count = 0};
  run_everywhere(be_done, &done);
  REQUIRE_C(EVWAITGROUP_done_count(done.group) == places);
  REQUIRE_C(EVWAITGROUP_free(done.group) == 0);
}

static void be_done_too_often(void* group) { (void)EVWAITGROUP_done(group); }

TEST_CASE_C(group_misuse, "what a group doesn't forgive, or refuses") {
  EVWAITGROUP* const group = EVWAITGROUP_init(0);
  require_misuse(be_done_too_often, group, "WaitGroup");
  REQUIRE_C(EVWAITGROUP_free(group) == 0);
  REQUIRE_ERRNO(EVWAITGROUP_free(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVWAITGROUP_add(NULL, 1) == -1, EINVAL);
  REQUIRE_ERRNO(EVWAITGROUP_done(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVWAITGROUP_wait(NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVWAITGROUP_wait_done(NULL, 1, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVWAITGROUP_missing(NULL) == 0, EINVAL);
  REQUIRE_ERRNO(EVWAITGROUP_done_count(NULL) == 0, EINVAL);
}

// --- EVLATCH ---

static int wait_for_latch(void* latch, struct timeval timeout) {
  return EVLATCH_wait(latch, timeout);
}
static int arrive_at_latch(void* latch, struct timeval timeout) {
  return EVLATCH_arrive_and_wait(latch, timeout);
}

TEST_CASE_C(latch_waits, "a latch is waited for until it is zero") {
  EVLATCH* const latch = EVLATCH_init(100);
  require_waits(wait_for_latch, latch);
  require_waits(arrive_at_latch, latch);  // calls it seven times, each of which counts
  REQUIRE_C(EVLATCH_count_down(latch, 92) == 0);
  REQUIRE_ERRNO(EVLATCH_trywait(latch) == -1, EAGAIN);
  REQUIRE_C(EVLATCH_arrive_and_wait(latch, EVTIMEOUT_NOW) == 0);
  REQUIRE_C(EVLATCH_trywait(latch) == 0);
  REQUIRE_C(EVLATCH_wait(latch, EVTIMEOUT_NOW) == 0);
  REQUIRE_C(EVLATCH_free(latch) == 0);
}

static void meet_at_latch(void* ctx) {
  Done* const done = ctx;
  ++done->count;
  REQUIRE_C(EVLATCH_arrive_and_wait(done->latch, long_time()) == 0);
  REQUIRE_C(done->count == places);
}

TEST_CASE_C(latch_everywhere, "threads of all loops and OS threads meet at a latch") {
  Done done = {.latch = EVLATCH_init(places), .count = 0};
  run_everywhere(meet_at_latch, &done);
  REQUIRE_C(EVLATCH_free(done.latch) == 0);
}

TEST_CASE_C(latch_null, "a latch that is NULL is EINVAL") {
  REQUIRE_ERRNO(EVLATCH_free(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVLATCH_count_down(NULL, 1) == -1, EINVAL);
  REQUIRE_ERRNO(EVLATCH_wait(NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVLATCH_trywait(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVLATCH_arrive_and_wait(NULL, EVTIMEOUT_NOW) == -1, EINVAL);
}

// --- EVBARRIER ---

static int arrive_at_barrier(void* barrier, struct timeval timeout) {
  return EVBARRIER_arrive_and_wait(barrier, timeout);
}

typedef struct Phase {
  EVBARRIER* barrier;
  uint64_t phase;
} Phase;

static int wait_for_phase(void* ctx, struct timeval timeout) {
  const Phase* const phase = ctx;
  return EVBARRIER_wait(phase->barrier, phase->phase, timeout);
}

static void complete(void* ctx) { ((Done*)ctx)->completions++; }

TEST_CASE_C(barrier_waits, "a barrier is waited at until all have come") {
  Done done = {.completions = 0};
  Phase phase = {EVBARRIER_init(100, complete, &done), 0};
  require_waits(arrive_at_barrier, phase.barrier);  // comes seven times
  REQUIRE_C(EVBARRIER_arrive(phase.barrier, 91, &phase.phase) == 0);
  require_waits(wait_for_phase, &phase);
  REQUIRE_C(EVBARRIER_arrive_and_drop(phase.barrier) == 0);
  REQUIRE_C(done.completions == 0);
  REQUIRE_C(EVBARRIER_arrive_and_wait(phase.barrier, EVTIMEOUT_NOW) == 0);
  REQUIRE_C(done.completions == 1);
  REQUIRE_C(EVBARRIER_wait(phase.barrier, phase.phase, EVTIMEOUT_NOW) == 0);
  REQUIRE_C(EVBARRIER_arrive(phase.barrier, 99, NULL) == 0);  // one has left
  REQUIRE_C(done.completions == 2);
  REQUIRE_C(EVBARRIER_free(phase.barrier) == 0);
}

static void come_again(void* ctx) {
  Done* const done = ctx;
  for (int i = 1; i <= rounds; i++) {
    ++done->count;
    REQUIRE_C(EVBARRIER_arrive_and_wait(done->barrier, long_time()) == 0);
    REQUIRE_C(done->count >= i * places);
    REQUIRE_C(EVBARRIER_arrive_and_wait(done->barrier, long_time()) == 0);
  }
}

TEST_CASE_C(barrier_everywhere, "threads of all loops and OS threads go on together") {
  Done done = {.count = 0, .completions = 0};
  done.barrier = EVBARRIER_init(places, complete, &done);
  run_everywhere(come_again, &done);
  REQUIRE_C(done.completions == 2 * rounds);
  REQUIRE_C(EVBARRIER_free(done.barrier) == 0);
}

TEST_CASE_C(barrier_null, "a barrier that is NULL is EINVAL, its completion may be") {
  EVBARRIER* const barrier = EVBARRIER_init(1, NULL, NULL);
  REQUIRE_C(EVBARRIER_arrive_and_wait(barrier, EVTIMEOUT_NOW) == 0);
  REQUIRE_C(EVBARRIER_free(barrier) == 0);
  REQUIRE_ERRNO(EVBARRIER_free(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVBARRIER_arrive(NULL, 1, NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVBARRIER_wait(NULL, 0, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVBARRIER_arrive_and_wait(NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVBARRIER_arrive_and_drop(NULL) == -1, EINVAL);
}

// --- EVONCE ---

static int do_nothing(void* ctx) { return 0; }
static int fail_with(void* ctx) { return *(int*)ctx; }

static int call_once(void* once, struct timeval timeout) {
  return EVONCE_call(once, do_nothing, NULL, timeout);
}

static int be_waited_for(void* once) {
  REQUIRE_ERRNO(EVONCE_call(once, do_nothing, NULL, EVTIMEOUT_NOW) == -1, EDEADLK);
  require_waits(call_once, once);
  return 0;
}

TEST_CASE_C(once_waits, "who comes while it is being done waits") {
  EVONCE* const once = EVONCE_init();
  int error = EIO;
  REQUIRE_C(EVONCE_is_done(once) == 0);
  REQUIRE_ERRNO(EVONCE_call(once, fail_with, &error, EVTIMEOUT_NEVER) == -1, EIO);
  REQUIRE_C(EVONCE_is_done(once) == 0);
  REQUIRE_C(EVONCE_call(once, be_waited_for, once, EVTIMEOUT_NEVER) == 0);
  REQUIRE_C(EVONCE_is_done(once) == 1);
  REQUIRE_C(EVONCE_call(once, fail_with, &error, EVTIMEOUT_NOW) == 0);
  REQUIRE_C(EVONCE_free(once) == 0);
}

typedef struct Attempts {
  EVONCE* once;
  atomic_int count;
} Attempts;

static int succeed_at_third(void* ctx) {
  let_others_run();
  return ++((Attempts*)ctx)->count == 3 ? 0 : EIO;
}

static void try_once(void* ctx) {
  Attempts* const attempts = ctx;
  while (EVONCE_call(attempts->once, succeed_at_third, attempts, long_time()) != 0) {
    REQUIRE_C(errno == EIO);
  }
  REQUIRE_C(attempts->count == 3);
}

TEST_CASE_C(once_everywhere, "of threads of all loops and OS threads one succeeds") {
  Attempts attempts = {.once = EVONCE_init(), .count = 0};
  run_everywhere(try_once, &attempts);
  REQUIRE_C(attempts.count == 3);
  REQUIRE_C(EVONCE_free(attempts.once) == 0);
}

TEST_CASE_C(once_null, "what is to be done once, and by what, are not NULL") {
  EVONCE* const once = EVONCE_init();
  REQUIRE_ERRNO(EVONCE_call(once, NULL, NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_C(EVONCE_free(once) == 0);
  REQUIRE_ERRNO(EVONCE_free(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVONCE_call(NULL, do_nothing, NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVONCE_is_done(NULL) == -1, EINVAL);
}
