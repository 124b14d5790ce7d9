// Threads that start, yield, resume and end, and the values that travel.
#include <corothread/cthread.h>

#include <stdlib.h>
#include <string.h>

#include "thread_fixture.h"

static void count(VALUES* values) {
  int32_t limit;
  if (VALUES_scan(values, "%d", &limit) != 0) return;
  for (int32_t i = 0; i < limit; i++) {
    if (CTHREAD_yield(NULL, "%d", i) != 0) return;
  }
}

TEST_CASE_C(generator, "a generator yields one value after the other") {
  set_up();
  REQUIRE_C(CTHREAD_libinit() == 0);
  REQUIRE_C(CTHREAD_libinit() == 0);
  CTHREAD* const thread = CTHREAD_init(&stacks, count);
  REQUIRE_C(thread != NULL && CTHREAD_state(thread) == CTHREAD_STATE_INIT);
  VALUES* values;
  int32_t expected = 0;
  int result = CTHREAD_start(thread, &values, "%d", 10);
  for (; result == 0; result = CTHREAD_resume(thread, &values, NULL)) {
    int32_t number;
    REQUIRE_C(CTHREAD_state(thread) == CTHREAD_STATE_SUSPENDED);
    REQUIRE_C(VALUES_scan(values, "%d", &number) == 0 && number == expected++);
  }
  REQUIRE_C(result == 1 && expected == 10);
  REQUIRE_C(values == NULL);  // it returned without
  REQUIRE_C(CTHREAD_state(thread) == CTHREAD_STATE_EXIT);
  REQUIRE_C(CTHREAD_free(thread) == 0);
  tear_down();
}

static void converse(VALUES* values) {
  const char* text;
  REQUIRE_C(VALUES_scan(values, "%s", &text) == 0 && strcmp(text, "start") == 0);
  REQUIRE_C(CTHREAD_yield(&values, "%s %d", "first", 1) == 0);
  REQUIRE_C(VALUES_scan(values, "%s", &text) == 0 && strcmp(text, "resume") == 0);
  REQUIRE_C(CTHREAD_yield(&values, NULL) == 0);
  REQUIRE_C(values == NULL);  // nothing was given
  REQUIRE_C(CTHREAD_set_return_value("%s", "replaced") == 0);
  REQUIRE_C(CTHREAD_set_return_value("%qu", UINT64_MAX) == 0);
  REQUIRE_C(CTHREAD_yield(NULL, "%s", "last") == 0);
}

TEST_CASE_C(both_ways, "values travel both ways, and the return value at the end") {
  set_up();
  CTHREAD* const thread = CTHREAD_init(&stacks, converse);
  VALUES* values;
  const char* text;
  char given[] = "start";
  uint64_t returned;
  REQUIRE_C(CTHREAD_start(thread, &values, "%s", given) == 0);
  REQUIRE_C(VALUES_size(values) == 2);
  REQUIRE_C(VALUES_scan(values, "%s", &text) == 0 && strcmp(text, "first") == 0);
  REQUIRE_C(CTHREAD_resume(thread, &values, "%s", "resume") == 0);
  REQUIRE_C(values == NULL);
  REQUIRE_C(CTHREAD_resume(thread, &values, NULL) == 0);
  REQUIRE_C(VALUES_scan(values, "%s", &text) == 0 && strcmp(text, "last") == 0);
  REQUIRE_C(CTHREAD_resume(thread, &values, NULL) == 1);
  REQUIRE_C(VALUES_scan(values, "%qu", &returned) == 0 && returned == UINT64_MAX);
  REQUIRE_C(CTHREAD_free(thread) == 0);
  tear_down();
}

static void return_nothing(VALUES* values) {
  REQUIRE_C(VALUES_size(values) == 0);
  REQUIRE_C(CTHREAD_set_return_value("%d", 1) == 0);
  REQUIRE_C(CTHREAD_set_return_value(NULL) == 0);
}

TEST_CASE_C(nothing, "neither arguments nor a return value have to be") {
  set_up();
  VALUES some = {0};
  VALUES* values = &some;
  CTHREAD* const thread = CTHREAD_init(&stacks, return_nothing);
  REQUIRE_C(CTHREAD_start(thread, &values, NULL) == 1);
  REQUIRE_C(values == NULL);
  REQUIRE_C(CTHREAD_free(thread) == 0);
  tear_down();
}

TEST_CASE_C(stack_of_one_that_ended, "a thread that has ended holds no stack") {
  set_up();
  CTHREAD* threads[10];
  for (int i = 0; i < 10; i++) {  // more than there are stacks
    threads[i] = CTHREAD_init(&stacks, return_nothing);
    REQUIRE_C(threads[i] != NULL && stacks_in_use() == 1);
    REQUIRE_C(CTHREAD_start(threads[i], NULL, NULL) == 1);
    REQUIRE_C(stacks_in_use() == 0);
  }
  for (int i = 0; i < 10; i++) REQUIRE_C(CTHREAD_free(threads[i]) == 0);
  tear_down();
}

static void nested(VALUES* values) {
  int32_t depth;
  int32_t below = 0;
  REQUIRE_C(VALUES_scan(values, "%d", &depth) == 0);
  if (depth > 1) {
    CTHREAD* const thread = CTHREAD_init(&stacks, nested);
    VALUES* returned;
    REQUIRE_C(CTHREAD_start(thread, &returned, "%d", depth - 1) == 0);
    REQUIRE_C(CTHREAD_yield(NULL, NULL) == 0);
    REQUIRE_C(CTHREAD_resume(thread, &returned, NULL) == 1);
    REQUIRE_C(VALUES_scan(returned, "%d", &below) == 0);
    REQUIRE_C(CTHREAD_free(thread) == 0);
  } else {
    REQUIRE_C(CTHREAD_yield(NULL, NULL) == 0);
  }
  REQUIRE_C(CTHREAD_set_return_value("%d", below + 1) == 0);
}

TEST_CASE_C(nesting, "a thread starts another, which starts another") {
  set_up();
  CTHREAD* const thread = CTHREAD_init(&stacks, nested);
  VALUES* values;
  int32_t depth;
  REQUIRE_C(CTHREAD_start(thread, NULL, "%d", 4) == 0);
  REQUIRE_C(stacks_in_use() == 4);
  REQUIRE_C(CTHREAD_resume(thread, &values, NULL) == 1);
  REQUIRE_C(VALUES_scan(values, "%d", &depth) == 0 && depth == 4);
  REQUIRE_C(CTHREAD_free(thread) == 0);
  tear_down();
}

static void tell_self(VALUES* values) {
  REQUIRE_C(CTHREAD_state(CTHREAD_self()) == CTHREAD_STATE_RUNNING);
  REQUIRE_C(CTHREAD_yield(NULL, "%p %u", CTHREAD_self(), CTHREAD_get_tid()) == 0);
  REQUIRE_C(CTHREAD_set_return_value("%p", CTHREAD_self()) == 0);
}

TEST_CASE_C(identity, "threads have ids and names, and know themselves") {
  set_up();
  CTHREAD* const first = CTHREAD_init_named(&stacks, tell_self, "first");
  CTHREAD* const second = CTHREAD_init(&stacks, tell_self);
  VALUES* values;
  CTHREAD* self;
  uint32_t tid;
  REQUIRE_C(CTHREAD_id(first) != 0 && CTHREAD_id(first) != CTHREAD_id(second));
  REQUIRE_C(CTHREAD_start(first, &values, NULL) == 0);
  REQUIRE_C(CTHREAD_start(second, NULL, NULL) == 0);
  REQUIRE_C(VALUES_scan(values, "%p %u", &self, &tid) == 0);
  REQUIRE_C(self == first && tid == (uint32_t)CTHREAD_id(first));
  REQUIRE_C(strcmp(CTHREAD_name(first), "first") == 0);
  REQUIRE_C(strcmp(CTHREAD_name(second), "") == 0);
  REQUIRE_C(CTHREAD_resume(first, &values, NULL) == 1);
  REQUIRE_C(VALUES_scan(values, "%p", &self) == 0 && self == first);
  REQUIRE_C(strcmp(CTHREAD_name(first), "first") == 0);  // after its end, too
  REQUIRE_C(CTHREAD_id(first) == tid);
  REQUIRE_C(CTHREAD_resume(second, NULL, NULL) == 1);
  REQUIRE_C(CTHREAD_free(first) == 0 && CTHREAD_free(second) == 0);
  tear_down();
}

TEST_CASE_C(long_names, "a name is copied, and cut to 31 characters") {
  set_up();
  char name[] = "a name of more than the 31 characters that are kept";
  CTHREAD* const thread = CTHREAD_init_named(&stacks, count, name);
  memset(name, 'x', sizeof name - 1);
  REQUIRE_C(strcmp(CTHREAD_name(thread), "a name of more than the 31 char") == 0);
  REQUIRE_C(CTHREAD_free(thread) == 0);
  tear_down();
}

TEST_CASE_C(functions, "the makers of threads are functions, too") {
  set_up();
  CTHREAD* (*const init)(STACKS*, CTHREAD_PROC) = CTHREAD_init;
  CTHREAD* (*const init_named)(STACKS*, CTHREAD_PROC, const char*) = CTHREAD_init_named;
  CTHREAD* const thread = init(&stacks, return_nothing);
  CTHREAD* const named = init_named(&stacks, return_nothing, "name");
  REQUIRE_C(CTHREAD_start(thread, NULL, NULL) == 1);
  REQUIRE_C(strcmp(CTHREAD_name(named), "name") == 0);
  REQUIRE_C(CTHREAD_free(thread) == 0 && CTHREAD_free(named) == 0);
  tear_down();
}

static void use_stack(VALUES* values) {
  volatile char frame[32 * 1024];
  frame[0] = 1;
  CTHREAD_yield(NULL, "%p", &frame[0]);
}

TEST_CASE_C(stack_use, "how much stack a thread has and has used can be told") {
  set_up();
  CTHREAD* const thread = CTHREAD_init(&stacks, use_stack);
  REQUIRE_C(CTHREAD_stack_size(thread) >= STACKS_get_stack_size(&stacks));
  REQUIRE_C(CTHREAD_watermark(thread) < 16 * 1024);
  REQUIRE_C(CTHREAD_start(thread, NULL, NULL) == 0);
  REQUIRE_C(CTHREAD_watermark(thread) > 32 * 1024);
  REQUIRE_C(CTHREAD_watermark(thread) <= CTHREAD_stack_size(thread));
  REQUIRE_C(CTHREAD_free(thread) == 0);
  tear_down();
}

static void fail_with_errno(VALUES* values) {
  errno = ENOENT;
  REQUIRE_C(CTHREAD_yield(NULL, NULL) == 0);
  REQUIRE_C(errno == ENOENT);
}

TEST_CASE_C(own_errno, "each thread has an errno of its own") {
  set_up();
  CTHREAD* const thread = CTHREAD_init(&stacks, fail_with_errno);
  errno = 0;
  REQUIRE_C(CTHREAD_start(thread, NULL, NULL) == 0);
  REQUIRE_C(errno == 0);
  errno = EINTR;
  REQUIRE_C(CTHREAD_resume(thread, NULL, NULL) == 1);
  REQUIRE_C(errno == EINTR);
  REQUIRE_C(CTHREAD_free(thread) == 0);
  tear_down();
}

static int recurse(int depth) {
  volatile char frame[256];
  frame[0] = (char)depth;
  return depth == 0 ? 0 : recurse(depth - 1) + frame[0];
}

static void overflow(VALUES* values) { recurse(1000 * 1000); }

static void overflow_in_thread(void* init_on_demand) {
  STACKS small;
  if (init_on_demand != NULL) {
    STACKS_init_on_demand(&small, -1, 5);
  } else {
    STACKS_init(&small, 1, 5);
  }
  CTHREAD_libinit();
  CTHREAD_start(CTHREAD_init_named(&small, overflow, "culprit"), NULL, NULL);
}

TEST_CASE_C(overflow_report, "an overflow is reported with the setting to raise") {
  struct c_test_ended ended;
  c_test_in_child(overflow_in_thread, NULL, &ended);
  REQUIRE_C(ended.died_of_a_fault);
  REQUIRE_C(strstr(ended.output, "stack overflow in coroutine thread 'culprit'") != NULL);
  REQUIRE_C(strstr(ended.output, "cthread_test.c:") != NULL);
  REQUIRE_C(strstr(ended.output, "; raise pages_per_stack of STACKS_init\n") != NULL);
  c_test_in_child(overflow_in_thread, &ended, &ended);
  REQUIRE_C(strstr(ended.output, "; raise pages_per_stack of STACKS_init_on_demand\n") != NULL);
}
