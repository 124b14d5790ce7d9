// Deadlock reports: when all threads of the process wait for each other, and nothing else can ever
// wake any of them, a report says so: of each thread where it was spawned, what it waits for and
// who holds that, and the cycle, if there is one.
//
//   evcoro::set_deadlock_reports(true);
//   ...
//   evcoro: deadlock: every thread waits for another
//   evcoro:   'a' (id 1), spawned at bank.cpp:12, parked for 0.0 s: mutex, held by 'b' (id 2)
//   evcoro:   'b' (id 2), spawned at bank.cpp:12, parked for 0.0 s: mutex, held by 'a' (id 1)
//   evcoro:   cycle: 'a' (id 1) -> 'b' (id 2) -> 'a' (id 1)
//
// They go to the sink of stacks/report.hpp, once, and nothing else happens. Looked at is whenever a
// loop in Loop::run() comes to rest, which costs some microseconds when it waits for other threads
// only, and nothing otherwise. A loop that has a descriptor to watch for somebody, a timer or
// deadline, or an event of the application's may go on; so may the process while it has an OS
// thread that neither runs a loop, nor waits for evcoro/sync without a deadline, nor is an idle
// worker of a WorkerPool. What such an OS thread does is not watched: if it ends, nobody looks
// again. Nor is a loop watched whose base the application dispatches itself.
//
// On by default in debug builds of the library (without NDEBUG), and if EVCORO_DEADLOCK_REPORTS=1
// is in the environment; off if it is 0. Any OS thread may call these.
#pragma once

#include <stacks/export.hpp>

namespace evcoro {

EVCORO_API void set_deadlock_reports(bool on) noexcept;
EVCORO_API bool deadlock_reports() noexcept;

}  // namespace evcoro
