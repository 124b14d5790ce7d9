#include <evcoro/loop.hpp>

#include <memory>
#include <utility>

#include <evcoro/detail/loop_libevent.hpp>

namespace evcoro {
namespace {

// StackWait parks the calling thread until a stack is free.
class StackWait final : public stacks::StackWaiter {
 public:
  explicit StackWait(detail::ThreadTask& thread) noexcept : thread_(thread) {}

  std::error_code wait(stacks::StackPool& pool, TimePoint deadline, bool again) noexcept {
    again ? pool.wait_again(*this) : pool.wait(*this);
    const auto how =
        corothread::Scheduler::park(deadline, {"a stack", corothread::WaitReason::of_threads});
    if (how == corothread::Wake::ready) return {};
    unlink();
    return detail::to_error(how);
  }

  void stack_free() noexcept override {
    thread_.scheduler()->wake(thread_, corothread::Wake::ready);
  }

 private:
  detail::ThreadTask& thread_;
};

}  // namespace

Loop::Loop(stacks::StackPool& pool, event_base* base)
    : core_(std::make_unique<detail::LoopCore>(*this, pool, base)),
      scheduler_(&core_->scheduler()) {}

Loop::Loop(stacks::StackPool::Options stacks, event_base* base)
    : own_stacks_(std::make_unique<stacks::StackPool>(std::move(stacks))),
      core_(std::make_unique<detail::LoopCore>(*this, *own_stacks_, base)),
      scheduler_(&core_->scheduler()) {}

Loop::~Loop() {
  if (!core_->is_foreign()) {
    core_->end_threads();
    return;
  }
  // In a child process all is left as it is: the events and the threads are the parent's.
  static_cast<void>(core_.release());
  static_cast<void>(own_stacks_.release());
  owned_.leak();
}

Loop* Loop::current() noexcept {
  const detail::ThreadTask* const thread = detail::current_thread();
  return thread == nullptr ? nullptr : &thread->core().loop();
}

Loop::End Loop::run() { return core_->run(); }
void Loop::run_once(Timeout timeout) { core_->run_once(timeout); }
void Loop::stop() noexcept { core_->stop(); }
void Loop::abort() noexcept { core_->abort(); }
void Loop::post_function(std::unique_ptr<detail::Posted> function) noexcept {
  core_->post(std::move(function));
}

std::vector<ThreadInfo> Loop::shutdown(Timeout timeout) { return core_->shutdown(timeout); }
std::vector<ThreadInfo> Loop::threads() const { return core_->threads(); }
std::size_t Loop::load() const noexcept { return core_->load(); }
std::size_t Loop::thread_count() const noexcept { return scheduler_->live_tasks(); }

void Loop::set_exception_handler(ExceptionHandler handler) {
  core_->exception_handler =
      handler ? std::make_shared<const ExceptionHandler>(std::move(handler)) : nullptr;
}

std::error_code Loop::set_event_priority(int priority) noexcept {
  return core_->set_event_priority(priority);
}

event_base* Loop::base() const noexcept { return core_->base(); }
stacks::StackPool& Loop::stacks() const noexcept { return core_->stacks(); }

stacks::StackPool* Loop::pool_for_spawn(const SpawnOptions& options,
                                        std::error_code& error) noexcept {
  if (core_->is_foreign()) [[unlikely]] {
    error = Errc::parents_loop;
    return nullptr;
  }
  if (core_->is_shutting_down()) {
    error = Errc::loop_shutting_down;
    return nullptr;
  }
  return &pool_of(options);
}

stacks::StackPool& Loop::pool_of(const SpawnOptions& options) const noexcept {
  return options.stacks != nullptr ? *options.stacks : core_->stacks();
}

void Loop::set_bandwidth(Bandwidth bandwidth) noexcept { core_->bandwidth = std::move(bandwidth); }

std::error_code Loop::wait_for_stack(const SpawnOptions& options, Timeout timeout) noexcept {
  detail::ThreadTask* const thread = detail::current_thread();
  if (core_->is_foreign()) return Errc::parents_loop;
  if (thread == nullptr) return Errc::not_in_a_thread;
  if (&thread->core() != core_.get()) return Errc::wrong_loop;
  if (thread->is_cancelled()) return detail::to_error(corothread::Scheduler::refuse_to_wait());
  std::error_code error;
  stacks::StackPool* const pool = pool_for_spawn(options, error);
  if (pool == nullptr) return error;
  const TimePoint deadline = timeout.deadline();
  for (bool again = false; pool->available() == 0; again = true) {
    if (!timeout.may_wait()) return detail::to_error(corothread::Wake::timed_out);
    StackWait wait{*thread};
    if (const auto waited = wait.wait(*pool, deadline, again)) {
      pool->pass_on();  // in case a stack became free for this thread all the same
      return waited;
    }
  }
  return {};
}

}  // namespace evcoro
