#include <evcoro/detail/waiter.hpp>

#include <evcoro/detail/loop_libevent.hpp>

namespace evcoro::detail {

std::error_code admit(const LoopCore* core) noexcept {
  if (core == nullptr) return Errc::no_loop;
  if (core->is_foreign()) return Errc::parents_loop;
  const ThreadTask* const thread = current_thread();
  if (thread == nullptr) return Errc::not_in_a_thread;
  if (&thread->core() != core) return Errc::wrong_loop;
  if (thread->is_cancelled()) return to_error(corothread::Scheduler::refuse_to_wait());
  return {};
}

}  // namespace evcoro::detail
