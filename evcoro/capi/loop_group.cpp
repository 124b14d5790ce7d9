#include <evcoro/loop_group.h>

#include <memory>
#include <string>
#include <utility>

#include <corothread/cthread_c.hpp>
#include <evcoro/capi/context.hpp>
#include <evcoro/capi/group.hpp>
#include <evcoro/capi/objects.hpp>
#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/remote_thread.hpp>
#include <evcoro/thread.hpp>
#include <stacks/report.hpp>

using namespace evcoro::capi;
using evcoro::CancelReason;
using evcoro::Errc;
using evcoro::LoopGroup;
using evcoro::LoopGroupOptions;
using evcoro::SpawnOptions;
using evcoro::stacks::StackPool;

bool tagEVLOOPGROUP::is_foreign() const noexcept { return group.loop(0).core().is_foreign(); }

struct tagEVREMOTETHREAD {
  // may_be_used() is false, with errno, while another thread joins, and in the thread itself.
  bool may_be_used() const noexcept {
    if (is_being_joined) return fail(EBUSY), false;
    const bool is_own = thread.id() != 0 && thread.id() == evcoro::this_thread::id();
    return !is_own || (fail(EDEADLK), false);
  }

  evcoro::RemoteThread<> thread;
  bool is_being_joined = false;
};

namespace {

LoopGroupOptions to_group_options(const EVLOOPGROUP_OPTIONS& from) {
  LoopGroupOptions to;
  to.loops = from.loops;
  to.stacks = {.capacity = from.num_stacks,
               .stack_size = from.stack_size,
               .allocation = from.on_demand != 0 ? StackPool::Allocation::on_demand
                                                 : StackPool::Allocation::preallocate,
               .size_setting = "stack_size of EVLOOPGROUP_OPTIONS"};
  to.pin = from.pin != 0;
  if (from.name != nullptr) to.name = from.name;
  to.own = from.own != nullptr ? &from.own->loop : nullptr;
  return to;
}

// Body is what a thread on another loop runs.
class Body {
 public:
  Body(EVTHREAD_PROC proc, void* user_ctx, const EVTHREAD_OPTIONS* options) noexcept
      : proc_(proc), context_(user_ctx, {options != nullptr ? options->discard : nullptr}) {}

  // What leaves the function is reported here: nobody in C could take it.
  void operator()() try {
    EVTHREAD thread{*evcoro::detail::current_thread()};
    evcoro::corothread::CThreadParent parent;
    proc_(&thread, nullptr, context_.release());
  } catch (...) {
    report_as_caught();
  }

  // keep() leaves the context to the caller, whose call has failed.
  void keep() noexcept { static_cast<void>(context_.release()); }

 private:
  EVTHREAD_PROC proc_;
  Context context_;
};

// spawn() calls spawn_it(options, body) for a thread on that loop, and returns what it does, or
// Failed{} with errno.
template <class Failed, class Spawn>
auto spawn(EVLOOPGROUP& group, std::size_t index, EVTHREAD_PROC proc, void* user_ctx,
           const EVTHREAD_OPTIONS* options, const char* where, Failed failed, Spawn&& spawn_it) {
  SpawnOptions spawn_options;
  StackPool* const pool =
      to_spawn_options(options, group.group.loop(index).core().stacks(), where, spawn_options);
  if (pool == nullptr) return failed;
  if (options != nullptr && options->stacks != nullptr) spawn_options.stacks = pool;
  Body body{proc, user_ctx, options};
  try {
    return spawn_it(spawn_options, body);
  } catch (...) {
    body.keep();
    fail_as_caught();
    return failed;
  }
}

// The error of a call for a thread on that loop, or 0.
int check(const EVLOOPGROUP* group, std::size_t index, bool has_function) noexcept {
  if (group == nullptr || !has_function || index >= group->group.size()) return fail(EINVAL);
  return group->is_foreign() ? fail(Errc::parents_loop) : 0;
}

EVREMOTETHREAD* start(EVLOOPGROUP* group, std::size_t index, EVTHREAD_PROC proc, void* user_ctx,
                      const EVTHREAD_OPTIONS* options) noexcept try {
  if (check(group, index, proc != nullptr) != 0) return nullptr;
  auto made = std::make_unique<EVREMOTETHREAD>();
  const auto spawn_it = [&](const SpawnOptions& spawn_options, Body& body) {
    made->thread = group->group.spawn_on(index, spawn_options, std::move(body));
    return made.release();
  };
  return spawn(*group, index, proc, user_ctx, options, "EVLOOPGROUP_start",
               static_cast<EVREMOTETHREAD*>(nullptr), spawn_it);
} catch (...) {
  fail_as_caught();
  return nullptr;
}

int go(EVLOOPGROUP* group, std::size_t index, EVTHREAD_PROC proc, void* user_ctx,
       const EVTHREAD_OPTIONS* options) noexcept {
  if (check(group, index, proc != nullptr) != 0) return -1;
  const auto spawn_it = [&](const SpawnOptions& spawn_options, Body& body) {
    group->group.go_on(index, spawn_options, std::move(body));
    return 0;
  };
  return spawn(*group, index, proc, user_ctx, options, "EVLOOPGROUP_go", -1, spawn_it);
}

std::size_t next_of(EVLOOPGROUP* group) noexcept {
  return group == nullptr ? 0 : group->group.next();
}

}  // namespace

// --- EVLOOPGROUP ---

int EVLOOPGROUP_OPTIONS_init(EVLOOPGROUP_OPTIONS* options) noexcept try {
  if (options == nullptr) return fail(EINVAL);
  const StackPool::Options stacks;
  *options = {};
  options->num_stacks = stacks.capacity;
  options->stack_size = stacks.stack_size;
  return 0;
} catch (...) {
  return fail_as_caught();
}

// Nobody else can be in the loops yet when they get their C faces.
EVLOOPGROUP* EVLOOPGROUP_init(const EVLOOPGROUP_OPTIONS* options) noexcept try {
  EVLOOPGROUP_OPTIONS defaults;
  if (options == nullptr) {
    if (EVLOOPGROUP_OPTIONS_init(&defaults) != 0) return nullptr;
    options = &defaults;
  }
  EVLOOP* const own = options->own;
  if (own != nullptr) {
    if (own->loop.core().is_foreign()) return refuse(Errc::parents_loop);
    if (own->own == nullptr || own->is_of_group) return refuse(EBUSY);
  }
  auto made = std::make_unique<EVLOOPGROUP>(to_group_options(*options), own);
  for (std::size_t i = 0; i < made->group.size(); ++i) c_face_of(made->group.loop(i));
  return made.release();
} catch (...) {
  fail_as_caught();
  return nullptr;
}

int EVLOOPGROUP_free(EVLOOPGROUP* group) noexcept {
  if (group == nullptr) return fail(EINVAL);
  const auto here = group->group.index_of_caller();
  if (here && !(group->own != nullptr && *here == 0)) return fail(EDEADLK);
  delete group;
  return 0;
}

size_t EVLOOPGROUP_size(EVLOOPGROUP* group) noexcept {
  return group == nullptr ? (fail(EINVAL), 0) : group->group.size();
}

EVLOOP* EVLOOPGROUP_loop(EVLOOPGROUP* group, size_t index) noexcept {
  if (group == nullptr || index >= group->group.size()) return refuse(EINVAL);
  return group->group.loop(index).core().c_face;
}

int EVLOOPGROUP_index(EVLOOPGROUP* group) noexcept {
  if (group == nullptr) return fail(EINVAL);
  const auto here = group->group.index_of_caller();
  return here ? static_cast<int>(*here) : fail(EPERM);
}

int EVLOOPGROUP_next(EVLOOPGROUP* group) noexcept {
  return group == nullptr ? fail(EINVAL) : static_cast<int>(group->group.next());
}

int EVLOOPGROUP_least_loaded(EVLOOPGROUP* group) noexcept {
  return group == nullptr ? fail(EINVAL) : static_cast<int>(group->group.least_loaded());
}

EVREMOTETHREAD* EVLOOPGROUP_start(EVLOOPGROUP* group, EVTHREAD_PROC proc, void* user_ctx,
                                  const EVTHREAD_OPTIONS* options) noexcept {
  return start(group, next_of(group), proc, user_ctx, options);
}

EVREMOTETHREAD* EVLOOPGROUP_start_on(EVLOOPGROUP* group, size_t index, EVTHREAD_PROC proc,
                                     void* user_ctx, const EVTHREAD_OPTIONS* options) noexcept {
  return start(group, index, proc, user_ctx, options);
}

int EVLOOPGROUP_go(EVLOOPGROUP* group, EVTHREAD_PROC proc, void* user_ctx,
                   const EVTHREAD_OPTIONS* options) noexcept {
  return go(group, next_of(group), proc, user_ctx, options);
}

int EVLOOPGROUP_go_on(EVLOOPGROUP* group, size_t index, EVTHREAD_PROC proc, void* user_ctx,
                      const EVTHREAD_OPTIONS* options) noexcept {
  return go(group, index, proc, user_ctx, options);
}

int EVLOOPGROUP_call_on(EVLOOPGROUP* group, size_t index, void (*function)(void* ctx),
                        void* ctx) noexcept try {
  if (check(group, index, function != nullptr) != 0) return -1;
  group->group.call_on(index, [=]() noexcept {
    try {
      function(ctx);
    } catch (...) {
      evcoro::stacks::report(
          "evcoro: a function of EVLOOPGROUP_call_on() ended with an exception; catch it there\n");
    }
  });
  return 0;
} catch (...) {
  return fail_as_caught();
}

int EVLOOPGROUP_shutdown(EVLOOPGROUP* group, struct timeval timeout) noexcept try {
  if (check(group, 0, true) != 0) return -1;
  return static_cast<int>(group->group.shutdown(to_timeout(timeout)).size());
} catch (...) {
  return fail_as_caught();
}

// --- EVGO ---

#undef EVGO

int EVGO(EVTHREAD_PROC proc, void* user_ctx) noexcept { return EVGO_at(proc, user_ctx, "EVGO", 0); }

int EVGO_at(EVTHREAD_PROC proc, void* user_ctx, const char* file, int line) noexcept try {
  if (proc == nullptr) return fail(EINVAL);
  LoopGroup::current().go(Body{proc, user_ctx, nullptr},
                          {file != nullptr ? file : "EVGO", static_cast<std::uint32_t>(line)});
  return 0;
} catch (...) {
  return fail_as_caught();
}

// --- EVREMOTETHREAD ---

int EVREMOTETHREAD_join(EVREMOTETHREAD* thread, struct timeval timeout) noexcept {
  if (thread == nullptr) return fail(EINVAL);
  if (!thread->may_be_used()) return -1;
  thread->is_being_joined = true;
  const auto ended = thread->thread.join(to_timeout(timeout));
  thread->is_being_joined = false;
  if (thread->thread.joinable()) return fail(ended.error());
  delete thread;
  return ended ? 0 : (fail(ended.error()), 1);
}

int EVREMOTETHREAD_detach(EVREMOTETHREAD* thread) noexcept {
  if (thread == nullptr) return fail(EINVAL);
  if (thread->is_being_joined) return fail(EBUSY);
  thread->thread.detach();
  delete thread;
  return 0;
}

int EVREMOTETHREAD_cancel(EVREMOTETHREAD* thread, EVCANCEL_REASON reason) noexcept try {
  if (thread == nullptr || !is_reason(reason)) return fail(EINVAL);
  thread->thread.request_stop(static_cast<CancelReason>(reason));
  return 0;
} catch (...) {
  return fail_as_caught();
}

int EVREMOTETHREAD_has_ended(EVREMOTETHREAD* thread) noexcept {
  if (thread == nullptr) return fail(EINVAL);
  return thread->thread.has_ended() ? 1 : 0;
}

int EVREMOTETHREAD_free(EVREMOTETHREAD* thread) noexcept {
  if (thread == nullptr) return fail(EINVAL);
  if (!thread->may_be_used()) return -1;
  thread->is_being_joined = true;
  delete thread;
  return 0;
}
