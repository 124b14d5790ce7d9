// EVFORK: a function in a child process, without exec, in C; see fork.hpp, which says what the
// child may do.
//
//   static int work(void* ctx) { return 0; }                       // in the child: its exit status
//
//   EVCHILD* child = EVFORK_process(thread, work, NULL, 0);
//   EVCHILD_STATUS status;
//   EVCHILD_wait(child, &status, timeout);
#pragma once

#include <evcoro/child.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int (*EVFORK_PROC)(void* ctx);

// EVFORK_process() makes a child, which runs proc(ctx) and ends. It returns in the parent only.
// flags are EVCHILD_FLAGS. NULL with errno: EAGAIN, ENOMEM, EMFILE, EINVAL; ECHILD in a child, for
// a thread of the parent's.
EVCORO_API EVCHILD* EVFORK_process(EVTHREAD* thread, EVFORK_PROC proc, void* ctx,
                                   int flags) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
