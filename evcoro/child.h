// EVCHILD: child processes, in C: commands, and whatever else was forked; see child.hpp.
//
//   const char* const arguments[] = {"sort", "-n", NULL};
//   const EVCOMMAND command = {.arguments = arguments, .in = {EVREDIRECT_SOCKET, 0}};
//   EVCHILD* child = EVCHILD_start(thread, &command);
//   EVSOCKET* in = EVCHILD_socket(child, STDIN_FILENO);
//   ...
//   EVCHILD_STATUS status;
//   EVCHILD_wait(child, &status, timeout);
//
// An EVCHILD belongs to an EVTHREAD, and goes with it as a Child does: the process goes on, unless
// EVCHILD_KILL says otherwise. What child.hpp says holds here. What fails returns -1, or NULL, and
// sets errno.
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include <evcoro/evthread.h>
#include <stacks/export.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tagEVCHILD EVCHILD;

// EVCHILD_STATUS says how a process has ended; see ExitStatus.
typedef struct EVCHILD_STATUS {
  int code;
  int signal;  // 0: it has exited
  int core_dumped;
} EVCHILD_STATUS;

typedef enum EVREDIRECT_KIND EVCORO_ENUM {
  EVREDIRECT_DEFAULT,  // of in: /dev/null; of the others: this process's own
  EVREDIRECT_INHERIT,
  EVREDIRECT_NULL,
  EVREDIRECT_SOCKET,  // see EVCHILD_socket()
  EVREDIRECT_OUTPUT,  // errors: where output goes
  EVREDIRECT_FD,      // fd, which stays the caller's
} EVREDIRECT_KIND;

typedef struct EVREDIRECT {
  EVREDIRECT_KIND kind;
  int fd;
} EVREDIRECT;

typedef enum EVCHILD_FLAGS EVCORO_ENUM {
  EVCHILD_OWN_GROUP = 1,  // a process group of its own
  EVCHILD_KILL = 2,       // killed when the EVCHILD goes
} EVCHILD_FLAGS;

// EVCOMMAND is what a program is run with; see Command. All but arguments may be left zero.
typedef struct EVCOMMAND {
  const char* const* arguments;    // ends with NULL
  const char* const* environment;  // ends with NULL; NULL: this process's
  const char* directory;           // NULL: this process's
  EVREDIRECT in;
  EVREDIRECT out;
  EVREDIRECT errors;
  int flags;  // EVCHILD_FLAGS
} EVCOMMAND;

// EVCHILD_start() starts a command.
EVCORO_API EVCHILD* EVCHILD_start(EVTHREAD* thread, const EVCOMMAND* command) EVCORO_NOEXCEPT;
EVCORO_API pid_t EVCHILD_pid(EVCHILD* child) EVCORO_NOEXCEPT;

// EVCHILD_socket() makes an EVSOCKET, of the EVCHILD's thread, of the socket for a standard stream
// (STDIN_FILENO and so on) that is EVREDIRECT_SOCKET. EBADF if it is none, or has been taken.
EVCORO_API EVSOCKET* EVCHILD_socket(EVCHILD* child, int stream) EVCORO_NOEXCEPT;

// EVCHILD_wait() waits for the end of the child. status may be NULL. EVCHILD_wait_pid() waits for a
// child of this process that others have made.
EVCORO_API int EVCHILD_wait(EVCHILD* child, EVCHILD_STATUS* status,
                            struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API int EVCHILD_wait_pid(pid_t pid, EVCHILD_STATUS* status,
                                struct timeval timeout) EVCORO_NOEXCEPT;

// EVCHILD_kill() sends a signal to it, EVCHILD_kill_group() to its group.
EVCORO_API int EVCHILD_kill(EVCHILD* child, int signal) EVCORO_NOEXCEPT;
EVCORO_API int EVCHILD_kill_group(EVCHILD* child, int signal) EVCORO_NOEXCEPT;
EVCORO_API int EVCHILD_free(EVCHILD* child) EVCORO_NOEXCEPT;

// EVCOMMAND_RESULT is what a command has written. Each text has a 0 behind it.
typedef struct EVCOMMAND_RESULT {
  EVCHILD_STATUS status;
  char* output;
  size_t output_size;
  char* errors;
  size_t errors_size;
} EVCOMMAND_RESULT;

// EVCOMMAND_run() runs a command to its end, gives it input (EINVAL unless in is EVREDIRECT_DEFAULT
// or _NULL), and takes its output, and its errors
// if they are EVREDIRECT_SOCKET; each up to limit bytes (EMSGSIZE). See run(). It also fills in
// result, with what had come, when it fails: EVCOMMAND_RESULT_clear() frees that.
EVCORO_API int EVCOMMAND_run(const EVCOMMAND* command, const void* input, size_t input_size,
                             size_t limit, EVCOMMAND_RESULT* result,
                             struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API void EVCOMMAND_RESULT_clear(EVCOMMAND_RESULT* result) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
