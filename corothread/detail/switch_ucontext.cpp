// The portable stack switch, on makecontext(3) and swapcontext(3). Slower by far (each switch makes
// system calls for the signal mask) and about 1 KiB larger per suspended stack.
//
// A suspended stack is a pointer to its SavedContext, which lies on that stack.
#include <corothread/detail/switch.hpp>

#if defined(EVCORO_SWITCH_UCONTEXT)

#include <ucontext.h>

#include <new>

namespace evcoro::corothread::detail {
namespace {

struct SavedContext {
  ucontext_t registers;
  unsigned transfer;  // this and the next two are written by whoever switches here
  void (*first)(void*);
  void* first_argument;
  EntryFunction entry;
  void* argument;
};

void run_first(const SavedContext& arrived) {
  if (arrived.first != nullptr) arrived.first(arrived.first_argument);
}

// makecontext() passes ints only: a pointer travels in two.
void enter(unsigned high, unsigned low) {
  const auto address = (static_cast<std::uintptr_t>(high) << 16 << 16) | low;
  auto* const saved = reinterpret_cast<SavedContext*>(address);
  run_first(*saved);
  saved->entry(saved->argument);
}

}  // namespace

extern "C" unsigned evcoro_switch(void** save_here, void* resume_here, unsigned transfer) noexcept {
  SavedContext here{};
  auto* const there = static_cast<SavedContext*>(resume_here);
  there->transfer = transfer;
  *save_here = &here;
  ::swapcontext(&here.registers, &there->registers);
  run_first(here);
  return here.transfer;
}

extern "C" unsigned evcoro_switch_jump(void** save_here, void* resume_here,
                                       unsigned transfer) noexcept {
  return evcoro_switch(save_here, resume_here, transfer);
}

extern "C" void evcoro_switch_last(void* resume_here, unsigned transfer, void (*first)(void*),
                                   void* argument) noexcept {
  auto* const there = static_cast<SavedContext*>(resume_here);
  there->transfer = transfer;
  there->first = first;
  there->first_argument = argument;
  ::setcontext(&there->registers);
}

void* make_stack(std::byte* limit, std::byte* start, EntryFunction entry, void* argument) noexcept {
  const auto top =
      (reinterpret_cast<std::uintptr_t>(start) - sizeof(SavedContext)) & ~std::uintptr_t{63};
  auto* const saved = new (reinterpret_cast<void*>(top)) SavedContext{};
  saved->entry = entry;
  saved->argument = argument;
  ::getcontext(&saved->registers);
  saved->registers.uc_stack.ss_sp = limit;
  saved->registers.uc_stack.ss_size = top - reinterpret_cast<std::uintptr_t>(limit);
  saved->registers.uc_link = nullptr;
  const auto high = static_cast<unsigned>(top >> 16 >> 16);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-cstyle-cast): makecontext's own type
  ::makecontext(&saved->registers, reinterpret_cast<void (*)()>(enter), 2, high,
                static_cast<unsigned>(top));
  return saved;
}

}  // namespace evcoro::corothread::detail

#endif
