// Scope: structured concurrency. The threads that are spawned into a scope have ended when it ends.
//
//   std::string page;
//   Image image;
//   {
//     Scope scope{3s};                                      // for all that follows, 3 s together
//     scope.spawn([&] { page = fetch(url); }).value();
//     scope.spawn([&] { image = load(file); }).value();
//     scope.wait();                                         // throws what the first has thrown
//   }
//
// - The first thread to fail cancels the others (CancelReason::failure), and the thread that opened
//   the scope. Failed has a thread whose function throws, or returns an error_code or a Result that
//   holds an error; wait() throws the exception, or returns the error.
// - The scope's deadline cancels all of them, too (CancelReason::deadline): blocking calls within,
//   also those of the thread that opened it, need no deadline of their own. Scopes nest: what they
//   open within ends with them at the latest.
// - Who cancels a thread cancels all that it has spawned into its scopes, and so on.
// - Leaving the block joins. If an exception leaves it, what is left is cancelled before.
// - The cancellation of the thread that opened the scope ends with the scope, unless it is for the
//   whole thread.
//
// A section that cancellation from outside does not reach, for cleaning up:
//
//   Scope cleaning_up{2s, Scope::Shielded{}};
//   socket.send("QUIT\r\n");                                // works in a cancelled thread, too
//
// A Scope belongs to the thread that makes it, which must destroy it, in reverse order of making;
// so it is an automatic variable. Other threads of the loop may spawn into it and cancel it.
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <system_error>
#include <type_traits>
#include <utility>

#include <corothread/timer_wheel.hpp>
#include <evcoro/loop.hpp>
#include <evcoro/result.hpp>
#include <evcoro/thread.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>
#include <stacks/intrusive_list.hpp>

namespace evcoro {

namespace detail {

template <class T>
inline constexpr bool is_result = false;
template <class T>
inline constexpr bool is_result<Result<T>> = true;

// error_in() is the error that what a thread's function has returned stands for, if any.
template <class T>
std::error_code error_in(const T& returned) noexcept {
  if constexpr (std::is_same_v<T, std::error_code>) {
    return returned;
  } else if constexpr (is_result<T>) {
    return returned.error();
  } else {
    return {};
  }
}

}  // namespace detail

class EVCORO_API Scope : private corothread::TimerNode {
 public:
  struct Shielded {};

  // timeout counts from here. Outside a thread this is a misuse, which terminates.
  explicit Scope(Timeout timeout = {}) noexcept : Scope(timeout, false) {}

  // A scope that its thread's cancellation does not reach, nor that of the scopes around it, whose
  // deadlines don't hold in it either. Its own cancellation and deadline do.
  Scope(Timeout timeout, Shielded) noexcept : Scope(timeout, true) {}

  // The destructor waits until all threads have ended, whether its own is cancelled or not. A
  // failure that wait() has not handed out goes to the loop's exception handler.
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  // spawn() is Loop::spawn() of a thread that belongs to the scope. The error operation_canceled
  // says that the scope is cancelled.
  template <class F>
  Result<void> spawn(const SpawnOptions& options, F&& function) {
    if (const auto error = admit()) return error;
    return adopt(
        loop().spawn(options, ScopedFunction<std::decay_t<F>>{*this, std::forward<F>(function)}));
  }
  template <detail::ThreadFunction F>
  Result<void> spawn(F&& function, SourceLocation where = SourceLocation::current()) {
    return spawn(SpawnOptions{.where = where}, std::forward<F>(function));
  }

  // spawn_wait() waits for a stack if there is none, as Loop::spawn_wait() does. Until then the
  // scope stays open: its end waits for that, too.
  template <class F>
  Result<void> spawn_wait(const SpawnOptions& options, F&& function, Timeout timeout = {}) {
    if (const auto error = admit()) return error;
    const Guest guest{*this};
    return adopt(loop().spawn_wait(
        options, ScopedFunction<std::decay_t<F>>{*this, std::forward<F>(function)}, timeout));
  }

  // wait() waits until all threads of the scope have ended, and then throws, or returns, what the
  // first to fail did; else operation_canceled if the scope was cancelled, see cancel_reason().
  // timed_out says that there still are threads: they go on. Cancelled, it waits all the same,
  // since the others are, too. For the thread that made the scope only (Errc::not_the_owner).
  std::error_code wait(Timeout timeout = {});

  // cancel() cancels the threads of the scope, its own within it, and all that they have spawned
  // into scopes. The first reason stays.
  void cancel(CancelReason reason = CancelReason::user) noexcept;
  CancelReason cancel_reason() const noexcept { return reason_; }

  // deadline() is the earlier one of the scope's own and of those around it.
  TimePoint deadline() const noexcept { return deadline_; }

  // is_innermost() says whether it is the last that its thread has open.
  bool is_innermost() const noexcept { return owner_.innermost_scope_ == this; }

  // thread_count() is how many threads of the scope have not ended, with those that wait for a
  // stack.
  std::size_t thread_count() const noexcept { return count_; }

 private:
  friend class detail::ThreadTask;

  // Guest keeps the scope open.
  struct Guest {
    explicit Guest(Scope& its_scope) noexcept : scope(its_scope) { ++scope.count_; }
    ~Guest() { scope.drop_one(); }
    Guest(const Guest&) = delete;
    Guest& operator=(const Guest&) = delete;
    Scope& scope;
  };

  // ScopedFunction tells the scope of a failure.
  template <class Function>
  struct ScopedFunction {
    void operator()() {
      try {
        if constexpr (std::is_void_v<detail::ThreadResult<Function>>) {
          function();
        } else {
          scope.note(detail::error_in(function()));
        }
      } catch (...) {
        scope.fail(std::current_exception(), {});
      }
    }
    Scope& scope;
    Function function;
  };

  Scope(Timeout timeout, bool shielded) noexcept;
  Loop& loop() const noexcept;
  std::error_code admit() const noexcept;
  Result<void> adopt(Result<Thread<void>> thread) noexcept {
    if (!thread) return thread.error();
    add(thread->task());
    thread->detach();
    return {};
  }
  void add(detail::ThreadTask& thread) noexcept;
  void note(std::error_code error) noexcept;
  void fail(std::exception_ptr exception, std::error_code error) noexcept;
  void on_thread_end(detail::ThreadTask& thread) noexcept;
  void drop_one() noexcept;
  bool join(TimePoint deadline) noexcept;
  void report_failure() noexcept;
  static void on_deadline(corothread::TimerNode& node) noexcept;

  // A list of scopes that are to be cancelled, by next_; see cancel_all().
  static void mark(Scope& scope, CancelReason reason, Scope*& pending) noexcept;
  static void mark_those_of(detail::ThreadTask& thread, int shields, const Scope* outermost,
                            CancelReason reason, Scope*& pending) noexcept;
  static void cancel_all(Scope* pending, CancelReason reason) noexcept;

  // For ThreadTask: the scopes that a thread has open.
  static CancelReason reason_for(const detail::ThreadTask& thread) noexcept;
  static void cancel_those_of(detail::ThreadTask& thread, CancelReason reason) noexcept;
  static void acknowledge_those_of(detail::ThreadTask& thread) noexcept;

  detail::ThreadTask& owner_;
  Scope* const outer_;  // the owner's next one outside, or nullptr
  const int shields_;   // shielded ones among this and those outside
  const bool is_shielded_;
  bool is_acknowledged_ = false;  // the owner goes on in spite of the cancellation
  bool owner_waits_ = false;      // in join()
  CancelReason reason_ = CancelReason::none;
  const int exceptions_;  // in flight when the block was entered
  std::size_t count_ = 0;
  TimePoint deadline_;
  Scope* next_ = nullptr;
  std::exception_ptr exception_;  // of the first thread to fail, or
  std::error_code error_;
  stacks::IntrusiveList<detail::ThreadTask::ScopeMembership> threads_;
};

}  // namespace evcoro
