// Stack overflow reports: instead of a bare "Segmentation fault", which coroutine it was, where it
// was spawned, how large its stack is, how much it used, and the setting to raise.
//
//   int main() {
//     evcoro::stacks::install_overflow_handler();
//     ...
//   }
//
// The report goes to the sink of stacks/report.hpp from inside the signal handler, which then gives
// its place to what was there before, and the process dies as it would have: an earlier handler
// runs, or the default action with its core dump. Faults that are no overflow of the running
// coroutine's stack go to the handler that was there before.
//
// One overflow goes unreported: when the last few bytes that are left are too little for the
// registers that a switch to another stack saves.
#pragma once

#include <cstdint>
#include <string_view>

#include <stacks/export.hpp>
#include <stacks/stack_pool.hpp>

namespace evcoro::stacks {

// StackUser says who runs on a stack.
struct StackUser {
  const Stack* stack = nullptr;
  std::string_view name;  // may be empty
  std::uint64_t id = 0;
  const char* file = "";  // where it was spawned
  std::uint32_t line = 0;
};

// install_overflow_handler() installs the process's SIGSEGV handler, and the signal stack of the
// calling OS thread. Opt-in, and idempotent; to be called before other OS threads make coroutines
// or loops. A handler of the application's own that is installed before keeps working; one that is
// installed afterwards replaces this one. Throws std::system_error.
EVCORO_API void install_overflow_handler();

// prepare_os_thread() gives the calling OS thread the alternate signal stack that a report needs,
// once the handler is installed; without one, or when the OS thread has its own, it does nothing.
// Loops and coroutines call it by themselves. The signal stack goes when the OS thread ends.
EVCORO_API void prepare_os_thread() noexcept;

// set_up_signal_stack() is the same without the handler being installed: for who has another
// handler that runs on the alternate signal stack.
EVCORO_API void set_up_signal_stack() noexcept;

// set_stack_user_lookup() names the function that finds who runs on the calling OS thread; it
// returns false if that is no coroutine. It must be async-signal-safe. The corothread layer sets
// it.
using StackUserLookup = bool (*)(StackUser& user) noexcept;
EVCORO_API void set_stack_user_lookup(StackUserLookup lookup) noexcept;

}  // namespace evcoro::stacks
