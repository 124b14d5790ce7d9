#include <corothread/scheduler.hpp>

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

// A wake-up that is earlier than needed by less than this is left alone: moving it costs more.
constexpr auto wake_up_slack = 16ms;

}  // namespace

Scheduler::~Scheduler() {
  if (live_count_ != 0) stacks::misuse("a scheduler was destroyed while tasks were alive");
  ended_.for_each([](Task& task) { task.scheduler_ = nullptr; });
}

Scheduler* Scheduler::current() noexcept { return this_os_thread.scheduler; }

Task* Scheduler::current_task() noexcept {
  const Scheduler* const scheduler = this_os_thread.scheduler;
  return scheduler == nullptr ? nullptr : scheduler->running_;
}

// --- the run queue ---

void Scheduler::push_ready(Task& task) noexcept {
  task.next_ready_ = nullptr;
  if (first_ready_ == nullptr) {
    first_ready_ = &task;
  } else {
    last_ready_->next_ready_ = &task;
  }
  last_ready_ = &task;
}

Task* Scheduler::pop_ready() noexcept {
  Task* const task = first_ready_;
  if (task != nullptr) first_ready_ = task->next_ready_;
  return task;
}

// The next task, or nullptr if the loop's turn has come.
Task* Scheduler::next_to_run() noexcept {
  if (--budget_ < 0 && !extend_budget()) [[unlikely]]
    return nullptr;
  return pop_ready();
}

bool Scheduler::extend_budget() noexcept {
  const TimePoint now = controller_.now();
  if (slice_end_ == never) slice_end_ = now + slice;
  budget_ = budget_unit;
  return now < slice_end_;
}

// A wake travels through a switch as a pointer, and is never dereferenced.
namespace {
Wake to_wake(void* transfer) noexcept {
  return static_cast<Wake>(reinterpret_cast<std::uintptr_t>(transfer));
}
void* from_wake(Wake wake) noexcept {
  return reinterpret_cast<void*>(static_cast<std::uintptr_t>(wake));
}
}  // namespace

// --- switching ---

// Leaves task, which is parked or in the run queue, for the next one or for the loop. The result is
// for task, from whoever switches back: why it was woken.
[[gnu::always_inline]] inline Wake Scheduler::switch_from(Task& task) noexcept {
  OsThread& os_thread = *os_thread_;
  task.resume_point_ = os_thread.running;
  Task* const next = next_to_run();
  running_ = next;
  if (next == nullptr) return to_wake(os_thread.switch_to(*loop_context_, nullptr));
  if (next == &task) return task.wake_;
  return to_wake(os_thread.switch_to(*next->resume_point_, from_wake(next->wake_)));
}

Wake Scheduler::park(TimePoint deadline, WaitReason reason) noexcept {
  Task* const task = current_task();
  if (task == nullptr) [[unlikely]]
    stacks::misuse("park() outside a task; block in a thread only");
  if (task->is_cancelled()) return Wake::cancelled;
  Scheduler& scheduler = *task->scheduler_;
  task->parked_ = true;
  task->wait_ = reason;
  if (deadline != never) scheduler.arm(*task, deadline);
  return scheduler.switch_from(*task);
}

Wake Scheduler::yield() noexcept {
  Scheduler* const scheduler = this_os_thread.scheduler;
  if (scheduler == nullptr || scheduler->running_ == nullptr) [[unlikely]] {
    stacks::misuse("yield() outside a task; call it in a thread only");
  }
  Task& task = *scheduler->running_;
  task.wake_ = task.cancel_ == CancelReason::none ? Wake::ready : Wake::cancelled;
  scheduler->push_ready(task);
  return scheduler->switch_from(task);
}

Wake Scheduler::yield_to_loop() noexcept {
  if (Scheduler* const scheduler = this_os_thread.scheduler) {
    scheduler->budget_ = 0;
    scheduler->slice_end_ = TimePoint::min();
  }
  return yield();
}

void Scheduler::start(Task& task) noexcept {
  task.scheduler_ = this;
  live_.push_back(task);
  ++live_count_;
  task.parked_ = true;
  wake(task, Wake::ready);
}

bool Scheduler::wake(Task& task, Wake how) noexcept {
  if (!task.parked_) return false;
  task.parked_ = false;
  task.wake_ = how;
  wheel_.disarm(task);
  push_ready(task);
  if (running_ != nullptr) return true;
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
  task.scheduler_->finish(task);
}

void Scheduler::finish(Task& task) noexcept {
  task.ended_ = true;
  static_cast<stacks::ListLink&>(task).unlink();
  if (!task.detached_) ended_.push_back(task);
  --live_count_;
  if (task.joiner_ != nullptr) wake(*task.joiner_, Wake::ready);
  Task* const next = next_to_run();
  running_ = next;
  detail::Context& to = next != nullptr ? *next->resume_point_ : *loop_context_;
  os_thread_->leave_to(to, next != nullptr ? from_wake(next->wake_) : nullptr,
                       task.detached_ ? &Scheduler::reap : nullptr, &task);
}

// Frees a detached task; runs after that has left its stack for good.
void Scheduler::reap(void* task) noexcept { free_ended(*static_cast<Task*>(task)); }

void Scheduler::free_ended(Task& task) noexcept {
  stacks::Stack& stack = *task.stack_;
  task.context_.release();
  task.~Task();
  stack.pool->give_back(stack);
}

Wake Scheduler::join(Task& task, TimePoint deadline) noexcept {
  if (task.ended_) return Wake::ready;
  if (task.joiner_ != nullptr) stacks::misuse("join() of a thread that another thread is joining");
  task.joiner_ = current_task();
  if (task.joiner_ == &task) stacks::misuse("join() of a thread by itself");
  const Wake how = park(deadline, {"join"});
  task.joiner_ = nullptr;
  return task.ended_ ? Wake::ready : how;
}

void Scheduler::detach(Task& task) noexcept {
  if (task.ended_) {
    free_ended(task);
  } else {
    task.detached_ = true;
  }
}

// --- timers ---

void Task::on_timeout(TimerNode& node) noexcept {
  auto& task = static_cast<Task&>(node);
  task.scheduler_->wake(task, Wake::timed_out);
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

// Asks for another wake-up if the one that was asked for comes much too early, or would find
// nothing.
void Scheduler::settle_wake_up() noexcept {
  const TimePoint next = wheel_.next_deadline();
  if (next == wake_up_ || (next != never && wake_up_ != never && next - wake_up_ < wake_up_slack))
    return;
  controller_.set_wake_up(wake_up_ = next);
}

// --- the loop's side ---

void Scheduler::drain() noexcept {
  OsThread& os_thread = detail::prepared_os_thread();
  if (running_ != nullptr) stacks::misuse("a loop was driven by a thread of its own");
  stacks::prepare_os_thread();
  Scheduler* const outer = std::exchange(os_thread.scheduler, this);
  os_thread_ = &os_thread;
  loop_context_ = os_thread.running;
  drain_requested_ = false;
  slice_end_ = never;
  budget_ = budget_unit + std::exchange(woken_by_loop_, 0);
  running_ = pop_ready();
  if (running_ != nullptr)
    os_thread.switch_to(*running_->resume_point_, from_wake(running_->wake_));
  os_thread.scheduler = outer;
  settle_wake_up();
  if (first_ready_ != nullptr && !std::exchange(drain_requested_, true)) {
    controller_.request_drain_after_poll();
  }
}

}  // namespace evcoro::corothread
