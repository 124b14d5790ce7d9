// EVEVENT_await(): a coroutine thread waits for an event of the application's, in C.
//
//   struct event* hang_up = evsignal_new(base, SIGHUP, on_hang_up, NULL);
//   evsignal_add(hang_up, NULL);
//   ...
//   while (EVEVENT_await(hang_up, EVTIMEOUT_NEVER) > 0) reload();      // in a thread
#pragma once

#include <evcoro/evthread.h>

struct event;

#ifdef __cplusplus
extern "C" {
#endif

// EVEVENT_await() waits until the event fires, and returns what its callback would have been told:
// EV_READ, EV_WRITE, EV_TIMEOUT, EV_SIGNAL. See await_event.hpp. What fails returns -1 and sets
// errno: ETIMEDOUT, ECANCELED, EBUSY if another thread waits for this event, EXDEV for an event of
// another base, EINVAL for NULL, EPERM outside a coroutine thread.
EVCORO_API int EVEVENT_await(struct event* event, struct timeval timeout) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
