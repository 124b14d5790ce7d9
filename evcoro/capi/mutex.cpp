#include <evcoro/sync/mutex.h>

#include <utility>
#include <variant>

#include <evcoro/capi/sync_objects.hpp>
#include <evcoro/sync/condition_variable.hpp>
#include <evcoro/sync/mutex.hpp>
#include <evcoro/sync/recursive_mutex.hpp>
#include <evcoro/sync/shared_mutex.hpp>

using namespace evcoro::capi;
using evcoro::ConditionVariable;
using evcoro::Mutex;
using evcoro::RecursiveMutex;
using evcoro::SharedMutex;

struct tagEVMUTEX {
  template <class Kind>
  explicit tagEVMUTEX(std::in_place_type_t<Kind> kind) noexcept : mutex(kind) {}
  std::variant<Mutex, RecursiveMutex> mutex;
};

struct tagEVRWLOCK {
  SharedMutex mutex;
};

struct tagEVCOND {
  ConditionVariable condition;
};

namespace {

int busy_unless(bool is_locked) noexcept { return is_locked ? 0 : fail(EBUSY); }

// use_mutex() calls use with the mutex of whichever kind.
template <class Use>
int use_mutex(EVMUTEX* mutex, Use&& use) noexcept {
  return with(mutex, [&](EVMUTEX& each) { return std::visit(use, each.mutex); });
}

}  // namespace

// --- EVMUTEX ---

EVMUTEX* EVMUTEX_init() noexcept { return make<EVMUTEX>(std::in_place_type<Mutex>); }

EVMUTEX* EVMUTEX_init_recursive() noexcept {
  return make<EVMUTEX>(std::in_place_type<RecursiveMutex>);
}

int EVMUTEX_free(EVMUTEX* mutex) noexcept { return destroy(mutex); }

int EVMUTEX_lock(EVMUTEX* mutex) noexcept {
  return use_mutex(mutex, [](auto& each) { return each.lock(), 0; });
}

int EVMUTEX_timedlock(EVMUTEX* mutex, struct timeval timeout) noexcept {
  return use_mutex(mutex, [&](auto& each) { return finish(each.lock(to_timeout(timeout))); });
}

int EVMUTEX_trylock(EVMUTEX* mutex) noexcept {
  return use_mutex(mutex, [](auto& each) { return busy_unless(each.try_lock()); });
}

int EVMUTEX_unlock(EVMUTEX* mutex) noexcept {
  return use_mutex(mutex, [](auto& each) { return each.unlock(), 0; });
}

int EVMUTEX_is_held(EVMUTEX* mutex) noexcept {
  return use_mutex(mutex, [](auto& each) { return each.is_held_by_caller() ? 1 : 0; });
}

// --- EVRWLOCK ---

EVRWLOCK* EVRWLOCK_init() noexcept { return make<EVRWLOCK>(); }

int EVRWLOCK_free(EVRWLOCK* lock) noexcept { return destroy(lock); }

int EVRWLOCK_rdlock(EVRWLOCK* lock) noexcept {
  return with(lock, [](EVRWLOCK& each) { each.mutex.lock_shared(); });
}

int EVRWLOCK_timedrdlock(EVRWLOCK* lock, struct timeval timeout) noexcept {
  return with(lock,
              [&](EVRWLOCK& each) { return finish(each.mutex.lock_shared(to_timeout(timeout))); });
}

int EVRWLOCK_tryrdlock(EVRWLOCK* lock) noexcept {
  return with(lock, [](EVRWLOCK& each) { return busy_unless(each.mutex.try_lock_shared()); });
}

int EVRWLOCK_rdunlock(EVRWLOCK* lock) noexcept {
  return with(lock, [](EVRWLOCK& each) { each.mutex.unlock_shared(); });
}

int EVRWLOCK_wrlock(EVRWLOCK* lock) noexcept {
  return with(lock, [](EVRWLOCK& each) { each.mutex.lock(); });
}

int EVRWLOCK_timedwrlock(EVRWLOCK* lock, struct timeval timeout) noexcept {
  return with(lock, [&](EVRWLOCK& each) { return finish(each.mutex.lock(to_timeout(timeout))); });
}

int EVRWLOCK_trywrlock(EVRWLOCK* lock) noexcept {
  return with(lock, [](EVRWLOCK& each) { return busy_unless(each.mutex.try_lock()); });
}

int EVRWLOCK_wrunlock(EVRWLOCK* lock) noexcept {
  return with(lock, [](EVRWLOCK& each) { each.mutex.unlock(); });
}

// --- EVCOND ---

EVCOND* EVCOND_init() noexcept { return make<EVCOND>(); }

int EVCOND_free(EVCOND* cond) noexcept { return destroy(cond); }

int EVCOND_wait(EVCOND* cond, EVMUTEX* mutex, struct timeval timeout) noexcept {
  if (cond == nullptr) return fail(EINVAL);
  return use_mutex(
      mutex, [&](auto& each) { return finish(cond->condition.wait(each, to_timeout(timeout))); });
}

int EVCOND_signal(EVCOND* cond) noexcept {
  return with(cond, [](EVCOND& each) { each.condition.notify_one(); });
}

int EVCOND_broadcast(EVCOND* cond) noexcept {
  return with(cond, [](EVCOND& each) { each.condition.notify_all(); });
}
