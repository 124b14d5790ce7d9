// process_number(): tells a process from its parents by fork(). What belongs to a process notes the
// number when it is made; where the number is another, it is a child's copy, and not to be used.
#pragma once

#include <atomic>

#include <stacks/export.hpp>

namespace evcoro::detail {

// The forks between the first process that used the library and this one.
extern std::atomic<int> forks;

// watch_forks() must have been called before what fork() does is to be noticed. Returns the
// process's number; other libraries have only this.
EVCORO_API int watch_forks() noexcept;

// is_leaving is set at the process's end, when threads are left as they are: from then on what they
// wait for, or hold, may be destroyed.
extern std::atomic<bool> is_leaving;

inline int process_number() noexcept { return forks.load(std::memory_order_relaxed); }

}  // namespace evcoro::detail
