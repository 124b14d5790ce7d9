// What can't be is refused, with an errno that tells why, and changes nothing.
#define _GNU_SOURCE
#include <corothread/cthread.h>

#include <pthread.h>
#include <string.h>

#include "thread_fixture.h"

static void yield_once(VALUES* values) { CTHREAD_yield(NULL, NULL); }

TEST_CASE_C(init_arguments, "a thread needs stacks and a procedure") {
  set_up();
  STACKS zeroed = {0};
  REQUIRE_ERRNO(CTHREAD_init(NULL, yield_once) == NULL, EINVAL);
  REQUIRE_ERRNO(CTHREAD_init(&zeroed, yield_once) == NULL, EINVAL);
  REQUIRE_ERRNO(CTHREAD_init(&stacks, NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(CTHREAD_init_named(&stacks, NULL, "name") == NULL, EINVAL);
  REQUIRE_ERRNO(CTHREAD_init_at(NULL, 1, &stacks, yield_once, "name") == NULL, EINVAL);
  tear_down();
}

TEST_CASE_C(no_stack, "there are no more threads than stacks") {
  set_up();
  CTHREAD* threads[4];
  for (int i = 0; i < 4; i++) REQUIRE_C((threads[i] = CTHREAD_init(&stacks, yield_once)) != NULL);
  REQUIRE_ERRNO(CTHREAD_init(&stacks, yield_once) == NULL, EAGAIN);
  REQUIRE_ERRNO(STACKS_destroy(&stacks) == -1, EBUSY);
  for (int i = 0; i < 4; i++) REQUIRE_C(CTHREAD_free(threads[i]) == 0);
  tear_down();
}

TEST_CASE_C(null_thread, "NULL is no thread") {
  VALUES some = {0};
  VALUES* values = &some;
  REQUIRE_ERRNO(CTHREAD_start(NULL, &values, NULL) == -1, EINVAL);
  REQUIRE_C(values == NULL);
  values = &some;
  REQUIRE_ERRNO(CTHREAD_resume(NULL, &values, NULL) == -1, EINVAL);
  REQUIRE_C(values == NULL);
  REQUIRE_ERRNO(CTHREAD_kill(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(CTHREAD_free(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(CTHREAD_state(NULL) == 0, EINVAL);
  REQUIRE_ERRNO(CTHREAD_id(NULL) == 0, EINVAL);
  REQUIRE_ERRNO(CTHREAD_name(NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(CTHREAD_stack_size(NULL) == 0, EINVAL);
  REQUIRE_ERRNO(CTHREAD_watermark(NULL) == 0, EINVAL);
}

TEST_CASE_C(order, "a thread is started once, and resumed only after that") {
  set_up();
  CTHREAD* const thread = CTHREAD_init(&stacks, yield_once);
  REQUIRE_ERRNO(CTHREAD_resume(thread, NULL, NULL) == -1, EPROTO);
  REQUIRE_C(CTHREAD_start(thread, NULL, NULL) == 0);
  REQUIRE_ERRNO(CTHREAD_start(thread, NULL, NULL) == -1, EALREADY);
  REQUIRE_C(CTHREAD_resume(thread, NULL, NULL) == 1);
  REQUIRE_ERRNO(CTHREAD_start(thread, NULL, NULL) == -1, EALREADY);
  REQUIRE_ERRNO(CTHREAD_resume(thread, NULL, NULL) == -1, ESRCH);
  REQUIRE_ERRNO(CTHREAD_stack_size(thread) == 0, ESRCH);
  REQUIRE_ERRNO(CTHREAD_watermark(thread) == 0, ESRCH);
  REQUIRE_C(CTHREAD_free(thread) == 0);
  tear_down();
}

TEST_CASE_C(outside, "outside of a thread there is nothing to yield or to exit") {
  VALUES some = {0};
  VALUES* values = &some;
  for (int i = 0; i < 2; i++) {
    REQUIRE_ERRNO(CTHREAD_yield(&values, "%d", 1) == -1, EPERM);
    REQUIRE_C(values == NULL);
    REQUIRE_ERRNO(CTHREAD_exit() == -1, EPERM);
    REQUIRE_ERRNO(CTHREAD_set_return_value("%d", 1) == -1, EPERM);
    REQUIRE_ERRNO(CTHREAD_self() == NULL, EPERM);
    REQUIRE_C(CTHREAD_get_tid() == (uint32_t)-1);
    set_up();  // once more when threads have run
    CTHREAD* const thread = CTHREAD_init(&stacks, yield_once);
    REQUIRE_C(CTHREAD_start(thread, NULL, NULL) == 0);
    REQUIRE_C(CTHREAD_free(thread) == 0);
    tear_down();
  }
}

static void misuse_self(VALUES* values) {
  REQUIRE_ERRNO(CTHREAD_start(CTHREAD_self(), NULL, NULL) == -1, EALREADY);
  REQUIRE_ERRNO(CTHREAD_resume(CTHREAD_self(), NULL, NULL) == -1, EBUSY);
  REQUIRE_ERRNO(CTHREAD_kill(CTHREAD_self()) == -1, EBUSY);
}

static void misuse_resumer(VALUES* values) {
  CTHREAD* resumer;
  REQUIRE_C(VALUES_scan(values, "%p", &resumer) == 0);
  REQUIRE_ERRNO(CTHREAD_resume(resumer, NULL, NULL) == -1, EBUSY);
  REQUIRE_ERRNO(CTHREAD_kill(resumer) == -1, EBUSY);
}

static void be_misused(VALUES* values) {
  misuse_self(values);
  CTHREAD* const thread = CTHREAD_init(&stacks, misuse_resumer);
  REQUIRE_C(CTHREAD_start(thread, NULL, "%p", CTHREAD_self()) == 1);
  REQUIRE_C(CTHREAD_free(thread) == 0);
}

TEST_CASE_C(running, "a running thread is neither resumed nor killed") {
  set_up();
  CTHREAD* const thread = CTHREAD_init(&stacks, be_misused);
  REQUIRE_C(CTHREAD_start(thread, NULL, NULL) == 1);
  REQUIRE_C(CTHREAD_free(thread) == 0);
  tear_down();
}

static void yield_wrong_formats(VALUES* values) {
  int32_t number;
  REQUIRE_ERRNO(CTHREAD_yield(NULL, "%x", 1) == -1, EINVAL);
  REQUIRE_ERRNO(CTHREAD_set_return_value("%x", 1) == -1, EINVAL);
  REQUIRE_C(CTHREAD_yield(&values, "%d", 1) == 0);
  REQUIRE_C(VALUES_scan(values, "%d", &number) == 0 && number == 3);
}

TEST_CASE_C(wrong_format, "a call with an unknown format does nothing") {
  set_up();
  VALUES* values;
  int32_t number;
  CTHREAD* const thread = CTHREAD_init(&stacks, yield_wrong_formats);
  REQUIRE_ERRNO(CTHREAD_start(thread, &values, "%y", 1) == -1, EINVAL);
  REQUIRE_C(values == NULL && CTHREAD_state(thread) == CTHREAD_STATE_INIT);
  REQUIRE_C(CTHREAD_start(thread, &values, NULL) == 0);
  REQUIRE_C(VALUES_scan(values, "%d", &number) == 0 && number == 1);
  REQUIRE_ERRNO(CTHREAD_resume(thread, &values, "%d%", 2) == -1, EINVAL);
  REQUIRE_C(CTHREAD_state(thread) == CTHREAD_STATE_SUSPENDED);
  REQUIRE_C(CTHREAD_resume(thread, &values, "%d", 3) == 1);
  REQUIRE_C(CTHREAD_free(thread) == 0);
  tear_down();
}

static void* misuse_threads_of_another(void* threads) {
  CTHREAD* const made = ((CTHREAD**)threads)[0];
  CTHREAD* const suspended = ((CTHREAD**)threads)[1];
  REQUIRE_ERRNO(CTHREAD_start(made, NULL, NULL) == -1, EPERM);
  REQUIRE_ERRNO(CTHREAD_resume(suspended, NULL, NULL) == -1, EPERM);
  REQUIRE_ERRNO(CTHREAD_kill(suspended) == -1, EPERM);
  REQUIRE_ERRNO(CTHREAD_free(suspended) == -1, EPERM);
  return NULL;
}

TEST_CASE_C(os_threads, "a thread is for the OS thread that has made it") {
  set_up();
  CTHREAD* threads[2] = {CTHREAD_init(&stacks, yield_once), CTHREAD_init(&stacks, yield_once)};
  REQUIRE_C(CTHREAD_start(threads[1], NULL, NULL) == 0);
  pthread_t other;
  REQUIRE_C(pthread_create(&other, NULL, misuse_threads_of_another, threads) == 0);
  REQUIRE_C(pthread_join(other, NULL) == 0);
  REQUIRE_C(CTHREAD_start(threads[0], NULL, NULL) == 0);
  REQUIRE_C(CTHREAD_free(threads[0]) == 0);
  REQUIRE_C(CTHREAD_resume(threads[1], NULL, NULL) == 1);
  REQUIRE_C(CTHREAD_free(threads[1]) == 0);
  tear_down();
}
