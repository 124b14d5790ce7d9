// Runs a coroutine without any loop, in C.
#include <corothread/cthread.h>
#include <stacks/stacks.h>
#include <stacks/version.h>
#include <stdio.h>

static void greet(VALUES* values) {
  (void)values;
  CTHREAD_yield(NULL, "%s", "corothread " EVCORO_VERSION_STRING " works");
}

int main(void) {
  STACKS stacks;
  VALUES* values;
  const char* greeting = "corothread doesn't work";
  if (CTHREAD_libinit() != 0 || STACKS_init(&stacks, 1, 5) != 0) return 1;
  CTHREAD* thread = CTHREAD_init(&stacks, greet);
  if (CTHREAD_start(thread, &values, NULL) == 0) VALUES_scan(values, "%s", &greeting);
  puts(greeting);
  return CTHREAD_free(thread) != 0 || STACKS_destroy(&stacks) != 0;
}
