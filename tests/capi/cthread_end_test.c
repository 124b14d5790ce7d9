// How threads end: killed, freed, by CTHREAD_exit(), with their parent.
#include <corothread/cthread.h>

#include <stdlib.h>
#include <string.h>

#include "thread_fixture.h"

static void clean_up_when_killed(VALUES* values) {
  char* const memory = malloc(10);
  VALUES* given = values;
  if (CTHREAD_yield(&given, NULL) == 1) record("killed ");
  REQUIRE_C(given == NULL);
  free(memory);
  REQUIRE_C(CTHREAD_set_return_value("%d", 7) == 0);
}

TEST_CASE_C(kill, "a killed thread's yield returns 1, and it cleans up") {
  set_up();
  CTHREAD* const thread = CTHREAD_init(&stacks, clean_up_when_killed);
  REQUIRE_C(CTHREAD_start(thread, NULL, NULL) == 0);
  REQUIRE_C(CTHREAD_kill(thread) == 0);
  REQUIRE_C(strcmp(trace, "killed ") == 0);
  REQUIRE_C(CTHREAD_state(thread) == CTHREAD_STATE_EXIT);
  REQUIRE_C(stacks_in_use() == 0);
  REQUIRE_C(CTHREAD_kill(thread) == 0);  // without effect
  REQUIRE_C(CTHREAD_free(thread) == 0);
  tear_down();
}

static void never_run(VALUES* values) { record("run "); }

TEST_CASE_C(kill_before_start, "killing a thread that wasn't started runs nothing of it") {
  set_up();
  CTHREAD* const thread = CTHREAD_init(&stacks, never_run);
  REQUIRE_C(CTHREAD_kill(thread) == 0);
  REQUIRE_C(CTHREAD_state(thread) == CTHREAD_STATE_EXIT);
  REQUIRE_C(stacks_in_use() == 0 && trace[0] == '\0');
  REQUIRE_C(CTHREAD_free(thread) == 0);
  tear_down();
}

static void generate_for_ever(VALUES* values) {
  for (int32_t i = 0;; i++) CTHREAD_yield(NULL, "%d", i);
}

TEST_CASE_C(kill_always_ends, "a killed thread that yields again ends there") {
  set_up();
  CTHREAD* const thread = CTHREAD_init(&stacks, generate_for_ever);
  REQUIRE_C(CTHREAD_start(thread, NULL, NULL) == 0);
  REQUIRE_C(CTHREAD_resume(thread, NULL, NULL) == 0);
  REQUIRE_C(CTHREAD_kill(thread) == 0);
  REQUIRE_C(CTHREAD_state(thread) == CTHREAD_STATE_EXIT);
  REQUIRE_C(CTHREAD_free(thread) == 0);
  tear_down();
}

static void exit_deep(int depth) {
  if (depth > 0) {
    exit_deep(depth - 1);
  } else {
    CTHREAD_exit();
  }
  record("returned ");
}

static void exit_from_depth(VALUES* values) {
  REQUIRE_C(CTHREAD_set_return_value("%s", "result") == 0);
  REQUIRE_C(CTHREAD_yield(NULL, NULL) == 0);
  exit_deep(20);
  record("returned ");
}

TEST_CASE_C(exit_anywhere,
            "CTHREAD_exit() ends a thread from any depth, and its stack is used again") {
  set_up();
  for (int i = 0; i < 20; i++) {
    CTHREAD* const thread = CTHREAD_init(&stacks, exit_from_depth);
    VALUES* values;
    const char* result;
    REQUIRE_C(CTHREAD_start(thread, NULL, NULL) == 0);
    REQUIRE_C(CTHREAD_resume(thread, &values, NULL) == 1);
    REQUIRE_C(VALUES_scan(values, "%s", &result) == 0 && strcmp(result, "result") == 0);
    REQUIRE_C(CTHREAD_state(thread) == CTHREAD_STATE_EXIT);
    REQUIRE_C(stacks_in_use() == 0 && trace[0] == '\0');
    REQUIRE_C(CTHREAD_free(thread) == 0);
  }
  tear_down();
}

static void exit_when_killed(VALUES* values) {
  if (CTHREAD_yield(NULL, NULL) == 1) exit_deep(3);
}

TEST_CASE_C(exit_while_killed, "a killed thread may end by CTHREAD_exit()") {
  set_up();
  CTHREAD* const thread = CTHREAD_init(&stacks, exit_when_killed);
  REQUIRE_C(CTHREAD_start(thread, NULL, NULL) == 0);
  REQUIRE_C(CTHREAD_kill(thread) == 0);
  REQUIRE_C(stacks_in_use() == 0);
  REQUIRE_C(CTHREAD_free(thread) == 0);
  tear_down();
}

TEST_CASE_C(free_suspended, "freeing a suspended thread kills it first") {
  set_up();
  CTHREAD* const thread = CTHREAD_init(&stacks, clean_up_when_killed);
  REQUIRE_C(CTHREAD_start(thread, NULL, NULL) == 0);
  REQUIRE_C(CTHREAD_free(thread) == 0);
  REQUIRE_C(strcmp(trace, "killed ") == 0);
  tear_down();
}

static void free_self(VALUES* values) {
  CTHREAD* const self = CTHREAD_self();
  REQUIRE_C(CTHREAD_free(self) == 0);
  REQUIRE_C(CTHREAD_free(self) == 0);  // once more changes nothing
  REQUIRE_C(CTHREAD_state(self) == CTHREAD_STATE_RUNNING);
  REQUIRE_C(CTHREAD_set_return_value("%d", 1) == 0);
  while (VALUES_size(values) > 0 && CTHREAD_yield(&values, "%d", 1) == 0 && values != NULL) {
  }
  record("end ");
}

TEST_CASE_C(free_inside, "a thread that frees itself is freed when it ends") {
  set_up();
  VALUES* values;
  REQUIRE_C(CTHREAD_start(CTHREAD_init(&stacks, free_self), &values, NULL) == 1);
  REQUIRE_C(values == NULL);  // they have gone with it
  REQUIRE_C(strcmp(trace, "end ") == 0);
  tear_down();
}

TEST_CASE_C(free_inside_and_yield, "a thread that has freed itself may yield until it ends") {
  set_up();
  VALUES* values;
  int32_t number;
  CTHREAD* const thread = CTHREAD_init(&stacks, free_self);
  REQUIRE_C(CTHREAD_start(thread, &values, "%d", 1) == 0);
  REQUIRE_C(VALUES_scan(values, "%d", &number) == 0);
  REQUIRE_C(CTHREAD_resume(thread, NULL, "%d", 1) == 0);
  REQUIRE_C(CTHREAD_resume(thread, &values, NULL) == 1);
  tear_down();
}

TEST_CASE_C(free_twice, "a thread that has freed itself can still be killed by a free") {
  set_up();
  CTHREAD* const thread = CTHREAD_init(&stacks, free_self);
  REQUIRE_C(CTHREAD_start(thread, NULL, "%d", 1) == 0);
  REQUIRE_C(CTHREAD_free(thread) == 0);
  REQUIRE_C(strcmp(trace, "end ") == 0);
  tear_down();
}

static void free_self_when_killed(VALUES* values) {
  REQUIRE_C(CTHREAD_yield(NULL, NULL) == 1);
  REQUIRE_C(CTHREAD_free(CTHREAD_self()) == 0);
}

TEST_CASE_C(free_while_killed, "a thread may free itself while it is killed") {
  set_up();
  CTHREAD* const thread = CTHREAD_init(&stacks, free_self_when_killed);
  REQUIRE_C(CTHREAD_start(thread, NULL, NULL) == 0);
  REQUIRE_C(CTHREAD_kill(thread) == 0);
  tear_down();
}

static void free_resumer(VALUES* values) {
  CTHREAD* resumer;
  REQUIRE_C(VALUES_scan(values, "%p", &resumer) == 0);
  REQUIRE_C(CTHREAD_free(resumer) == 0);
  record("inner ");
}

static void be_freed_by_inner(VALUES* values) {
  CTHREAD* const inner = CTHREAD_init(&stacks, free_resumer);
  REQUIRE_C(CTHREAD_start(inner, NULL, "%p", CTHREAD_self()) == 1);
  REQUIRE_C(CTHREAD_free(inner) == 0);
  record("outer ");
}

TEST_CASE_C(free_resumer_inside, "a thread may free the one that has resumed it") {
  set_up();
  REQUIRE_C(CTHREAD_start(CTHREAD_init(&stacks, be_freed_by_inner), NULL, NULL) == 1);
  REQUIRE_C(strcmp(trace, "inner outer ") == 0);
  tear_down();
}

static CTHREAD* children[3];

static void be_child(VALUES* values) {
  const char* name;
  char copy[8];
  REQUIRE_C(VALUES_scan(values, "%s", &name) == 0);
  strcpy(copy, name);
  if (CTHREAD_yield(NULL, NULL) == 1) record(copy);
}

static void start_children(VALUES* values) {
  static const char* const names[] = {"a", "b", "c"};
  int32_t by_exit;
  REQUIRE_C(VALUES_scan(values, "%d", &by_exit) == 0);
  for (int i = 0; i < 3; i++) {
    children[i] = CTHREAD_init(&stacks, be_child);
    REQUIRE_C(CTHREAD_start(children[i], NULL, "%s", names[i]) == 0);
  }
  CTHREAD_yield(NULL, NULL);
  record("parent ");
  if (by_exit) CTHREAD_exit();
}

static void require_children_killed(void) {
  REQUIRE_C(strcmp(trace, "parent abc") == 0);
  REQUIRE_C(stacks_in_use() == 0);
  for (int i = 0; i < 3; i++) {
    REQUIRE_C(CTHREAD_state(children[i]) == CTHREAD_STATE_EXIT);
    REQUIRE_C(CTHREAD_free(children[i]) == 0);
  }
}

TEST_CASE_C(live_children, "a parent that returns kills its children first") {
  set_up();
  CTHREAD* const parent = CTHREAD_init(&stacks, start_children);
  REQUIRE_C(CTHREAD_start(parent, NULL, "%d", 0) == 0);
  REQUIRE_C(CTHREAD_resume(parent, NULL, NULL) == 1);
  require_children_killed();
  REQUIRE_C(CTHREAD_free(parent) == 0);
  tear_down();
}

TEST_CASE_C(live_children_exit, "a parent that exits kills its children first") {
  set_up();
  CTHREAD* const parent = CTHREAD_init(&stacks, start_children);
  REQUIRE_C(CTHREAD_start(parent, NULL, "%d", 1) == 0);
  REQUIRE_C(CTHREAD_resume(parent, NULL, NULL) == 1);
  require_children_killed();
  REQUIRE_C(CTHREAD_free(parent) == 0);
  tear_down();
}

TEST_CASE_C(live_children_kill, "a parent that is killed or freed kills its children, too") {
  set_up();
  CTHREAD* const parent = CTHREAD_init(&stacks, start_children);
  REQUIRE_C(CTHREAD_start(parent, NULL, "%d", 0) == 0);
  REQUIRE_C(CTHREAD_free(parent) == 0);
  require_children_killed();
  tear_down();
}

static void start_and_free_children(VALUES* values) {
  start_children(values);
  REQUIRE_C(CTHREAD_free(children[1]) == 0);
}

TEST_CASE_C(freed_children, "children that have ended or gone before their parent are left alone") {
  set_up();
  CTHREAD* const parent = CTHREAD_init(&stacks, start_and_free_children);
  REQUIRE_C(CTHREAD_start(parent, NULL, "%d", 0) == 0);
  REQUIRE_C(CTHREAD_resume(children[2], NULL, NULL) == 1);  // ends by itself
  REQUIRE_C(CTHREAD_resume(parent, NULL, NULL) == 1);
  REQUIRE_C(strcmp(trace, "parent ba") == 0);
  REQUIRE_C(CTHREAD_free(children[0]) == 0 && CTHREAD_free(children[2]) == 0);
  REQUIRE_C(CTHREAD_free(parent) == 0);
  tear_down();
}

static void start_self_freeing_child(VALUES* values) {
  REQUIRE_C(CTHREAD_start(CTHREAD_init(&stacks, free_self), NULL, "%d", 1) == 0);
}

TEST_CASE_C(self_freed_child, "a child that has freed itself goes with its parent") {
  set_up();
  CTHREAD* const parent = CTHREAD_init(&stacks, start_self_freeing_child);
  REQUIRE_C(CTHREAD_start(parent, NULL, NULL) == 1);
  REQUIRE_C(strcmp(trace, "end ") == 0);
  REQUIRE_C(CTHREAD_free(parent) == 0);
  tear_down();
}

static void resume_parent(VALUES* values) {
  CTHREAD* parent;
  REQUIRE_C(VALUES_scan(values, "%p", &parent) == 0);
  REQUIRE_C(CTHREAD_yield(NULL, NULL) == 0);
  REQUIRE_C(CTHREAD_resume(parent, NULL, NULL) == 1);  // and that ends, while this runs
  record("child ");
  REQUIRE_C(CTHREAD_yield(NULL, NULL) == 0);
  record("on ");
}

static void start_child_that_resumes(VALUES* values) {
  children[0] = CTHREAD_init(&stacks, resume_parent);
  REQUIRE_C(CTHREAD_start(children[0], NULL, "%p", CTHREAD_self()) == 0);
  REQUIRE_C(CTHREAD_yield(NULL, NULL) == 0);
  record("parent ");
}

TEST_CASE_C(running_child, "a child that is running when its parent ends goes on") {
  set_up();
  CTHREAD* const parent = CTHREAD_init(&stacks, start_child_that_resumes);
  REQUIRE_C(CTHREAD_start(parent, NULL, NULL) == 0);
  REQUIRE_C(CTHREAD_resume(children[0], NULL, NULL) == 0);
  REQUIRE_C(CTHREAD_state(parent) == CTHREAD_STATE_EXIT);
  REQUIRE_C(CTHREAD_free(parent) == 0);
  REQUIRE_C(CTHREAD_resume(children[0], NULL, NULL) == 1);
  REQUIRE_C(strcmp(trace, "parent child on ") == 0);
  REQUIRE_C(CTHREAD_free(children[0]) == 0);
  tear_down();
}

static void start_grandchild_when_killed(VALUES* values) {
  REQUIRE_C(CTHREAD_yield(NULL, NULL) == 1);
  children[1] = CTHREAD_init(&stacks, be_child);
  REQUIRE_C(CTHREAD_start(children[1], NULL, "%s", "grand ") == 0);
  record("child ");
}

static void start_one_child(VALUES* values) {
  children[0] = CTHREAD_init(&stacks, start_grandchild_when_killed);
  REQUIRE_C(CTHREAD_start(children[0], NULL, NULL) == 0);
}

TEST_CASE_C(grandchild, "what a child starts while it is killed is killed with it") {
  set_up();
  CTHREAD* const parent = CTHREAD_init(&stacks, start_one_child);
  REQUIRE_C(CTHREAD_start(parent, NULL, NULL) == 1);
  REQUIRE_C(strcmp(trace, "child grand ") == 0);
  REQUIRE_C(CTHREAD_free(parent) == 0);
  REQUIRE_C(CTHREAD_free(children[0]) == 0 && CTHREAD_free(children[1]) == 0);
  tear_down();
}

TEST_CASE_C(no_leak, "ten thousand threads leave nothing behind") {
  set_up();
  for (int i = 0; i < 10000; i++) {
    CTHREAD* const thread = CTHREAD_init(&stacks, clean_up_when_killed);
    trace[0] = '\0';
    REQUIRE_C(CTHREAD_start(thread, NULL, "%s", "text") == 0);
    if (i % 2 == 0) REQUIRE_C(CTHREAD_resume(thread, NULL, NULL) == 1);
    REQUIRE_C(CTHREAD_free(thread) == 0);
  }
  STACKS_STATISTICS statistics;
  REQUIRE_C(STACKS_statistics(&stacks, &statistics) == 0);
  REQUIRE_C(statistics.peak_in_use == 1 && statistics.taken == 10000);
  tear_down();
}
