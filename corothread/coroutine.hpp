// Coroutine: a function with a stack of its own that is resumed, yields, and is resumed again;
// values travel both ways.
//
//   stacks::StackPool pool{{.capacity = 10}};
//   Coroutine<int(int)> doubler{pool, [](auto& yield, int value) {
//     while (true) value = yield(2 * value);
//   }};
//   doubler.start(1);    // 2: the first value is the function's argument
//   doubler.resume(21);  // 42
//
// An exception that leaves the function is thrown by the start() or resume() that ran it. A
// coroutine may resume others, and may block (in a thread) anywhere: then the whole chain of
// resumers parks.
//
// A Coroutine belongs to the OS thread that made it. The handle is move-only, and kills on
// destruction; one that was moved from is good for assignment and destruction only. Out and In are
// objects, or void; references travel as pointers.
#pragma once

#include <concepts>
#include <cstdint>
#include <exception>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

#include <corothread/detail/context.hpp>
#include <corothread/detail/placement.hpp>
#include <corothread/identity.hpp>
#include <stacks/export.hpp>
#include <stacks/stack_pool.hpp>

namespace evcoro::corothread {

enum class CoroutineState : std::uint8_t {
  initial,    // made, not started
  running,    // it, or a coroutine that it has resumed, is running, or blocks in a thread
  suspended,  // it has yielded
  ended,
};

namespace detail {

// ForcedUnwind is what kill() throws at the yield. Not derived from std::exception, so that only
// catch (...) sees it, which should rethrow.
struct ForcedUnwind {};

// CoroutineFrame is the control block, at the start of the coroutine's stack.
class EVCORO_API CoroutineFrame {
 public:
  CoroutineFrame(const CoroutineFrame&) = delete;
  CoroutineFrame& operator=(const CoroutineFrame&) = delete;

  const Identity& identity() const noexcept { return identity_; }
  CoroutineState state() const noexcept { return state_; }
  const stacks::Stack& stack() const noexcept { return *stack_; }

  // require() throws std::logic_error unless the coroutine is in state expected, and of this OS
  // thread. proceed() then runs the body until it yields or ends, and throws what the body throws.
  //
  // Both ways of the switch are inlined into the code that resumes and yields: where two stacks
  // alternate, each return on the way up would be predicted to lead to the other one's caller.
  void require(CoroutineState expected) const;
  [[gnu::always_inline]] void proceed() {
    resumer_ = &os_thread_->running();
    state_ = CoroutineState::running;
    os_thread_->alternate_to(context_);
    if (failure_ != nullptr) [[unlikely]]
      throw_failure();
  }

  // require_inside() throws std::logic_error unless it is this coroutine that is running. suspend()
  // then is the body's side: returns when resumed, throws ForcedUnwind when killed.
  void require_inside() const;
  [[gnu::always_inline]] void suspend() {
    if (!pause()) [[unlikely]]
      throw_killed();
  }

  // pause() is suspend() for a body that no exception may pass: false when killed. finish() ends
  // such a body where it is; its frames are left as they are.
  [[gnu::always_inline]] bool pause() noexcept {
    if (!killed_) [[likely]] {
      state_ = CoroutineState::suspended;
      os_thread_->alternate_to(*resumer_);
    }
    return !killed_;
  }
  [[noreturn]] void finish() noexcept;

  bool is_killed() const noexcept { return killed_; }
  bool is_of_this_os_thread() const noexcept;

  // kill() unwinds the body. What destructors on the way throw passes to the caller.
  void kill();

  // destroy() kills, and gives the stack back. An exception of the unwinding is reported and
  // dropped.
  static void destroy(CoroutineFrame* frame) noexcept;

 protected:
  explicit CoroutineFrame(const Origin& origin) noexcept : identity_(origin) {}
  virtual ~CoroutineFrame() = default;
  virtual void run() = 0;

  // set_c_family() says that this is a thread of the C face.
  void set_c_family(CThreadFamily& family) noexcept { context_.set_c_family(&family); }

 private:
  template <class T, class... Arguments>
  friend T* construct_on_stack(stacks::StackPool& pool, std::error_code& error,
                               Arguments&&... arguments);

  void place_on(stacks::Stack& stack, std::byte* block) noexcept;
  static void enter(void* frame) noexcept;
  [[noreturn]] void throw_failure();
  [[noreturn]] static void throw_killed();

  Context context_;
  Context* resumer_ = nullptr;
  CoroutineState state_ = CoroutineState::initial;
  bool killed_ = false;
  OsThread* os_thread_ = nullptr;
  std::uint64_t os_thread_id_ = 0;  // tells os_thread_ from a later one in the same place
  stacks::Stack* stack_ = nullptr;
  std::exception_ptr failure_;
  Identity identity_;
};

// throw_no_stack() throws std::system_error.
[[noreturn]] EVCORO_API void throw_no_stack(std::error_code error);

template <class Frame, class... Arguments>
Frame* make_frame(stacks::StackPool& pool, Arguments&&... arguments) {
  std::error_code error;
  auto* const frame = construct_on_stack<Frame>(pool, error, std::forward<Arguments>(arguments)...);
  if (frame == nullptr) throw_no_stack(error);
  return frame;
}

struct Nothing {};
template <class T>
using Stored = std::conditional_t<std::is_void_v<T>, Nothing, T>;

// ExchangeFrame adds the typed exchange: what travels lies here from the switch until it is taken.
template <class Out, class In>
class ExchangeFrame : public CoroutineFrame {
 public:
  using CoroutineFrame::CoroutineFrame;
  std::optional<Stored<Out>> out;
  std::optional<Stored<In>> in;
};

}  // namespace detail

// BasicYield is the body's way back to its resumer. The function gets one by reference.
template <class Out, class In>
class BasicYield {
 public:
  explicit BasicYield(detail::ExchangeFrame<Out, In>& frame) noexcept : frame_(frame) {}

  // operator() hands value (nothing, if Out is void) to the resumer, and returns what the next
  // resume() brings.
  template <class... Value>
  [[gnu::always_inline]] In operator()(Value&&... value) {
    static_assert(sizeof...(Value) == (std::is_void_v<Out> ? 0 : 1), "yield exactly what Out says");
    frame_.require_inside();
    frame_.out.emplace(std::forward<Value>(value)...);
    frame_.suspend();
    return take();
  }

  // identity() is the coroutine's own.
  const Identity& identity() const noexcept { return frame_.identity(); }

 private:
  In take() {
    if constexpr (std::is_void_v<In>) {
      frame_.in.reset();
    } else {
      In value = std::move(*frame_.in);
      frame_.in.reset();
      return value;
    }
  }

  detail::ExchangeFrame<Out, In>& frame_;
};

namespace detail {

template <class Out, class In, class Body>
class BodyFrame final : public ExchangeFrame<Out, In> {
 public:
  template <class B>
  BodyFrame(const Origin& origin, B&& body)
      : ExchangeFrame<Out, In>(origin), body_(std::forward<B>(body)) {}

 private:
  void run() override {
    BasicYield<Out, In> yield{*this};
    const auto call = [&]() -> decltype(auto) {
      if constexpr (std::is_void_v<In>) {
        return body_(yield);
      } else {
        In first = std::move(*this->in);
        return body_(yield, std::move(first));
      }
    };
    if constexpr (std::is_void_v<decltype(call())>) {
      call();
      this->out.reset();
    } else {
      this->out.emplace(call());
    }
  }

  Body body_;
};

}  // namespace detail

// BasicCoroutine yields Out and is resumed with In; either may be void.
template <class Out, class In>
class BasicCoroutine {
 public:
  // What start() and resume() return. With Out void: whether it yielded (false: it ended).
  // Otherwise the value that was yielded, or that the function returned as its last, or nothing if
  // it ended without.
  using Result = std::conditional_t<std::is_void_v<Out>, bool, std::optional<detail::Stored<Out>>>;

  // Takes a stack and moves body to it: a callable with the parameters (Yield<Out(In)>&, In), or
  // just the first if In is void. Throws std::system_error: EAGAIN if all stacks are taken, ENOMEM,
  // E2BIG if the callable is too large for the stack.
  template <class Body>
  BasicCoroutine(stacks::StackPool& pool, Body&& body, const Origin& origin = {})
      : frame_(detail::make_frame<detail::BodyFrame<Out, In, std::decay_t<Body>>>(
            pool, origin, std::forward<Body>(body))) {}

  BasicCoroutine(BasicCoroutine&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  BasicCoroutine& operator=(BasicCoroutine&& other) noexcept {
    if (this != &other)
      detail::CoroutineFrame::destroy(std::exchange(frame_, std::exchange(other.frame_, nullptr)));
    return *this;
  }

  // Kills and gives the stack back. Destroying a coroutine that is running is a misuse, which
  // terminates.
  ~BasicCoroutine() { detail::CoroutineFrame::destroy(frame_); }

  // start() runs the function from its beginning, resume() from where it yielded, until it yields
  // or ends. Both throw what the function throws, and std::logic_error in any other state.
  template <class... Value>
  [[gnu::always_inline]] Result start(Value&&... value) {
    return run_from(CoroutineState::initial, std::forward<Value>(value)...);
  }
  template <class... Value>
  [[gnu::always_inline]] Result resume(Value&&... value) {
    return run_from(CoroutineState::suspended, std::forward<Value>(value)...);
  }

  // kill() ends the coroutine: its stack is unwound by an exception from where it yielded, so
  // destructors run. They must not yield, and a catch (...) must rethrow: each further yield throws
  // that exception again, which ends the process in a destructor. Without effect once the coroutine
  // has ended. Throws what the unwinding throws, and std::logic_error if the coroutine is running.
  void kill() { frame_->kill(); }

  CoroutineState state() const noexcept { return frame_->state(); }
  const Identity& identity() const noexcept { return frame_->identity(); }

  // stack() is what it runs on: its size(), and StackPool::watermark() of it.
  const stacks::Stack& stack() const noexcept { return frame_->stack(); }

 private:
  template <class... Value>
  [[gnu::always_inline]] Result run_from(CoroutineState state, Value&&... value) {
    static_assert(sizeof...(Value) == (std::is_void_v<In> ? 0 : 1), "give exactly what In says");
    auto& frame = *frame_;  // the body may move this handle
    frame.require(state);
    frame.in.emplace(std::forward<Value>(value)...);
    frame.proceed();
    if constexpr (std::is_void_v<Out>) {
      return frame.state() != CoroutineState::ended;
    } else {
      return std::exchange(frame.out, std::nullopt);
    }
  }

  detail::ExchangeFrame<Out, In>* frame_;
};

namespace detail {

template <class Signature>
struct Exchange;
template <class O>
struct Exchange<O()> {
  using Out = O;
  using In = void;
};
template <class O, class I>
struct Exchange<O(I)> {
  using Out = O;
  using In = I;
};

}  // namespace detail

// Coroutine<Out(In)>: the signature is that of resume(). Coroutine<int()> yields ints and takes
// nothing, Coroutine<void(int)> takes ints and yields nothing.
template <class Signature>
using Coroutine = BasicCoroutine<typename detail::Exchange<Signature>::Out,
                                 typename detail::Exchange<Signature>::In>;

// Yield<Out(In)> is what its body is called with.
template <class Signature>
using Yield =
    BasicYield<typename detail::Exchange<Signature>::Out, typename detail::Exchange<Signature>::In>;

}  // namespace evcoro::corothread
