// Task: what the scheduler schedules. The control block of a coroutine that may block; it lies at
// the start of its own stack, so that spawning allocates nothing:
//
//   limit                                                            start
//   +-----------------------------------------------+----------------+---------+
//   |                              <- frames        | Task, callable | colour  |
//   +-----------------------------------------------+----------------+---------+
//
// A layer above derives from Task, implements run(), and makes one with make_task().
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <system_error>
#include <utility>

#include <corothread/detail/context.hpp>
#include <corothread/detail/placement.hpp>
#include <corothread/identity.hpp>
#include <corothread/timer_wheel.hpp>
#include <stacks/export.hpp>
#include <stacks/intrusive_list.hpp>
#include <stacks/stack_pool.hpp>

namespace evcoro::corothread {

// Wake says why a parked task continues.
enum class Wake : unsigned { ready, timed_out, cancelled };

// CancelReason says why a task is cancelled.
enum class CancelReason : std::uint8_t { none, user, deadline, shutdown, failure };
EVCORO_API const char* to_string(CancelReason reason) noexcept;

// WaitReason says what a parked task waits for, for people: {"recv", 7}.
struct WaitReason {
  // In place of a descriptor: only other threads can end the wait.
  static constexpr int of_threads = -2;

  const char* what = "";  // static text
  int descriptor = -1;    // -1: none
};

// Priority is a task's class: urgent ones run before the others, but not for ever; see
// scheduler.hpp.
enum class Priority : std::uint8_t { normal, urgent };
EVCORO_API const char* to_string(Priority priority) noexcept;

enum class TaskState : std::uint8_t { ready, running, parked, ended };
EVCORO_API const char* to_string(TaskState state) noexcept;

class Task;

namespace detail {
Task* running_task() noexcept;
}

class EVCORO_API Task : private detail::Strand, public stacks::ListLink, private TimerNode {
 public:
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;

  const Identity& identity() const noexcept { return identity_; }
  TaskState state() const noexcept;
  WaitReason wait_reason() const noexcept { return parked_ ? wait_ : WaitReason{}; }
  bool has_ended() const noexcept { return ended_; }

  // last_wait() is what the task has waited for last.
  WaitReason last_wait() const noexcept { return wait_; }

  // cancel_reason() is none unless the task is cancelled and has not acknowledged it.
  CancelReason cancel_reason() const noexcept { return cancel_; }

  // is_cancelled() says whether blocking calls fail: cancelled, and neither acknowledged nor
  // shielded.
  bool is_cancelled() const noexcept { return cancel_ != CancelReason::none && shields_ == 0; }

  // acknowledge_cancellation() lets the task block again, unless there is another reason that it
  // shall not.
  void acknowledge_cancellation(CancelReason other = CancelReason::none) noexcept {
    cancel_ = other;
  }

  // shield() and unshield() nest; in between, cancellation is remembered but wakes nothing. For
  // clean-up that has to block, such as joining in a destructor.
  void shield() noexcept { ++shields_; }
  void unshield() noexcept { --shields_; }

  // parks() is how often the task has parked.
  std::uint64_t parks() const noexcept { return parks_; }

  // parked_since() is when the pass of the loop began in which the task was parked last.
  TimePoint parked_since() const noexcept { return parked_since_; }

  // set_priority() holds from the next time on that the task is put into the run queue.
  Priority priority() const noexcept { return priority_; }
  void set_priority(Priority priority) noexcept { priority_ = priority; }

  // joiner() is the task that waits in join() for this one's end, or nullptr.
  const Task* joiner() const noexcept { return joiner_; }

  const stacks::Stack& stack() const noexcept { return *stack_; }
  Scheduler* scheduler() const noexcept { return Strand::scheduler; }

  // failure() is the exception that left run(), if any.
  const std::exception_ptr& failure() const noexcept { return failure_; }

 protected:
  explicit Task(const Origin& origin) noexcept : TimerNode(on_timeout), identity_(origin) {}
  virtual ~Task() = default;

  // run() is the body, executed on the task's stack.
  virtual void run() = 0;

  // on_end() runs on the task's stack after run() has returned or thrown.
  virtual void on_end() noexcept {}

 private:
  friend class Scheduler;
  friend Task* detail::running_task() noexcept;
  template <class T, class... Arguments>
  friend T* detail::construct_on_stack(stacks::StackPool& pool, std::error_code& error,
                                       Arguments&&... arguments);

  void place_on(stacks::Stack& stack, std::byte* block) noexcept;
  static void on_timeout(TimerNode& node) noexcept;
  static void enter(void* task) noexcept;

  // What each switch touches comes first.
  Task* next_ready_ = nullptr;  // in the scheduler's run queue; of its last task it means nothing
  Wake wake_ = Wake::ready;
  CancelReason cancel_ = CancelReason::none;
  bool parked_ = false;
  bool ended_ = false;
  std::uint8_t shields_ = 0;
  bool detached_ = false;  // nobody joins: whoever is switched to when it ends frees it
  Priority priority_ = Priority::normal;
  detail::Context context_;
  std::uint64_t parks_ = 0;
  WaitReason wait_;
  TimePoint parked_since_{};
  stacks::Stack* stack_ = nullptr;
  Task* joiner_ = nullptr;
  std::exception_ptr failure_;
  Identity identity_;
};

// make_task() constructs a T, derived from Task, at the start of a stack of pool. Returns nullptr
// with the reason in error if there is no stack, or (E2BIG) if the T would take more than half of
// it. What T's constructor throws passes through. The task does nothing until Scheduler::start();
// when it has ended, the scheduler frees it.
template <class T, class... Arguments>
T* make_task(stacks::StackPool& pool, std::error_code& error, Arguments&&... arguments) {
  return detail::construct_on_stack<T>(pool, error, std::forward<Arguments>(arguments)...);
}

}  // namespace evcoro::corothread
