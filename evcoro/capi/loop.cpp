#include <chrono>
#include <cstring>
#include <memory>
#include <stdexcept>

#include <evcoro/capi/objects.hpp>
#include <evcoro/detail/loop_libevent.hpp>

using namespace evcoro::capi;
using evcoro::Loop;
using evcoro::ThreadInfo;
using evcoro::Timeout;

const struct timeval EVTIMEOUT_NOW = {0, 0};
const struct timeval EVTIMEOUT_NEVER = {-1, 0};

namespace evcoro::capi {

Timeout to_timeout(timeval timeout) noexcept {
  constexpr time_t century = 100L * 365 * 24 * 60 * 60;
  if (timeout.tv_sec < 0 || timeout.tv_sec > century) return never;
  return std::chrono::seconds{timeout.tv_sec} + std::chrono::microseconds{timeout.tv_usec};
}

}  // namespace evcoro::capi

// Each begins with what the system means by it: a system call may have failed as well.
const char* EVERROR_text(int error) noexcept {
  switch (error) {
    case EPERM:
      return "Operation not permitted; or a blocking call outside a coroutine thread, or for "
             "another "
             "than the running one: make it in the function given to EVTHREAD_init()";
    case EXDEV:
      return "this belongs to another loop than the calling thread; use it in a thread of its own "
             "loop";
    case EBUSY:
      return "Device or resource busy; or another thread is doing this already, or it can't be "
             "freed "
             "while it is in use";
    case EEXIST:
      return "File exists; or the event_base has an event of another kind on this descriptor: "
             "delete "
             "that event first, or give it EV_ET";
    case ENXIO:
      return "the loop that this belonged to has been freed";
    case ECANCELED:
      return "the thread is cancelled, or its loop is shutting down, or the socket was closed";
    case ECHILD:
      return "this belongs to a loop of the parent process; make one in the child";
    case EDEADLK:
      return "this would wait for itself; call it outside the loop's own threads and callbacks";
    case EAGAIN:
      return "Resource temporarily unavailable; or no stack is free: raise num_stacks of "
             "STACKS_init(), or wait until a thread has ended";
    case E2BIG:
      return "the stacks are too small for a thread: raise pages_per_stack of STACKS_init()";
    default:
      return ::strerrordesc_np(error) != nullptr ? ::strerrordesc_np(error) : "unknown error";
  }
}

tagEVLOOP::tagEVLOOP(evcoro::stacks::StackPool& pool, event_base* base) : loop(pool, base) {
  loop.core().c_face = this;
}

// Threads that were never started hold stacks.
tagEVLOOP::~tagEVLOOP() {
  while (!not_started.empty()) evcoro::corothread::Scheduler::free_ended(not_started.pop_front());
}

EVLOOP* EVLOOP_init(STACKS* stacks) noexcept { return EVLOOP_init_base(stacks, nullptr); }

EVLOOP* EVLOOP_init_base(STACKS* stacks, struct event_base* base) noexcept try {
  evcoro::stacks::StackPool* const pool = evcoro::stacks::pool_of(stacks);
  return pool == nullptr ? nullptr : new EVLOOP(*pool, base);
} catch (...) {
  fail_as_caught();
  return nullptr;
}

struct event_base* EVLOOP_base(EVLOOP* loop) noexcept {
  if (loop == nullptr) return refuse(EINVAL);
  return loop->loop.base();
}

int EVLOOP_run(EVLOOP* loop) noexcept try {
  if (loop == nullptr) return fail(EINVAL);
  if (loop->loop.core().is_foreign()) return fail(ECHILD);
  return loop->loop.run() == Loop::End::stopped ? 0 : 1;
} catch (const std::logic_error&) {
  return fail(EDEADLK);
} catch (...) {
  return fail_as_caught();
}

int EVLOOP_break(EVLOOP* loop) noexcept {
  if (loop == nullptr) return fail(EINVAL);
  loop->loop.stop();
  return 0;
}

int EVLOOP_post(EVLOOP* loop, void (*function)(void* ctx), void* ctx) noexcept try {
  if (loop == nullptr || function == nullptr) return fail(EINVAL);
  loop->loop.post([function, ctx] { function(ctx); });
  return 0;
} catch (...) {
  return fail_as_caught();
}

int EVLOOP_shutdown(EVLOOP* loop, struct timeval timeout) noexcept try {
  if (loop == nullptr) return fail(EINVAL);
  return static_cast<int>(loop->loop.shutdown(to_timeout(timeout)).size());
} catch (...) {
  return fail_as_caught();
}

int EVLOOP_free(EVLOOP* loop) noexcept {
  if (loop == nullptr) return fail(EINVAL);
  if (Loop::current() == &loop->loop) return fail(EDEADLK);
  delete loop;
  return 0;
}

int EVLOOP_threads(EVLOOP* loop, void (*visit)(const EVTHREAD_INFO* info, void* ctx),
                   void* ctx) noexcept try {
  if (loop == nullptr) return fail(EINVAL);
  if (visit == nullptr) return static_cast<int>(loop->loop.thread_count());
  const auto threads = loop->loop.threads();
  for (const ThreadInfo& each : threads) {
    EVTHREAD_INFO info{};
    info.id = each.id;
    info.name = each.name.c_str();
    info.state = evcoro::corothread::to_string(each.state);
    info.wait_reason = each.wait_reason.c_str();
    info.started_at = each.spawned_at.c_str();
    info.cancel_reason = static_cast<EVCANCEL_REASON>(each.cancel_reason);
    visit(&info, ctx);
  }
  return static_cast<int>(threads.size());
} catch (...) {
  return fail_as_caught();
}
