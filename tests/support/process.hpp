// Processes: run a piece of a test in a child process that may crash; and what is common to tests
// of processes and descriptors.
//
//   const support::Ended ended = support::in_child([] { overflow(); });
//   REQUIRE(ended.signal == SIGSEGV);
//   REQUIRE(ended.output.find("stack overflow") != std::string::npos);
#pragma once

#include <cstddef>
#include <functional>
#include <string>

namespace support {

struct Ended {
  int status = 0;      // exit status, if it exited
  int signal = 0;      // what killed it, or 0
  std::string output;  // what it wrote to standard output and error
};

// in_child() runs body in a forked child with no core dump, which exits with 0 after it.
Ended in_child(const std::function<void()>& body);

// died_of_a_fault() is true if ended was killed by SIGSEGV, or ended by a sanitizer's report of
// one.
bool died_of_a_fault(const Ended& ended);

// skip() ends the test's process, reporting it as skipped by its exit status: each test case runs
// in a process of its own.
inline constexpr int skipped_status = 77;
[[noreturn]] void skip(const char* reason);

// skip_without_pidfd() skips the test where children can't be waited for.
void skip_without_pidfd();

// running_on_valgrind(), under_sanitizer(), under_emulator(): for tests whose limits depend on it.
bool running_on_valgrind();
bool under_emulator();   // qemu-user, as the preset aarch64 says by EVCORO_EMULATED
bool under_sanitizer();  // AddressSanitizer or ThreadSanitizer

// back_end is the one of libevent's that this run of the suite is for; main() sets it.
inline std::string back_end = "epoll";

// open_descriptors() counts the process's open file descriptors.
std::size_t open_descriptors();

}  // namespace support
