#include <evcoro/remote_thread.hpp>

#include <memory>

#include <evcoro/detail/inbox.hpp>
#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/sync/detail/shielded.hpp>

namespace evcoro::detail {

// StopRequest is on its way to the thread's loop.
struct RemoteState::StopRequest final : Posted {
  StopRequest(std::shared_ptr<RemoteState> its_state, CancelReason its_reason) noexcept
      : state(std::move(its_state)), reason(its_reason) {}

  void run() override {
    const std::unique_ptr<StopRequest> self{this};
    if (state->task_ != nullptr) {
      state->task_->request_stop(reason);
    } else {
      state->stop_before_start_ = reason;
    }
  }

  std::shared_ptr<RemoteState> state;
  CancelReason reason;
};

RemoteState::RemoteState(Loop& loop) noexcept : inbox_(loop.core().inbox()) { inbox_.ref(); }

RemoteState::~RemoteState() { inbox_.unref(); }

void RemoteState::request_stop(CancelReason reason) {
  inbox_.post(std::make_unique<StopRequest>(shared_from_this(), reason));
}

// What has not ended when a process is forked never does so in the child.
std::error_code RemoteState::wait(Timeout timeout) noexcept {
  if (inbox_.is_foreign() && !has_ended()) return Errc::parents_loop;
  return has_ended_.wait(timeout);
}

void RemoteState::wait_out() noexcept {
  const Shielded shielded;
  if (has_ended_.wait()) {
    stacks::misuse(
        "a RemoteThread handle was destroyed in a callback of a loop, which can't wait for the "
        "thread's end; join() or detach() it before");
  }
}

void RemoteState::begin() noexcept {
  task_ = current_thread();
  id_ = task_->identity().id();
  if (stop_before_start_ != CancelReason::none) task_->request_stop(stop_before_start_);
}

// What nobody will join for is the loop's to report.
void RemoteState::end() {
  task_ = nullptr;
  const bool is_detached = is_detached_.exchange(true);
  has_ended_.set();
  if (is_detached && failure_ != nullptr) std::rethrow_exception(take_failure());
}

void RemoteState::detach() noexcept {
  if (is_detached_.exchange(true)) report_failure();
}

void RemoteState::abandon() noexcept {
  if (inbox_.is_foreign()) return;
  try {
    request_stop(CancelReason::user);
  } catch (const std::bad_alloc&) {  // then it is waited for
  }
  wait_out();
  report_failure();
}

void RemoteState::report_failure() noexcept {
  if (failure_ == nullptr) return;
  try {
    std::rethrow_exception(take_failure());
  } catch (const std::exception& error) {
    stacks::ReportLine{} << "evcoro: a thread that nobody joined ended with an exception: "
                         << error.what() << "\n"
                         << stacks::ReportLine::send;
  } catch (...) {
    stacks::report("evcoro: a thread that nobody joined ended with an exception\n");
  }
}

}  // namespace evcoro::detail
