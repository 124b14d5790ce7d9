// Uses the C headers of the installed package, and says so.
#include <corothread/cthread.h>
#include <stacks/stacks.h>
#include <stdio.h>

static void greet(VALUES* values) {
  (void)values;
  CTHREAD_yield(NULL, "%s", "evcoro is installed");
}

int main(void) {
  STACKS stacks;
  VALUES* values;
  const char* greeting = "evcoro doesn't work";
  if (CTHREAD_libinit() != 0 || STACKS_init(&stacks, 1, 5) != 0) return 1;
  CTHREAD* thread = CTHREAD_init(&stacks, greet);
  if (CTHREAD_start(thread, &values, NULL) == 0) VALUES_scan(values, "%s", &greeting);
  puts(greeting);
  return CTHREAD_free(thread) != 0 || STACKS_destroy(&stacks) != 0;
}
