// Test cases in C, next to those of the C++ test framework: listed, selected and run the same way,
// each in a process of its own.
//
//   TEST_CASE_C(a_stack_can_be_taken, "a stack can be taken") {
//     STACKS stacks;
//     REQUIRE_C(STACKS_init(&stacks, 1, 5) == 0);
//     ...
//   }
//
// A file of such cases goes into the SOURCES of evcoro_add_test() (tests/CMakeLists.txt). It is
// compiled as C11, without extensions: what needs POSIX begins with #define _GNU_SOURCE.
//
// REQUIRE_C() and c_test_skip() end the process where they are, so they may be used on any stack.
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TEST_CASE_C(function, name)                                    \
  static void function(void);                                          \
  __attribute__((constructor)) static void register_##function(void) { \
    c_test_register(function, name, __FILE__, __LINE__);               \
  }                                                                    \
  static void function(void)

#define REQUIRE_C(condition) ((condition) ? (void)0 : c_test_fail(#condition, __FILE__, __LINE__))

// REQUIRE_ERRNO() is for calls that fail: call must be true, and leave errno at error.
#define REQUIRE_ERRNO(call, error)                          \
  do {                                                      \
    errno = 0;                                              \
    REQUIRE_C(call);                                        \
    if (errno != (error)) {                                 \
      c_test_fail_errno(#call, #error, __FILE__, __LINE__); \
    }                                                       \
  } while (0)

void c_test_register(void (*function)(void), const char* name, const char* file, int line);
__attribute__((noreturn)) void c_test_fail(const char* condition, const char* file, int line);
__attribute__((noreturn)) void c_test_fail_errno(const char* call, const char* expected,
                                                 const char* file, int line);
__attribute__((noreturn)) void c_test_skip(const char* reason);

// c_test_in_child() runs body in a forked child, as support::in_child() does.
struct c_test_ended {
  int status;  // exit status, if it exited
  int signal;  // what killed it, or 0
  int died_of_a_fault;
  char output[4096];  // what it wrote to standard output and error, cut
};
void c_test_in_child(void (*body)(void* argument), void* argument, struct c_test_ended* ended);

// c_test_resident_pages() counts the pages of [from, to) that have memory.
size_t c_test_resident_pages(void* from, void* to);

#ifdef __cplusplus
}
#endif
