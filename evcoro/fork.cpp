#include <evcoro/fork.hpp>

#include <unistd.h>

#include <cstdio>
#include <exception>
#include <iostream>
#include <string>

#include <corothread/detail/leave_tasks.hpp>
#include <evcoro/detail/child_libevent.hpp>
#include <evcoro/loop.hpp>
#include <stacks/report.hpp>

namespace evcoro::detail {
namespace {

void flush() noexcept {
  try {
    for (std::ostream* each : {&std::cout, &std::cerr, &std::clog}) each->flush();
  } catch (...) {  // a stream that was told to throw
  }
  std::fflush(nullptr);
}

int call(ForkedFunction function) noexcept {
  std::string what = "an exception that is no std::exception";
  try {
    return function.call(function.function);
  } catch (const std::exception& error) {
    what = error.what();
  } catch (...) {
  }
  stacks::report("evcoro: a function of fork_process() ended with an exception: " + what + "\n");
  return fork_exception_status;
}

[[noreturn]] void run(ForkedFunction function, bool own_group) noexcept {
  corothread::detail::leave_tasks();
  if (own_group) ::setpgid(0, 0);
  const int status = call(function);
  flush();
  ::_exit(status);
}

Result<pid_t> start(ForkedFunction function, bool own_group) noexcept {
  flush();
  const pid_t pid = ::fork();
  if (pid == 0) run(function, own_group);
  if (pid < 0) return system_error();
  if (own_group) ::setpgid(pid, pid);  // whoever is first
  return pid;
}

}  // namespace

Result<Child> fork_process(Loop* loop, ForkedFunction function, ForkOptions options) {
  if (loop == nullptr) loop = Loop::current();
  if (loop == nullptr) return Errc::not_in_a_thread;
  if (loop->core().is_foreign()) return Errc::parents_loop;
  const auto state =
      ChildState::start(loop->core(), [&] { return start(function, options.own_group); });
  if (!state) return state.error();
  (*state)->own_group = options.own_group;
  (*state)->kill_on_destruction = options.kill_on_destruction;
  return (*state)->handle();
}

}  // namespace evcoro::detail
