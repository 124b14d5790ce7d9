// CoroutinePool: a fixed number of workers, each of which runs one function at a time as a thread
// of its own. Who comes when all are busy waits for one.
//
//   evcoro::CoroutinePool pool{loop, {.size = 8, .stack_size = 64 * 1024, .name = "renderer"}};
//
//   evcoro::Result renderer = pool.spawn([&] { return render(page); }, 3s);   // in a thread
//   if (!renderer) return renderer.error();     // timed_out: all 8 were busy for three seconds
//   const Image image = renderer->join().value();
//
// First come, first served. A worker is a stack: it is free again when its thread has ended and its
// handle has been joined or detached, or has gone. So who keeps the handles of many threads must
// not spawn more than there are workers before joining.
//
// Stacks are made when they are first needed, and their memory is used again: the loop's own stacks
// are not touched. A pool belongs to its loop, and is used in the loop's OS thread only. Handles of
// its threads go before it; it may go before the loop or after.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include <evcoro/loop.hpp>
#include <evcoro/result.hpp>
#include <evcoro/sync/mutex.hpp>
#include <evcoro/sync/wait_group.hpp>
#include <evcoro/thread.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>
#include <stacks/stack_pool.hpp>

namespace evcoro {

namespace detail {

class CoroutinePoolLoop;

// Working counts in a group as long as it lives.
class Working {
 public:
  explicit Working(WaitGroup& group) noexcept : group_(&group) { group.add(); }
  Working(Working&& other) noexcept : group_(std::exchange(other.group_, nullptr)) {}
  Working& operator=(Working&&) = delete;
  ~Working() {
    if (group_ != nullptr) group_->done();
  }

 private:
  WaitGroup* group_;
};

template <class Function>
struct Work {
  decltype(auto) operator()() { return function(); }
  Working working;  // goes after the function
  Function function;
};

}  // namespace detail

// CoroutinePoolOptions are for CoroutinePool.
struct CoroutinePoolOptions {
  std::size_t size = 16;               // workers; at least one
  std::size_t stack_size = 16 * 1024;  // of each, in bytes, rounded up to whole pages
  std::string name = {};               // of its threads; cut to 31 characters
};

class EVCORO_API CoroutinePool {
 public:
  // Throws std::bad_alloc, and std::system_error: invalid_argument for a size or stack_size of
  // zero.
  explicit CoroutinePool(Loop& loop, CoroutinePoolOptions options = {});

  // The destructor requests a stop of the threads that run, and waits until they have ended,
  // ignoring cancellation of the calling thread meanwhile. Outside a thread it drives the loop;
  // where that can't be (inside a callback of the loop) and they don't stop without I/O, it is a
  // misuse. So it is while another thread waits in spawn(), while there are handles of its threads,
  // and in a thread of its own.
  ~CoroutinePool();
  CoroutinePool(const CoroutinePool&) = delete;
  CoroutinePool& operator=(const CoroutinePool&) = delete;

  // spawn() waits for a free worker, and spawns a thread that runs function() on it. To be called
  // in a thread of the loop. Errors: timed_out, operation_canceled, Errc::not_in_a_thread,
  // Errc::wrong_loop, Errc::no_loop, and those of Loop::spawn(). What copying or moving function
  // throws passes through.
  template <class F>
  Result<Thread<detail::ThreadResult<F>>> spawn(F&& function, Timeout timeout = {},
                                                SourceLocation where = SourceLocation::current()) {
    Turn turn{*this, timeout};
    if (turn.error) return Failure{turn.error};
    return loop().spawn_wait(options(where), work(turn, std::forward<F>(function)), turn.timeout);
  }

  // try_spawn() never waits, and works outside of threads, too. Errors: StackError::all_taken, that
  // is EAGAIN, if no worker is free, or if others wait for one; Errc::no_loop, and those of
  // Loop::spawn().
  template <class F>
  Result<Thread<detail::ThreadResult<F>>> try_spawn(
      F&& function, SourceLocation where = SourceLocation::current()) {
    Turn turn{*this};
    if (turn.error) return Failure{turn.error};
    return loop().spawn(options(where), work(turn, std::forward<F>(function)));
  }

  // resize() changes the number of workers. If there are more, those who wait get them; if there
  // are fewer, those that are busy beyond that finish what they do. Errors: invalid_argument for
  // zero.
  std::error_code resize(std::size_t size) noexcept { return stacks_.set_capacity(size); }

  // wait_idle() waits until no function runs, nor waits for a worker. To be called in a thread of
  // the loop. Errors: timed_out, operation_canceled, Errc::not_in_a_thread, Errc::wrong_loop,
  // Errc::no_loop, resource_deadlock_would_occur in a thread of the pool.
  [[nodiscard]] std::error_code wait_idle(Timeout timeout = {}) noexcept;

  // size() is how many workers there are, available() how many of them are free, running() how many
  // functions run or wait for one.
  std::size_t size() const noexcept { return stacks_.statistics().capacity; }
  std::size_t available() const noexcept { return stacks_.available(); }
  std::size_t running() const noexcept { return working_.missing(); }

  // stacks() is what the workers are: for their statistics, and to trim() those that are free.
  stacks::StackPool& stacks() noexcept { return stacks_; }

 private:
  // Turn is the right to take the next free worker, for which spawn()s stand in line.
  struct Turn {
    explicit Turn(CoroutinePool& its_pool) noexcept;
    Turn(CoroutinePool& its_pool, Timeout its_timeout) noexcept;
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

    CoroutinePool& pool;
    Timeout timeout;        // what is left of it
    std::error_code error;  // why it has not come
    detail::Working working;
  };

  template <class F>
  static detail::Work<std::decay_t<F>> work(Turn& turn, F&& function) {
    return {std::move(turn.working), std::forward<F>(function)};
  }
  SpawnOptions options(const SourceLocation& where) noexcept {
    return {.name = name_, .stacks = &stacks_, .where = where};
  }
  Loop& loop() const noexcept;
  std::error_code admit() const noexcept;

  const std::string name_;
  stacks::StackPool stacks_;
  std::unique_ptr<detail::CoroutinePoolLoop> loop_;  // knows whether it has gone
  Mutex turn_;
  std::size_t turns_ = 0;  // those that have come, and that are waited for
  WaitGroup working_;
};

}  // namespace evcoro
