// Which OS threads receive which signals.
#pragma once

#include <csignal>

namespace evcoro::detail {

// is_fault() says whether a signal is raised by what an OS thread does, in that thread. Those
// should not be blocked.
bool is_fault(int signal) noexcept;

// report_threads_that_receive() reports an OS thread of the process that doesn't block all of
// signals, if there is one: once in a process.
void report_threads_that_receive(const sigset_t& signals) noexcept;

}  // namespace evcoro::detail
