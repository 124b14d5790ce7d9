// See README.md. Whatever is done here may lock a mutex itself: then the check is left out.
#include <dlfcn.h>
#include <execinfo.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <ctime>
#include <string>

#include <corothread/scheduler.hpp>
#include <corothread/task.hpp>
#include <stacks/frame.hpp>
#include <stacks/report.hpp>

namespace {

using evcoro::corothread::Scheduler;
using evcoro::corothread::Task;
using evcoro::stacks::ReportLine;

constexpr std::size_t most_held = 64;
constexpr int most_frames = 12;
constexpr int own_frames = 2;  // this library's

// Held is a mutex that a coroutine thread has locked.
struct Held {
  const pthread_mutex_t* mutex = nullptr;  // nullptr: free
  const Task* task = nullptr;
  std::uint64_t parks = 0;
  int switches_left = 0;
  int depth = 1;  // of a recursive one
  std::array<void*, most_frames> frames{};
  int frame_count = 0;
};

// Of each OS thread; no task ever goes to another.
thread_local std::array<Held, most_held> held;
thread_local bool is_busy = false;

class Busy {
 public:
  Busy() noexcept { is_busy = true; }
  ~Busy() { is_busy = false; }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;
};

template <class Function>
Function* next(const char* name) noexcept {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

Held* find(const pthread_mutex_t* mutex) noexcept {
  const auto found =
      std::find_if(held.begin(), held.end(), [&](const Held& each) { return each.mutex == mutex; });
  return found == held.end() ? nullptr : &*found;
}

void print_frames(const Held& by) {
  for (int i = own_frames; i < by.frame_count; ++i) {
    ReportLine{} << "evcoro:     #" << static_cast<unsigned>(i - own_frames) << " "
                 << evcoro::stacks::describe_frame(by.frames[static_cast<std::size_t>(i)]) << "\n"
                 << ReportLine::send;
  }
}

ReportLine& operator<<(ReportLine& line, const Task& task) noexcept {
  const auto& identity = task.identity();
  return line << "'" << identity.name() << "' (id " << identity.id() << "), spawned at "
              << identity.file() << ":" << identity.line();
}

// Whether the place that locked it was told of before; it is from now on. Without inlining the
// innermost frames are the standard library's: all of them count.
bool is_known(const Held& by) noexcept {
  static std::array<std::atomic<std::size_t>, 256> places{};
  std::size_t place = 1;
  for (int i = own_frames; i < by.frame_count; ++i) {
    place = place * 31 + reinterpret_cast<std::size_t>(by.frames[static_cast<std::size_t>(i)]);
  }
  for (auto& each : places) {
    std::size_t expected = 0;
    if (each.compare_exchange_strong(expected, place)) return false;
    if (expected == place) return true;
  }
  return true;
}

void tell_of_wait(const Held& by, const Task& task) {
  if (is_known(by)) return;
  const std::uint64_t waits = task.parks() - by.parks;
  ReportLine line;
  line << "evcoro: a pthread_mutex_t was held while its thread waited: " << task << "\n";
  if (waits != 0) {
    line << "evcoro:   it waited " << waits
         << " times between lock and unlock, last for: " << task.last_wait().what << "\n";
  } else {
    line << "evcoro:   it yielded between lock and unlock\n";
  }
  line << "evcoro:   locked by:\n" << ReportLine::send;
  print_frames(by);
}

void tell_of_deadlock(const Held& by, const Task& task) {
  ReportLine{} << "evcoro: deadlock: " << task << ", locks a pthread_mutex_t that " << *by.task
               << ", of the same OS thread holds\nevcoro:   locked by:\n"
               << ReportLine::send;
  print_frames(by);
}

void before_lock(const pthread_mutex_t* mutex) noexcept {
  const Task* const task = is_busy ? nullptr : Scheduler::current_task();
  if (task == nullptr) return;
  const Busy busy;
  const Held* const by = find(mutex);
  if (by != nullptr && by->task != task) tell_of_deadlock(*by, *task);
}

void after_lock(const pthread_mutex_t* mutex) noexcept {
  const Task* const task = is_busy ? nullptr : Scheduler::current_task();
  if (task == nullptr) return;
  const Busy busy;
  if (Held* const again = find(mutex)) {
    ++again->depth;
    return;
  }
  Held* const place = find(nullptr);
  if (place == nullptr) return;
  *place = {.mutex = mutex,
            .task = task,
            .parks = task->parks(),
            .switches_left = task->scheduler()->switches_left()};
  place->frame_count = ::backtrace(place->frames.data(), most_frames);
}

void before_unlock(const pthread_mutex_t* mutex) noexcept {
  if (is_busy) return;
  const Busy busy;
  Held* const by = find(mutex);
  if (by == nullptr || --by->depth > 0) return;
  const Task* const task = Scheduler::current_task();
  if (task == by->task &&
      (task->parks() != by->parks || task->scheduler()->switches_left() != by->switches_left)) {
    tell_of_wait(*by, *task);
  }
  by->mutex = nullptr;
}

}  // namespace

#define EVCORO_INTERPOSED extern "C" __attribute__((visibility("default")))

EVCORO_INTERPOSED int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
  static const auto lock = next<decltype(pthread_mutex_lock)>("pthread_mutex_lock");
  before_lock(mutex);
  const int result = lock(mutex);
  if (result == 0) after_lock(mutex);
  return result;
}

EVCORO_INTERPOSED int pthread_mutex_trylock(pthread_mutex_t* mutex) noexcept {
  static const auto lock = next<decltype(pthread_mutex_trylock)>("pthread_mutex_trylock");
  const int result = lock(mutex);
  if (result == 0) after_lock(mutex);
  return result;
}

EVCORO_INTERPOSED int pthread_mutex_timedlock(pthread_mutex_t* mutex,
                                              const timespec* deadline) noexcept {
  static const auto lock = next<decltype(pthread_mutex_timedlock)>("pthread_mutex_timedlock");
  before_lock(mutex);
  const int result = lock(mutex, deadline);
  if (result == 0) after_lock(mutex);
  return result;
}

EVCORO_INTERPOSED int pthread_mutex_clocklock(pthread_mutex_t* mutex, clockid_t clock,
                                              const timespec* deadline) noexcept {
  static const auto lock = next<decltype(pthread_mutex_clocklock)>("pthread_mutex_clocklock");
  before_lock(mutex);
  const int result = lock(mutex, clock, deadline);
  if (result == 0) after_lock(mutex);
  return result;
}

EVCORO_INTERPOSED int pthread_mutex_unlock(pthread_mutex_t* mutex) noexcept {
  static const auto unlock = next<decltype(pthread_mutex_unlock)>("pthread_mutex_unlock");
  before_unlock(mutex);
  return unlock(mutex);
}
