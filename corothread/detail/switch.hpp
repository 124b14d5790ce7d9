// The stack switch: leave one stack, continue another. Implemented in switch_x86_64.S,
// switch_aarch64.S and, for every other machine, switch_ucontext.cpp.
//
// A suspended stack is one pointer. In the assembly versions it points at the saved registers, in
// the layout that the table at the top of each .S file draws:
//
//   stack start   +---------------------------+
//                 | (alignment)               |
//                 | return address            |  a fresh stack: evcoro_switch_entry
//                 | callee-saved registers    |  a fresh stack: entry function and its argument
//   saved pointer +---------------------------+
#pragma once

#include <cstddef>
#include <cstdint>

#include <stacks/export.hpp>

namespace evcoro::corothread::detail {

// EntryFunction is the first function on a fresh stack. It must not return, and no exception may
// leave it.
using EntryFunction = void (*)(void* argument) noexcept;

extern "C" {
// evcoro_switch() saves the running stack to *save_here and continues resume_here, where transfer
// becomes the result of the call that had left it.
unsigned evcoro_switch(void** save_here, void* resume_here, unsigned transfer) noexcept;

// evcoro_switch_jump() does the same, and is faster where two stacks alternate between two places,
// slower where many switch in the same place. See switch_x86_64.S. Exported, for what is inlined.
EVCORO_API unsigned evcoro_switch_jump(void** save_here, void* resume_here,
                                       unsigned transfer) noexcept;

// evcoro_switch_last() leaves the running stack for good. first(argument), unless null, runs on the
// stack that continues, before it does, and may free the one that was left.
void evcoro_switch_last(void* resume_here, unsigned transfer, void (*first)(void*),
                        void* argument) noexcept;

void evcoro_switch_entry() noexcept;  // not to be called: the outermost frame of a fresh stack
}

// make_stack() prepares a fresh stack below start so that the first switch to the returned pointer
// calls entry(argument).
void* make_stack(std::byte* limit, std::byte* start, EntryFunction entry, void* argument) noexcept;

#if defined(EVCORO_SWITCH_UCONTEXT)
// see switch_ucontext.cpp

#elif defined(__x86_64__)

struct SwitchFrame {
  std::uint64_t r15, r14;
  void* argument;       // r13
  EntryFunction entry;  // r12
  std::uint64_t rbx, rbp;
  void (*return_address)() noexcept;  // popped by ret, which leaves rsp at a multiple of 16
};
static_assert(offsetof(SwitchFrame, r15) == 0x00);
static_assert(offsetof(SwitchFrame, argument) == 0x10);
static_assert(offsetof(SwitchFrame, entry) == 0x18);
static_assert(offsetof(SwitchFrame, rbp) == 0x28);
static_assert(offsetof(SwitchFrame, return_address) == 0x30);
static_assert(sizeof(SwitchFrame) == 0x38);

#elif defined(__aarch64__)

struct SwitchFrame {
  std::uint64_t frame_pointer;
  void (*return_address)() noexcept;
  EntryFunction entry;  // x19
  void* argument;       // x20
  std::uint64_t x21_to_x28[8];
  std::uint64_t d8_to_d15[8];
};
static_assert(offsetof(SwitchFrame, return_address) == 0x08);
static_assert(offsetof(SwitchFrame, entry) == 0x10);
static_assert(offsetof(SwitchFrame, argument) == 0x18);
static_assert(offsetof(SwitchFrame, d8_to_d15) == 0x60);
static_assert(sizeof(SwitchFrame) == 0xa0);

#else
#error "no assembly switch for this architecture: configure with -DEVCORO_SWITCH=ucontext"
#endif

}  // namespace evcoro::corothread::detail
