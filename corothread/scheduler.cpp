#include <corothread/scheduler.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <utility>

#include <stacks/overflow.hpp>
#include <stacks/report.hpp>

namespace evcoro::corothread {
namespace {

using detail::OsThread;
using detail::this_os_thread;
using namespace std::chrono_literals;

// Tasks that keep each other ready (yield, wake) run this many switches before the clock is looked
// at, and this long before the loop polls for I/O. What the loop's own callbacks made ready comes
// on top: a poll that found a thousand descriptors is served whole before the next.
constexpr int budget_unit = 128;
constexpr auto slice = 200us;

// So many urgent tasks run in a row while others wait.
constexpr int longest_urgent_streak = 8;

// A wake-up that is earlier than needed by less than this is left alone: moving it costs more.
constexpr auto wake_up_slack = 16ms;

}  // namespace

Scheduler::~Scheduler() {
  if (live_count_ != 0) stacks::misuse("a scheduler was destroyed while tasks were alive");
  ended_.for_each([](Task& task) { task.Strand::scheduler = nullptr; });
}

Scheduler* Scheduler::current() noexcept { return this_os_thread.scheduler(); }

Task* Scheduler::current_task() noexcept {
  OsThread& os_thread = this_os_thread;
  return os_thread.scheduler() == nullptr ? nullptr : static_cast<Task*>(os_thread.strand());
}

// --- the run queue ---

// What the last task's next_ready_ says means nothing: a store saved in each yield.
inline void Scheduler::push_ready(Task& task) noexcept {
  if (task.priority_ != Priority::normal) [[unlikely]]
    return push_urgent(task);
  push_last(task);
}

inline void Scheduler::push_last(Task& task) noexcept {
  if (first_ready_ == nullptr) {
    first_ready_ = &task;
  } else {
    last_ready_->next_ready_ = &task;
  }
  last_ready_ = &task;
}

inline void Scheduler::push_ready_first(Task& task) noexcept {
  if (first_ready_ == nullptr) last_ready_ = &task;
  task.next_ready_ = first_ready_;
  first_ready_ = &task;
}

inline Task* Scheduler::pop_ready() noexcept {
  Task* const task = first_ready_;
  if (task != nullptr) first_ready_ = task == last_ready_ ? nullptr : task->next_ready_;
  return task;
}

[[gnu::noinline]] void Scheduler::push_urgent(Task& task) noexcept {
  task.next_ready_ = nullptr;
  if (first_urgent_ == nullptr) {
    first_urgent_ = &task;
    look_out_for_urgent();
  } else {
    last_urgent_->next_ready_ = &task;
  }
  last_urgent_ = &task;
}

void Scheduler::look_out_for_urgent() noexcept {
  if (first_urgent_ == nullptr) return;
  hidden_budget_ = budget_;
  budget_ = 0;
}

Task* Scheduler::pop_by_class() noexcept {
  const bool others_turn = urgent_streak_ >= longest_urgent_streak && first_ready_ != nullptr;
  if (first_urgent_ == nullptr || others_turn) {
    urgent_streak_ = 0;
    return pop_ready();
  }
  ++urgent_streak_;
  Task* const task = first_urgent_;
  first_urgent_ = task->next_ready_;
  return task;
}

// The next task, or nullptr if the loop's turn has come.
inline Task* Scheduler::next_to_run() noexcept {
  if (--budget_ < 0 && starters_ == 0) [[unlikely]]
    return next_to_run_slowly();
  return pop_ready();
}

[[gnu::noinline]] Task* Scheduler::next_to_run_slowly() noexcept {
  if (first_urgent_ != nullptr) budget_ = hidden_budget_ - 1;
  Task* const next = budget_ >= 0 || extend_budget() ? pop_by_class() : nullptr;
  look_out_for_urgent();
  return next;
}

// Lets the loop poll before anything else runs.
void Scheduler::end_slice() noexcept {
  budget_ = hidden_budget_ = 0;
  slice_end_ = TimePoint::min();
}

bool Scheduler::extend_budget() noexcept {
  const TimePoint now = controller_.now();
  if (slice_end_ == never) slice_end_ = now + slice;
  budget_ = budget_unit;
  return now < slice_end_;
}

// --- switching ---

// A wake travels through the switch that it causes.
namespace {
Wake to_wake(unsigned transfer) noexcept { return static_cast<Wake>(transfer); }
unsigned from_wake(Wake wake) noexcept { return static_cast<unsigned>(wake); }
}  // namespace

// With many tasks, each comes to a stack and a control block that have left the cache since it ran
// last. So while one runs, they are fetched: the stack of the next, and the control block of the
// one after, where the way to its stack begins.
[[gnu::always_inline]] inline void Scheduler::prefetch_upcoming() const noexcept {
  const Task* const upcoming = first_ready_;
  if (upcoming == nullptr) return;
  upcoming->innermost->prefetch();
  // Perhaps there is none; a prefetch may go anywhere.
  const auto after = reinterpret_cast<std::uintptr_t>(upcoming->next_ready_);
  for (std::uintptr_t offset = 0; offset < 3 * 64; offset += 64) {
    __builtin_prefetch(reinterpret_cast<const void*>(after + offset), 1);
  }
}

// Leaves the running task for the next one or for the loop. The result is for the task that is
// left, from whoever switches back: why it was woken.
[[gnu::always_inline]] inline Wake Scheduler::switch_away() noexcept {
  OsThread& os_thread = this_os_thread;
  Task* const next = next_to_run();
  if (next == nullptr) return to_wake(os_thread.switch_to(*loop_strand_, 0));
  prefetch_upcoming();
  return to_wake(os_thread.switch_to(*next, from_wake(next->wake_)));
}

[[gnu::always_inline]] inline Wake Scheduler::park_task(Task& task, TimePoint deadline,
                                                        WaitReason reason) noexcept {
  if (task.is_cancelled()) [[unlikely]]
    return refuse_to_wait();
  task.parked_ = true;
  task.wait_ = reason;
  task.parked_since_ = pass_began_;
  ++task.parks_;
  if (deadline == never) {
    wheel_.disarm(task);
  } else {
    arm(task, deadline);
  }
  return switch_away();
}

Wake Scheduler::park(TimePoint deadline, WaitReason reason) noexcept {
  Task* const task = current_task();
  if (task == nullptr) [[unlikely]]
    stacks::misuse("park() outside a task; block in a thread only");
  return task->scheduler()->park_task(*task, deadline, reason);
}

[[gnu::noinline]] Wake Scheduler::refuse_to_wait() noexcept {
  Scheduler& scheduler = *current();
  if (--scheduler.budget_ < 0) scheduler.yield_slowly(*current_task());
  return Wake::cancelled;
}

// The common case makes no call but the switch, and so needs no frame of its own.
Wake Scheduler::yield() noexcept {
  OsThread& os_thread = this_os_thread;
  Scheduler* const scheduler = os_thread.scheduler();
  if (scheduler == nullptr) [[unlikely]]
    stacks::misuse("yield() outside a task; call it in a thread only");
  Task& task = static_cast<Task&>(*os_thread.strand());
  if (task.cancel_ != CancelReason::none || --scheduler->budget_ < 0) [[unlikely]]
    return scheduler->yield_slowly(task);
  Task* const next = scheduler->first_ready_;
  if (next == nullptr) return Wake::ready;
  if (task.wake_ != Wake::ready) task.wake_ = Wake::ready;
  scheduler->last_ready_->next_ready_ = &task;
  scheduler->last_ready_ = &task;
  scheduler->first_ready_ = next->next_ready_;
  return to_wake(os_thread.switch_to(*next, from_wake(next->wake_)));
}

[[gnu::noinline]] Wake Scheduler::yield_slowly(Task& task) noexcept {
  task.wake_ = task.is_cancelled() ? Wake::cancelled : Wake::ready;
  push_last(task);  // whatever its priority: it lets others run
  OsThread& os_thread = this_os_thread;
  Task* const next = next_to_run();
  if (next == &task) return task.wake_;
  if (next == nullptr) return to_wake(os_thread.switch_to(*loop_strand_, 0));
  return to_wake(os_thread.switch_to(*next, from_wake(next->wake_)));
}

Wake Scheduler::yield_to_loop() noexcept {
  if (Scheduler* const scheduler = current()) {
    scheduler->end_slice();
  }
  return yield();
}

void Scheduler::admit(Task& task) noexcept {
  task.Strand::scheduler = this;
  live_.push_back(task);
  ++live_count_;
}

void Scheduler::start(Task& task) noexcept {
  admit(task);
  task.parked_ = true;
  wake(task, Wake::ready);
}

void Scheduler::start_at_once(Task& task) noexcept {
  if (current() != this && loop_strand_ != nullptr) return start(task);
  admit(task);
  if (Task* const starter = current() == this ? current_task() : nullptr) {
    starter->wake_ = Wake::ready;
    push_ready_first(*starter);
    ++starters_;
    this_os_thread.switch_to(task, from_wake(Wake::ready));
    --starters_;
    return;
  }
  end_slice();
  run_from_loop(task);
  if (!std::exchange(drain_requested_, true)) controller_.request_drain();
}

bool Scheduler::wake(Task& task, Wake how) noexcept {
  if (!task.parked_) return false;
  task.parked_ = false;
  task.wake_ = how;
  TimerWheel::disarm_lazily(task);
  push_ready(task);
  if (loop_strand_ != nullptr) return true;  // by a task: the drain is under way
  ++woken_by_loop_;
  if (!std::exchange(drain_requested_, true)) controller_.request_drain();
  return true;
}

void Scheduler::cancel(Task& task, CancelReason reason) noexcept {
  if (task.ended_ || task.cancel_ != CancelReason::none) return;
  task.cancel_ = reason;
  if (task.shields_ == 0) wake(task, Wake::cancelled);
}

// --- the end of a task ---

void Task::enter(void* argument) noexcept {
  this_os_thread.arrive();
  Task& task = *static_cast<Task*>(argument);
  try {
    task.run();
  } catch (...) {
    task.failure_ = std::current_exception();
  }
  task.on_end();
  task.scheduler()->finish(task);
}

void Scheduler::finish(Task& task) noexcept {
  task.ended_ = true;
  static_cast<stacks::ListLink&>(task).unlink();
  if (!task.detached_) ended_.push_back(task);
  --live_count_;
  if (Task* const joiner = task.joiner_) joiner->scheduler()->wake(*joiner, Wake::ready);
  wheel_.disarm(task);
  Task* const next = next_to_run();
  detail::Strand& to = next != nullptr ? *next : *loop_strand_;
  this_os_thread.end_strand(to, next != nullptr ? from_wake(next->wake_) : 0,
                            task.detached_ ? &Scheduler::reap : nullptr, &task);
}

// Frees a detached task; runs after that has left its stack for good, on the stack of whoever
// continues. It has nothing to do with that one: neither with its errno, which is in place already,
// nor does it run as that task.
void Scheduler::reap(void* task) noexcept {
  OsThread& os_thread = this_os_thread;
  Scheduler* const scheduler = os_thread.scheduler();
  const int saved_errno = errno;
  os_thread.set_scheduler(nullptr);
  free_ended(*static_cast<Task*>(task));
  os_thread.set_scheduler(scheduler);
  errno = saved_errno;
}

void Scheduler::free_ended(Task& task) noexcept {
  if (task.joiner_ != nullptr) stacks::misuse("a thread was freed while another is joining it");
  stacks::Stack& stack = *task.stack_;
  task.context_.release();
  task.~Task();
  stack.pool->give_back(stack);
}

Wake Scheduler::join(Task& task, TimePoint deadline) noexcept {
  if (task.joiner_ != nullptr) stacks::misuse("join() of a thread that another thread is joining");
  if (task.ended_) return Wake::ready;
  Task* const joiner = current_task();
  if (joiner == nullptr) stacks::misuse("join() outside a task; block in a thread only");
  if (joiner == &task) stacks::misuse("join() of a thread by itself");
  task.joiner_ = joiner;
  const Wake how =
      joiner->scheduler()->park_task(*joiner, deadline, {"join", WaitReason::of_threads});
  task.joiner_ = nullptr;
  return task.ended_ ? Wake::ready : how;
}

Wake Scheduler::join_any(std::span<Task* const> tasks, TimePoint deadline) noexcept {
  const auto any_has_ended = [&] {
    return std::any_of(tasks.begin(), tasks.end(), [](Task* task) { return task->ended_; });
  };
  if (any_has_ended()) return Wake::ready;
  Task* const joiner = current_task();
  if (joiner == nullptr) stacks::misuse("join_any() outside a task; block in a thread only");
  for (Task* const task : tasks) {
    if (task == joiner) stacks::misuse("join_any() of a thread by itself");
    if (task->joiner_ != nullptr && task->joiner_ != joiner)
      stacks::misuse("join_any() of a thread that another thread is joining");
    task->joiner_ = joiner;
  }
  const Wake how = joiner->scheduler()->park_task(*joiner, deadline,
                                                  {"any thread's end", WaitReason::of_threads});
  for (Task* const task : tasks) task->joiner_ = nullptr;
  return any_has_ended() ? Wake::ready : how;
}

void Scheduler::detach(Task& task) noexcept {
  if (task.joiner_ != nullptr) stacks::misuse("detach() of a thread that another is joining");
  if (task.ended_) {
    free_ended(task);
  } else {
    task.detached_ = true;
  }
}

// --- timers ---

void Task::on_timeout(TimerNode& node) noexcept {
  auto& task = static_cast<Task&>(node);
  task.scheduler()->wake(task, Wake::timed_out);
}

void Scheduler::arm(TimerNode& timer, TimePoint deadline) noexcept {
  wheel_.arm(timer, deadline);
  if (deadline < wake_up_) controller_.set_wake_up(wake_up_ = deadline);
}

void Scheduler::expire() noexcept {
  wake_up_ = never;
  wheel_.expire(controller_.now());
  settle_wake_up();
}

void Scheduler::settle_wake_up() noexcept {
  const TimePoint next = wheel_.next_deadline();
  const bool barely_early = wake_up_ < next && next != never && next - wake_up_slack < wake_up_;
  if (next == wake_up_ || barely_early) return;
  controller_.set_wake_up(wake_up_ = next);
}

// --- the loop's side ---

// Returns when the loop's turn has come.
void Scheduler::run_from_loop(Task& first) noexcept {
  OsThread& os_thread = detail::prepared_os_thread();
  stacks::prepare_os_thread();
  Scheduler* const outer = os_thread.scheduler();
  os_thread.set_scheduler(this);
  loop_strand_ = os_thread.strand();
  pass_began_ = controller_.coarse_now();
  os_thread.switch_to(first, from_wake(first.wake_));
  loop_strand_ = nullptr;
  os_thread.set_scheduler(outer);
  settle_wake_up();
}

void Scheduler::drain() noexcept {
  if (loop_strand_ != nullptr) stacks::misuse("a loop was driven by a thread of its own");
  drain_requested_ = false;
  slice_end_ = never;
  budget_ = budget_unit + std::exchange(woken_by_loop_, 0);
  Task* const first = pop_by_class();
  look_out_for_urgent();
  first != nullptr ? run_from_loop(*first) : settle_wake_up();
  if (has_ready_tasks() && !std::exchange(drain_requested_, true)) {
    controller_.request_drain_after_poll();
  }
}

}  // namespace evcoro::corothread
