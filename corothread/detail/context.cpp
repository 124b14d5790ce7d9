#include <corothread/detail/context.hpp>

#include <cxxabi.h>
#include <cerrno>

namespace evcoro::corothread::detail {

constinit thread_local OsThread this_os_thread;

bool OsThread::describe(stacks::StackUser& user) const noexcept {
  if (running == nullptr || running->stack_ == nullptr) return false;
  const Identity& identity = *running->identity_;
  user = {running->stack_, identity.name(), identity.id(), identity.file(), identity.line()};
  return true;
}

void OsThread::prepare() noexcept {
  stacks::set_stack_user_lookup(
      [](stacks::StackUser& user) noexcept { return this_os_thread.describe(user); });
  exceptions = reinterpret_cast<ExceptionGlobals*>(abi::__cxa_get_globals());
  error_number = &errno;
  sanitize_os_thread(own.sanitizer_);
  running = &own;
}

}  // namespace evcoro::corothread::detail
