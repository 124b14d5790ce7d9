// Thread: a coroutine thread, and this_thread, what a thread can say of and to itself.
//
//   Thread thread = loop.spawn({.name = "adder"}, [] { return 1 + 2; }).value();
//   int sum = thread.join().value();
//
// A Thread is a handle with the semantics of std::jthread: its destructor requests a stop and
// joins; detach() gives the thread to its loop. An exception that leaves the thread's function is
// thrown by join(), or, when nobody joins, reported to the loop's exception handler.
//
// A thread runs on its loop's OS thread and never elsewhere; handles are to be used there too. It
// occupies its stack until it has ended and, unless detached, been joined.
//
// Cancellation is an ordinary error, and sticky: after request_stop() every blocking call of the
// thread returns std::errc::operation_canceled, until the thread ends or calls
// this_thread::acknowledge_cancellation(). It never throws.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include <corothread/scheduler.hpp>
#include <corothread/task.hpp>
#include <evcoro/detail/owned.hpp>
#include <evcoro/error.hpp>
#include <evcoro/result.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>
#include <stacks/intrusive_list.hpp>
#include <stacks/report.hpp>

struct tagEVTHREAD;

namespace evcoro {

class Loop;
class Scope;
class Timer;

using corothread::Priority;
using corothread::SourceLocation;
using corothread::TaskState;

// ThreadInfo describes a thread for people.
struct ThreadInfo {
  std::uint64_t id = 0;
  std::string name = {};
  TaskState state = TaskState::ready;
  std::string wait_reason = {};  // such as "recv fd 7"; empty unless parked
  CancelReason cancel_reason = CancelReason::none;
  std::string spawned_at = {};  // "file:line"
  Priority priority = Priority::normal;
  std::uint64_t parks = 0;      // how often it has parked: it was resumed as often, yields apart
  TimePoint parked_since = {};  // to some milliseconds; only if it is parked
};

// to_string() is such as "'echo' (id 7), spawned at server.cpp:12, parked for 2.5 s: recv fd 9".
EVCORO_API std::string to_string(const ThreadInfo& thread);

// SpawnOptions are the first argument of Loop::spawn().
struct SpawnOptions {
  std::string_view name = {};            // copied, and cut to 31 characters
  stacks::StackPool* stacks = nullptr;   // another pool than the loop's; it must outlive the thread
  Priority priority = Priority::normal;  // urgent: before others, which still get their turn
  bool at_once = false;  // spawned in the loop's OS thread: it runs, until it first waits, before
                         // spawn() returns; otherwise it is queued
  SourceLocation where = SourceLocation::current();
};

namespace detail {

class LoopCore;
class Sleeper;

// ThreadTask is the control block of a thread: a task with what belongs to it.
class EVCORO_API ThreadTask : public corothread::Task {
 public:
  ThreadTask(LoopCore& core, const SpawnOptions& options) noexcept
      : Task({options.name, options.where}), core_(core) {
    set_priority(options.priority);
  }

  LoopCore& core() const noexcept { return core_; }
  stacks::IntrusiveList<Timer>& timers() noexcept { return timers_; }

  // owned() is what goes when the thread has ended.
  OwnedList& owned() noexcept { return owned_; }

  // join() waits until the thread has ended, frees it, and rethrows what left its function.
  std::error_code wait_for_end(Timeout timeout) noexcept;

  // request_stop() cancels the thread, and what it has spawned into scopes.
  void request_stop(CancelReason reason) noexcept;
  void acknowledge_cancellation() noexcept;

  // settle_cancellation() makes cancel_reason() what the thread's own cancellation and its scopes
  // say.
  void settle_cancellation() noexcept;

  // current_scope() is the innermost that the thread has open, or else the one that it was spawned
  // into; nullptr if there is neither.
  Scope* current_scope() const noexcept {
    return innermost_scope_ != nullptr ? innermost_scope_ : membership_.scope;
  }

  // abandon() is a handle's destructor: request a stop, wait for the end, free.
  void abandon() noexcept;
  void detach() noexcept;

  // wait_for_wake() parks the thread, which is the running one, until wake_up(); one that came
  // before counts. wake_up() disturbs no other wait.
  std::error_code wait_for_wake(Timeout timeout) noexcept;
  void wake_up() noexcept;

  ThreadInfo describe() const;

  bool waits_for_timer = false;      // parked until one of timers() expires
  const Sleeper* sleeper = nullptr;  // while it is parked in evcoro/sync
  tagEVTHREAD* c_face = nullptr;     // what it is in C, see evcoro/evthread.h

 protected:
  ~ThreadTask() override = default;
  void on_end() noexcept override;

  // drop_result() destroys what nobody will take, while the thread can still block in doing so.
  virtual void drop_result() noexcept {}

 private:
  friend class LoopCore;
  friend class evcoro::Scope;
  struct ScopeMembership : stacks::ListLink {
    explicit ScopeMembership(ThreadTask& its_task) noexcept : task(its_task) {}
    ThreadTask& task;
    Scope* scope = nullptr;
  };

  void report_failure() noexcept;
  void end_membership() noexcept;

  LoopCore& core_;
  bool is_detached_ = false;
  bool is_woken_ = false;                          // wake_up() was called
  bool waits_for_wake_ = false;                    // parked in wait_for_wake()
  CancelReason stop_reason_ = CancelReason::none;  // request_stop()'s, until it is acknowledged
  Scope* innermost_scope_ = nullptr;               // of those that the thread has open
  ScopeMembership membership_{*this};              // of the scope that it was spawned into
  OwnedList owned_;
  stacks::IntrusiveList<Timer> timers_;
};

// ResultTask adds the place of the result.
template <class T>
class ResultTask : public ThreadTask {
 public:
  using ThreadTask::ThreadTask;
  T take_result() { return std::move(*result_); }

 protected:
  void drop_result() noexcept override { result_.reset(); }

  std::optional<T> result_;
};

template <class T>
requires std::is_void_v<T>
class ResultTask<T> : public ThreadTask {
 public:
  using ThreadTask::ThreadTask;
};

// FunctionTask adds the function. It is destroyed when the thread ends, not when it is joined.
// There is one of these for each function that a program spawns: what it doesn't use is not
// compiled.
template <class Function, class T>
class FunctionTask final : public ResultTask<T> {
 public:
  template <class F>
  FunctionTask(LoopCore& core, const SpawnOptions& options, F&& function)
      : ResultTask<T>(core, options), function_(static_cast<F&&>(function)) {}
  ~FunctionTask() override {}  // NOLINT: on_end() has destroyed the function

 private:
  void run() override {
    if constexpr (std::is_void_v<T>) {
      function_();
    } else {
      this->result_.emplace(function_());
    }
  }

  void on_end() noexcept override {
    function_.~Function();
    ThreadTask::on_end();
  }

  union {
    Function function_;  // NOLINT(readability-identifier-naming): private, though in a union
  };
};

template <class F>
using ThreadResult = decltype(std::declval<std::decay_t<F>&>()());

template <class F>
concept ThreadFunction = requires(std::decay_t<F>& function) {
  function();
};

// current_thread() is the running thread of any loop on this OS thread, or nullptr.
EVCORO_API ThreadTask* current_thread() noexcept;

}  // namespace detail

template <class T = void>
class [[nodiscard]] Thread {
 public:
  Thread() noexcept = default;
  explicit Thread(detail::ResultTask<T>& task) noexcept : task_(&task) {}
  Thread(Thread&& other) noexcept : task_(std::exchange(other.task_, nullptr)) {}
  Thread& operator=(Thread&& other) noexcept {
    if (this == &other) return *this;
    Thread doomed{std::move(*this)};
    task_ = std::exchange(other.task_, nullptr);
    return *this;
  }

  // The destructor requests a stop and joins, ignoring cancellation of the calling thread
  // meanwhile. A result is dropped, an exception reported. Outside a thread it drives the loop;
  // where that can't be (inside a callback of the loop) and the thread doesn't stop without I/O, it
  // is a misuse.
  ~Thread() {
    if (task_ != nullptr) task_->abandon();
  }

  // joinable() is false of an empty handle; to use that for anything else is a misuse.
  bool joinable() const noexcept { return task_ != nullptr; }

  // join() waits until the thread has ended; returns its result, or throws what left its function.
  // The handle is empty then. It stays as it was if the wait fails: timed_out, operation_canceled,
  // or Errc::not_in_a_thread (a thread that has ended can be joined from anywhere). One joiner at a
  // time.
  Result<T> join(Timeout timeout = {}) {
    if (const auto error = task().wait_for_end(timeout)) return Failure{error};
    struct Free {
      detail::ResultTask<T>* task;
      ~Free() { corothread::Scheduler::free_ended(*task); }
    } const freer{std::exchange(task_, nullptr)};
    if (freer.task->failure() != nullptr) std::rethrow_exception(freer.task->failure());
    if constexpr (std::is_void_v<T>) {
      return {};
    } else {
      return freer.task->take_result();
    }
  }

  // detach() gives the thread to its loop; the handle is empty then.
  void detach() noexcept {
    task().detach();
    task_ = nullptr;
  }

  // request_stop() cancels the thread; the first reason stays.
  void request_stop(CancelReason reason = CancelReason::user) noexcept {
    task().request_stop(reason);
  }

  bool has_ended() const noexcept { return task().has_ended(); }
  std::uint64_t id() const noexcept { return task().identity().id(); }
  std::string_view name() const noexcept { return task().identity().name(); }
  ThreadInfo info() const { return task().describe(); }

  // set_priority() holds from the next time on that the thread becomes ready.
  void set_priority(Priority priority) noexcept { task().set_priority(priority); }

  // stack() is what it runs on: its size(), and StackPool::watermark() of it, in bytes.
  const stacks::Stack& stack() const noexcept { return task().stack(); }

 private:
  friend class Scope;
  friend class ThreadRef;
  detail::ResultTask<T>& task() const noexcept {
    if (task_ == nullptr) [[unlikely]]
      stacks::misuse("an empty Thread handle was used; test joinable() first");
    return *task_;
  }

  detail::ResultTask<T>* task_ = nullptr;
};

// ThreadRef refers to a Thread of any type, for the time of a call.
class ThreadRef {
 public:
  template <class T>
  ThreadRef(const Thread<T>& thread) noexcept : task_(&thread.task()) {}  // NOLINT: implicit

  explicit ThreadRef(corothread::Task& task) noexcept : task_(&task) {}

  corothread::Task* task() const noexcept { return task_; }

 private:
  corothread::Task* task_;
};

// wait_any() waits until any of threads has ended, and returns the index of the first of them that
// has. It can be joined without waiting then. Errors as those of Thread::join(). No other thread
// may be joining them meanwhile.
//
//   const std::size_t first = wait_any({download, timer, quit}, 3s).value();
EVCORO_API Result<std::size_t> wait_any(std::span<const ThreadRef> threads, Timeout timeout = {});
inline Result<std::size_t> wait_any(std::initializer_list<ThreadRef> threads,
                                    Timeout timeout = {}) {
  return wait_any(std::span<const ThreadRef>{threads.begin(), threads.size()}, timeout);
}

// All of these are for threads; outside one they return Errc::not_in_a_thread or are a misuse,
// which terminates.
namespace this_thread {

// yield() lets all other ready threads run and, now and then, the loop look for I/O. In a cancelled
// thread it does so too, and then returns operation_canceled.
inline std::error_code yield() noexcept {
  return evcoro::detail::to_error(corothread::Scheduler::yield());
}

// sleep_until() and sleep_for() return no error when the time is over, or operation_canceled. Never
// early.
EVCORO_API std::error_code sleep_until(TimePoint deadline) noexcept;
template <class Representation, class Period>
std::error_code sleep_for(std::chrono::duration<Representation, Period> duration) noexcept {
  return sleep_until(Timeout{duration}.deadline());
}

// stack() is what the thread runs on.
EVCORO_API const stacks::Stack& stack() noexcept;

// id() is 0, and name() empty, outside a thread.
EVCORO_API std::uint64_t id() noexcept;
EVCORO_API std::string_view name() noexcept;

// stop_requested() says whether the thread is cancelled, cancel_reason() why.
EVCORO_API CancelReason cancel_reason() noexcept;
inline bool stop_requested() noexcept { return cancel_reason() != CancelReason::none; }

// acknowledge_cancellation() makes blocking calls work again, until the next cancellation. What the
// thread has spawned into scopes stays cancelled.
EVCORO_API void acknowledge_cancellation() noexcept;

// deadline() is the earliest of the scopes around, or never.
EVCORO_API TimePoint deadline() noexcept;

// set_priority() holds from the next time on that the thread has waited.
EVCORO_API void set_priority(Priority priority) noexcept;

namespace detail {
EVCORO_API evcoro::detail::ThreadTask& require_thread(const char* what) noexcept;
}

// own() keeps value until the thread ends, however it ends, and returns a reference to it. What is
// owned is destroyed in reverse order, after the thread's function and its captures.
template <class T>
std::decay_t<T>& own(T&& value) {
  auto& thread = detail::require_thread("this_thread::own() outside a thread");
  auto* const owned = new evcoro::detail::OwnedValue<std::decay_t<T>>(std::forward<T>(value));
  thread.owned().add(*owned);
  return owned->value;
}

}  // namespace this_thread
}  // namespace evcoro
