#include <corothread/detail/context.hpp>

#include <cxxabi.h>

#include <atomic>
#include <cerrno>

namespace evcoro::corothread::detail {

constinit thread_local OsThread this_os_thread;
constinit Strand OsThread::unprepared_;

bool OsThread::describe(stacks::StackUser& user) const noexcept {
  const Context* const context = strand_->innermost;
  if (context == nullptr || context->stack_ == nullptr) return false;
  const Identity& identity = *context->identity_;
  user = {context->stack_, identity.name(), identity.id(), identity.file(), identity.line()};
  return true;
}

void OsThread::prepare() noexcept {
  static std::atomic<std::uint64_t> last_id{0};
  id_ = ++last_id;
  stacks::set_stack_user_lookup(
      [](stacks::StackUser& user) noexcept { return this_os_thread.describe(user); });
  exceptions_ = reinterpret_cast<ExceptionGlobals*>(abi::__cxa_get_globals());
  error_number_ = &errno;
  sanitize_os_thread(own_context_.sanitizer_);
  own_strand_.innermost = &own_context_;
  strand_ = &own_strand_;
}

}  // namespace evcoro::corothread::detail
