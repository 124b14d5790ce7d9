// EVSIGNALS: waits for signals, in C; see signals.hpp.
//
//   const int wanted[] = {SIGTERM, SIGHUP};
//   EVSIGNALS_block(wanted, 2);                    // first of all, before OS threads are started
//   ...
//   EVSIGNALS* signals = EVSIGNALS_init(thread, wanted, 2);
//   while (EVSIGNALS_wait(signals, NULL, EVTIMEOUT_NEVER) == SIGHUP) reload();
//
// An EVSIGNALS belongs to an EVTHREAD, and goes with it. What signals.hpp says of SignalWaiter
// holds here. What fails returns -1, or NULL, and sets errno.
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include <evcoro/evthread.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tagEVSIGNALS EVSIGNALS;

// EVSIGNAL_INFO is a signal that has come; see SignalInfo.
typedef struct EVSIGNAL_INFO {
  int number;
  int code;
  pid_t sender;
  uid_t sender_user;
  int value;
  unsigned count;  // how often it has come since the last wait
} EVSIGNAL_INFO;

// EVSIGNALS_init() waits for these signals from now on. EINVAL for what can't be waited for.
EVCORO_API EVSIGNALS* EVSIGNALS_init(EVTHREAD* thread, const int* signals,
                                     size_t count) EVCORO_NOEXCEPT;

// EVSIGNALS_wait() waits for one of them, and returns its number. info may be NULL.
EVCORO_API int EVSIGNALS_wait(EVSIGNALS* signals, EVSIGNAL_INFO* info,
                              struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API int EVSIGNALS_free(EVSIGNALS* signals) EVCORO_NOEXCEPT;

// EVSIGNALS_block() blocks signals in the calling OS thread, and those that it starts, for good.
EVCORO_API int EVSIGNALS_block(const int* signals, size_t count) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
