// What AddressSanitizer and ThreadSanitizer have to be told of stack switches, all in one place.
// Empty without them. (Valgrind is told of stacks when they are mapped: stacks/stack_pool.cpp.)
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define EVCORO_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EVCORO_ASAN 1
#endif
#endif

#if defined(__SANITIZE_THREAD__)
#define EVCORO_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define EVCORO_TSAN 1
#endif
#endif

#if defined(EVCORO_ASAN) || defined(EVCORO_TSAN)
#define EVCORO_SANITIZED 1
#endif

#if defined(EVCORO_ASAN)
#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#if defined(EVCORO_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

namespace evcoro::corothread::detail {

// SanitizerState is what the sanitizers keep for one stack.
struct SanitizerState {
  const void* limit = nullptr;  // the stack's lowest address
  std::size_t size = 0;
  void* fake_stack = nullptr;  // ASan's, while the stack is suspended
  void* fiber = nullptr;       // TSan's
};

// sanitize_os_thread() describes the stack that the calling OS thread came with.
inline void sanitize_os_thread([[maybe_unused]] SanitizerState& state) noexcept {
#if defined(EVCORO_ASAN)
  pthread_attr_t attributes;
  void* limit = nullptr;
  if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
    pthread_attr_getstack(&attributes, &limit, &state.size);
    pthread_attr_destroy(&attributes);
  }
  state.limit = limit;
  __lsan_register_root_region(limit, state.size);  // while a coroutine runs, it isn't looked at
#endif
#if defined(EVCORO_TSAN)
  state.fiber = __tsan_get_current_fiber();
#endif
}

// sanitize_reuse() wipes the marks that whatever ran on a stack before may have left.
inline void sanitize_reuse([[maybe_unused]] const void* limit,
                           [[maybe_unused]] std::size_t size) noexcept {
#if defined(EVCORO_ASAN)
  __asan_unpoison_memory_region(limit, size);
#endif
}

// sanitize_create() introduces a fresh stack, sanitize_destroy() takes leave of one that has ended.
inline void sanitize_create([[maybe_unused]] SanitizerState& state,
                            [[maybe_unused]] const void* limit,
                            [[maybe_unused]] std::size_t size) noexcept {
  state.limit = limit;
  state.size = size;
#if defined(EVCORO_ASAN)
  __lsan_register_root_region(limit, size);  // what a suspended stack points at is no leak
#endif
#if defined(EVCORO_TSAN)
  state.fiber = __tsan_create_fiber(0);
#endif
}

inline void sanitize_destroy([[maybe_unused]] SanitizerState& state) noexcept {
#if defined(EVCORO_ASAN)
  __lsan_unregister_root_region(state.limit, state.size);
#endif
#if defined(EVCORO_TSAN)
  __tsan_destroy_fiber(state.fiber);
#endif
}

// sanitize_leave() comes right before a switch; ends says that the stack that is left never
// continues. Inlined always: TSan, which counts calls, would see a function begin on the one stack
// and end on the other.
[[gnu::always_inline]] inline void sanitize_leave([[maybe_unused]] SanitizerState& from,
                                                  [[maybe_unused]] SanitizerState& to,
                                                  [[maybe_unused]] bool ends) noexcept {
#if defined(EVCORO_ASAN)
  __sanitizer_start_switch_fiber(ends ? nullptr : &from.fake_stack, to.limit, to.size);
#endif
#if defined(EVCORO_TSAN)
  __tsan_switch_to_fiber(to.fiber, 0);
#endif
}

// sanitize_arrive() comes right after one, and first on a fresh stack.
inline void sanitize_arrive([[maybe_unused]] SanitizerState& here) noexcept {
#if defined(EVCORO_ASAN)
  __sanitizer_finish_switch_fiber(here.fake_stack, nullptr, nullptr);
#endif
}

}  // namespace evcoro::corothread::detail
