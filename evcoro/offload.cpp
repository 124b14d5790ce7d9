#include <evcoro/offload.hpp>

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <list>
#include <mutex>
#include <new>
#include <thread>

#include <evcoro/detail/deadlock_watch.hpp>
#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/detail/process.hpp>
#include <evcoro/detail/signal_masks.hpp>
#include <evcoro/detail/waiter.hpp>
#include <stacks/report.hpp>

namespace evcoro {
namespace detail {
namespace {

class Offer;

// OfferOver is posted to the loop of the thread that waits.
struct OfferOver final : Posted {
  void run() override;
  std::shared_ptr<Offer> offer;
};

// Offer is a job with the thread that waits for it.
class Offer {
 public:
  enum class State { waiting, running, done, refused, withdrawn };

  Offer(LoopCore& its_core, std::shared_ptr<OffloadJob> its_job)
      : core(its_core), job(std::move(its_job)) {}

  Waiter waiter;         // this and is_over are used in the loop's OS thread only
  bool is_over = false;  // done, or refused

  // Guarded by the pool's mutex.
  State state = State::waiting;
  LoopCore& core;  // good until it is withdrawn, since its thread waits until then
  std::shared_ptr<OffloadJob> job;
  std::unique_ptr<OfferOver> message = std::make_unique<OfferOver>();
  std::list<std::shared_ptr<Offer>>::iterator place;  // in the queue, while it is waiting
};

void OfferOver::run() {
  const std::unique_ptr<OfferOver> self{this};
  offer->is_over = true;
  offer->waiter.wake();
}

// All signals are blocked while this is in place, and in OS threads that are started then; but not
// those that tell of faults.
class SignalsBlocked {
 public:
  SignalsBlocked() noexcept {
    sigset_t all;
    sigfillset(&all);
    for (int signal = 1; signal < NSIG; ++signal) {
      if (is_fault(signal)) sigdelset(&all, signal);
    }
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace

void OffloadJob::run() noexcept {
  try {
    call();
  } catch (...) {
    failure_ = std::current_exception();
  }
  destroy_function();
}

// Each worker has a reference, so that it can end by itself.
class WorkerPoolCore : public std::enable_shared_from_this<WorkerPoolCore> {
 public:
  explicit WorkerPoolCore(WorkerPoolOptions options) : options_(std::move(options)) {}

  bool is_foreign() const noexcept { return process_ != process_number(); }
  std::error_code run(const std::shared_ptr<OffloadJob>& job, QueuePolicy policy, Timeout timeout);
  void shut_down() noexcept;
  void retire() noexcept;
  WorkerPool::Counters counters() const noexcept;

 private:
  struct Worker {
    std::thread thread;
    bool is_busy = false;
  };
  using Workers = std::list<Worker>;

  std::error_code enter(const std::shared_ptr<Offer>& offer, QueuePolicy policy, bool may_wait);
  std::error_code leave(Offer& offer, std::error_code error) noexcept;
  bool is_full() const noexcept;
  std::error_code start_worker();
  void work(Workers::iterator self) noexcept;
  bool wait_for_work(std::unique_lock<std::mutex>& lock) noexcept;
  void run_next(std::unique_lock<std::mutex>& lock) noexcept;
  void end(std::shared_ptr<Offer> offer, Offer::State state) noexcept;

  const WorkerPoolOptions options_;
  const int process_ = watch_forks();
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable work_;
  std::list<std::shared_ptr<Offer>> queue_;  // and those who wait for a place in it
  Workers workers_;
  std::size_t idle_ = 0;  // workers that wait for work
  std::size_t running_ = 0;
  bool shutting_down_ = false;
};

// --- in the loop's OS thread ---

std::error_code WorkerPoolCore::run(const std::shared_ptr<OffloadJob>& job, QueuePolicy policy,
                                    Timeout timeout) {
  if (is_foreign()) return Errc::parents_pool;
  ThreadTask* const thread = current_thread();
  if (thread == nullptr) return Errc::not_in_a_thread;
  if (const auto error = admit(&thread->core())) return error;
  Patience patience{timeout};
  const auto offer = std::make_shared<Offer>(thread->core(), job);
  std::error_code error = enter(offer, policy, timeout.may_wait());
  if (error) return error;
  while (!offer->is_over && !error) error = offer->waiter.wait(patience, "a worker");
  return leave(*offer, error);
}

bool WorkerPoolCore::is_full() const noexcept {
  const std::size_t held = running_ + queue_.size();
  return held >= options_.max_workers && held - options_.max_workers >= options_.queue_limit;
}

std::error_code WorkerPoolCore::enter(const std::shared_ptr<Offer>& offer, QueuePolicy policy,
                                      bool may_wait) {
  const std::lock_guard lock{mutex_};
  if (is_full() && (policy == QueuePolicy::fail || !may_wait)) return Errc::queue_full;
  if (!may_wait) return to_error(corothread::Wake::timed_out);
  if (shutting_down_) return to_error(corothread::Wake::cancelled);
  offer->place = queue_.insert(queue_.end(), offer);
  if (queue_.size() > idle_ && workers_.size() < options_.max_workers) {
    const auto error = start_worker();
    if (error && workers_.empty()) {
      queue_.erase(offer->place);
      return error;
    }
  }
  work_.notify_one();
  return {};
}

// A job that is done counts although the deadline has come, but not in a cancelled thread.
std::error_code WorkerPoolCore::leave(Offer& offer, std::error_code error) noexcept {
  std::shared_ptr<OffloadJob> job;  // goes after the lock
  const std::lock_guard lock{mutex_};
  job = std::move(offer.job);
  const auto state = std::exchange(offer.state, Offer::State::withdrawn);
  if (state == Offer::State::waiting) queue_.erase(offer.place);
  if (state == Offer::State::refused) return to_error(corothread::Wake::cancelled);
  const bool is_cancelled = error == std::errc::operation_canceled;
  return state == Offer::State::done && !is_cancelled ? std::error_code{} : error;
}

std::error_code WorkerPoolCore::start_worker() {
  const SignalsBlocked blocked;
  Workers added;
  try {
    const auto worker = added.emplace(added.end());
    worker->thread = std::thread{[self = shared_from_this(), worker] { self->work(worker); }};
  } catch (const std::system_error& error) {
    return error.code();
  } catch (const std::bad_alloc&) {
    return system_error(ENOMEM);
  }
  workers_.splice(workers_.end(), added);  // it begins by waiting for the mutex
  return {};
}

// --- in a worker ---

void WorkerPoolCore::work(Workers::iterator self) noexcept {
  ::pthread_setname_np(::pthread_self(), options_.name.c_str());
  std::unique_lock lock{mutex_};
  while (wait_for_work(lock)) {
    self->is_busy = true;
    run_next(lock);
    self->is_busy = false;
  }
  if (shutting_down_) return;  // to be joined
  self->thread.detach();
  workers_.erase(self);
}

// False: the worker ends.
bool WorkerPoolCore::wait_for_work(std::unique_lock<std::mutex>& lock) noexcept {
  const bool counts = DeadlockWatch::of_process().is_on();
  if (counts) {  // which may tell the application's sink
    lock.unlock();
    DeadlockWatch::of_process().add_idle();
    lock.lock();
  }
  ++idle_;
  work_.wait_for(lock, options_.idle_time, [&] { return !queue_.empty() || shutting_down_; });
  --idle_;
  if (counts) DeadlockWatch::of_process().remove_idle();
  return !queue_.empty() && !shutting_down_;
}

void WorkerPoolCore::run_next(std::unique_lock<std::mutex>& lock) noexcept {
  std::shared_ptr<Offer> offer = std::move(queue_.front());
  queue_.pop_front();
  offer->state = Offer::State::running;
  std::shared_ptr<OffloadJob> job = offer->job;
  ++running_;
  lock.unlock();
  job->run();
  job.reset();  // destroys the result if nobody waits; otherwise it is the caller's alone from here
  lock.lock();
  --running_;
  if (offer->state == Offer::State::running) end(std::move(offer), Offer::State::done);
}

// Tells the thread that waits. Its loop can't go meanwhile: the thread would have to get past
// leave().
void WorkerPoolCore::end(std::shared_ptr<Offer> offer, Offer::State state) noexcept {
  Offer& it = *offer;
  it.state = state;
  it.message->offer = std::move(offer);
  it.core.post(std::move(it.message));
}

// --- in any OS thread ---

void WorkerPoolCore::shut_down() noexcept {
  Workers workers;
  {
    const std::lock_guard lock{mutex_};
    shutting_down_ = true;
    for (auto& each : queue_) end(std::move(each), Offer::State::refused);
    queue_.clear();
    workers.swap(workers_);
  }
  work_.notify_all();
  for (Worker& each : workers) {
    if (each.thread.get_id() == std::this_thread::get_id()) {
      stacks::misuse("a WorkerPool was destroyed by a job of its own; destroy it elsewhere");
    }
    each.thread.join();
  }
}

// At the end of the process: no job begins any more, and who works at none ends. The others end
// with the process, since nobody knows how long they would take.
void WorkerPoolCore::retire() noexcept {
  Workers idle;
  {
    const std::lock_guard lock{mutex_};
    shutting_down_ = true;
    for (auto each = workers_.begin(); each != workers_.end();) {
      const auto worker = each++;
      if (!worker->is_busy) idle.splice(idle.end(), workers_, worker);
    }
  }
  work_.notify_all();
  for (Worker& each : idle) each.thread.join();
}

WorkerPool::Counters WorkerPoolCore::counters() const noexcept {
  if (is_foreign()) return {};
  const std::lock_guard lock{mutex_};
  return {.workers = workers_.size(), .running = running_, .waiting = queue_.size()};
}

std::error_code run_in_worker(WorkerPool& pool, const std::shared_ptr<OffloadJob>& job,
                              QueuePolicy policy, Timeout timeout) {
  const auto core = pool.core_;  // which may outlive the pool here
  return core->run(job, policy, timeout);
}

}  // namespace detail

WorkerPool::WorkerPool(Options options) {
  if (options.max_workers == 0) {
    throw std::system_error(detail::system_error(EINVAL), "WorkerPool: max_workers is 0");
  }
  options.idle_time = detail::clamp_option(options.idle_time);
  options.name.resize(std::min<std::size_t>(options.name.size(), 15));
  core_ = std::make_shared<detail::WorkerPoolCore>(std::move(options));
}

WorkerPool::~WorkerPool() {
  if (core_->is_foreign()) {  // its mutex may be locked for ever
    new (std::nothrow) std::shared_ptr<detail::WorkerPoolCore>(std::move(core_));
  } else {
    core_->shut_down();
  }
}

// The shared pool of this process, which is never destroyed, but retires with the process.
struct WorkerPool::Shared {
  ~Shared() {
    const WorkerPool* const it = pool;
    if (it != nullptr && !it->core_->is_foreign()) it->core_->retire();
  }

  std::atomic<WorkerPool*> pool{nullptr};
};

WorkerPool& WorkerPool::shared() {
  static Shared the_shared;
  WorkerPool* pool = the_shared.pool;
  while (pool == nullptr || pool->core_->is_foreign()) {
    auto fresh = std::make_unique<WorkerPool>();
    if (the_shared.pool.compare_exchange_strong(pool, fresh.get())) return *fresh.release();
  }
  return *pool;
}

WorkerPool::Counters WorkerPool::counters() const noexcept { return core_->counters(); }

}  // namespace evcoro
