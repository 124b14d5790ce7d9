// What a switch must leave as it was: registers, alignment, and whatever lies on the stacks.
#include <corothread/coroutine.hpp>

#include <cstdint>
#include <cstdio>
#include <string>
#include <type_traits>

#include <support/catch.hpp>

using namespace evcoro::corothread;
using evcoro::stacks::StackPool;

#if defined(__x86_64__) || defined(__aarch64__)

// keeps_registers() fills every callee-saved register with numbers made from seed, calls
// call(argument), and returns 1 if they are all there afterwards.
extern "C" unsigned keeps_registers(std::uint64_t seed, void (*call)(void*), void* argument);

#if defined(__x86_64__)
asm(R"(
    .text
    .type keeps_registers, @function
keeps_registers:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq %rdi
    leaq 1(%rdi), %rbp
    leaq 2(%rdi), %rbx
    leaq 3(%rdi), %r12
    leaq 4(%rdi), %r13
    leaq 5(%rdi), %r14
    leaq 6(%rdi), %r15
    movq %rdx, %rdi
    call *%rsi
    popq %rdi
    xorl %eax, %eax
    subq %rdi, %rbp
    cmpq $1, %rbp
    jne 1f
    subq %rdi, %rbx
    cmpq $2, %rbx
    jne 1f
    subq %rdi, %r12
    cmpq $3, %r12
    jne 1f
    subq %rdi, %r13
    cmpq $4, %r13
    jne 1f
    subq %rdi, %r14
    cmpq $5, %r14
    jne 1f
    subq %rdi, %r15
    cmpq $6, %r15
    jne 1f
    movl $1, %eax
1:  popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size keeps_registers, . - keeps_registers
)");
#else
asm(R"(
    .macro each_register operation
    \operation x19, d8, 1
    \operation x20, d9, 2
    \operation x21, d10, 3
    \operation x22, d11, 4
    \operation x23, d12, 5
    \operation x24, d13, 6
    \operation x25, d14, 7
    \operation x26, d15, 8
    \operation x27, d8, 1
    \operation x28, d9, 2
    .endm
    .macro fill general, vector, number
    add \general, x0, #\number
    fmov \vector, \general
    .endm
    .macro compare general, vector, number
    fmov x9, \vector
    cmp x9, \general
    b.ne 1f
    sub \general, \general, x10
    cmp \general, #\number
    b.ne 1f
    .endm

    .text
    .type keeps_registers, %function
keeps_registers:
    stp x29, x30, [sp, #-0xb0]!
    stp x19, x20, [sp, #0x10]
    stp x21, x22, [sp, #0x20]
    stp x23, x24, [sp, #0x30]
    stp x25, x26, [sp, #0x40]
    stp x27, x28, [sp, #0x50]
    stp d8, d9, [sp, #0x60]
    stp d10, d11, [sp, #0x70]
    stp d12, d13, [sp, #0x80]
    stp d14, d15, [sp, #0x90]
    str x0, [sp, #0xa0]
    each_register fill
    mov x0, x2
    blr x1
    ldr x10, [sp, #0xa0]
    mov x0, #0
    each_register compare
    mov x0, #1
1:  ldp d14, d15, [sp, #0x90]
    ldp d12, d13, [sp, #0x80]
    ldp d10, d11, [sp, #0x70]
    ldp d8, d9, [sp, #0x60]
    ldp x27, x28, [sp, #0x50]
    ldp x25, x26, [sp, #0x40]
    ldp x23, x24, [sp, #0x30]
    ldp x21, x22, [sp, #0x20]
    ldp x19, x20, [sp, #0x10]
    ldp x29, x30, [sp], #0xb0
    ret
    .size keeps_registers, . - keeps_registers
)");
#endif

TEST_CASE("callee-saved registers survive a switch, on both sides") {
  constexpr std::uint64_t rounds = 100;
  using Switcher = Coroutine<void()>;
  StackPool pool{{.capacity = 1, .stack_size = 64 * 1024}};
  std::uint64_t kept = 0;
  Switcher switcher{pool, [&](auto& yield) {
                      using Yielder = std::remove_reference_t<decltype(yield)>;
                      for (std::uint64_t seed = 1; seed <= rounds; ++seed) {
                        kept += keeps_registers(
                            seed * 1000, [](void* to) { (*static_cast<Yielder*>(to))(); }, &yield);
                      }
                    }};
  switcher.start();
  for (std::uint64_t seed = 1; seed <= rounds; ++seed) {
    REQUIRE(keeps_registers(
                seed << 32U, [](void* to) { static_cast<Switcher*>(to)->resume(); }, &switcher) ==
            1);
  }
  REQUIRE(kept == rounds);
  REQUIRE(switcher.state() == CoroutineState::ended);
}

#endif

namespace {

[[gnu::noinline]] std::uintptr_t frame_address() {
  return reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
}

// Descends, yields at the bottom, and comes back with the sum of what lies in the frames.
template <class Yielder>
[[gnu::noinline]] long descend(Yielder& yield, int depth) {
  volatile long here = depth;
  if (depth == 0) {
    yield();
    return here;
  }
  return descend(yield, depth - 1) + here;
}

}  // namespace

TEST_CASE("a fresh stack is aligned as the calling convention says") {
  StackPool pool{{.capacity = 16, .stack_size = 64 * 1024}};
  for (int i = 0; i < 16; ++i) {  // each colour
    std::string text;
    std::uintptr_t address = 1;
    Coroutine<void()> coroutine{pool, [&](auto& yield) {
                                  address = frame_address();
                                  // Its prologue stores vector registers at aligned addresses.
                                  char buffer[64];
                                  std::snprintf(buffer, sizeof buffer, "%.3f %.1Lf", 0.125, 2.5L);
                                  text = buffer;
                                  alignas(64) volatile std::byte aligned[64] = {};
                                  address |= reinterpret_cast<std::uintptr_t>(&aligned) % 64;
                                  yield();
                                }};
    coroutine.start();
    REQUIRE(address % 16 == 0);
    REQUIRE(text == "0.125 2.5");
  }
}

TEST_CASE("deep call chains survive being switched away from at their bottom") {
  StackPool pool{{.capacity = 3, .stack_size = 512 * 1024}};
  long sums[3] = {};
  const auto make = [&](int number) {
    return Coroutine<void()>{
        pool, [&sums, number](auto& yield) { sums[number] = descend(yield, 500 + number); }};
  };
  Coroutine<void()> coroutines[] = {make(0), make(1), make(2)};
  for (auto& coroutine : coroutines) REQUIRE(coroutine.start());
  for (auto& coroutine : coroutines) REQUIRE_FALSE(coroutine.resume());
  for (int number = 0; number < 3; ++number) {
    const long depth = 500 + number;
    REQUIRE(sums[number] == depth * (depth + 1) / 2);
  }
}

TEST_CASE("a hundred thousand switches leave the stacks where they are") {
  StackPool pool{{.capacity = 1, .stack_size = 64 * 1024}};
  Coroutine<std::uintptr_t()> coroutine{pool, [](auto& yield) {
                                          while (true) yield(frame_address());
                                        }};
  const std::uintptr_t there = *coroutine.start();
  const std::uintptr_t here = frame_address();
  for (int i = 0; i < 100'000; ++i) {
    if (*coroutine.resume() != there) FAIL("the coroutine's stack moved in round " << i);
  }
  REQUIRE(frame_address() == here);
}
