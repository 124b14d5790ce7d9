// offload(): runs what would block the OS thread in a worker thread, and parks the calling
// coroutine thread meanwhile. WorkerPool: the worker threads, and the queue before them.
//
//   const Result<Image> image = offload([file = path] { return decode(file); }, 3s);
//   if (!image) return image.error();                        // timed_out, and so on
//
//   WorkerPool pool{{.max_workers = 4, .queue_limit = 100}};  // instead of WorkerPool::shared()
//   offload(pool, [] { return ::getaddrinfo(...); });
//
// What the function returns comes back to the caller, and what it throws is thrown there. The
// function is moved (or copied) into a job of its own. When the caller's wait ends before the job,
// at its deadline or by cancellation, a job that has not begun is taken off the queue and never
// runs; one that has goes on, and its result is destroyed, mostly in the worker. So the function
// must refer to nothing that may have gone by then: capture by value, or by std::shared_ptr.
//
// The function runs in another OS thread than its caller: it must not use the caller's loop, nor
// what belongs to that, and no blocking call of evcoro (Errc::not_in_a_thread). It may make a loop
// of its own. It is destroyed where it has run, before the caller goes on.
//
// Jobs begin in the order in which they were offered, whichever loop they come from.
#pragma once

#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include <evcoro/error.hpp>
#include <evcoro/result.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

namespace evcoro {

class WorkerPool;

// QueuePolicy says what is done when a pool's queue is full.
enum class QueuePolicy {
  wait,  // wait in line for a place, first come first served
  fail,  // Errc::queue_full at once
};

namespace detail {

class WorkerPoolCore;

// OffloadJob is a function on its way to a worker, and its result on the way back.
class EVCORO_API OffloadJob {
 public:
  virtual ~OffloadJob() = default;
  void run() noexcept;  // in the worker
  void rethrow_failure() const {
    if (failure_ != nullptr) std::rethrow_exception(failure_);
  }

 private:
  friend class WorkerPoolCore;
  virtual void call() = 0;
  virtual void destroy_function() noexcept = 0;

  std::exception_ptr failure_;
};

template <class Function, class T>
class FunctionJob final : public OffloadJob {
  struct Nothing {};
  using Value = std::conditional_t<std::is_void_v<T>, Nothing, T>;

 public:
  template <class F>
  explicit FunctionJob(F&& function)  // NOLINT(bugprone-forwarding-reference-overload)
      : function_(std::in_place, std::forward<F>(function)) {}

  Result<T> take_result() {
    rethrow_failure();
    if constexpr (std::is_void_v<T>) {
      return {};
    } else {
      return std::move(*result_);
    }
  }

 private:
  void call() override {
    if constexpr (std::is_void_v<T>) {
      std::move (*function_)();
    } else {
      result_.emplace(std::move(*function_)());
    }
  }
  void destroy_function() noexcept override { function_.reset(); }

  std::optional<Function> function_;
  std::optional<Value> result_;
};

template <class T>
struct OffloadValue {
  static_assert(!std::is_reference_v<T>,
                "offload(): the function returns a reference, into another OS thread and to what "
                "may be gone; let it return a value, or, if that is meant, a pointer");
  using Type = std::remove_cvref_t<T>;
};
template <class F>
using OffloadResult = typename OffloadValue<std::invoke_result_t<std::decay_t<F>>>::Type;

// run_in_worker() waits until a worker has run the job. After an error its result is nobody's.
EVCORO_API std::error_code run_in_worker(WorkerPool& pool, const std::shared_ptr<OffloadJob>& job,
                                         QueuePolicy policy, Timeout timeout);

}  // namespace detail

// WorkerPoolOptions are for WorkerPool.
struct WorkerPoolOptions {
  std::size_t max_workers = 16;    // OS threads at most
  std::size_t queue_limit = 1024;  // jobs that may wait for a worker
  std::chrono::milliseconds idle_time = std::chrono::seconds{10};  // a worker ends after that
  std::string name = "evcoro-worker";  // of the OS threads, cut to 15 characters
};

// A WorkerPool may be used by any number of loops, in any OS threads, at once. Its workers are
// started when there is something to do, and end when they have been idle. They block all signals
// but those that faults raise (SIGSEGV and its like).
//
// In a child of fork(2) there are no workers: there a pool of the parent's refuses
// (Errc::parents_pool), and its destruction does nothing.
class EVCORO_API WorkerPool {
 public:
  using Options = WorkerPoolOptions;

  // Throws std::system_error (EINVAL) if there could be no worker.
  explicit WorkerPool(Options options = {});

  // The destructor waits for the jobs that have begun; their callers get the results. Those that
  // have not never run; their callers return operation_canceled. To be called by no job.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // shared() is the process's pool, with the default options, made at the first call; a child of
  // fork(2) gets its own. It is never destroyed: what runs when the process exits ends with it, and
  // what has not begun by then is not begun.
  static WorkerPool& shared();

  // For statistics: it may be over before one has read it. waiting counts the jobs that have not
  // begun, also those that wait for a place in the queue.
  struct Counters {
    std::size_t workers = 0;
    std::size_t running = 0;
    std::size_t waiting = 0;
  };
  Counters counters() const noexcept;

 private:
  struct Shared;
  friend std::error_code detail::run_in_worker(WorkerPool& pool,
                                               const std::shared_ptr<detail::OffloadJob>& job,
                                               QueuePolicy policy, Timeout timeout);
  std::shared_ptr<detail::WorkerPoolCore> core_;
};

// offload() runs function() in a worker of pool, and returns its result, or throws what it has
// thrown. To be called in a thread. Errors: timed_out, operation_canceled, Errc::queue_full,
// not_in_a_thread, parents_loop, parents_pool; resource_unavailable_try_again or not_enough_memory
// if there is no worker and none can be started. The function has not been run to its end then, or
// its result is dropped. With no_wait it never begins.
template <class F>
Result<detail::OffloadResult<F>> offload(WorkerPool& pool, QueuePolicy policy, F&& function,
                                         Timeout timeout = {}) {
  using T = detail::OffloadResult<F>;
  const auto job =
      std::make_shared<detail::FunctionJob<std::decay_t<F>, T>>(std::forward<F>(function));
  if (const auto error = detail::run_in_worker(pool, job, policy, timeout)) {
    return Failure{error};
  }
  return job->take_result();
}

template <class F>
Result<detail::OffloadResult<F>> offload(WorkerPool& pool, F&& function, Timeout timeout = {}) {
  return offload(pool, QueuePolicy::wait, std::forward<F>(function), timeout);
}

template <class F>
Result<detail::OffloadResult<F>> offload(F&& function, Timeout timeout = {}) {
  return offload(WorkerPool::shared(), QueuePolicy::wait, std::forward<F>(function), timeout);
}

}  // namespace evcoro
