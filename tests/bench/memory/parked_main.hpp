// What the programs share that park many threads of control, for the memory suite. The driver looks
// at the process from outside, so a program only says how far it is:
//
//   int main(int argc, char** argv) {
//     const std::size_t count = parked::start(argc, argv);   // prints 0, waits for a line
//     const auto begin = parked::Clock::now();
//     ...                                                    // has `count` of them parked
//     parked::hold(parked::Clock::now() - begin);            // prints the nanoseconds, waits
//     ...                                                    // ends them
//   }
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>

namespace parked {

using Clock = std::chrono::steady_clock;

inline constexpr std::size_t stack_size = 16 * 1024;

inline void say_and_wait(long long what) {
  std::printf("%lld\n", what);
  std::fflush(stdout);
  std::getchar();
}

// start() returns how many are to be parked: the program's only argument.
inline std::size_t start(int argc, char** argv) {
  const std::size_t count = argc == 2 ? std::strtoul(argv[1], nullptr, 10) : 0;
  if (count == 0) {
    std::fprintf(stderr, "%s: needs the number of threads to park\n", argv[0]);
    std::exit(2);
  }
  say_and_wait(0);
  return count;
}

inline void hold(std::chrono::nanoseconds taken) { say_and_wait(taken.count()); }

}  // namespace parked
