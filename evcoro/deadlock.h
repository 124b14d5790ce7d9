// Deadlock reports in C: when all threads of the process wait for each other, and nothing else can
// ever wake any of them, a report says so. See deadlock.hpp for what is looked at, and when.
//
//   EVDEADLOCK_set_reports(1);
#pragma once

#include <stacks/export.h>

#ifdef __cplusplus
extern "C" {
#endif

// EVDEADLOCK_set_reports() switches reports on (not 0), or off. Any OS thread may call it. They are
// on by default in debug builds of the library, and as EVCORO_DEADLOCK_REPORTS, 1 or 0, says in the
// environment.
EVCORO_API void EVDEADLOCK_set_reports(int on) EVCORO_NOEXCEPT;

// EVDEADLOCK_reports() is 1 if they are on, and 0 if not. Any OS thread may call it.
EVCORO_API int EVDEADLOCK_reports(void) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
