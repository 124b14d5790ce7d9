// What the C++ programs of the suite sync share: each does one of its cases, as often as it is told
// to, and prints what that took.
//
//   evcoro_sync CASE COUNT       prints "WALL_NS CPU_NS LIVE PEAK_KIB": per operation, of the
//                                process; then how many coroutines were alive at most, if the case
//                                counts them, and how much memory was resident at most
//
//   int main(int argc, char** argv) {
//     return sync_bench::run(argc, argv, {{"channel", channel}, {"mutex", mutex}});
//   }
//
// A case returns measure(...) of what it does. It is run with a tenth of the operations before, to
// warm up, unless it is to start cold.
#pragma once

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <vector>

namespace sync_bench {

struct Spent {
  long long wall = 0;  // nanoseconds, as the next
  long long cpu = 0;
  std::size_t live = 0;
};

enum class Start : bool { warm, cold };

struct Case {
  const char* name;
  std::function<Spent(std::size_t count)> run;
  Start start = Start::warm;
};

[[noreturn]] inline void fail(const char* what) {
  std::fprintf(stderr, "sync: %s\n", what);
  std::exit(1);
}

inline void check(bool is_right, const char* what) {
  if (!is_right) fail(what);
}

inline long long nanoseconds(clockid_t clock) {
  timespec now{};
  check(clock_gettime(clock, &now) == 0, "clock_gettime");
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

template <class Work>
Spent measure(Work&& work) {
  const long long cpu = nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
  const long long wall = nanoseconds(CLOCK_MONOTONIC);
  work();
  const long long wall_end = nanoseconds(CLOCK_MONOTONIC);
  return {wall_end - wall, nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - cpu};
}

// peak_kib() isn't getrusage(2)'s, which begins with what the parent process had at its fork.
inline long peak_kib() {
  std::FILE* const status = std::fopen("/proc/self/status", "r");
  check(status != nullptr, "/proc/self/status");
  long kib = -1;
  for (char line[256]; kib < 0 && std::fgets(line, sizeof line, status) != nullptr;) {
    if (std::strncmp(line, "VmHWM:", 6) == 0) kib = std::strtol(line + 6, nullptr, 10);
  }
  std::fclose(status);
  return kib;
}

// Ends the process as soon as it has printed: what is left goes with it.
[[noreturn]] inline void run(int argc, char** argv, const std::vector<Case>& cases) {
  const std::size_t count = argc == 3 ? std::strtoul(argv[2], nullptr, 10) : 0;
  for (const Case& each : cases) {
    if (count == 0 || std::strcmp(each.name, argv[1]) != 0) continue;
    if (each.start == Start::warm) each.run(count / 10 + 1);
    const Spent spent = each.run(count);
    const auto operations = static_cast<double>(count);
    std::printf("%.3f %.3f %zu %ld\n", static_cast<double>(spent.wall) / operations,
                static_cast<double>(spent.cpu) / operations, spent.live, peak_kib());
    std::fflush(stdout);
    std::_Exit(0);
  }
  std::fprintf(stderr, "usage: %s CASE COUNT; cases:", argv[0]);
  for (const Case& each : cases) std::fprintf(stderr, " %s", each.name);
  std::fputs("\n", stderr);
  std::exit(2);
}

}  // namespace sync_bench
