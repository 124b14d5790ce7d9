#include <evcoro/sync/sync.h>

#include <evcoro/capi/sync_objects.hpp>
#include <evcoro/sync/barrier.hpp>
#include <evcoro/sync/latch.hpp>
#include <evcoro/sync/once.hpp>
#include <evcoro/sync/semaphore.hpp>
#include <evcoro/sync/wait_group.hpp>
#include <evcoro/thread.hpp>
#include <stacks/report.hpp>

using namespace evcoro::capi;
using evcoro::Event;

static_assert(EVFLAG_AUTOMATIC == static_cast<int>(Event::Reset::automatic) &&
              EVFLAG_MANUAL == static_cast<int>(Event::Reset::manual));

namespace {

// Completion is what a barrier calls.
struct Completion {
  void operator()() const noexcept {
    if (function != nullptr) function(ctx);
  }
  void (*function)(void* ctx);
  void* ctx;
};

using CBarrier = evcoro::Barrier<Completion>;

// Failed is how what is to be done once tells that it has failed.
struct Failed {
  int error;
};

int again_unless(bool has_passed) noexcept { return has_passed ? 0 : fail(EAGAIN); }

}  // namespace

struct tagEVSEMAPHORE {
  explicit tagEVSEMAPHORE(std::size_t permits) noexcept : semaphore(permits) {}
  evcoro::Semaphore semaphore;
};

struct tagEVWAITGROUP {
  explicit tagEVWAITGROUP(std::size_t count) noexcept : group(count) {}
  evcoro::WaitGroup group;
};

struct tagEVLATCH {
  explicit tagEVLATCH(std::size_t expected) noexcept : latch(expected) {}
  evcoro::Latch latch;
};

struct tagEVBARRIER {
  tagEVBARRIER(std::size_t expected, Completion completion) : barrier(expected, completion) {}
  CBarrier barrier;
};

struct tagEVONCE {
  evcoro::Once once;
};

// --- EVSEMAPHORE ---

EVSEMAPHORE* EVSEMAPHORE_init(size_t permits) noexcept { return make<EVSEMAPHORE>(permits); }

int EVSEMAPHORE_free(EVSEMAPHORE* semaphore) noexcept { return destroy(semaphore); }

int EVSEMAPHORE_acquire(EVSEMAPHORE* semaphore, size_t count, struct timeval timeout) noexcept {
  return with(semaphore, [&](EVSEMAPHORE& each) {
    return finish(each.semaphore.acquire(count, to_timeout(timeout)));
  });
}

int EVSEMAPHORE_tryacquire(EVSEMAPHORE* semaphore, size_t count) noexcept {
  return with(semaphore,
              [&](EVSEMAPHORE& each) { return again_unless(each.semaphore.try_acquire(count)); });
}

int EVSEMAPHORE_release(EVSEMAPHORE* semaphore, size_t count) noexcept {
  return with(semaphore, [&](EVSEMAPHORE& each) { each.semaphore.release(count); });
}

size_t EVSEMAPHORE_available(EVSEMAPHORE* semaphore) noexcept {
  return with(semaphore, [](EVSEMAPHORE& each) { return each.semaphore.available(); });
}

// --- EVFLAG ---

EVFLAG* EVFLAG_init(EVFLAG_RESET reset, int is_set) noexcept {
  if (reset != EVFLAG_AUTOMATIC && reset != EVFLAG_MANUAL) return refuse(EINVAL);
  return make<EVFLAG>(static_cast<Event::Reset>(reset), is_set != 0);
}

int EVFLAG_free(EVFLAG* flag) noexcept { return destroy(flag); }

int EVFLAG_set(EVFLAG* flag) noexcept {
  return with(flag, [](EVFLAG& each) { each.event.set(); });
}

int EVFLAG_reset(EVFLAG* flag) noexcept {
  return with(flag, [](EVFLAG& each) { each.event.reset(); });
}

int EVFLAG_wait(EVFLAG* flag, struct timeval timeout) noexcept {
  return with(flag, [&](EVFLAG& each) { return finish(each.event.wait(to_timeout(timeout))); });
}

int EVFLAG_trywait(EVFLAG* flag) noexcept {
  return with(flag, [](EVFLAG& each) { return again_unless(each.event.try_wait()); });
}

int EVFLAG_is_set(EVFLAG* flag) noexcept {
  return with(flag, [](EVFLAG& each) { return each.event.is_set() ? 1 : 0; });
}

// --- EVWAITGROUP ---

EVWAITGROUP* EVWAITGROUP_init(size_t count) noexcept { return make<EVWAITGROUP>(count); }

int EVWAITGROUP_free(EVWAITGROUP* group) noexcept { return destroy(group); }

int EVWAITGROUP_add(EVWAITGROUP* group, size_t count) noexcept {
  return with(group, [&](EVWAITGROUP& each) { each.group.add(count); });
}

int EVWAITGROUP_done(EVWAITGROUP* group) noexcept {
  return with(group, [](EVWAITGROUP& each) { each.group.done(); });
}

int EVWAITGROUP_wait(EVWAITGROUP* group, struct timeval timeout) noexcept {
  return with(group,
              [&](EVWAITGROUP& each) { return finish(each.group.wait(to_timeout(timeout))); });
}

int EVWAITGROUP_wait_done(EVWAITGROUP* group, uint64_t target, struct timeval timeout) noexcept {
  return with(group, [&](EVWAITGROUP& each) {
    return finish(each.group.wait_done(target, to_timeout(timeout)));
  });
}

size_t EVWAITGROUP_missing(EVWAITGROUP* group) noexcept {
  return with(group, [](EVWAITGROUP& each) { return each.group.missing(); });
}

uint64_t EVWAITGROUP_done_count(EVWAITGROUP* group) noexcept {
  return with(group, [](EVWAITGROUP& each) { return each.group.done_count(); });
}

// --- EVLATCH ---

EVLATCH* EVLATCH_init(size_t expected) noexcept { return make<EVLATCH>(expected); }

int EVLATCH_free(EVLATCH* latch) noexcept { return destroy(latch); }

int EVLATCH_count_down(EVLATCH* latch, size_t count) noexcept {
  return with(latch, [&](EVLATCH& each) { each.latch.count_down(count); });
}

int EVLATCH_wait(EVLATCH* latch, struct timeval timeout) noexcept {
  return with(latch, [&](EVLATCH& each) { return finish(each.latch.wait(to_timeout(timeout))); });
}

int EVLATCH_trywait(EVLATCH* latch) noexcept {
  return with(latch, [](EVLATCH& each) { return again_unless(each.latch.try_wait()); });
}

int EVLATCH_arrive_and_wait(EVLATCH* latch, struct timeval timeout) noexcept {
  return with(latch, [&](EVLATCH& each) {
    return finish(each.latch.arrive_and_wait(to_timeout(timeout)));
  });
}

// --- EVBARRIER ---

EVBARRIER* EVBARRIER_init(size_t expected, void (*completion)(void* ctx), void* ctx) noexcept {
  return make<EVBARRIER>(expected, Completion{completion, ctx});
}

int EVBARRIER_free(EVBARRIER* barrier) noexcept { return destroy(barrier); }

int EVBARRIER_arrive_and_wait(EVBARRIER* barrier, struct timeval timeout) noexcept {
  return with(barrier, [&](EVBARRIER& each) {
    return finish(each.barrier.arrive_and_wait(to_timeout(timeout)));
  });
}

int EVBARRIER_arrive(EVBARRIER* barrier, size_t count, uint64_t* phase) noexcept {
  return with(barrier, [&](EVBARRIER& each) {
    const auto arrived = each.barrier.arrive(count);
    if (phase != nullptr) *phase = static_cast<uint64_t>(arrived);
  });
}

int EVBARRIER_wait(EVBARRIER* barrier, uint64_t phase, struct timeval timeout) noexcept {
  return with(barrier, [&](EVBARRIER& each) {
    return finish(each.barrier.wait(CBarrier::Phase{phase}, to_timeout(timeout)));
  });
}

int EVBARRIER_arrive_and_drop(EVBARRIER* barrier) noexcept {
  return with(barrier, [](EVBARRIER& each) { each.barrier.arrive_and_drop(); });
}

// --- EVONCE ---

EVONCE* EVONCE_init() noexcept { return make<EVONCE>(); }

int EVONCE_free(EVONCE* once) noexcept { return destroy(once); }

int EVONCE_call(EVONCE* once, EVONCE_PROC proc, void* ctx, struct timeval timeout) noexcept try {
  if (once == nullptr || proc == nullptr) return fail(EINVAL);
  const auto do_it = [=] {
    if (const int error = proc(ctx); error != 0) throw Failed{error};
  };
  return finish(once->once.call(do_it, to_timeout(timeout)));
} catch (const Failed& failed) {
  return fail(failed.error);
} catch (...) {
  if (evcoro::detail::current_thread() != nullptr) {
    report_as_caught();
  } else {
    evcoro::stacks::report(
        "evcoro: the function of an EVONCE ended with an exception; catch it there\n");
  }
  return fail(ENOTRECOVERABLE);
}

int EVONCE_is_done(EVONCE* once) noexcept {
  return with(once, [](EVONCE& each) { return each.once.is_done() ? 1 : 0; });
}
