#include <corothread/task.hpp>

#include <corothread/scheduler.hpp>

namespace evcoro::corothread {
const char* to_string(CancelReason reason) noexcept {
  constexpr const char* names[] = {"none", "user", "deadline", "shutdown", "failure"};
  return names[static_cast<int>(reason)];
}

const char* to_string(Priority priority) noexcept {
  return priority == Priority::urgent ? "urgent" : "normal";
}

const char* to_string(TaskState state) noexcept {
  constexpr const char* names[] = {"ready", "running", "parked", "ended"};
  return names[static_cast<int>(state)];
}

void Task::place_on(stacks::Stack& stack, std::byte* block) noexcept {
  stack_ = &stack;
  context_.prepare(stack, block, &Task::enter, this, identity_);
  innermost = &context_;
}

TaskState Task::state() const noexcept {
  if (ended_) return TaskState::ended;
  if (parked_) return TaskState::parked;
  return Scheduler::current_task() == this ? TaskState::running : TaskState::ready;
}

}  // namespace evcoro::corothread
