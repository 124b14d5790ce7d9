// CTHREAD in C: a coroutine, a procedure with a stack of its own that is started, yields, and is
// resumed where it yielded; typed values (VALUES) travel both ways.
//
//   void count(VALUES* values) {
//     int32_t limit;
//     if (VALUES_scan(values, "%d", &limit) != 0) return;
//     for (int32_t i = 0; i < limit; i++) {
//       if (CTHREAD_yield(NULL, "%d", i) != 0) return;
//     }
//   }
//   ...
//   CTHREAD* thread = CTHREAD_init(&stacks, count);
//   VALUES* values;
//   int32_t number;
//   for (int result = CTHREAD_start(thread, &values, "%d", 3); result == 0;
//        result = CTHREAD_resume(thread, &values, NULL)) {
//     VALUES_scan(values, "%d", &number);  // 0, 1, 2
//   }
//   CTHREAD_free(thread);
//
// A thread belongs to the OS thread that made it. It takes its stack when it is made and gives it
// back when it ends; the handle lives until CTHREAD_free(). It may start further threads: they are
// its children, and are killed when it ends, if they haven't ended by then. (A child that is
// running at that time, having resumed its parent, goes on without one.) It may wait inside a
// thread of evcoro, which then waits with it.
//
// Values that are handed out belong to the thread: they are good until the next switch to or from
// it, and strings in them, too. What the procedure gets is never NULL, but empty if nothing was
// given.
//
// What fails returns -1 (a pointer: NULL, a size or an id: 0) and sets errno; *out is NULL then,
// and but for the last of these nothing has been done:
//
//   EINVAL           NULL where it can't be, or a format that VALUES doesn't know
//   EPERM            outside of a CTHREAD, or not on the OS thread that made it
//   EALREADY         start: it has been started
//   EPROTO           resume: it hasn't been started
//   EBUSY            resume, kill: it is running, or waits for one that it has resumed
//   ESRCH            it has ended
//   EAGAIN, ENOMEM   there is no stack, or no memory
//   ENOTRECOVERABLE  a C++ exception left the procedure
//
// The exception that leaves a procedure goes to the report sink (stacks/report.hpp) and no further:
// the thread has ended, and whoever ran it gets ENOTRECOVERABLE.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <corothread/values.h>
#include <stacks/export.h>
#include <stacks/stacks.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tagCTHREAD CTHREAD;

typedef void (*CTHREAD_PROC)(VALUES* values);

typedef enum tagCTHREAD_STATE EVCORO_ENUM {
  CTHREAD_STATE_INIT = 1,   // made, not started
  CTHREAD_STATE_RUNNING,    // it, or a thread that it has resumed, is running or waits
  CTHREAD_STATE_SUSPENDED,  // it has yielded
  CTHREAD_STATE_EXIT        // it has ended
} CTHREAD_STATE;

// CTHREAD_libinit() has stack overflows reported: which thread, how large its stack is, and which
// setting to raise. Any number of calls, before other OS threads use the library.
EVCORO_API int CTHREAD_libinit(void) EVCORO_NOEXCEPT;

// CTHREAD_init() makes a thread that will run proc. The name of CTHREAD_init_named() is copied, cut
// to 31 characters, and seen in reports; it may be NULL. As macros both add the place of the call.
EVCORO_API CTHREAD* CTHREAD_init(STACKS* stacks, CTHREAD_PROC proc) EVCORO_NOEXCEPT;
EVCORO_API CTHREAD* CTHREAD_init_named(STACKS* stacks, CTHREAD_PROC proc,
                                       const char* name) EVCORO_NOEXCEPT;
EVCORO_API CTHREAD* CTHREAD_init_at(const char* file, uint32_t line, STACKS* stacks,
                                    CTHREAD_PROC proc, const char* name) EVCORO_NOEXCEPT;
#define CTHREAD_init(...) CTHREAD_init_at(__FILE__, __LINE__, __VA_ARGS__, NULL)
#define CTHREAD_init_named(...) CTHREAD_init_at(__FILE__, __LINE__, __VA_ARGS__)

// CTHREAD_free() frees a thread, killing it first if it is suspended. One that is running, such as
// the caller itself, goes on, and is freed when it ends.
EVCORO_API int CTHREAD_free(CTHREAD* thread) EVCORO_NOEXCEPT;

// CTHREAD_start() runs the procedure from its beginning, CTHREAD_resume() from where it yielded,
// until it yields or ends. format and what follows are the values that it gets; NULL gives none.
// Returns 0 if it has yielded, 1 if it has ended. *out, unless out is NULL, becomes what it yielded
// or returned (CTHREAD_set_return_value()), or NULL if there is nothing.
EVCORO_API int CTHREAD_start(CTHREAD* thread, VALUES** out, const char* format,
                             ...) EVCORO_NOEXCEPT;
EVCORO_API int CTHREAD_resume(CTHREAD* thread, VALUES** out, const char* format,
                              ...) EVCORO_NOEXCEPT;

// CTHREAD_yield() suspends the calling thread and gives values, unless format is NULL, to whoever
// ran it. Returns 0 when it is resumed; *out, unless out is NULL, becomes what that brings, or
// NULL. Returns 1 when the thread is killed: it is to clean up and return. A further call then
// doesn't return, but ends the thread, as CTHREAD_exit() does.
EVCORO_API int CTHREAD_yield(VALUES** out, const char* format, ...) EVCORO_NOEXCEPT;

// CTHREAD_kill() ends a thread that is suspended, by letting its CTHREAD_yield() return 1, and
// waits for that. One that wasn't started ends without having run; one that has ended stays as it
// is.
EVCORO_API int CTHREAD_kill(CTHREAD* thread) EVCORO_NOEXCEPT;

// CTHREAD_exit() ends the calling thread, from however deep. It doesn't return unless it fails. The
// stack is left as it is: destructors of C++ objects on it don't run, which are for a thread that
// returns instead.
EVCORO_API int CTHREAD_exit(void) EVCORO_NOEXCEPT;

// CTHREAD_set_return_value() sets what the calling thread returns when it ends; NULL: nothing.
EVCORO_API int CTHREAD_set_return_value(const char* format, ...) EVCORO_NOEXCEPT;

// CTHREAD_self() is the calling thread.
EVCORO_API CTHREAD* CTHREAD_self(void) EVCORO_NOEXCEPT;

// CTHREAD_get_tid() is the id of the calling thread, cut to 32 bits; (uint32_t)-1 outside of one.
EVCORO_API uint32_t CTHREAD_get_tid(void) EVCORO_NOEXCEPT;

// CTHREAD_state() is 0 if thread is NULL.
EVCORO_API CTHREAD_STATE CTHREAD_state(CTHREAD* thread) EVCORO_NOEXCEPT;

// CTHREAD_id() is unique in the process, and what reports name. CTHREAD_name() is "" if it has
// none; it is good until the thread is freed.
EVCORO_API uint64_t CTHREAD_id(CTHREAD* thread) EVCORO_NOEXCEPT;
EVCORO_API const char* CTHREAD_name(CTHREAD* thread) EVCORO_NOEXCEPT;

// CTHREAD_stack_size() is what the thread may use, in bytes; CTHREAD_watermark() the deepest use of
// that stack up to now, as STACK_ENTRY_watermark() says.
EVCORO_API size_t CTHREAD_stack_size(CTHREAD* thread) EVCORO_NOEXCEPT;
EVCORO_API size_t CTHREAD_watermark(CTHREAD* thread) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
