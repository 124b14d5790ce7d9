// EVWATCHDOG: reports in C a coroutine thread that holds its loop for too long: that computes, or
// calls what blocks the OS thread, while all others wait. It watches all loops of the process, by a
// signal; see watchdog.hpp.
//
//   EVWATCHDOG* watchdog = EVWATCHDOG_init(NULL);
//   ...
//   EVWATCHDOG_free(watchdog);
//
// What fails returns -1, or NULL, and sets errno; EINVAL for NULL.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>

#include <stacks/export.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tagEVWATCHDOG EVWATCHDOG;

// EVSTALL is a thread that holds its loop. The texts are good during the call that hands them out.
typedef struct tagEVSTALL {
  uint64_t id;
  const char* name;
  const char* started_at;        // "file:line"
  struct timeval held;           // so far
  const char* const* backtrace;  // innermost first: "function+0x12 (file)"
  size_t backtrace_size;
  const char* text;  // all of it, in lines
  uintptr_t reserved[2];
} EVSTALL;

typedef struct tagEVWATCHDOG_OPTIONS {
  struct timeval limit;  // at least a millisecond
  int signal;            // which nothing else in the process uses

  // Called in the watchdog's OS thread; NULL: stderr is told, or what takes reports in C++.
  void (*on_stall)(const EVSTALL* stall, void* ctx);
  void* ctx;
  uintptr_t reserved[4];
} EVWATCHDOG_OPTIONS;

// EVWATCHDOG_OPTIONS_init() stores the defaults: 25 ms, SIGURG.
EVCORO_API int EVWATCHDOG_OPTIONS_init(EVWATCHDOG_OPTIONS* options) EVCORO_NOEXCEPT;

// EVWATCHDOG_init() watches until EVWATCHDOG_free(); options may be NULL. Loops come under watch
// with their next pass. EBUSY if there is a watchdog already, or the signal has a handler; EINVAL
// for a limit or signal that can't be; EAGAIN, ENOMEM. Any OS thread may call it.
EVCORO_API EVWATCHDOG* EVWATCHDOG_init(const EVWATCHDOG_OPTIONS* options) EVCORO_NOEXCEPT;
EVCORO_API int EVWATCHDOG_free(EVWATCHDOG* watchdog) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
