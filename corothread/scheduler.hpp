// Scheduler: runs tasks, and holds the one way to suspend: park() until woken ready, timed out or
// cancelled. Everything that blocks is a client of it.
//
//   // a client: wait until someone sets a flag
//   while (!flag.set) {
//     flag.waiter = Scheduler::current_task();
//     switch (Scheduler::park(deadline, {"flag"})) { ... }
//   }
//   // the other side, in the same OS thread
//   flag.set = true;
//   waiter->scheduler()->wake(*waiter, Wake::ready);
//
// A task that parks or yields switches straight to the next one in the run queue; control returns
// to the loop when the queue is empty or the drain's budget is used up. The run queue is first in,
// first out. Urgent tasks have one of their own, which goes first; but of nine switches one is for
// the others, so that they don't starve.
//
// A scheduler and its tasks belong to one OS thread, the one that drives the loop: no member may be
// called from another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <corothread/loop_controller.hpp>
#include <corothread/task.hpp>
#include <corothread/timer_wheel.hpp>
#include <stacks/export.hpp>
#include <stacks/intrusive_list.hpp>

namespace evcoro::corothread {

class EVCORO_API Scheduler {
 public:
  explicit Scheduler(LoopController& controller) noexcept : controller_(controller) {}

  // Live tasks at this point are a misuse, which terminates. Tasks that have ended and wait to be
  // joined remain with whoever joins them, and have no scheduler() any more.
  ~Scheduler();

  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // current() is the scheduler whose drain() is running on this OS thread, or nullptr.
  static Scheduler* current() noexcept;

  // current_task() is the task that is running on this OS thread, or nullptr.
  static Task* current_task() noexcept;

  // park() suspends the current task until wake(), deadline or cancellation, whichever is first; of
  // a cancelled task it doesn't wait, see refuse_to_wait(). Calling it outside a task is a misuse.
  static Wake park(TimePoint deadline, WaitReason reason) noexcept;

  // refuse_to_wait() is what a cancelled task's blocking call does instead of parking: it returns
  // cancelled, and now and then lets others run, and the loop poll, before. A task that goes on and
  // on in spite of its cancellation so stops nobody else.
  static Wake refuse_to_wait() noexcept;

  // yield() lets all other ready tasks run, and, now and then, the loop poll. It does so in a
  // cancelled task too, and then returns cancelled; otherwise ready. Calling it outside a task is a
  // misuse.
  static Wake yield() noexcept;

  // yield_to_loop() is yield(), but the loop polls before this or any other task runs on. For a
  // task that works on and on without having to wait.
  static Wake yield_to_loop() noexcept;

  // start() puts a new task in the run queue.
  void start(Task& task) noexcept;

  // start_at_once() runs a new task before it returns: until it parks, yields or ends. Called by a
  // task, that one goes on next. While the scheduler drains and what calls is none of its tasks (a
  // thread of another loop, inside one of this), the new one is queued only.
  void start_at_once(Task& task) noexcept;

  // wake() makes a parked task ready; false (and nothing happens) if it isn't parked: the first
  // wake-up wins.
  bool wake(Task& task, Wake how) noexcept;

  // cancel() makes this and every later park() of task return cancelled, until it acknowledges. The
  // first reason stays.
  void cancel(Task& task, CancelReason reason) noexcept;

  // join() parks the current task until task has ended; ready means that it has.
  static Wake join(Task& task, TimePoint deadline) noexcept;

  // join_any() parks the current task until any of tasks has ended; ready means that one has.
  // Without any it waits for the deadline.
  static Wake join_any(std::span<Task* const> tasks, TimePoint deadline) noexcept;

  // detach() gives up the right to join: the task is freed when it ends, or now if it has.
  static void detach(Task& task) noexcept;

  // free_ended() destroys a task that has ended and isn't detached, and returns its stack.
  static void free_ended(Task& task) noexcept;

  // arm() and disarm() are for timers beside those of park().
  void arm(TimerNode& timer, TimePoint deadline) noexcept;
  void disarm(TimerNode& timer) noexcept { wheel_.disarm(timer); }
  TimePoint now() const noexcept { return controller_.now(); }

  // pass_began() is what the coarse clock said when the tasks that are running now were begun with.
  TimePoint pass_began() const noexcept { return pass_began_; }

  // settle_wake_up() asks the loop for another wake-up if the one that was asked for comes much too
  // early, or would find nothing. drain() and expire() end with it.
  void settle_wake_up() noexcept;

  // drain() runs ready tasks; the loop calls it, never a task. See LoopController.
  void drain() noexcept;

  // expire() fires the timers that are due; the loop calls it. See LoopController.
  void expire() noexcept;

  // switches_left() changes with nearly every switch, until the loop polls; for a look at whether
  // the running task is still the same one.
  int switches_left() const noexcept { return budget_; }

  bool is_draining() const noexcept { return loop_strand_ != nullptr; }
  bool has_ready_tasks() const noexcept {
    return first_ready_ != nullptr || first_urgent_ != nullptr;
  }
  std::size_t live_tasks() const noexcept { return live_count_; }

  // has_timers() is true while any timer or deadline is armed, and for a while after.
  bool has_timers() const noexcept { return !wheel_.empty(); }

  template <class Visit>
  void for_each_live_task(Visit&& visit) const {
    live_.for_each(visit);
  }

  // all_live_tasks() says whether predicate holds of all of them.
  template <class Predicate>
  bool all_live_tasks(Predicate&& predicate) const {
    return live_.all_of(predicate);
  }

 private:
  friend class Task;

  void admit(Task& task) noexcept;
  void push_ready(Task& task) noexcept;
  void push_ready_first(Task& task) noexcept;
  void push_last(Task& task) noexcept;
  void push_urgent(Task& task) noexcept;
  Task* pop_ready() noexcept;
  Task* pop_by_class() noexcept;
  Task* next_to_run() noexcept;
  Task* next_to_run_slowly() noexcept;
  void look_out_for_urgent() noexcept;
  void end_slice() noexcept;
  void run_from_loop(Task& first) noexcept;
  bool extend_budget() noexcept;
  void prefetch_upcoming() const noexcept;
  Wake switch_away() noexcept;
  Wake park_task(Task& task, TimePoint deadline, WaitReason reason) noexcept;
  Wake yield_slowly(Task& task) noexcept;
  [[noreturn]] void finish(Task& task) noexcept;
  static void reap(void* task) noexcept;

  Task* first_ready_ = nullptr;
  Task* last_ready_ = nullptr;
  // Switches left before the loop must poll. While urgent tasks wait it is zero, so that the next
  // switch looks for them, and hidden_budget_ is what it would be: who has none pays nothing.
  int budget_ = 0;
  detail::Strand* loop_strand_ = nullptr;  // drain()'s caller; nullptr outside drain()
  LoopController& controller_;
  bool drain_requested_ = false;
  int starters_ = 0;       // tasks at the front of the run queue that are starting others
  int woken_by_loop_ = 0;  // wake-ups by the loop's callbacks, granted to the next drain
  TimePoint slice_end_ =
      never;  // when self-made work must let the loop poll; never: not yet measured
  TimePoint wake_up_ = never;  // what set_wake_up() was last asked for
  TimePoint pass_began_{};     // as of the coarse clock
  Task* first_urgent_ = nullptr;
  Task* last_urgent_ = nullptr;
  int hidden_budget_ = 0;
  int urgent_streak_ = 0;  // urgent tasks that have run since another did
  std::size_t live_count_ = 0;
  stacks::IntrusiveList<Task> live_;
  stacks::IntrusiveList<Task> ended_;  // and neither detached nor freed
  TimerWheel wheel_;
};

}  // namespace evcoro::corothread
