#include <evcoro/scope.h>

#include <utility>
#include <vector>

#include <corothread/cthread_c.hpp>
#include <evcoro/capi/objects.hpp>
#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/scope.hpp>

using namespace evcoro::capi;
using evcoro::CancelReason;
using evcoro::Errc;
using evcoro::Scope;
using evcoro::SpawnOptions;

// The thread that opened it owns it.
struct tagEVSCOPE final : Object {
  tagEVSCOPE(evcoro::detail::ThreadTask& thread, evcoro::Timeout timeout) noexcept
      : owner(thread), scope(timeout) {}
  tagEVSCOPE(evcoro::detail::ThreadTask& thread, evcoro::Timeout timeout, Scope::Shielded) noexcept
      : owner(thread), scope(timeout, Scope::Shielded{}) {}

  evcoro::detail::ThreadTask& owner;
  Scope scope;
};

namespace {

// What leaves the function is reported here: nobody in C could take it.
std::error_code run(EVSCOPE_PROC proc, void* user_ctx) try {
  const evcoro::corothread::CThreadParent parent;
  const int error = proc(EVTHREAD_current(), user_ctx);
  return error == 0 ? std::error_code{} : evcoro::detail::system_error(error);
} catch (...) {
  report_as_caught();
  return evcoro::detail::system_error(ENOTRECOVERABLE);
}

template <class... Shielded>
EVSCOPE* open(timeval timeout, Shielded... shielded) noexcept try {
  EVTHREAD* const self = EVTHREAD_current();
  if (self == nullptr) return nullptr;
  auto* const scope = new EVSCOPE(self->task, to_timeout(timeout), shielded...);
  self->objects.push_front(*scope);  // what is disposed of first is the innermost
  return scope;
} catch (...) {
  fail_as_caught();
  return nullptr;
}

// BeingJoined marks threads for the time of a wait: none of them may be freed meanwhile.
class BeingJoined {
 public:
  explicit BeingJoined(std::vector<CTask*> threads) noexcept : threads_(std::move(threads)) {
    mark(true);
  }
  ~BeingJoined() { mark(false); }
  BeingJoined(const BeingJoined&) = delete;
  BeingJoined& operator=(const BeingJoined&) = delete;

 private:
  void mark(bool is_being_joined) noexcept {
    for (CTask* const each : threads_) each->is_being_joined = is_being_joined;
  }

  const std::vector<CTask*> threads_;
};

}  // namespace

EVSCOPE* EVSCOPE_open(struct timeval timeout) noexcept { return open(timeout); }

EVSCOPE* EVSCOPE_open_shielded(struct timeval timeout) noexcept {
  return open(timeout, Scope::Shielded{});
}

int EVSCOPE_start(EVSCOPE* scope, EVSCOPE_PROC proc, void* user_ctx,
                  const EVTHREAD_OPTIONS* options) noexcept try {
  if (scope == nullptr || proc == nullptr) return fail(EINVAL);
  evcoro::detail::LoopCore& core = scope->owner.core();
  if (core.is_foreign()) return fail(Errc::parents_loop);
  SpawnOptions spawn;
  spawn.stacks = to_spawn_options(options, core.stacks(), "EVSCOPE_start", spawn);
  if (spawn.stacks == nullptr) return -1;
  const auto body = [proc, user_ctx] { return run(proc, user_ctx); };
  return finish(scope->scope.spawn(spawn, body).error());
} catch (...) {
  return fail_as_caught();
}

int EVSCOPE_wait(EVSCOPE* scope, struct timeval timeout) noexcept try {
  if (scope == nullptr) return fail(EINVAL);
  return finish(scope->scope.wait(to_timeout(timeout)));
} catch (...) {
  return fail_as_caught();  // what C++ code below a thread's function has thrown
}

int EVSCOPE_cancel(EVSCOPE* scope, EVCANCEL_REASON reason) noexcept {
  if (scope == nullptr || !is_reason(reason)) return fail(EINVAL);
  scope->scope.cancel(static_cast<CancelReason>(reason));
  return 0;
}

EVCANCEL_REASON EVSCOPE_cancel_reason(EVSCOPE* scope) noexcept {
  if (scope == nullptr) return fail(EINVAL), EVCANCEL_NONE;
  return static_cast<EVCANCEL_REASON>(scope->scope.cancel_reason());
}

int EVSCOPE_close(EVSCOPE* scope) noexcept {
  if (scope == nullptr) return fail(EINVAL);
  if (evcoro::detail::current_thread() != &scope->owner) return fail(EPERM);
  if (!scope->scope.is_innermost()) return fail(EBUSY);
  delete scope;
  return 0;
}

int EVTHREAD_wait_any(EVTHREAD* const* threads, size_t count, struct timeval timeout) noexcept try {
  if (threads == nullptr && count != 0) return fail(EINVAL);
  std::vector<evcoro::ThreadRef> refs;
  std::vector<CTask*> tasks;
  for (size_t i = 0; i < count; ++i) {
    CTask* const task = threads[i] == nullptr ? nullptr : threads[i]->c_task;
    if (task == nullptr || !task->is_joinable) return fail(EINVAL);
    if (task->is_being_joined) return fail(EBUSY);
    if (task == evcoro::detail::current_thread()) return fail(EDEADLK);
    refs.emplace_back(*task);
    tasks.push_back(task);
  }
  const BeingJoined being_joined{std::move(tasks)};
  const auto first = evcoro::wait_any(refs, to_timeout(timeout));
  return first ? static_cast<int>(*first) : fail(first.error());
} catch (...) {
  return fail_as_caught();
}
