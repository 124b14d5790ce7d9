#include <evcoro/scope.hpp>

#include <algorithm>

#include <evcoro/detail/loop_libevent.hpp>
#include <stacks/report.hpp>

namespace evcoro {

using corothread::Scheduler;
using corothread::Wake;
using detail::ThreadTask;

Scope::Scope(Timeout timeout, bool shielded) noexcept
    : TimerNode(on_deadline),
      owner_(this_thread::detail::require_thread(
          "a Scope was made outside a thread; make it in the function of one")),
      outer_(owner_.innermost_scope_),
      shields_((outer_ != nullptr ? outer_->shields_ : 0) + (shielded ? 1 : 0)),
      is_shielded_(shielded),
      exceptions_(std::uncaught_exceptions()),
      deadline_(timeout.deadline()) {
  const TimePoint around = shielded ? never : this_thread::deadline();
  if (deadline_ < around) {
    owner_.core().scheduler().arm(*this, deadline_);
  } else {
    deadline_ = around;
  }
  owner_.innermost_scope_ = this;
  owner_.settle_cancellation();
  reason_ = owner_.cancel_reason();
}

Scope::~Scope() {
  if (detail::current_thread() != &owner_ || owner_.innermost_scope_ != this) {
    stacks::misuse(
        "a Scope was destroyed by another thread than its own, or before one that was made after "
        "it; make scopes automatic variables");
  }
  if (owner_.core().is_foreign()) return;  // a child process: the threads are the parent's
  if (std::uncaught_exceptions() > exceptions_) cancel(CancelReason::failure);
  join(never);
  report_failure();
  owner_.core().scheduler().disarm(*this);
  owner_.innermost_scope_ = outer_;
  owner_.corothread::Task::acknowledge_cancellation();  // for the reason that holds outside
  owner_.settle_cancellation();
}

Loop& Scope::loop() const noexcept { return owner_.core().loop(); }

std::error_code Scope::admit() const noexcept {
  return reason_ == CancelReason::none ? std::error_code{} : detail::to_error(Wake::cancelled);
}

void Scope::add(ThreadTask& thread) noexcept {
  thread.membership_.scope = this;
  threads_.push_back(thread.membership_);
  ++count_;
  if (reason_ != CancelReason::none) thread.request_stop(reason_);  // while it waited for a stack
}

// --- the end ---

bool Scope::join(TimePoint deadline) noexcept {
  owner_.shield();
  owner_waits_ = true;
  while (count_ != 0 &&
         Scheduler::park(deadline, {"the threads of a scope",
                                    corothread::WaitReason::of_threads}) == Wake::ready) {
  }
  owner_waits_ = false;
  owner_.unshield();
  return count_ == 0;
}

std::error_code Scope::wait(Timeout timeout) {
  if (detail::current_thread() != &owner_) return Errc::not_the_owner;
  if (count_ != 0 && (!timeout.may_wait() || !join(timeout.deadline()))) {
    return detail::to_error(Wake::timed_out);
  }
  if (exception_ != nullptr) std::rethrow_exception(std::exchange(exception_, nullptr));
  if (error_) return std::exchange(error_, {});
  return admit();
}

void Scope::on_thread_end(ThreadTask& thread) noexcept {
  thread.membership_.unlink();
  drop_one();
}

void Scope::drop_one() noexcept {
  if (--count_ == 0 && owner_waits_) owner_.core().scheduler().wake(owner_, Wake::ready);
}

// --- failures ---

void Scope::note(std::error_code error) noexcept {
  const bool is_obedient = reason_ != CancelReason::none && error == std::errc::operation_canceled;
  if (error && !is_obedient) fail(nullptr, error);
}

void Scope::fail(std::exception_ptr exception, std::error_code error) noexcept {
  if (exception_ == nullptr && !error_) {
    exception_ = std::move(exception);
    error_ = error;
  }
  cancel(CancelReason::failure);
}

void Scope::report_failure() noexcept {
  std::exception_ptr exception = std::exchange(exception_, nullptr);
  if (const std::error_code error = std::exchange(error_, {})) try {
      throw std::system_error(error, "Scope");
    } catch (...) {  // or std::bad_alloc, which then is what there is to say
      exception = std::current_exception();
    }
  if (exception != nullptr) owner_.core().report(owner_, std::move(exception));
}

// --- cancellation ---

void Scope::on_deadline(corothread::TimerNode& node) noexcept {
  static_cast<Scope&>(node).cancel(CancelReason::deadline);
}

void Scope::cancel(CancelReason reason) noexcept {
  Scope* pending = nullptr;
  mark(*this, reason, pending);
  cancel_all(pending, reason);
}

void Scope::mark(Scope& scope, CancelReason reason, Scope*& pending) noexcept {
  if (scope.reason_ != CancelReason::none) return;
  scope.reason_ = reason;
  scope.next_ = std::exchange(pending, &scope);
}

// Marks the scopes that thread has open: from its innermost to outermost (or all of them), but not
// those behind more shields.
void Scope::mark_those_of(ThreadTask& thread, int shields, const Scope* outermost,
                          CancelReason reason, Scope*& pending) noexcept {
  for (Scope* scope = thread.innermost_scope_; scope != outermost; scope = scope->outer_) {
    if (scope->shields_ == shields) mark(*scope, reason, pending);
  }
}

// A loop, not a recursion: a tree of threads may be deep, and the stack that this runs on is small.
void Scope::cancel_all(Scope* pending, CancelReason reason) noexcept {
  while (pending != nullptr) {
    Scope& scope = *std::exchange(pending, pending->next_);
    mark_those_of(scope.owner_, scope.shields_, &scope, reason, pending);
    scope.owner_.settle_cancellation();
    scope.threads_.for_each([&](ThreadTask::ScopeMembership& member) {
      ThreadTask& thread = member.task;
      if (thread.stop_reason_ == CancelReason::none) thread.stop_reason_ = reason;
      thread.settle_cancellation();
      mark_those_of(thread, 0, nullptr, reason, pending);
    });
  }
}

void Scope::cancel_those_of(ThreadTask& thread, CancelReason reason) noexcept {
  Scope* pending = nullptr;
  mark_those_of(thread, 0, nullptr, reason, pending);
  cancel_all(pending, reason);
}

void Scope::acknowledge_those_of(ThreadTask& thread) noexcept {
  for (Scope* scope = thread.innermost_scope_; scope != nullptr; scope = scope->outer_) {
    if (scope->reason_ != CancelReason::none) scope->is_acknowledged_ = true;
  }
}

// Why thread shall not block: as its scopes say, up to a shield, and, without one, as it was told
// itself.
CancelReason Scope::reason_for(const ThreadTask& thread) noexcept {
  CancelReason reason = CancelReason::none;
  for (const Scope* scope = thread.innermost_scope_; scope != nullptr; scope = scope->outer_) {
    if (scope->reason_ != CancelReason::none && !scope->is_acknowledged_) reason = scope->reason_;
    if (scope->is_shielded_) return reason;
  }
  return thread.stop_reason_ != CancelReason::none ? thread.stop_reason_ : reason;
}

}  // namespace evcoro
