#include <evcoro/signals.h>

#include <span>

#include <evcoro/capi/objects.hpp>
#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/signals.hpp>

using namespace evcoro::capi;

struct tagEVSIGNALS final : Object {
  tagEVSIGNALS(evcoro::Loop& loop, std::span<const int> signals) : waiter(loop, signals) {}
  evcoro::SignalWaiter waiter;
};

EVSIGNALS* EVSIGNALS_init(EVTHREAD* thread, const int* signals, size_t count) noexcept try {
  if (thread == nullptr || (signals == nullptr && count != 0)) return refuse(EINVAL);
  evcoro::detail::LoopCore& core = thread->task.core();
  if (core.is_foreign()) return refuse(evcoro::Errc::parents_loop);
  auto* const result = new EVSIGNALS(core.loop(), {signals, count});
  thread->objects.push_back(*result);
  return result;
} catch (...) {
  fail_as_caught();
  return nullptr;
}

int EVSIGNALS_wait(EVSIGNALS* signals, EVSIGNAL_INFO* info, struct timeval timeout) noexcept {
  if (signals == nullptr) return fail(EINVAL);
  const auto signal = signals->waiter.wait(to_timeout(timeout));
  if (!signal) return fail(signal.error());
  if (info != nullptr) {
    *info = {signal->number,      signal->code,  signal->sender,
             signal->sender_user, signal->value, signal->count};
  }
  return signal->number;
}

int EVSIGNALS_free(EVSIGNALS* signals) noexcept {
  if (signals == nullptr) return fail(EINVAL);
  signals->dispose();
  return 0;
}

int EVSIGNALS_block(const int* signals, size_t count) noexcept {
  if (signals == nullptr && count != 0) return fail(EINVAL);
  evcoro::block_signals({signals, count});
  return 0;
}
