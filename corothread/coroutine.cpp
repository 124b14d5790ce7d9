#include <corothread/coroutine.hpp>

#include <stdexcept>
#include <string>
#include <system_error>

#include <stacks/overflow.hpp>
#include <stacks/report.hpp>

namespace evcoro::corothread::detail {
namespace {

std::string describe(const Identity& identity) {
  std::string text = "coroutine ";
  if (!identity.name().empty()) text.append("'").append(identity.name()).append("' ");
  return text + "(id " + std::to_string(identity.id()) + ")";
}

[[noreturn]] void wrong_state(const CoroutineFrame& frame, const char* what) {
  constexpr const char* names[] = {"hasn't been started", "is running", "is suspended",
                                   "has ended"};
  throw std::logic_error(describe(frame.identity()) + " " + names[static_cast<int>(frame.state())] +
                         ": it can't be " + what);
}

}  // namespace

stacks::Stack* take_stack(stacks::StackPool& pool, std::size_t size,
                          std::error_code& error) noexcept {
  if (size > pool.stack_size() / 2) {
    error = stacks::StackError::too_small;
    return nullptr;
  }
  stacks::Stack* const stack = pool.take(error);
  if (stack != nullptr)
    sanitize_reuse(stack->limit, static_cast<std::size_t>(stack->end - stack->limit));
  return stack;
}

void throw_no_stack(std::error_code error) {
  throw std::system_error(error, "no stack for a coroutine");
}

void CoroutineFrame::place_on(stacks::Stack& stack, std::byte* block) noexcept {
  stacks::prepare_os_thread();
  os_thread_ = &prepared_os_thread();
  os_thread_id_ = os_thread_->id();
  stack_ = &stack;
  context_.prepare(stack, block, &CoroutineFrame::enter, this, identity_);
}

void CoroutineFrame::enter(void* argument) noexcept {
  this_os_thread.arrive();
  auto& frame = *static_cast<CoroutineFrame*>(argument);
  try {
    frame.run();
  } catch (const ForcedUnwind&) {
    // killed: this is the end that kill() waits for
  } catch (...) {
    frame.failure_ = std::current_exception();
  }
  frame.finish();
}

void CoroutineFrame::finish() noexcept {
  state_ = CoroutineState::ended;
  os_thread_->end_context(*resumer_);
}

bool CoroutineFrame::is_of_this_os_thread() const noexcept {
  return os_thread_id_ == this_os_thread.id();
}

void CoroutineFrame::require(CoroutineState expected) const {
  const bool starts = expected == CoroutineState::initial;
  if (state_ != expected) wrong_state(*this, starts ? "started" : "resumed");
  if (!is_of_this_os_thread()) {
    wrong_state(*this, starts ? "started by another OS thread" : "resumed by another OS thread");
  }
}

void CoroutineFrame::throw_failure() { std::rethrow_exception(std::exchange(failure_, nullptr)); }

void CoroutineFrame::throw_killed() { throw ForcedUnwind{}; }

void CoroutineFrame::require_inside() const {
  if (!is_of_this_os_thread() || &os_thread_->running() != &context_) {
    wrong_state(*this, "yielded from outside");
  }
}

void CoroutineFrame::kill() {
  if (state_ == CoroutineState::running) wrong_state(*this, "killed");
  if (!is_of_this_os_thread()) wrong_state(*this, "killed by another OS thread");
  killed_ = true;
  if (state_ == CoroutineState::initial) state_ = CoroutineState::ended;
  if (state_ == CoroutineState::suspended) proceed();
}

void CoroutineFrame::destroy(CoroutineFrame* frame) noexcept {
  if (frame == nullptr) return;
  if (frame->state_ == CoroutineState::running) {
    stacks::misuse("a Coroutine was destroyed while it was running; let it yield or end first");
  }
  if (!frame->is_of_this_os_thread()) {
    stacks::misuse("a Coroutine was destroyed by another OS thread than the one that made it");
  }
  try {
    frame->kill();
  } catch (...) {
    stacks::ReportLine{} << "evcoro: an exception left coroutine '" << frame->identity().name()
                         << "' (id " << frame->identity().id()
                         << ") while it was killed; it is dropped\n"
                         << stacks::ReportLine::send;
  }
  stacks::Stack& stack = *frame->stack_;
  frame->context_.release();
  frame->~CoroutineFrame();
  stack.pool->give_back(stack);
}

}  // namespace evcoro::corothread::detail
