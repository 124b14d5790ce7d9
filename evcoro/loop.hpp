// Loop: an event loop that coroutine threads run on. It has an event_base of its own, or lives in
// one that the application made.
//
//   evcoro::Loop loop{{.capacity = 100, .stack_size = 16 * 1024}};
//   loop.spawn({.name = "hello"}, [] {
//     evcoro::this_thread::sleep_for(1s);
//     std::puts("hello");
//   }).value().detach();
//   loop.run();   // until all threads have ended, or stop()
//
// In an application that has an event_base, and dispatches it as ever:
//
//   evcoro::Loop loop{{.capacity = 100}, base};
//   ...
//   event_base_dispatch(base);   // runs the threads too
//
// A loop and all that belongs to it is used from one OS thread: the one that drives it. Only stop()
// and post() may be called from any, and must have returned before the loop is destroyed.
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <corothread/task.hpp>
#include <evcoro/detail/owned.hpp>
#include <evcoro/error.hpp>
#include <evcoro/net/token_bucket.hpp>
#include <evcoro/result.hpp>
#include <evcoro/thread.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>
#include <stacks/stack_pool.hpp>

struct event_base;

namespace evcoro {

namespace detail {

// Posted is a function on its way to a loop.
struct Posted {
  virtual ~Posted() = default;

  // run() runs it in the loop's OS thread, and deletes it, or has it deleted later.
  virtual void run() = 0;
  Posted* next = nullptr;
};

template <class Function>
struct PostedFunction final : Posted {
  explicit PostedFunction(Function f) : function(std::move(f)) {}
  void run() override {
    const std::unique_ptr<PostedFunction> self{this};
    function();
  }
  Function function;
};

}  // namespace detail

class EVCORO_API Loop {
 public:
  // Why run() returned.
  enum class End {
    stopped,  // stop() was called
    idle,     // nothing is left: no thread, no acceptor, no pending event of the application
    aborted,  // abort() was called, and all threads have ended
  };

  // ExceptionHandler gets the exceptions that nobody joins for, in the OS thread of the loop. It
  // must not block.
  using ExceptionHandler =
      std::function<void(const ThreadInfo& thread, std::exception_ptr exception)>;

  // A loop on a pool that the caller owns; the pool must outlive it, and serves one loop only. base
  // is the application's event_base, which must outlive the loop and is never freed by it; without
  // one the loop makes its own. Throws std::system_error.
  explicit Loop(stacks::StackPool& pool, event_base* base = nullptr);

  // A loop with a pool of its own.
  explicit Loop(stacks::StackPool::Options stacks, event_base* base = nullptr);

  // Cancels (CancelReason::shutdown) the threads that are left and lets them run to their end
  // without further I/O. If some do not end, it reports which and terminates, as std::thread would:
  // call shutdown() before. Handles of its threads go before a loop that has a pool of its own.
  ~Loop();

  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // current() is the loop of the running thread, or nullptr outside one.
  static Loop* current() noexcept;

  // run() drives the event_base until stop() or until nothing is left to do. It can be called
  // again; the threads are as they were. Not to be called by a thread or callback of this loop:
  // that throws std::logic_error, as it does in run_once().
  End run();

  // run_once() makes one pass: waits for something to happen, until timeout, and handles it. A
  // stop() ends the wait, and is left for run() or for the application's dispatch.
  void run_once(Timeout timeout = {});

  // stop() makes run() return, or the next one if none is under way; in a base that the application
  // drives, it breaks the dispatch. Any OS thread may call it.
  void stop() noexcept;

  // abort() cancels all threads (CancelReason::shutdown) and stops the acceptors; until the threads
  // have ended nothing new is spawned. run() goes on until then, and returns End::aborted; in a
  // base that the application drives, nothing more is done. The loop can be used again. Any OS
  // thread may call it.
  void abort() noexcept;

  // post() runs function() in the OS thread of the loop, outside any thread: it must not block, but
  // may spawn. In order of posting. Any OS thread may call it. Posts alone don't keep run() from
  // returning; what is posted then waits for the next run(), and is destroyed with the loop. An
  // exception goes to the exception handler.
  template <class F>
  void post(F&& function) {
    post_function(
        std::make_unique<detail::PostedFunction<std::decay_t<F>>>(std::forward<F>(function)));
  }

  // spawn() makes a thread that runs function(), and queues it (see SpawnOptions::at_once). Errors:
  // EAGAIN if the pool has no stack left, ENOMEM, E2BIG if the function is too large for the stack,
  // Errc::loop_shutting_down. What copying or moving function throws passes through.
  template <class F>
  Result<Thread<detail::ThreadResult<F>>> spawn(const SpawnOptions& options, F&& function) {
    using T = detail::ThreadResult<F>;
    std::error_code error;
    stacks::StackPool* const pool = pool_for_spawn(options, error);
    if (pool == nullptr) return error;
    auto* const task = corothread::make_task<detail::FunctionTask<std::decay_t<F>, T>>(
        *pool, error, *core_, options, std::forward<F>(function));
    if (task == nullptr) return error;
    options.at_once ? scheduler_->start_at_once(*task) : scheduler_->start(*task);
    return Thread<T>{*task};
  }

  template <detail::ThreadFunction F>
  Result<Thread<detail::ThreadResult<F>>> spawn(F&& function,
                                                SourceLocation where = SourceLocation::current()) {
    return spawn(SpawnOptions{.where = where}, std::forward<F>(function));
  }

  // spawn_wait() waits for a stack if there is none, first come first served among those who wait.
  // To be called in a thread.
  template <class F>
  Result<Thread<detail::ThreadResult<F>>> spawn_wait(const SpawnOptions& options, F&& function,
                                                     Timeout timeout = {}) {
    if (const auto error = wait_for_stack(options, timeout)) return error;
    auto thread = spawn(options, std::forward<F>(function));
    if (!thread) pool_of(options).pass_on();  // the stack goes to the next who waits
    return thread;
  }

  // shutdown() cancels all threads but the calling one (CancelReason::shutdown), stops its
  // acceptors, and waits for the threads to end; meanwhile nothing new is spawned. Returns those
  // that have not ended by the deadline: none, if all is well. It may be called in a thread,
  // outside (then it drives the loop), and in a callback of the base, where it can't wait for I/O
  // and so gives cancelled threads the chance to end without.
  // Threads that it returns go on, and so does a run() that is under way; see stop().
  std::vector<ThreadInfo> shutdown(Timeout timeout);

  // own() keeps value until the loop is destroyed, after its threads have ended, and returns a
  // reference to it. The last is destroyed first.
  template <class T>
  std::decay_t<T>& own(T&& value) {
    auto* const owned = new detail::OwnedValue<std::decay_t<T>>(std::forward<T>(value));
    owned_.add(*owned);
    return owned->value;
  }

  // owned() is for the library's own use.
  detail::OwnedList& owned() noexcept { return owned_; }

  // set_bandwidth() throttles the stream sockets that are made in the loop from now on, all
  // together; see Socket::set_bandwidth().
  void set_bandwidth(Bandwidth bandwidth) noexcept;

  // set_event_priority() gives the events of the loop, and those that it adds from now on, a
  // priority among the application's: 0 is first, see event_base_priority_init(); without it they
  // have libevent's, in the middle. Errors: invalid_argument if the base has no such priority,
  // device_or_resource_busy inside of a callback of the base.
  std::error_code set_event_priority(int priority) noexcept;

  // threads() lists the live threads.
  std::vector<ThreadInfo> threads() const;
  std::size_t thread_count() const noexcept;

  // load() is thread_count() as of the loop's last pass; any OS thread may ask.
  std::size_t load() const noexcept;

  // The default handler reports the thread and what() to the sink of stacks/report.hpp. Throws
  // std::bad_alloc.
  void set_exception_handler(ExceptionHandler handler);

  event_base* base() const noexcept;
  stacks::StackPool& stacks() const noexcept;

  // core() is for the library's own use.
  detail::LoopCore& core() const noexcept { return *core_; }

 private:
  stacks::StackPool* pool_for_spawn(const SpawnOptions& options, std::error_code& error) noexcept;
  stacks::StackPool& pool_of(const SpawnOptions& options) const noexcept;
  std::error_code wait_for_stack(const SpawnOptions& options, Timeout timeout) noexcept;
  void post_function(std::unique_ptr<detail::Posted> function) noexcept;

  std::unique_ptr<stacks::StackPool> own_stacks_;
  std::unique_ptr<detail::LoopCore> core_;
  detail::OwnedList owned_;           // goes before the core, since it may have events there
  corothread::Scheduler* scheduler_;  // the core's
};

}  // namespace evcoro
