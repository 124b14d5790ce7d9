// fork_process(): runs a function in a child process, without exec.
//
//   Child child = fork_process([&] {
//     Loop loop{{.capacity = 10}};                 // the child's own
//     loop.spawn([] { serve(); }).value().detach();
//     loop.run();
//     return 0;                                    // its exit status
//   }).value();
//   const ExitStatus status = child.wait(3s).value();     // or wait_child(child.id(), 3s)
//
// The child has a copy of the parent's memory, its descriptors, and one OS thread, the calling one.
// There the function may
// - make loops of its own, with all that belongs to them, and use WorkerPool::shared();
// - use what belongs to no loop: memory, files, Address, and so on;
// - close or destroy the parent's sockets, acceptors and loops: the parent's stay as they are;
// - call exec(3) or _exit(2).
// It may not
// - block for an object of a loop of the parent, or spawn there: Errc::parents_loop; Loop::run(),
//   run_once() and shutdown() throw std::logic_error. It is in no thread: this_thread's functions
//   say so, whoever called fork_process();
// - use a WorkerPool of the parent (Errc::parents_pool), nor wait for its children;
// - rely on what another OS thread of the parent had under way: its locks stay locked. Memory can
//   be allocated all the same; glibc sees to that.
//
// All descriptors stay open in the child, connections too, whose peers see no end before both have
// closed them. What stands in stdio's buffers is written before the fork, so that it isn't twice.
//
// The function runs on the stack of who called fork_process(): in a thread, that of the thread.
// What it returns, an int or nothing (0), is the exit status. An exception is reported, and the
// status is fork_exception_status. Then stdio is flushed and the child ends by _exit(2): no
// destructor of the parent's frames or of static objects runs, no atexit(3) function.
#pragma once

#include <memory>
#include <type_traits>

#include <evcoro/child.hpp>
#include <evcoro/result.hpp>
#include <stacks/export.hpp>

namespace evcoro {

// What a child ends with whose function has thrown: EX_SOFTWARE of sysexits(3).
inline constexpr int fork_exception_status = 70;

// ForkOptions are for fork_process(); see Command.
struct ForkOptions {
  bool own_group = false;
  bool kill_on_destruction = false;
};

namespace detail {

// ForkedFunction refers to a function, for the time of a call.
struct ForkedFunction {
  int (*call)(void* function);
  void* function;
};

EVCORO_API Result<Child> fork_process(Loop* loop, ForkedFunction function, ForkOptions options);

template <class F>
Result<Child> fork_process(Loop* loop, F& function, ForkOptions options) {
  using T = std::invoke_result_t<F&>;
  static_assert(std::is_void_v<T> || std::is_same_v<T, int>,
                "fork_process(): the function returns the exit status, an int, or nothing");
  const auto call = [](void* f) -> int {
    if constexpr (std::is_void_v<T>) {
      (*static_cast<F*>(f))();
      return 0;
    } else {
      return (*static_cast<F*>(f))();
    }
  };
  void* const address = const_cast<void*>(static_cast<const void*>(std::addressof(function)));
  return fork_process(loop, ForkedFunction{call, address}, options);
}

}  // namespace detail

// fork_process() makes a child of the calling thread's loop, or of the one given, that runs
// function(). It returns in the parent only. Errors: EAGAIN, ENOMEM, EMFILE; ENOSYS where the
// kernel has no pidfd; Errc::not_in_a_thread, parents_loop.
template <class F>
Result<Child> fork_process(F&& function, ForkOptions options = {}) {
  return detail::fork_process(nullptr, function, options);
}
template <class F>
Result<Child> fork_process(Loop& loop, F&& function, ForkOptions options = {}) {
  return detail::fork_process(&loop, function, options);
}

}  // namespace evcoro
