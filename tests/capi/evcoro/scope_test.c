#define _GNU_SOURCE
#include <evcoro/scope.h>

#include "fixture.h"

static const struct timeval one_ms = {0, 1000};
static const struct timeval hour = {3600, 0};

// Calls is what the threads of a scope did.
typedef struct Calls {
  int started;
  int cancelled;
  EVSCOPE* scope;
} Calls;

static int sleep_shortly(EVTHREAD* thread, void* ctx) {
  ((Calls*)ctx)->started++;
  return EVTHREAD_delay(thread, one_ms) == 0 ? 0 : errno;
}

static int sleep_long(EVTHREAD* thread, void* ctx) {
  ((Calls*)ctx)->started++;
  if (EVTHREAD_delay(thread, hour) == 0) return 0;
  ((Calls*)ctx)->cancelled++;
  return errno;
}

static int fail_at_once(EVTHREAD* thread, void* ctx) { return EIO; }

static void wait_for_all(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Calls calls = {0, 0, NULL};
  EVSCOPE* const scope = EVSCOPE_open(EVTIMEOUT_NEVER);
  const EVTHREAD_OPTIONS options = {.name = "short", .urgent = 1};
  REQUIRE_C(EVSCOPE_start(scope, sleep_shortly, &calls, NULL) == 0);
  REQUIRE_C(EVSCOPE_start(scope, sleep_shortly, &calls, &options) == 0);
  REQUIRE_ERRNO(EVSCOPE_wait(scope, EVTIMEOUT_NOW) == -1, ETIMEDOUT);
  REQUIRE_C(EVSCOPE_wait(scope, EVTIMEOUT_NEVER) == 0);
  REQUIRE_C(calls.started == 2);
  REQUIRE_C(EVSCOPE_cancel_reason(scope) == EVCANCEL_NONE);
  REQUIRE_C(EVSCOPE_close(scope) == 0);
}

static void fail_in_scope(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Calls calls = {0, 0, NULL};
  EVSCOPE* const scope = EVSCOPE_open(EVTIMEOUT_NEVER);
  REQUIRE_C(EVSCOPE_start(scope, sleep_long, &calls, NULL) == 0);
  REQUIRE_C(EVSCOPE_start(scope, fail_at_once, NULL, NULL) == 0);
  REQUIRE_ERRNO(EVTHREAD_delay(thread, hour) == -1, ECANCELED);
  REQUIRE_ERRNO(EVSCOPE_wait(scope, EVTIMEOUT_NEVER) == -1, EIO);
  REQUIRE_C(calls.cancelled == 1);
  REQUIRE_C(EVSCOPE_cancel_reason(scope) == EVCANCEL_FAILURE);
  REQUIRE_ERRNO(EVSCOPE_start(scope, sleep_long, &calls, NULL) == -1, ECANCELED);
  REQUIRE_C(EVSCOPE_close(scope) == 0);
  REQUIRE_C(EVTHREAD_delay(thread, one_ms) == 0);
}

static void reach_deadline(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Calls calls = {0, 0, NULL};
  EVSCOPE* const scope = EVSCOPE_open(one_ms);
  REQUIRE_C(EVSCOPE_start(scope, sleep_long, &calls, NULL) == 0);
  REQUIRE_ERRNO(EVTHREAD_delay(thread, hour) == -1, ECANCELED);
  EVSCOPE* const cleaning_up = EVSCOPE_open_shielded(hour);
  REQUIRE_C(EVTHREAD_delay(thread, one_ms) == 0);
  REQUIRE_ERRNO(EVSCOPE_close(scope) == -1, EBUSY);
  REQUIRE_C(EVSCOPE_close(cleaning_up) == 0);
  REQUIRE_ERRNO(EVSCOPE_wait(scope, EVTIMEOUT_NEVER) == -1, ECANCELED);
  REQUIRE_C(EVSCOPE_cancel_reason(scope) == EVCANCEL_DEADLINE);
  // Left open: it is closed with the thread, and so is this one.
  REQUIRE_C(EVSCOPE_open(hour) != NULL);
}

static void cancel_scope(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Calls calls = {0, 0, NULL};
  EVSCOPE* const scope = EVSCOPE_open(EVTIMEOUT_NEVER);
  REQUIRE_C(EVSCOPE_start(scope, sleep_long, &calls, NULL) == 0);
  REQUIRE_C(EVTHREAD_yield() == 0);
  REQUIRE_ERRNO(EVSCOPE_cancel(scope, EVCANCEL_NONE) == -1, EINVAL);
  REQUIRE_C(EVSCOPE_cancel(scope, EVCANCEL_USER) == 0);
  REQUIRE_C(EVSCOPE_close(scope) == 0);
  REQUIRE_C(calls.cancelled == 1);
}

TEST_CASE_C(scopes, "scopes in C: all ended, a failure, a deadline, cancellation") {
  Fixture f;
  set_up(&f);
  run_in_thread(&f, wait_for_all, NULL);
  run_in_thread(&f, fail_in_scope, NULL);
  run_in_thread(&f, reach_deadline, NULL);
  run_in_thread(&f, cancel_scope, NULL);
  tear_down(&f);
}

static int use_foreign_scope(EVTHREAD* thread, void* ctx) {
  Calls* const calls = ctx;
  REQUIRE_ERRNO(EVSCOPE_wait(calls->scope, EVTIMEOUT_NOW) == -1, EPERM);
  REQUIRE_ERRNO(EVSCOPE_close(calls->scope) == -1, EPERM);
  return 0;
}

static void misuse_scope(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Calls calls = {0, 0, EVSCOPE_open(EVTIMEOUT_NEVER)};
  REQUIRE_C(EVSCOPE_start(calls.scope, use_foreign_scope, &calls, NULL) == 0);
  REQUIRE_C(EVSCOPE_wait(calls.scope, EVTIMEOUT_NEVER) == 0);
  REQUIRE_ERRNO(EVSCOPE_start(calls.scope, NULL, NULL, NULL) == -1, EINVAL);
  REQUIRE_C(EVSCOPE_close(calls.scope) == 0);
}

TEST_CASE_C(scope_misuse, "what a scope refuses") {
  Fixture f;
  set_up(&f);
  REQUIRE_ERRNO(EVSCOPE_open(EVTIMEOUT_NEVER) == NULL, EPERM);
  REQUIRE_ERRNO(EVSCOPE_open_shielded(EVTIMEOUT_NEVER) == NULL, EPERM);
  REQUIRE_ERRNO(EVSCOPE_start(NULL, fail_at_once, NULL, NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVSCOPE_wait(NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVSCOPE_close(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVSCOPE_cancel(NULL, EVCANCEL_USER) == -1, EINVAL);
  REQUIRE_ERRNO(EVSCOPE_cancel_reason(NULL) == EVCANCEL_NONE, EINVAL);
  run_in_thread(&f, misuse_scope, NULL);
  tear_down(&f);
}

static void delay_for_user(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  (void)EVTHREAD_delay(thread, *(const struct timeval*)ctx);
}

static void wait_for_first(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Fixture* const f = ctx;
  EVTHREAD* threads[2] = {EVTHREAD_init(f->loop, delay_for_user, (void*)&hour),
                          EVTHREAD_init(f->loop, delay_for_user, (void*)&one_ms)};
  REQUIRE_ERRNO(EVTHREAD_wait_any(threads, 2, EVTIMEOUT_NOW) == -1, EINVAL);  // not joinable
  for (int i = 0; i < 2; i++) REQUIRE_C(EVTHREAD_start_joinable(threads[i], NULL) == 0);
  REQUIRE_ERRNO(EVTHREAD_wait_any(threads, 2, EVTIMEOUT_NOW) == -1, ETIMEDOUT);
  REQUIRE_C(EVTHREAD_wait_any(threads, 2, EVTIMEOUT_NEVER) == 1);
  REQUIRE_C(EVTHREAD_join(threads[1], EVTIMEOUT_NOW) == 0);
  REQUIRE_C(EVTHREAD_cancel(threads[0], EVCANCEL_USER) == 0);
  REQUIRE_C(EVTHREAD_wait_any(threads, 1, EVTIMEOUT_NEVER) == 0);
  REQUIRE_C(EVTHREAD_join(threads[0], EVTIMEOUT_NOW) == 0);
}

TEST_CASE_C(wait_any, "the first of several threads to end") {
  Fixture f;
  set_up(&f);
  REQUIRE_ERRNO(EVTHREAD_wait_any(NULL, 1, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVTHREAD_wait_any(NULL, 0, EVTIMEOUT_NOW) == -1, EPERM);
  run_in_thread(&f, wait_for_first, &f);
  tear_down(&f);
}

// Waiting is two threads, and who waits for any of them.
typedef struct Waiting {
  Fixture* f;
  EVTHREAD* threads[2];
  int first;
} Waiting;

static void wait_for_either(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Waiting* const w = ctx;
  w->first = EVTHREAD_wait_any(w->threads, 2, EVTIMEOUT_NEVER);
}

static void disturb_wait(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Waiting w = {.f = ctx, .first = -1};
  for (int i = 0; i < 2; i++) {
    w.threads[i] = EVTHREAD_init(w.f->loop, delay_for_user, (void*)&hour);
    REQUIRE_C(EVTHREAD_start_joinable(w.threads[i], NULL) == 0);
  }
  EVTHREAD* const waiting = EVTHREAD_init(w.f->loop, wait_for_either, &w);
  REQUIRE_C(EVTHREAD_start_joinable(waiting, NULL) == 0);
  for (int i = 0; i < 2; i++) {
    REQUIRE_ERRNO(EVTHREAD_join(w.threads[i], EVTIMEOUT_NOW) == -1, EBUSY);
    REQUIRE_ERRNO(EVTHREAD_detach(w.threads[i]) == -1, EBUSY);
    REQUIRE_ERRNO(EVTHREAD_wait_any(&w.threads[i], 1, EVTIMEOUT_NOW) == -1, EBUSY);
  }
  REQUIRE_C(EVTHREAD_cancel(w.threads[1], EVCANCEL_USER) == 0);
  REQUIRE_C(EVTHREAD_join(waiting, EVTIMEOUT_NEVER) == 0);
  REQUIRE_C(w.first == 1);
  REQUIRE_ERRNO(EVTHREAD_wait_any(w.threads, 1, milliseconds(1)) == -1, ETIMEDOUT);
  REQUIRE_C(EVTHREAD_cancel(w.threads[0], EVCANCEL_USER) == 0);
  for (int i = 0; i < 2; i++) REQUIRE_C(EVTHREAD_join(w.threads[i], EVTIMEOUT_NEVER) == 0);
}

TEST_CASE_C(wait_any_busy, "who is waited for can't be joined or detached meanwhile") {
  Fixture f;
  set_up(&f);
  run_in_thread(&f, disturb_wait, &f);
  tear_down(&f);
}

// --- locals, priority, abort ---

static const char key_of_thread;
static const char key_of_loop;
static void count(void* value) { ++*(int*)value; }

static void use_locals(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  int* const counts = ctx;
  REQUIRE_C(EVTHREAD_local(&key_of_thread) == NULL);
  REQUIRE_C(EVTHREAD_set_local(&key_of_thread, &counts[0], count) == 0);
  REQUIRE_C(EVTHREAD_local(&key_of_thread) == &counts[0]);
  REQUIRE_C(EVTHREAD_set_local(&key_of_thread, &counts[1], count) == 0);
  REQUIRE_C(counts[0] == 1 && counts[1] == 0);
  REQUIRE_C(EVTHREAD_set_urgent(thread, 1) == 0);
  REQUIRE_C(EVTHREAD_yield() == 0);
  REQUIRE_C(EVTHREAD_local(&key_of_thread) == &counts[1]);
}

TEST_CASE_C(locals, "values of a thread and of a loop go with them") {
  Fixture f;
  int counts[3] = {0, 0, 0};
  set_up(&f);
  REQUIRE_ERRNO(EVTHREAD_set_local(&key_of_thread, counts, count) == -1, EPERM);
  REQUIRE_ERRNO(EVTHREAD_local(&key_of_thread) == NULL, EPERM);
  REQUIRE_ERRNO(EVTHREAD_set_urgent(NULL, 1) == -1, EINVAL);
  run_in_thread(&f, use_locals, counts);
  REQUIRE_C(counts[0] == 1 && counts[1] == 1);
  REQUIRE_ERRNO(EVLOOP_set_local(NULL, &key_of_loop, counts, count) == -1, EINVAL);
  REQUIRE_ERRNO(EVLOOP_local(NULL, &key_of_loop) == NULL, EINVAL);
  REQUIRE_C(EVLOOP_local(f.loop, &key_of_loop) == NULL);
  REQUIRE_C(EVLOOP_set_local(f.loop, &key_of_loop, &counts[2], count) == 0);
  REQUIRE_C(EVLOOP_local(f.loop, &key_of_loop) == &counts[2]);
  tear_down(&f);
  REQUIRE_C(counts[2] == 1);
}

static void check_info(const EVTHREAD_INFO* info, void* ctx) {
  REQUIRE_C(info->urgent == 1);
  REQUIRE_C(info->parks == 1);
  REQUIRE_C(info->parked_for.tv_sec < 60);
}

TEST_CASE_C(abort_loop, "EVLOOP_abort() ends all threads, and EVLOOP_run() with 2") {
  Fixture f;
  set_up(&f);
  REQUIRE_ERRNO(EVLOOP_abort(NULL) == -1, EINVAL);
  const EVTHREAD_OPTIONS options = {.urgent = 1};
  EVTHREAD* const thread = EVTHREAD_init_ex(f.loop, delay_for_user, (void*)&hour, &options);
  REQUIRE_C(EVTHREAD_start(thread, NULL) == 0);
  REQUIRE_C(EVLOOP_threads(f.loop, check_info, NULL) == 1);
  REQUIRE_C(EVLOOP_abort(f.loop) == 0);
  REQUIRE_C(EVLOOP_run(f.loop) == 2);
  REQUIRE_C(EVLOOP_run(f.loop) == 1);
  tear_down(&f);
}
