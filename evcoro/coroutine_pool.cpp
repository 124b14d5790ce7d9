#include <evcoro/coroutine_pool.hpp>

#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/error.hpp>
#include <stacks/report.hpp>

namespace evcoro {
namespace {

stacks::StackPool::Options stacks_for(const CoroutinePoolOptions& options) {
  return {.capacity = options.size,
          .stack_size = options.stack_size,
          .allocation = stacks::StackPool::Allocation::on_demand,
          .size_setting = "CoroutinePoolOptions::stack_size"};
}

}  // namespace

// CoroutinePoolLoop is the loop as long as it lives.
class detail::CoroutinePoolLoop final : public LoopClient {
 public:
  explicit CoroutinePoolLoop(Loop& its_loop) noexcept : loop(&its_loop) {
    its_loop.core().add_client(*this);
  }
  Loop* loop;

 private:
  void on_loop_gone() noexcept override { loop = nullptr; }
};

CoroutinePool::CoroutinePool(Loop& loop, CoroutinePoolOptions options)
    : name_(std::move(options.name)),
      stacks_(stacks_for(options)),
      loop_(std::make_unique<detail::CoroutinePoolLoop>(loop)) {}

CoroutinePool::~CoroutinePool() {
  const detail::ThreadTask* const caller = detail::current_thread();
  if (caller != nullptr && caller->stack().pool == &stacks_) {
    stacks::misuse("a CoroutinePool was destroyed by a thread of its own");
  }
  if (loop_->loop != nullptr) {
    if (loop().core().is_foreign()) return;
    if (stacks_.in_use() != 0 && !loop().core().end_threads_on(stacks_)) {
      stacks::misuse(
          "a CoroutinePool was destroyed where its threads can't run to their end; request a stop "
          "and join them before");
    }
  }
  if (turns_ != 0) {
    stacks::misuse("a CoroutinePool was destroyed while a thread waits in its spawn()");
  }
  if (stacks_.in_use() != 0) {
    stacks::misuse(
        "a CoroutinePool was destroyed while there are handles of its threads; join() or detach() "
        "them before");
  }
}

Loop& CoroutinePool::loop() const noexcept { return *loop_->loop; }

std::error_code CoroutinePool::admit() const noexcept {
  const detail::ThreadTask* const caller = detail::current_thread();
  if (loop_->loop == nullptr) return Errc::no_loop;
  if (caller == nullptr) return Errc::not_in_a_thread;
  if (&caller->core() != &loop().core()) return Errc::wrong_loop;
  return {};
}

std::error_code CoroutinePool::wait_idle(Timeout timeout) noexcept {
  if (const auto error = admit()) return error;
  if (detail::current_thread()->stack().pool == &stacks_) {
    return std::make_error_code(std::errc::resource_deadlock_would_occur);
  }
  return working_.wait(timeout);
}

CoroutinePool::Turn::Turn(CoroutinePool& its_pool) noexcept
    : pool(its_pool), working(its_pool.working_) {
  ++pool.turns_;
  if (pool.loop_->loop == nullptr) {
    error = Errc::no_loop;
  } else if (pool.turns_ > 1 || !pool.turn_.try_lock()) {
    error = stacks::StackError::all_taken;
  }
}

CoroutinePool::Turn::Turn(CoroutinePool& its_pool, Timeout its_timeout) noexcept
    : pool(its_pool), timeout(its_timeout), error(its_pool.admit()), working(its_pool.working_) {
  ++pool.turns_;
  if (timeout.may_wait()) timeout = timeout.deadline();
  if (!error) error = pool.turn_.lock(timeout);
}

CoroutinePool::Turn::~Turn() {
  if (!error) pool.turn_.unlock();
  --pool.turns_;
}

}  // namespace evcoro
