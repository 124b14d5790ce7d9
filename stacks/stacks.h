// STACKS in C: a fixed number of fixed-size, guarded stacks. Its size is the throttle of everything
// that runs on it: no more stacks, no more threads.
//
//   STACKS stacks;
//   if (STACKS_init(&stacks, 100, 5) != 0) perror("STACKS_init");  // 100 stacks, 4 usable pages
//   ...
//   STACKS_destroy(&stacks);
//
// A STACKS is the caller's storage, to be used where it was initialised: a copy is none. It belongs
// to one OS thread at a time. The stacks are private memory, which a forked child gets copies of,
// and becomes resident only where it is touched.
//
// What fails returns -1 (a pointer: NULL, a size: 0) and sets errno; EINVAL if the STACKS is NULL,
// zeroed or destroyed.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <stacks/export.h>

#ifdef __cplusplus
extern "C" {
#endif

// STACKS is opaque: only its size is for the caller.
typedef struct tagSTACKS {
  void* self;  // its own address, once it is initialised
  void* pool;
  void* reserved[6];
} STACKS;

// STACK_ENTRY is one stack; STACKS owns it.
typedef struct tagSTACK_ENTRY STACK_ENTRY;

// STACKS_init() maps num_stacks stacks at once. One of pages_per_stack pages is the guard, so 5 are
// 4 usable ones (the guard itself is larger: 64 KiB of address space). Whatever *stacks held before
// is overwritten unread. Errors: EINVAL for num_stacks below 1, for pages_per_stack below 2, and
// for more than the address space holds; ENOMEM, also if the kernel allows no further mapping
// (sysctl vm.max_map_count).
EVCORO_API int STACKS_init(STACKS* stacks, int num_stacks, int pages_per_stack) EVCORO_NOEXCEPT;

// STACKS_init_on_demand() maps each stack when it is first needed, and keeps it; num_stacks -1 is
// no limit.
EVCORO_API int STACKS_init_on_demand(STACKS* stacks, int num_stacks,
                                     int pages_per_stack) EVCORO_NOEXCEPT;

// STACKS_destroy() unmaps the stacks. EBUSY while stacks are taken: then nothing is freed.
EVCORO_API int STACKS_destroy(STACKS* stacks) EVCORO_NOEXCEPT;

// STACKS_get() takes a stack. EAGAIN: all are taken; ENOMEM: no further one can be mapped.
EVCORO_API STACK_ENTRY* STACKS_get(STACKS* stacks) EVCORO_NOEXCEPT;

// STACKS_release() gives a stack back. EINVAL if it is not taken.
EVCORO_API int STACKS_release(STACK_ENTRY* entry) EVCORO_NOEXCEPT;

// STACKS_get_stack_size() is the usable size of each stack in bytes: without the guard.
EVCORO_API size_t STACKS_get_stack_size(STACKS* stacks) EVCORO_NOEXCEPT;

// STACKS_available() is how many stacks can be taken now; SIZE_MAX if there is no limit.
EVCORO_API size_t STACKS_available(STACKS* stacks) EVCORO_NOEXCEPT;

// STACKS_trim() gives the memory of free stacks back to the system, the coldest first, and leaves
// keep of them warm. Returns how many it trimmed.
EVCORO_API int STACKS_trim(STACKS* stacks, size_t keep) EVCORO_NOEXCEPT;

typedef struct tagSTACKS_STATISTICS {
  size_t capacity;     // num_stacks, or SIZE_MAX if there is no limit
  size_t mapped;       // stacks that are set up: guarded, and may have memory
  size_t in_use;       // taken now
  size_t peak_in_use;  // most that were taken at once: the high-water mark
  uint64_t taken;      // how often a stack was taken
  uint64_t refused;    // how often there was none
  uint64_t trimmed;    // stacks whose memory was given back by STACKS_trim()
  uintptr_t reserved[4];
} STACKS_STATISTICS;

EVCORO_API int STACKS_statistics(STACKS* stacks, STACKS_STATISTICS* statistics) EVCORO_NOEXCEPT;

// A stack that is taken may be used from its limit (included) up to its start (excluded); the guard
// ends at the limit. NULL with EINVAL if it isn't taken.
EVCORO_API void* STACK_ENTRY_limit(STACK_ENTRY* entry) EVCORO_NOEXCEPT;
EVCORO_API void* STACK_ENTRY_start(STACK_ENTRY* entry) EVCORO_NOEXCEPT;

// STACK_ENTRY_watermark() is the deepest use of a stack in bytes, counted from its start, since it
// was mapped or trimmed, by whoever had it. It touches no page that isn't resident; bytes that were
// used but left zero at the far end don't count. Costs system calls: for diagnosis.
EVCORO_API size_t STACK_ENTRY_watermark(STACK_ENTRY* entry) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
