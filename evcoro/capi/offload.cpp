#include <evcoro/offload.h>

#include <exception>

#include <evcoro/capi/context.hpp>
#include <evcoro/capi/objects.hpp>
#include <evcoro/offload.hpp>

using namespace evcoro::capi;
using evcoro::QueuePolicy;
using evcoro::WorkerPool;

struct tagEVWORKERS {
  explicit tagEVWORKERS(evcoro::WorkerPoolOptions options) : pool(std::move(options)) {}
  WorkerPool pool;
};

namespace {

// The context belongs to the job until its caller has it back.
struct Outcome {
  int result;
  Context context;
  std::exception_ptr failure;
};

// What leaves the function nobody in C could take: it comes back as a failure.
Outcome call(EVOFFLOAD_PROC proc, Context context) noexcept try {
  const int result = proc(context.get());
  return {result, std::move(context), nullptr};
} catch (...) {
  return {-1, std::move(context), std::current_exception()};
}

int report(const std::exception_ptr& failure) try { std::rethrow_exception(failure); } catch (...) {
  report_as_caught();
  return fail(ENOTRECOVERABLE);
}

int run(EVWORKERS* workers, QueuePolicy policy, EVOFFLOAD_PROC proc, Context context,
        timeval timeout, int* result) noexcept try {
  if (proc == nullptr) return fail(EINVAL);
  auto job = [proc, c = std::move(context)]() mutable { return call(proc, std::move(c)); };
  WorkerPool& pool = workers == nullptr ? WorkerPool::shared() : workers->pool;
  auto outcome = evcoro::offload(pool, policy, std::move(job), to_timeout(timeout));
  if (!outcome) return fail(outcome.error());
  if (outcome->failure != nullptr) return report(outcome->failure);
  (void)outcome->context.release();
  if (result != nullptr) *result = outcome->result;
  return 0;
} catch (...) {
  return fail_as_caught();
}

}  // namespace

EVWORKERS* EVWORKERS_init(size_t max_workers, size_t queue_limit) noexcept try {
  return new EVWORKERS({.max_workers = max_workers, .queue_limit = queue_limit});
} catch (...) {
  fail_as_caught();
  return nullptr;
}

int EVWORKERS_free(EVWORKERS* workers) noexcept {
  if (workers == nullptr) return fail(EINVAL);
  delete workers;
  return 0;
}

int EVOFFLOAD_run(EVWORKERS* workers, EVOFFLOAD_PROC proc, void* ctx, void (*discard)(void* ctx),
                  struct timeval timeout, int* result) noexcept {
  return run(workers, QueuePolicy::wait, proc, Context{ctx, {discard}}, timeout, result);
}

int EVOFFLOAD_try_run(EVWORKERS* workers, EVOFFLOAD_PROC proc, void* ctx,
                      void (*discard)(void* ctx), struct timeval timeout, int* result) noexcept {
  return run(workers, QueuePolicy::fail, proc, Context{ctx, {discard}}, timeout, result);
}
