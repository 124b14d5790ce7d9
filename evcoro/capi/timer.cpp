#include <new>

#include <evcoro/capi/objects.hpp>

using namespace evcoro::capi;
using evcoro::Timer;

EVTIMER* EVTIMER_init(EVTHREAD* thread, int id, struct timeval expiry) noexcept {
  if (thread == nullptr) return refuse(EINVAL);
  auto* const timer = new (std::nothrow) EVTIMER(thread->task, id, expiry);
  if (timer == nullptr) return refuse(ENOMEM);
  thread->objects.push_back(*timer);
  return timer;
}

int EVTIMER_start(EVTIMER* timer) noexcept {
  if (timer == nullptr) return fail(EINVAL);
  if (timer->timer.is_running()) return fail(EALREADY);
  timer->timer.start(to_timeout(timer->expiry));
  return 0;
}

int EVTIMER_start_periodic(EVTIMER* timer) noexcept {
  if (timer == nullptr) return fail(EINVAL);
  if (timer->timer.is_running()) return fail(EALREADY);
  timer->timer.start_periodic(to_duration(timer->expiry));
  return 0;
}

int EVTIMER_cancel(EVTIMER* timer) noexcept {
  if (timer == nullptr) return fail(EINVAL);
  if (!timer->timer.is_running() && !timer->timer.has_expired()) return fail(EINVAL);
  timer->timer.cancel();
  return 0;
}

int EVTIMER_free(EVTIMER* timer) noexcept {
  if (timer == nullptr) return fail(EINVAL);
  timer->dispose();
  return 0;
}

int EVTHREAD_wait_timer(int* id, struct timeval timeout) noexcept {
  if (id == nullptr) return fail(EINVAL);
  EVTHREAD* const self = EVTHREAD_current();
  if (self == nullptr) return -1;
  const auto expired = Timer::wait_any_of_c(to_timeout(timeout));
  if (!expired) return fail(expired.error());
  self->objects.for_each([&](Object& each) {
    auto* const timer = dynamic_cast<EVTIMER*>(&each);
    if (timer != nullptr && &timer->timer == *expired) *id = timer->id;
  });
  return finish((*expired)->wait(evcoro::no_wait).error());
}
