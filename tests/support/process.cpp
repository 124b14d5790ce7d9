#include <support/process.hpp>

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern "C" {  // which glibc 2.36 leaves out
#include <sys/pidfd.h>
}

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <system_error>

#include <corothread/detail/sanitizers.hpp>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

namespace support {

Ended in_child(const std::function<void()>& body) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    throw std::system_error(errno, std::generic_category(), "pipe2");
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    for (const int signal : {SIGSEGV, SIGABRT, SIGBUS, SIGTERM})
      std::signal(signal, SIG_DFL);  // not the framework's
    body();
    std::fflush(nullptr);
    ::_exit(0);
  }
  ::close(ends[1]);
  Ended ended;
  char buffer[4096];
  for (ssize_t count; (count = ::read(ends[0], buffer, sizeof buffer)) > 0;) {
    ended.output.append(buffer, static_cast<std::size_t>(count));
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) ended.signal = WTERMSIG(status);
  if (WIFEXITED(status)) ended.status = WEXITSTATUS(status);
  return ended;
}

bool died_of_a_fault(const Ended& ended) {
  if (ended.signal == SIGSEGV) return true;
  return under_sanitizer() && ended.status != 0;
}

void skip(const char* reason) {
  std::printf("SKIPPED: %s\n", reason);
  std::fflush(nullptr);
  ::_exit(skipped_status);
}

void skip_without_pidfd() {
  const int self = ::pidfd_open(::getpid(), 0);
  if (self < 0 && errno == ENOSYS) skip("Valgrind 3.19 has no pidfd_open(2)");
  if (self >= 0) ::close(self);
}

bool running_on_valgrind() { return RUNNING_ON_VALGRIND != 0; }

bool under_emulator() { return std::getenv("EVCORO_EMULATED") != nullptr; }

bool under_sanitizer() {
#if defined(EVCORO_SANITIZED)
  return true;
#else
  return false;
#endif
}

std::size_t open_descriptors() {
  std::size_t count = 0;
  DIR* const directory = ::opendir("/proc/self/fd");
  while (::readdir(directory) != nullptr) ++count;
  ::closedir(directory);
  return count - 3;  // ".", "..", and the directory's own
}

}  // namespace support
