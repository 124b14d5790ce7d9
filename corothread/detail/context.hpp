// Context: one stack that can be switched to, with all that is per coroutine: errno, the C++
// exception globals, and what the sanitizers keep. And OsThread, what each OS thread knows of the
// contexts on it.
#pragma once

#include <cstdint>
#include <utility>

#include <corothread/detail/sanitizers.hpp>
#include <corothread/detail/switch.hpp>
#include <corothread/identity.hpp>
#include <stacks/overflow.hpp>
#include <stacks/stack_pool.hpp>

namespace evcoro::corothread {

class Scheduler;

namespace detail {

struct CThreadFamily;  // of the C face: see corothread/cthread_c.hpp

// ExceptionGlobals mirrors __cxa_eh_globals of the Itanium C++ ABI: what is being caught, and how
// many exceptions are in flight. They are per OS thread, so without care a switch inside a catch
// block hands one coroutine's exception to another.
struct ExceptionGlobals {
  void* caught = nullptr;
  unsigned int uncaught = 0;
#if defined(__ARM_EABI_UNWINDER__)
  void* propagating = nullptr;
#endif

  // is_any() says whether an exception is being handled; one that propagates is an uncaught one.
  bool is_any() const noexcept {
    return (reinterpret_cast<std::uintptr_t>(caught) | uncaught) != 0;
  }
};

// Context is a stack, running or suspended.
class Context {
 public:
  constexpr Context() noexcept = default;
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

  // prefetch() fetches the hot end of a suspended stack into the cache.
  void prefetch() const noexcept {
    for (std::size_t i = 0; i < prefetched_lines; ++i) {
      __builtin_prefetch(static_cast<const std::byte*>(saved_stack_) + i * 64, 1);
    }
  }

  // release() is for a context that has ended or never ran, before its stack is used again.
  void release() noexcept { sanitize_destroy(sanitizer_); }

  // c_family() is for the C face's threads; nullptr if this has nothing to do with them.
  CThreadFamily* c_family() const noexcept { return c_family_; }
  void set_c_family(CThreadFamily* family) noexcept { c_family_ = family; }

 private:
  friend class OsThread;
  static constexpr std::size_t prefetched_lines = 18;
  void* saved_stack_ = nullptr;
  ExceptionGlobals exceptions_;  // this and the next: while suspended
  int error_number_ = 0;
  SanitizerState sanitizer_;
  const stacks::Stack* stack_ = nullptr;  // nullptr: the stack that the OS gave
  const Identity* identity_ = nullptr;
  CThreadFamily* c_family_ = nullptr;
};

// Strand is one line of control: the stack that an OS thread came with, or a task. It may have
// several contexts, coroutine within coroutine; one of them is its innermost, where it runs or
// continues.
struct Strand {
  Context* innermost = nullptr;
  Scheduler* scheduler = nullptr;  // of a task that has been started
};

// OsThread is the state of one OS thread. Contexts never migrate, so a pointer to it stays valid
// across every switch.
class OsThread {
 public:
  constexpr OsThread() noexcept = default;

  // strand() is the running one.
  Strand* strand() const noexcept { return strand_; }
  Context& running() const noexcept { return *strand_->innermost; }

  // scheduler() is the one whose drain() is running, if any. That of the running strand is the
  // same, but to learn it from there the processor would have to know the strand first.
  Scheduler* scheduler() const noexcept { return scheduler_; }
  void set_scheduler(Scheduler* scheduler) noexcept { scheduler_ = scheduler; }

  // prepare() fills in the state on first use.
  void prepare() noexcept;
  bool is_prepared() const noexcept { return id_ != 0; }

  // id() is unique among all OS threads that ever were in this process; 0 before prepare().
  std::uint64_t id() const noexcept { return id_; }

  // arrive() comes first on a fresh context.
  void arrive() noexcept { sanitize_arrive(running().sanitizer_); }

  // describe() says on which stack the OS thread is, and whose it is; false on its own stack.
  // Async-signal-safe.
  bool describe(stacks::StackUser& user) const noexcept;

  // switch_to() suspends the running strand and continues another, where transfer becomes the
  // result of the call that had suspended it. All that can be done before the switch is: so that a
  // function that ends with switch_to() ends in a jump, and returns once, to where its caller
  // continues.
  [[gnu::always_inline]] unsigned switch_to(Strand& strand, unsigned transfer) noexcept {
    Context& from = running();
    Context& to = *strand.innermost;
    strand_ = &strand;
    exchange_state(from, to);
#if defined(EVCORO_SANITIZED)
    return sanitized_switch(from, to, transfer);
#else
    return evcoro_switch(&from.saved_stack_, to.saved_stack_, transfer);
#endif
  }

  // alternate_to() continues another context of the running strand: a coroutine and its resumer.
  [[gnu::always_inline]] void alternate_to(Context& to) noexcept {
    Context& from = running();
    strand_->innermost = &to;
    exchange_state(from, to);
#if defined(EVCORO_SANITIZED)
    sanitized_switch(from, to, 0);
#else
    evcoro_switch_jump(&from.saved_stack_, to.saved_stack_, 0);
#endif
  }

  // end_strand() ends the running strand and continues another, where first(argument) runs first if
  // it isn't null; it may free the stack that was left. end_context() ends a coroutine.
  [[noreturn]] void end_strand(Strand& strand, unsigned transfer, void (*first)(void*),
                               void* argument) noexcept {
    Context& from = running();
    strand_ = &strand;
    end(from, *strand.innermost, transfer, first, argument);
  }

  [[noreturn]] void end_context(Context& to) noexcept {
    Context& from = running();
    strand_->innermost = &to;
    end(from, to, 0, nullptr, nullptr);
  }

 private:
  // Exchanges what is per context. A switch costs most by what it stores, and exceptions are rare:
  // while a context runs, the place where it keeps them is empty.
  [[gnu::always_inline]] void exchange_state(Context& from, Context& to) noexcept {
    int& error_number = *error_number_;
    from.error_number_ = error_number;
    error_number = to.error_number_;
    ExceptionGlobals& exceptions = *exceptions_;
    if (exceptions.is_any() || to.exceptions_.is_any()) [[unlikely]] {
      from.exceptions_ = exceptions;
      exceptions = std::exchange(to.exceptions_, {});
    }
  }

  unsigned sanitized_switch(Context& from, Context& to, unsigned transfer) noexcept {
    sanitize_leave(from.sanitizer_, to.sanitizer_, false);
    const unsigned received = evcoro_switch_jump(&from.saved_stack_, to.saved_stack_, transfer);
    sanitize_arrive(from.sanitizer_);
    return received;
  }

  [[noreturn]] void end(Context& from, Context& to, unsigned transfer, void (*first)(void*),
                        void* argument) noexcept {
    exchange_state(from, to);
    sanitize_leave(from.sanitizer_, to.sanitizer_, true);
#if defined(EVCORO_SANITIZED)
    last_words_ = {first, argument, &to};
    if (first != nullptr) first = speak_last_words;
    argument = this;
#endif
    evcoro_switch_last(to.saved_stack_, transfer, first, argument);
    __builtin_unreachable();
  }

#if defined(EVCORO_SANITIZED)
  // What end() lets run on the stack that continues may switch stacks itself, so it has to have
  // arrived there, and leave it again: whoever continues arrives once more.
  struct LastWords {
    void (*first)(void*);
    void* argument;
    Context* to;
  };
  static void speak_last_words(void* os_thread) noexcept {
    const LastWords words = static_cast<OsThread*>(os_thread)->last_words_;
    sanitize_arrive(words.to->sanitizer_);
    words.first(words.argument);
    sanitize_leave(words.to->sanitizer_, words.to->sanitizer_, false);
  }
  LastWords last_words_{};
#endif

  Scheduler* scheduler_ = nullptr;
  Strand* strand_ = &unprepared_;  // never null, so that looking at it needs no test
  int* error_number_ = nullptr;
  ExceptionGlobals* exceptions_ = nullptr;
  Strand own_strand_;  // the one that the OS thread came with
  Context own_context_;
  std::uint64_t id_ = 0;
  static Strand unprepared_;  // of an OS thread on which nothing has been switched yet
};

// this_os_thread is constant-initialised: reading it is one segment-relative load, in the layers
// above, too.
extern EVCORO_API constinit thread_local OsThread this_os_thread;

// prepared_os_thread() is this_os_thread, ready for switches.
inline OsThread& prepared_os_thread() noexcept {
  OsThread& os_thread = this_os_thread;
  if (!os_thread.is_prepared()) [[unlikely]]
    os_thread.prepare();
  return os_thread;
}

}  // namespace detail
}  // namespace evcoro::corothread
