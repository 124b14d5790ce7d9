// Takes a stack, as memory, and gives it back; in C.
#include <stacks/stacks.h>
#include <stacks/version.h>
#include <stdio.h>
#include <string.h>

int main(void) {
  STACKS stacks;
  if (STACKS_init(&stacks, 2, 5) != 0) return 1;
  STACK_ENTRY* entry = STACKS_get(&stacks);
  if (entry == NULL) return 1;
  memset(STACK_ENTRY_limit(entry), 1, STACKS_get_stack_size(&stacks) / 2);
  if (STACKS_release(entry) != 0 || STACKS_destroy(&stacks) != 0) return 1;
  puts("stacks " EVCORO_VERSION_STRING " works");
}
