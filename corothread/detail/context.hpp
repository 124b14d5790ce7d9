// Context: one stack that can be switched to, with all that is per coroutine: errno, the C++
// exception globals, and what the sanitizers keep. And OsThread, what each OS thread knows of the
// contexts on it.
#pragma once

#include <cstdint>

#include <corothread/detail/sanitizers.hpp>
#include <corothread/detail/switch.hpp>
#include <corothread/identity.hpp>
#include <stacks/overflow.hpp>
#include <stacks/stack_pool.hpp>

namespace evcoro::corothread {

class Scheduler;

namespace detail {

// ExceptionGlobals mirrors __cxa_eh_globals of the Itanium C++ ABI: what is being caught, and how
// many exceptions are in flight. They are per OS thread, so without care a switch inside a catch
// block hands one coroutine's exception to another.
struct ExceptionGlobals {
  void* caught = nullptr;
  unsigned int uncaught = 0;
};

// Context is a stack, running or suspended.
class Context {
 public:
  Context() noexcept = default;
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // prepare() makes this a fresh context on stack, whose frames begin below start. identity is for
  // reports and must live as long as this.
  void prepare(const stacks::Stack& stack, std::byte* start, EntryFunction entry, void* argument,
               const Identity& identity) noexcept {
    saved_stack_ = make_stack(stack.limit, start, entry, argument);
    sanitize_create(sanitizer_, stack.limit, static_cast<std::size_t>(start - stack.limit));
    stack_ = &stack;
    identity_ = &identity;
  }

  // release() is for a context that has ended or never ran, before its stack is used again.
  void release() noexcept { sanitize_destroy(sanitizer_); }

 private:
  friend class OsThread;
  void* saved_stack_ = nullptr;
  ExceptionGlobals exceptions_;  // this and the next: while suspended
  int error_number_ = 0;
  SanitizerState sanitizer_;
  const stacks::Stack* stack_ = nullptr;  // nullptr: the stack that the OS gave
  const Identity* identity_ = nullptr;
};

// OsThread is the state of one OS thread. Contexts never migrate, so a pointer to it stays valid
// across every switch.
class OsThread {
 public:
  Context* running = nullptr;      // the innermost context; &own on the stack that the OS gave
  Scheduler* scheduler = nullptr;  // the one whose drain() is running, if any
  ExceptionGlobals* exceptions = nullptr;
  int* error_number = nullptr;
  Context own;

  // arrive() comes first on a fresh context.
  void arrive() noexcept { sanitize_arrive(running->sanitizer_); }

  // describe() says on which stack the OS thread is, and whose it is; false on its own stack.
  // Async-signal-safe.
  bool describe(stacks::StackUser& user) const noexcept;

  // prepare() fills in the state on first use, and readies the OS thread for overflow reports.
  void prepare() noexcept;

  // switch_to() suspends the running context and continues to, where transfer becomes the result of
  // the call that had suspended it. All that can be done before the switch is: so that a function
  // that ends with switch_to() ends in a jump, and returns once, to where its caller continues.
  [[gnu::always_inline]] void* switch_to(Context& to, void* transfer) noexcept {
    Context& from = exchange_state(to);
#if defined(EVCORO_SANITIZED)
    sanitize_leave(from.sanitizer_, to.sanitizer_, false);
    void* const received = evcoro_switch(&from.saved_stack_, to.saved_stack_, transfer);
    sanitize_arrive(from.sanitizer_);
    return received;
#else
    return evcoro_switch(&from.saved_stack_, to.saved_stack_, transfer);
#endif
  }

  // alternate_to() is switch_to() for two contexts that take turns.
  [[gnu::always_inline]] void alternate_to(Context& to) noexcept {
#if defined(EVCORO_SANITIZED)
    switch_to(to, nullptr);
#else
    Context& from = exchange_state(to);
    evcoro_switch_jump(&from.saved_stack_, to.saved_stack_, nullptr);
#endif
  }

  // leave_to() ends the running context and continues to, where first(argument) runs first if it
  // isn't null; it may free the stack that was left.
  [[noreturn]] void leave_to(Context& to, void* transfer, void (*first)(void*),
                             void* argument) noexcept {
    [[maybe_unused]] Context& from = exchange_state(to);
    sanitize_leave(from.sanitizer_, to.sanitizer_, true);
    evcoro_switch_last(to.saved_stack_, transfer, first, argument);
    __builtin_unreachable();
  }

 private:
  // Exchanges what is per context. Field by field: wide loads would have to wait for narrow stores.
  [[gnu::always_inline]] Context& exchange_state(Context& to) noexcept {
    Context& from = *running;
    from.error_number_ = *error_number;
    from.exceptions_.caught = exceptions->caught;
    from.exceptions_.uncaught = exceptions->uncaught;
    running = &to;
    *error_number = to.error_number_;
    exceptions->caught = to.exceptions_.caught;
    exceptions->uncaught = to.exceptions_.uncaught;
    return from;
  }
};

// this_os_thread is constant-initialised: reading it is one segment-relative load.
extern constinit thread_local OsThread this_os_thread;

// prepared_os_thread() is this_os_thread, ready for switches.
inline OsThread& prepared_os_thread() noexcept {
  OsThread& os_thread = this_os_thread;
  if (os_thread.running == nullptr) [[unlikely]]
    os_thread.prepare();
  return os_thread;
}

}  // namespace detail
}  // namespace evcoro::corothread
