#include <support/c_test.h>

#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <support/catch.hpp>
#include <support/memory.hpp>
#include <support/process.hpp>

// What the framework's own macro does, by the parts that both of its versions have.
void c_test_register(void (*function)(), const char* name, const char* file, int line) {
  const Catch::AutoReg registered{Catch::makeTestInvoker(function),
                                  Catch::SourceLineInfo(file, static_cast<std::size_t>(line)),
                                  Catch::StringRef(), Catch::NameAndTags{name, ""}};
}

void c_test_fail(const char* condition, const char* file, int line) {
  std::printf("%s:%d: FAILED: %s\n", file, line, condition);
  std::fflush(nullptr);
  ::_exit(EXIT_FAILURE);
}

void c_test_fail_errno(const char* call, const char* expected, const char* file, int line) {
  const char* const found = std::strerror(errno);
  std::printf("%s:%d: FAILED: %s: errno is not %s but: %s\n", file, line, call, expected, found);
  std::fflush(nullptr);
  ::_exit(EXIT_FAILURE);
}

void c_test_skip(const char* reason) { support::skip(reason); }

void c_test_in_child(void (*body)(void*), void* argument, c_test_ended* ended) {
  const support::Ended child = support::in_child([&] { body(argument); });
  ended->status = child.status;
  ended->signal = child.signal;
  ended->died_of_a_fault = support::died_of_a_fault(child);
  ended->output[child.output.copy(ended->output, sizeof ended->output - 1)] = '\0';
}

size_t c_test_resident_pages(void* from, void* to) {
  return support::resident_pages(static_cast<std::byte*>(from), static_cast<std::byte*>(to));
}
