#include <exception>
#include <memory>

#include <corothread/cthread_c.hpp>
#include <corothread/scheduler.hpp>
#include <evcoro/capi/objects.hpp>
#include <evcoro/detail/loop_libevent.hpp>

using namespace evcoro::capi;
using evcoro::CancelReason;
using evcoro::Errc;
using evcoro::SpawnOptions;
using evcoro::corothread::Scheduler;
using evcoro::detail::LoopCore;
using evcoro::detail::ThreadTask;
using evcoro::stacks::StackPool;

static_assert(EVCANCEL_NONE == static_cast<int>(CancelReason::none) &&
              EVCANCEL_USER == static_cast<int>(CancelReason::user) &&
              EVCANCEL_DEADLINE == static_cast<int>(CancelReason::deadline) &&
              EVCANCEL_SHUTDOWN == static_cast<int>(CancelReason::shutdown) &&
              EVCANCEL_FAILURE == static_cast<int>(CancelReason::failure));

namespace evcoro::capi {

StackPool* to_spawn_options(const EVTHREAD_OPTIONS* options, StackPool& default_pool,
                            const char* where, SpawnOptions& spawn) noexcept {
  spawn.where = {where, 0};
  if (options == nullptr) return &default_pool;
  if (options->name != nullptr) spawn.name = options->name;
  if (options->file != nullptr)
    spawn.where = {options->file, static_cast<std::uint32_t>(options->line)};
  spawn.priority = options->urgent != 0 ? Priority::urgent : Priority::normal;
  return options->stacks == nullptr ? &default_pool : stacks::pool_of(options->stacks);
}

void report_as_caught() {
  ThreadTask& self = *detail::current_thread();
  self.core().report(self, std::current_exception());
}

// What leaves the function is reported here: nobody in C could take it.
void CTask::run() try {
  corothread::CThreadParent parent;
  proc_(&thread, socket, user_ctx_);
} catch (...) {
  report_as_caught();
}

void CTask::on_end() noexcept {
  ResultTask::on_end();  // what the thread owns may have sockets
  thread.dispose_of_objects();
}

}  // namespace evcoro::capi

// --- making ---

#undef EVTHREAD_init

EVTHREAD* EVTHREAD_init(EVLOOP* loop, EVTHREAD_PROC proc, void* user_ctx) noexcept {
  return EVTHREAD_init_ex(loop, proc, user_ctx, nullptr);
}

EVTHREAD* EVTHREAD_init_at(EVLOOP* loop, EVTHREAD_PROC proc, void* user_ctx, const char* file,
                           int line) noexcept {
  EVTHREAD_OPTIONS options{};
  options.file = file;
  options.line = line;
  return EVTHREAD_init_ex(loop, proc, user_ctx, &options);
}

EVTHREAD* EVTHREAD_init_ex(EVLOOP* loop, EVTHREAD_PROC proc, void* user_ctx,
                           const EVTHREAD_OPTIONS* options) noexcept {
  if (loop == nullptr || proc == nullptr) return refuse(EINVAL);
  LoopCore& core = loop->loop.core();
  if (core.is_foreign()) return refuse(Errc::parents_loop);
  if (core.is_shutting_down()) return refuse(Errc::loop_shutting_down);
  SpawnOptions spawn;
  StackPool* const pool = to_spawn_options(options, core.stacks(), "EVTHREAD_init", spawn);
  if (pool == nullptr) return nullptr;
  std::error_code error;
  auto* const task =
      evcoro::corothread::make_task<CTask>(*pool, error, core, spawn, proc, user_ctx);
  if (task == nullptr) return refuse(error);
  loop->not_started.push_back(*task);
  return &task->thread;
}

// --- starting and ending ---

namespace {

int start(EVTHREAD* thread, EVSOCKET* socket, bool joinable) noexcept {
  if (thread == nullptr) return fail(EINVAL);
  CTask* const task = thread->c_task;
  if (task == nullptr || task->is_started) return fail(EALREADY);
  LoopCore& core = task->core();
  if (core.is_foreign()) return fail(Errc::parents_loop);
  if (core.is_shutting_down()) return fail(Errc::loop_shutting_down);
  task->is_started = true;
  task->is_joinable = joinable;
  task->socket = socket;
  task->unlink();
  if (!joinable) task->detach();
  core.scheduler().start_at_once(*task);  // and perhaps it is gone then
  return 0;
}

}  // namespace

int EVTHREAD_start(EVTHREAD* thread, EVSOCKET* socket) noexcept {
  return start(thread, socket, false);
}

int EVTHREAD_start_joinable(EVTHREAD* thread, EVSOCKET* socket) noexcept {
  return start(thread, socket, true);
}

int EVTHREAD_join(EVTHREAD* thread, struct timeval timeout) noexcept {
  if (thread == nullptr || thread->c_task == nullptr) return fail(EINVAL);
  CTask& task = *thread->c_task;
  if (!task.is_joinable) return fail(EINVAL);
  if (task.is_being_joined) return fail(EBUSY);
  if (Scheduler::current_task() == &task) return fail(EDEADLK);
  task.is_being_joined = true;
  const std::error_code error = task.wait_for_end(to_timeout(timeout));
  task.is_being_joined = false;
  if (error) return fail(error);
  Scheduler::free_ended(task);
  return 0;
}

int EVTHREAD_detach(EVTHREAD* thread) noexcept {
  if (thread == nullptr || thread->c_task == nullptr) return fail(EINVAL);
  CTask& task = *thread->c_task;
  if (!task.is_joinable) return fail(EINVAL);
  if (task.is_being_joined) return fail(EBUSY);
  task.is_joinable = false;
  task.detach();
  return 0;
}

int EVTHREAD_free(EVTHREAD* thread) noexcept {
  if (thread == nullptr) return fail(EINVAL);
  if (thread->c_task == nullptr || thread->c_task->is_started) return fail(EBUSY);
  thread->c_task->unlink();
  Scheduler::free_ended(*thread->c_task);
  return 0;
}

// --- the running thread ---

EVTHREAD* EVTHREAD_current() noexcept try {
  ThreadTask* const task = evcoro::detail::current_thread();
  if (task == nullptr) return refuse(EPERM);
  if (task->c_face == nullptr) {
    evcoro::this_thread::own(std::make_unique<EVTHREAD>(*task));  // in a thread that C++ code made
  }
  return task->c_face;
} catch (...) {
  fail_as_caught();
  return nullptr;
}

int EVTHREAD_delay(EVTHREAD* thread, struct timeval delay) noexcept {
  if (thread == nullptr) return fail(EINVAL);
  if (&thread->task != evcoro::detail::current_thread()) return fail(EPERM);
  return finish(evcoro::this_thread::sleep_until(to_timeout(delay).deadline()));
}

int EVTHREAD_yield() noexcept {
  if (evcoro::detail::current_thread() == nullptr) return fail(EPERM);
  return finish(evcoro::this_thread::yield());
}

int EVTHREAD_park(struct timeval timeout) noexcept {
  EVTHREAD* const self = EVTHREAD_current();
  if (self == nullptr) return -1;
  return finish(self->task.wait_for_wake(to_timeout(timeout)));
}

int EVTHREAD_wake(EVTHREAD* thread) noexcept {
  if (thread == nullptr) return fail(EINVAL);
  thread->task.wake_up();
  return 0;
}

// --- cancellation ---

int EVTHREAD_cancel(EVTHREAD* thread, EVCANCEL_REASON reason) noexcept {
  if (thread == nullptr || !is_reason(reason)) return fail(EINVAL);
  thread->task.request_stop(static_cast<CancelReason>(reason));
  return 0;
}

EVCANCEL_REASON EVTHREAD_cancel_reason(EVTHREAD* thread) noexcept {
  if (thread == nullptr) return fail(EINVAL), EVCANCEL_NONE;
  return static_cast<EVCANCEL_REASON>(thread->task.cancel_reason());
}

int EVTHREAD_acknowledge_cancellation() noexcept {
  ThreadTask* const task = evcoro::detail::current_thread();
  if (task == nullptr) return fail(EPERM);
  task->acknowledge_cancellation();
  return 0;
}

int EVTHREAD_set_urgent(EVTHREAD* thread, int urgent) noexcept {
  if (thread == nullptr) return fail(EINVAL);
  thread->task.set_priority(urgent != 0 ? evcoro::Priority::urgent : evcoro::Priority::normal);
  return 0;
}

// --- questions ---

EVLOOP* EVTHREAD_loop(EVTHREAD* thread) noexcept try {
  if (thread == nullptr) return refuse(EINVAL);
  return thread->task.has_ended() ? nullptr : c_face_of(thread->task.core().loop());
} catch (...) {
  fail_as_caught();
  return nullptr;
}

uint64_t EVTHREAD_id(EVTHREAD* thread) noexcept {
  return thread == nullptr ? (fail(EINVAL), 0) : thread->task.identity().id();
}

const char* EVTHREAD_name(EVTHREAD* thread) noexcept {
  if (thread == nullptr) return refuse(EINVAL);
  return thread->task.identity().name().data();  // which ends in a zero
}

size_t EVTHREAD_stack_size(EVTHREAD* thread) noexcept {
  return thread == nullptr ? (fail(EINVAL), 0) : thread->task.stack().size();
}

size_t EVTHREAD_stack_watermark(EVTHREAD* thread) noexcept {
  return thread == nullptr ? (fail(EINVAL), 0) : StackPool::watermark(thread->task.stack());
}
