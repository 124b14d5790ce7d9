#include <corothread/cthread.h>

#include <cerrno>
#include <cstdarg>
#include <exception>
#include <memory>
#include <utility>

#include <corothread/coroutine.hpp>
#include <corothread/cthread_c.hpp>
#include <corothread/detail/context.hpp>
#include <corothread/detail/placement.hpp>
#include <corothread/identity.hpp>
#include <stacks/intrusive_list.hpp>
#include <stacks/overflow.hpp>
#include <stacks/report.hpp>
#include <stacks/stacks_c.hpp>

// The functions, not the macros.
#undef CTHREAD_init
#undef CTHREAD_init_named

using evcoro::corothread::CoroutineState;
using evcoro::corothread::Identity;
using evcoro::corothread::Origin;
using evcoro::corothread::detail::CoroutineFrame;
using evcoro::corothread::detail::CThreadFamily;
using evcoro::corothread::detail::this_os_thread;
using evcoro::stacks::fail;
using evcoro::stacks::ListLink;
using evcoro::stacks::ReportLine;
using evcoro::stacks::StackPool;

namespace {

// CThreadFrame lies on the thread's stack, and goes with it.
class CThreadFrame final : public CoroutineFrame {
 public:
  CThreadFrame(const Origin& origin, CTHREAD& thread) noexcept;

 private:
  void run() override;
  void report(const char* exception) const noexcept;

  CTHREAD& thread_;
};

// Message is values on their way from one side to the other.
class Message {
 public:
  Message() noexcept = default;
  ~Message() { VALUES_free(&values_); }
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;

  int write(const char* format, va_list arguments) noexcept {
    if (format != nullptr && VALUES_printv(&values_, format, arguments) != 0) return -1;
    is_any_ = format != nullptr;
    if (!is_any_) values_.size = 0;
    return 0;
  }
  VALUES* values() noexcept { return &values_; }
  VALUES* values_if_any() noexcept { return is_any_ ? &values_ : nullptr; }

 private:
  VALUES values_{};
  bool is_any_ = false;
};

}  // namespace

// CTHREAD is the handle, and linked as a child while its parent lives.
struct tagCTHREAD : ListLink {
  explicit tagCTHREAD(CTHREAD_PROC procedure) noexcept : proc(procedure) {}

  const CTHREAD_PROC proc;
  CThreadFrame* frame = nullptr;  // nullptr: it has ended
  std::uint64_t id = 0;
  char name[Identity::name_size + 1] = "";
  bool is_freed = false;  // by CTHREAD_free(), while it was running
  bool has_thrown = false;
  Message to_thread;
  Message from_thread;
  Message return_value;
  CThreadFamily family{this, {}};
};

namespace {

// The family of the running stack; nullptr if it has none.
CThreadFamily* current_family() noexcept {
  const auto* const context = this_os_thread.strand()->innermost;
  return context != nullptr ? context->c_family() : nullptr;
}

// The running thread; nullptr with errno EPERM outside of one.
CTHREAD* current() noexcept {
  const CThreadFamily* const family = current_family();
  if (family != nullptr && family->thread != nullptr) return family->thread;
  errno = EPERM;
  return nullptr;
}

// Nothing happens to children that have ended, nor to those that are running.
void kill_children(CThreadFamily& family) noexcept {
  while (!family.children.empty()) CTHREAD_kill(&family.children.pop_front());
}

// What follows when thread has ended: its stack goes back, and the handle, too, if nobody wants it.
int settle(CTHREAD& thread, VALUES** out) noexcept {
  CoroutineFrame::destroy(std::exchange(thread.frame, nullptr));
  const int result = thread.has_thrown ? fail(ENOTRECOVERABLE) : 1;
  if (thread.is_freed) {
    delete &thread;
  } else if (out != nullptr && result == 1) {
    *out = thread.return_value.values_if_any();
  }
  return result;
}

// Says why thread can't be run from state expected, if it can't: an errno.
int why_not(const CTHREAD* thread, CoroutineState expected) noexcept {
  if (thread == nullptr) return EINVAL;
  const bool starts = expected == CoroutineState::initial;
  if (thread->frame == nullptr) return starts ? EALREADY : ESRCH;
  if (!thread->frame->is_of_this_os_thread()) return EPERM;
  const CoroutineState state = thread->frame->state();
  if (state == expected) return 0;
  if (starts) return EALREADY;
  return state == CoroutineState::initial ? EPROTO : EBUSY;
}

// Runs thread from state expected until it yields or ends.
int run_from(CoroutineState expected, CTHREAD* thread, VALUES** out, const char* format,
             va_list arguments) noexcept {
  if (out != nullptr) *out = nullptr;
  if (const int error = why_not(thread, expected)) return fail(error);
  if (thread->to_thread.write(format, arguments) != 0) return -1;
  CThreadFamily* const family = current_family();
  if (expected == CoroutineState::initial && family != nullptr) family->children.push_back(*thread);
  thread->frame->proceed();
  if (thread->frame->state() == CoroutineState::ended) return settle(*thread, out);
  if (out != nullptr) *out = thread->from_thread.values_if_any();
  return 0;
}

CThreadFrame::CThreadFrame(const Origin& origin, CTHREAD& thread) noexcept
    : CoroutineFrame(origin), thread_(thread) {
  set_c_family(thread.family);
}

void CThreadFrame::run() {
  try {
    thread_.proc(thread_.to_thread.values());
  } catch (const std::exception& exception) {
    report(exception.what());
  } catch (...) {
    report("not a std::exception");
  }
  kill_children(thread_.family);
}

void CThreadFrame::report(const char* exception) const noexcept {
  thread_.has_thrown = true;
  ReportLine{} << "evcoro: an exception has ended CTHREAD '" << identity().name() << "' (id "
               << identity().id() << "), spawned at " << identity().file() << ":"
               << identity().line() << ": " << exception << "\n"
               << ReportLine::send;
}

CTHREAD* make(StackPool& pool, CTHREAD_PROC proc, const Origin& origin) {
  auto thread = std::make_unique<CTHREAD>(proc);
  std::error_code error;
  thread->frame =
      evcoro::corothread::detail::construct_on_stack<CThreadFrame>(pool, error, origin, *thread);
  if (thread->frame == nullptr) {
    fail(error);
    return nullptr;
  }
  const Identity& identity = thread->frame->identity();
  thread->id = identity.id();
  identity.name().copy(thread->name, Identity::name_size);
  return thread.release();
}

}  // namespace

namespace evcoro::corothread {

CThreadParent::CThreadParent() noexcept {
  detail::prepared_os_thread().running().set_c_family(&family_);
}

CThreadParent::~CThreadParent() {
  kill_children(family_);
  this_os_thread.running().set_c_family(nullptr);
}

}  // namespace evcoro::corothread

int CTHREAD_libinit() noexcept try {
  evcoro::stacks::install_overflow_handler();
  return 0;
} catch (...) {
  return evcoro::stacks::fail_as_caught();
}

CTHREAD* CTHREAD_init(STACKS* stacks, CTHREAD_PROC proc) noexcept {
  return CTHREAD_init_at("?", 0, stacks, proc, nullptr);
}

CTHREAD* CTHREAD_init_named(STACKS* stacks, CTHREAD_PROC proc, const char* name) noexcept {
  return CTHREAD_init_at("?", 0, stacks, proc, name);
}

CTHREAD* CTHREAD_init_at(const char* file, uint32_t line, STACKS* stacks, CTHREAD_PROC proc,
                         const char* name) noexcept try {
  StackPool* const pool = evcoro::stacks::pool_of(stacks);
  if (pool == nullptr) return nullptr;
  if (proc == nullptr || file == nullptr) {
    errno = EINVAL;
    return nullptr;
  }
  return make(*pool, proc, {name != nullptr ? name : "", {file, line}});
} catch (...) {
  evcoro::stacks::fail_as_caught();
  return nullptr;
}

int CTHREAD_free(CTHREAD* thread) noexcept {
  if (thread == nullptr) return fail(EINVAL);
  if (thread->frame == nullptr) {
    delete thread;
    return 0;
  }
  if (!thread->frame->is_of_this_os_thread()) return fail(EPERM);
  thread->is_freed = true;
  if (thread->frame->state() != CoroutineState::running) CTHREAD_kill(thread);
  return 0;
}

int CTHREAD_start(CTHREAD* thread, VALUES** out, const char* format, ...) noexcept {
  va_list arguments;
  va_start(arguments, format);
  const int result = run_from(CoroutineState::initial, thread, out, format, arguments);
  va_end(arguments);
  return result;
}

int CTHREAD_resume(CTHREAD* thread, VALUES** out, const char* format, ...) noexcept {
  va_list arguments;
  va_start(arguments, format);
  const int result = run_from(CoroutineState::suspended, thread, out, format, arguments);
  va_end(arguments);
  return result;
}

int CTHREAD_yield(VALUES** out, const char* format, ...) noexcept {
  if (out != nullptr) *out = nullptr;
  CTHREAD* const thread = current();
  if (thread == nullptr) return -1;
  if (thread->frame->is_killed()) CTHREAD_exit();
  va_list arguments;
  va_start(arguments, format);
  const int written = thread->from_thread.write(format, arguments);
  va_end(arguments);
  if (written != 0) return -1;
  if (!thread->frame->pause()) return 1;
  if (out != nullptr) *out = thread->to_thread.values_if_any();
  return 0;
}

int CTHREAD_kill(CTHREAD* thread) noexcept {
  if (thread == nullptr) return fail(EINVAL);
  if (thread->frame == nullptr) return 0;
  if (!thread->frame->is_of_this_os_thread()) return fail(EPERM);
  if (thread->frame->state() == CoroutineState::running) return fail(EBUSY);
  thread->frame->kill();
  return settle(*thread, nullptr) == 1 ? 0 : -1;
}

int CTHREAD_exit() noexcept {
  CTHREAD* const thread = current();
  if (thread == nullptr) return -1;
  kill_children(thread->family);
  thread->frame->finish();
}

int CTHREAD_set_return_value(const char* format, ...) noexcept {
  CTHREAD* const thread = current();
  if (thread == nullptr) return -1;
  va_list arguments;
  va_start(arguments, format);
  const int result = thread->return_value.write(format, arguments);
  va_end(arguments);
  return result;
}

CTHREAD* CTHREAD_self() noexcept { return current(); }

uint32_t CTHREAD_get_tid() noexcept {
  const CTHREAD* const thread = current();
  return static_cast<uint32_t>(thread != nullptr ? thread->id : -1);
}

CTHREAD_STATE CTHREAD_state(CTHREAD* thread) noexcept {
  static_assert(static_cast<int>(CoroutineState::initial) + 1 == CTHREAD_STATE_INIT &&
                static_cast<int>(CoroutineState::ended) + 1 == CTHREAD_STATE_EXIT);
  if (thread == nullptr) {
    errno = EINVAL;
    return static_cast<CTHREAD_STATE>(0);
  }
  if (thread->frame == nullptr) return CTHREAD_STATE_EXIT;
  return static_cast<CTHREAD_STATE>(static_cast<int>(thread->frame->state()) + 1);
}

uint64_t CTHREAD_id(CTHREAD* thread) noexcept {
  if (thread == nullptr) errno = EINVAL;
  return thread != nullptr ? thread->id : 0;
}

const char* CTHREAD_name(CTHREAD* thread) noexcept {
  if (thread == nullptr) errno = EINVAL;
  return thread != nullptr ? thread->name : nullptr;
}

namespace {

// The stack of thread; nullptr with errno if it has none.
const evcoro::stacks::Stack* stack_of(const CTHREAD* thread) noexcept {
  if (thread != nullptr && thread->frame != nullptr) return &thread->frame->stack();
  errno = thread != nullptr ? ESRCH : EINVAL;
  return nullptr;
}

}  // namespace

size_t CTHREAD_stack_size(CTHREAD* thread) noexcept {
  const auto* const stack = stack_of(thread);
  return stack != nullptr ? stack->size() : 0;
}

size_t CTHREAD_watermark(CTHREAD* thread) noexcept {
  const auto* const stack = stack_of(thread);
  return stack != nullptr ? StackPool::watermark(*stack) : 0;
}
