// The generator of corothread/README.md.
// [generator]
#include <corothread/cthread.h>
#include <stacks/stacks.h>
#include <stdio.h>

static void fibonacci(VALUES* values) {
  int32_t count;
  if (VALUES_scan(values, "%d", &count) != 0) return;
  uint64_t a = 0;
  uint64_t b = 1;
  for (int32_t i = 0; i < count; i++) {
    const uint64_t sum = a + b;
    if (CTHREAD_yield(NULL, "%qu", sum) != 0) return;  // killed
    a = b;
    b = sum;
  }
}

int main(void) {
  STACKS stacks;
  CTHREAD_libinit();
  if (STACKS_init(&stacks, 10, 5) != 0) return 1;  // 10 stacks of 4 usable pages
  CTHREAD* thread = CTHREAD_init(&stacks, fibonacci);
  VALUES* values;
  uint64_t number;
  int result = CTHREAD_start(thread, &values, "%d", 8);
  while (result == 0 && VALUES_scan(values, "%qu", &number) == 0) {
    printf("%llu ", (unsigned long long)number);
    result = CTHREAD_resume(thread, &values, NULL);
  }
  printf("\n");
  CTHREAD_free(thread);
  return STACKS_destroy(&stacks);
}
// [/generator]
