#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>

#include <evcoro/capi/objects.hpp>
#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/detail/patience.hpp>

using namespace evcoro::capi;
using evcoro::Errc;
using evcoro::Loop;
using evcoro::ThreadInfo;
using evcoro::Timeout;

const struct timeval EVTIMEOUT_NOW = {0, 0};
const struct timeval EVTIMEOUT_NEVER = {-1, 0};

namespace evcoro::capi {

std::chrono::nanoseconds to_duration(timeval time) noexcept {
  using std::chrono::nanoseconds;
  constexpr std::int64_t second = 1'000'000'000;
  std::int64_t rest = 0;
  std::int64_t sum = 0;
  if (time.tv_sec == EVTIMEOUT_NEVER.tv_sec && time.tv_usec == EVTIMEOUT_NEVER.tv_usec) {
    return nanoseconds::max();
  }
  // What doesn't fit is as good as never, or as now.
  const bool is_negative = time.tv_sec < 0 || (time.tv_sec == 0 && time.tv_usec < 0);
  if (__builtin_mul_overflow(time.tv_sec, second, &sum) ||
      __builtin_mul_overflow(time.tv_usec, std::int64_t{1000}, &rest) ||
      __builtin_add_overflow(sum, rest, &sum)) {
    return is_negative ? nanoseconds::zero() : nanoseconds::max();
  }
  return std::max(nanoseconds{sum}, nanoseconds::zero());
}

Timeout to_timeout(timeval timeout) noexcept {
  const std::chrono::nanoseconds duration = to_duration(timeout);
  return duration == duration.max() ? Timeout{never} : Timeout{duration};
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
             "delete that event first";
    case ENXIO:
      return "the loop that this belonged to has been freed; or there is no host of this name";
    case ENODATA:
      return "No data available; or the host has no address of this family; or the file ends "
             "before "
             "as much as was to be sent of it";
    case ECANCELED:
      return "the thread is cancelled, or its loop is shutting down, or the socket was closed";
    case ECHILD:
      return "this belongs to a loop of the parent process; make one in the child";
    case EDEADLK:
      return "this would wait for itself; call it outside the loop's own threads and callbacks";
    case EAGAIN:
      return "Resource temporarily unavailable; or no stack is free: raise num_stacks of "
             "STACKS_init(), or wait until a thread has ended; or the name servers failed: try "
             "again later";
    case ETIMEDOUT:
      return "the timeout of the call is over, or the socket's idle timeout, or the peer doesn't "
             "answer";
    case EBADMSG:
      return "the stream has ended within what was to be read";
    case EMSGSIZE:
      return "the message is too long; or what was to be read is longer than the reader's limit; "
             "or "
             "more descriptors arrived than there was room for, and all were closed";
    case EPIPE:
      return "Broken pipe; or the channel or broadcast has been closed";
    case ENOBUFS:
      return "No buffer space available; or the subscription has been disconnected, since it had "
             "no "
             "room once: give it more capacity, or another EVSLOW";
    case ENOPROTOOPT:
      return "a socket of this kind doesn't have this option; of TCP's, only TCP sockets do";
    default:
      return ::strerrordesc_np(error) != nullptr ? ::strerrordesc_np(error) : "unknown error";
  }
}

tagEVLOOP::tagEVLOOP(evcoro::stacks::StackPool& pool, event_base* base)
    : own(std::make_unique<Loop>(pool, base)), loop(*own) {
  loop.core().c_face = this;
}

tagEVLOOP::tagEVLOOP(Loop& its_loop) noexcept : loop(its_loop) { loop.core().c_face = this; }

// Threads that were never started hold stacks. A loop of C++ code has ended its threads already.
tagEVLOOP::~tagEVLOOP() {
  if (own != nullptr && !loop.core().is_foreign()) loop.core().end_threads();
  while (!not_started.empty()) evcoro::corothread::Scheduler::free_ended(not_started.pop_front());
  loop.core().c_face = nullptr;
}

EVLOOP* evcoro::capi::c_face_of(Loop& loop) {
  if (loop.core().c_face == nullptr) loop.owned().add(*new EVLOOP(loop));
  return loop.core().c_face;
}

namespace {

EVLOOP* make_loop(STACKS* stacks, event_base* base) noexcept try {
  evcoro::stacks::StackPool* const pool = evcoro::stacks::pool_of(stacks);
  return pool == nullptr ? nullptr : new EVLOOP(*pool, base);
} catch (...) {
  fail_as_caught();
  return nullptr;
}

}  // namespace

EVLOOP* EVLOOP_init(STACKS* stacks) noexcept { return make_loop(stacks, nullptr); }

EVLOOP* EVLOOP_init_base(STACKS* stacks, struct event_base* base) noexcept {
  if (base == nullptr) return refuse(EINVAL);
  return make_loop(stacks, base);
}

struct event_base* EVLOOP_base(EVLOOP* loop) noexcept {
  if (loop == nullptr) return refuse(EINVAL);
  return loop->loop.base();
}

int EVLOOP_set_event_priority(EVLOOP* loop, int priority) noexcept {
  if (loop == nullptr) return fail(EINVAL);
  return finish(loop->loop.set_event_priority(priority));
}

static int end_number(Loop::End end) noexcept {
  switch (end) {
    case Loop::End::stopped:
      return 0;
    case Loop::End::idle:
      return 1;
    case Loop::End::aborted:
      break;
  }
  return 2;
}

int EVLOOP_run(EVLOOP* loop) noexcept try {
  if (loop == nullptr) return fail(EINVAL);
  if (loop->loop.core().is_foreign()) return fail(Errc::parents_loop);
  return end_number(loop->loop.run());
} catch (const std::logic_error&) {
  return fail(EDEADLK);
} catch (...) {
  return fail_as_caught();
}

int EVLOOP_break(EVLOOP* loop) noexcept {
  if (loop == nullptr) return fail(EINVAL);
  if (loop->loop.core().is_foreign()) return fail(Errc::parents_loop);
  loop->loop.stop();
  return 0;
}

int EVLOOP_abort(EVLOOP* loop) noexcept {
  if (loop == nullptr) return fail(EINVAL);
  if (loop->loop.core().is_foreign()) return fail(Errc::parents_loop);
  loop->loop.abort();
  return 0;
}

int EVLOOP_post(EVLOOP* loop, void (*function)(void* ctx), void* ctx) noexcept try {
  if (loop == nullptr || function == nullptr) return fail(EINVAL);
  if (loop->loop.core().is_foreign()) return fail(Errc::parents_loop);
  loop->loop.post([function, ctx] { function(ctx); });
  return 0;
} catch (...) {
  return fail_as_caught();
}

int EVLOOP_shutdown(EVLOOP* loop, struct timeval timeout) noexcept try {
  if (loop == nullptr) return fail(EINVAL);
  if (loop->loop.core().is_foreign()) return fail(Errc::parents_loop);
  if (loop->loop.core().is_busy_elsewhere()) return fail(EDEADLK);
  return static_cast<int>(loop->loop.shutdown(to_timeout(timeout)).size());
} catch (...) {
  return fail_as_caught();
}

int EVLOOP_free(EVLOOP* loop) noexcept {
  if (loop == nullptr) return fail(EINVAL);
  if (loop->own == nullptr || loop->is_of_group) return fail(EBUSY);
  if (!loop->loop.core().can_be_destroyed()) return fail(EDEADLK);
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
    info.urgent = each.priority == evcoro::Priority::urgent ? 1 : 0;
    info.parks = each.parks;
    if (each.state == evcoro::TaskState::parked) {
      info.parked_for =
          evcoro::detail::to_timeval(evcoro::corothread::read_clock() - each.parked_since);
    }
    visit(&info, ctx);
  }
  return static_cast<int>(threads.size());
} catch (...) {
  return fail_as_caught();
}
