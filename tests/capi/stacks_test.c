#define _GNU_SOURCE
#include <stacks/stacks.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <support/c_test.h>

static STACKS stacks;  // zeroed, as storage at file scope is

static size_t page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

static STACKS_STATISTICS statistics(void) {
  STACKS_STATISTICS now;
  REQUIRE_C(STACKS_statistics(&stacks, &now) == 0);
  return now;
}

TEST_CASE_C(five_pages, "five pages are four usable ones and a guard") {
  REQUIRE_C(STACKS_init(&stacks, 100, 5) == 0);
  REQUIRE_C(STACKS_get_stack_size(&stacks) == 4 * page_size());
  STACK_ENTRY* const entry = STACKS_get(&stacks);
  REQUIRE_C(entry != NULL);
  char* const limit = STACK_ENTRY_limit(entry);
  char* const start = STACK_ENTRY_start(entry);
  REQUIRE_C((size_t)(start - limit) >= 4 * page_size());
  memset(limit, 1, (size_t)(start - limit));
  REQUIRE_C(STACK_ENTRY_watermark(entry) == (size_t)(start - limit));
  REQUIRE_C(STACKS_release(entry) == 0);
  REQUIRE_C(STACKS_destroy(&stacks) == 0);
}

static void write_below(void* entry) { *((volatile char*)STACK_ENTRY_limit(entry) - 1) = 1; }

TEST_CASE_C(guard, "what lies below a stack is guarded") {
  REQUIRE_C(STACKS_init(&stacks, 2, 2) == 0);
  STACK_ENTRY* const entry = STACKS_get(&stacks);
  struct c_test_ended ended;
  c_test_in_child(write_below, entry, &ended);
  REQUIRE_C(ended.died_of_a_fault);
  REQUIRE_C(STACKS_release(entry) == 0);
  REQUIRE_C(STACKS_destroy(&stacks) == 0);
}

TEST_CASE_C(preallocated, "preallocated stacks are all mapped, and no more are to be had") {
  REQUIRE_C(STACKS_init(&stacks, 3, 2) == 0);
  REQUIRE_C(statistics().mapped == 3);
  STACK_ENTRY* entries[3];
  for (int i = 0; i < 3; i++) REQUIRE_C((entries[i] = STACKS_get(&stacks)) != NULL);
  REQUIRE_ERRNO(STACKS_get(&stacks) == NULL, EAGAIN);
  REQUIRE_C(STACKS_available(&stacks) == 0);
  for (int i = 0; i < 3; i++) REQUIRE_C(STACKS_release(entries[i]) == 0);
  REQUIRE_C(STACKS_available(&stacks) == 3);
  REQUIRE_C(STACKS_destroy(&stacks) == 0);
}

TEST_CASE_C(on_demand, "stacks on demand are mapped when they are needed, and the cap holds") {
  REQUIRE_C(STACKS_init_on_demand(&stacks, 2, 5) == 0);
  REQUIRE_C(STACKS_get_stack_size(&stacks) == 4 * page_size());
  REQUIRE_C(statistics().mapped == 0);
  STACK_ENTRY* const first = STACKS_get(&stacks);
  REQUIRE_C(first != NULL);
  REQUIRE_C(statistics().mapped == 1);
  STACK_ENTRY* const second = STACKS_get(&stacks);
  REQUIRE_C(second != NULL);
  REQUIRE_ERRNO(STACKS_get(&stacks) == NULL, EAGAIN);
  REQUIRE_C(statistics().mapped == 2);
  REQUIRE_C(STACKS_release(first) == 0);
  REQUIRE_C(STACKS_get(&stacks) == first);
  REQUIRE_C(STACKS_release(first) == 0);
  REQUIRE_C(STACKS_release(second) == 0);
  REQUIRE_C(STACKS_destroy(&stacks) == 0);
}

TEST_CASE_C(no_limit, "stacks on demand may be without a limit") {
  enum { COUNT = 200 };
  REQUIRE_C(STACKS_init_on_demand(&stacks, -1, 2) == 0);
  REQUIRE_C(STACKS_available(&stacks) == SIZE_MAX);
  REQUIRE_C(statistics().capacity == SIZE_MAX);
  STACK_ENTRY* entries[COUNT];
  for (int i = 0; i < COUNT; i++) REQUIRE_C((entries[i] = STACKS_get(&stacks)) != NULL);
  REQUIRE_C(statistics().in_use == COUNT);
  for (int i = 0; i < COUNT; i++) REQUIRE_C(STACKS_release(entries[i]) == 0);
  REQUIRE_C(STACKS_destroy(&stacks) == 0);
}

TEST_CASE_C(statistics_count, "statistics count what is taken, refused and trimmed") {
  REQUIRE_C(STACKS_init(&stacks, 2, 2) == 0);
  STACK_ENTRY* const first = STACKS_get(&stacks);
  STACK_ENTRY* const second = STACKS_get(&stacks);
  REQUIRE_C(STACKS_get(&stacks) == NULL);
  REQUIRE_C(STACKS_release(second) == 0);
  STACKS_STATISTICS now = statistics();
  REQUIRE_C(now.capacity == 2 && now.mapped == 2);
  REQUIRE_C(now.in_use == 1 && now.peak_in_use == 2);
  REQUIRE_C(now.taken == 2 && now.refused == 1 && now.trimmed == 0);
  REQUIRE_C(STACKS_trim(&stacks, 0) == 1);
  REQUIRE_C(statistics().trimmed == 1);
  REQUIRE_C(STACKS_release(first) == 0);
  REQUIRE_C(STACKS_destroy(&stacks) == 0);
}

TEST_CASE_C(trim, "a trimmed stack has no memory, one that is kept warm has") {
  REQUIRE_C(STACKS_init(&stacks, 1, 5) == 0);
  STACK_ENTRY* const entry = STACKS_get(&stacks);
  char* const limit = STACK_ENTRY_limit(entry);
  char* const start = STACK_ENTRY_start(entry);
  memset(limit, 1, 4 * page_size());
  REQUIRE_C(STACKS_release(entry) == 0);
  REQUIRE_C(STACKS_trim(&stacks, 1) == 0);
  REQUIRE_C(c_test_resident_pages(limit, start) >= 4);
  REQUIRE_C(STACKS_trim(&stacks, 0) == 1);
  REQUIRE_C(c_test_resident_pages(limit, start) == 0);
  REQUIRE_C(STACKS_destroy(&stacks) == 0);
}

TEST_CASE_C(untouched, "allocating and taking stacks touches none of them") {
  STACK_ENTRY* entries[10];
  REQUIRE_C(STACKS_init(&stacks, 10, 17) == 0);
  for (int i = 0; i < 10; i++) {
    entries[i] = STACKS_get(&stacks);
    REQUIRE_C(STACK_ENTRY_watermark(entries[i]) == 0);
    REQUIRE_C(c_test_resident_pages(STACK_ENTRY_limit(entries[i]), STACK_ENTRY_start(entries[i])) ==
              0);
  }
  for (int i = 0; i < 10; i++) REQUIRE_C(STACKS_release(entries[i]) == 0);
  REQUIRE_C(STACKS_destroy(&stacks) == 0);
}

TEST_CASE_C(private_memory, "a forked child does not share the stacks") {
  REQUIRE_C(STACKS_init(&stacks, 1, 5) == 0);
  STACK_ENTRY* const entry = STACKS_get(&stacks);
  volatile char* const memory = STACK_ENTRY_limit(entry);
  *memory = 'p';
  const pid_t child = fork();
  if (child == 0) {
    const char found = *memory;
    *memory = 'c';
    _exit(found == 'p' ? 0 : 1);
  }
  int status = -1;
  REQUIRE_C(child > 0 && waitpid(child, &status, 0) == child);
  REQUIRE_C(status == 0);
  REQUIRE_C(*memory == 'p');
  REQUIRE_C(STACKS_release(entry) == 0);
  REQUIRE_C(STACKS_destroy(&stacks) == 0);
}

TEST_CASE_C(taken, "a STACKS is not destroyed while stacks are taken") {
  REQUIRE_C(STACKS_init(&stacks, 2, 2) == 0);
  STACK_ENTRY* const entry = STACKS_get(&stacks);
  *(char*)STACK_ENTRY_limit(entry) = 1;
  REQUIRE_ERRNO(STACKS_destroy(&stacks) == -1, EBUSY);
  *(char*)STACK_ENTRY_limit(entry) = 2;
  REQUIRE_C(STACKS_available(&stacks) == 1);
  REQUIRE_C(STACKS_release(entry) == 0);
  REQUIRE_C(STACKS_destroy(&stacks) == 0);
}

TEST_CASE_C(released_twice, "a stack that is not taken is not released, nor looked at") {
  REQUIRE_C(STACKS_init(&stacks, 2, 2) == 0);
  STACK_ENTRY* const entry = STACKS_get(&stacks);
  REQUIRE_C(STACKS_release(entry) == 0);
  REQUIRE_ERRNO(STACKS_release(entry) == -1, EINVAL);
  REQUIRE_ERRNO(STACKS_release(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(STACK_ENTRY_limit(entry) == NULL, EINVAL);
  REQUIRE_ERRNO(STACK_ENTRY_start(entry) == NULL, EINVAL);
  REQUIRE_ERRNO(STACK_ENTRY_watermark(entry) == 0, EINVAL);
  REQUIRE_C(STACKS_available(&stacks) == 2);
  REQUIRE_C(STACKS_destroy(&stacks) == 0);
}

TEST_CASE_C(arguments, "what can't be a STACKS is refused") {
  STACKS_STATISTICS now;
  REQUIRE_ERRNO(STACKS_init(NULL, 1, 5) == -1, EINVAL);
  REQUIRE_ERRNO(STACKS_init(&stacks, 0, 5) == -1, EINVAL);
  REQUIRE_ERRNO(STACKS_init(&stacks, -1, 5) == -1, EINVAL);
  REQUIRE_ERRNO(STACKS_init(&stacks, 1, 1) == -1, EINVAL);
  REQUIRE_ERRNO(STACKS_init(&stacks, 1, -5) == -1, EINVAL);
  REQUIRE_ERRNO(STACKS_init(&stacks, INT_MAX, INT_MAX) == -1, EINVAL);
  REQUIRE_ERRNO(STACKS_init_on_demand(NULL, 1, 5) == -1, EINVAL);
  REQUIRE_ERRNO(STACKS_init_on_demand(&stacks, 0, 5) == -1, EINVAL);
  REQUIRE_ERRNO(STACKS_init_on_demand(&stacks, -2, 5) == -1, EINVAL);
  REQUIRE_ERRNO(STACKS_init_on_demand(&stacks, -1, 1) == -1, EINVAL);
  REQUIRE_ERRNO(STACKS_get(&stacks) == NULL, EINVAL);  // none of them has made one
  REQUIRE_C(STACKS_init(&stacks, 1, 5) == 0);
  REQUIRE_ERRNO(STACKS_statistics(&stacks, NULL) == -1, EINVAL);
  REQUIRE_C(STACKS_statistics(&stacks, &now) == 0);
  REQUIRE_C(STACKS_destroy(&stacks) == 0);
}

static void require_uninitialised(STACKS* some) {
  STACKS_STATISTICS now;
  REQUIRE_ERRNO(STACKS_get(some) == NULL, EINVAL);
  REQUIRE_ERRNO(STACKS_get_stack_size(some) == 0, EINVAL);
  REQUIRE_ERRNO(STACKS_available(some) == 0, EINVAL);
  REQUIRE_ERRNO(STACKS_trim(some, 0) == -1, EINVAL);
  REQUIRE_ERRNO(STACKS_statistics(some, &now) == -1, EINVAL);
  REQUIRE_ERRNO(STACKS_destroy(some) == -1, EINVAL);
}

TEST_CASE_C(uninitialised, "a STACKS that is NULL, zeroed, destroyed or a copy is refused") {
  require_uninitialised(NULL);
  require_uninitialised(&stacks);
  REQUIRE_C(STACKS_init(&stacks, 1, 5) == 0);
  STACKS copy = stacks;
  require_uninitialised(&copy);
  REQUIRE_C(STACKS_destroy(&stacks) == 0);
  require_uninitialised(&stacks);
}

TEST_CASE_C(again, "a STACKS can be initialised again, whatever the storage held") {
  STACKS some;
  memset(&some, 0xa5, sizeof some);
  for (int i = 0; i < 2; i++) {
    REQUIRE_C(STACKS_init(&some, 1, 5) == 0);
    STACK_ENTRY* const entry = STACKS_get(&some);
    REQUIRE_C(entry != NULL);
    REQUIRE_C(STACKS_release(entry) == 0);
    REQUIRE_C(STACKS_destroy(&some) == 0);
  }
}
