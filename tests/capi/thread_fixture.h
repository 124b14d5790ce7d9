// What the tests of CTHREAD have in common: a STACKS, and the assertion that the test has left
// nothing behind.
//
//   static void procedure(VALUES *values) { ... }
//
//   TEST_CASE_C(name, "what is true") {
//     set_up();
//     CTHREAD *thread = CTHREAD_init(&stacks, procedure);
//     ...
//     tear_down();
//   }
#pragma once

#include <errno.h>
#include <string.h>

#include <corothread/cthread.h>
#include <stacks/stacks.h>
#include <support/c_test.h>

static STACKS stacks;

// What threads record of themselves, in the order in which it happens.
static char trace[64];

static inline void set_up(void) {
  trace[0] = '\0';
  REQUIRE_C(STACKS_init(&stacks, 4, 17) == 0);
}

static inline size_t stacks_in_use(void) {
  STACKS_STATISTICS statistics;
  REQUIRE_C(STACKS_statistics(&stacks, &statistics) == 0);
  return statistics.in_use;
}

// STACKS_destroy() refuses while a stack is taken.
static inline void tear_down(void) { REQUIRE_C(STACKS_destroy(&stacks) == 0); }

static inline void record(const char* what) {
  REQUIRE_C(strlen(trace) + strlen(what) < sizeof trace);
  strcat(trace, what);
}
