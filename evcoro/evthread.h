// evcoro in C: an event loop, coroutine threads on it, their sockets and timers, and an acceptor
// that runs each connection in a thread of its own. The stack pool is the throttle.
//
//   static void echo(EVTHREAD* thread, EVSOCKET* socket, void* user_ctx) {
//     struct timeval timeout = {3, 0};
//     char buffer[512];
//     int count;
//     while ((count = EVSOCKET_recv(socket, buffer, sizeof buffer, 0, timeout)) > 0) {
//       if (EVSOCKET_send(socket, buffer, count, 0, timeout) != count) break;
//     }
//   }
//
//   EVLOOP* loop = EVLOOP_init(&stacks);        // or EVLOOP_init_base(): in an existing event_base
//   EVTCPACCEPTOR_init_ex(loop, &address, 30, factory, -1, -1);
//   EVLOOP_run(loop);
//
// A loop and all that belongs to it is used from the OS thread that drives it; only EVLOOP_break(),
// EVLOOP_post() and what knows no loop (addresses, EVERROR_text()) may be called from any. For what
// crosses loops and OS threads there are loop_group.h and sync/. Calls that block ("thread"
// functions and those of sockets) are made in a coroutine thread, and block nobody else.
//
// What fails returns -1 (a pointer: NULL) and sets errno, which is per coroutine thread:
// EINVAL for NULL; ETIMEDOUT at a timeout, after which the object is as usable as before; ECANCELED
// in a cancelled thread, and when the socket is closed meanwhile, which then is gone (which of the
// two it was says EVTHREAD_cancel_reason()); EPERM for a blocking call outside a coroutine thread;
// EXDEV for an object of another loop; ECHILD in a child process for an object of its parent's
// loop; and what the system calls say. EVERROR_text() explains them.
//
// A timeout is a struct timeval that counts from the call. {0, 0} is EVTIMEOUT_NOW: don't wait.
// {-1, 0} is EVTIMEOUT_NEVER: as long as it takes. Another that is negative, such as the rest of a
// deadline that is over, is as good as now.
//
// A C++ exception that leaves a thread's function is reported and ends that thread only.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <corothread/cthread.h>
#include <evcoro/net/address.h>
#include <stacks/export.h>
#include <stacks/stacks.h>

struct event_base;

#ifdef __cplusplus
extern "C" {
#endif

EVCORO_API extern const struct timeval EVTIMEOUT_NOW;
EVCORO_API extern const struct timeval EVTIMEOUT_NEVER;

// EVERROR_text() says what errno means in this library, and what to do about it. Static text.
EVCORO_API const char* EVERROR_text(int error) EVCORO_NOEXCEPT;

typedef struct tagEVLOOP EVLOOP;
typedef struct tagEVTHREAD EVTHREAD;
typedef struct tagEVSOCKET EVSOCKET;
typedef struct tagEVTIMER EVTIMER;
typedef struct tagEVTCPACCEPTOR EVTCPACCEPTOR;
typedef struct tagEVTOKENBUCKET EVTOKENBUCKET;

// --- EVLOOP ---

// EVLOOP_init() makes a loop with an event_base of its own; its threads run on stacks, which serve
// one loop only, and must outlive it.
EVCORO_API EVLOOP* EVLOOP_init(STACKS* stacks) EVCORO_NOEXCEPT;

// EVLOOP_init_base() makes a loop in the application's event_base, which must outlive it and is
// never freed by it. The application's own event_base_dispatch() drives it, too, and returns when
// nothing is left to do.
EVCORO_API EVLOOP* EVLOOP_init_base(STACKS* stacks, struct event_base* base) EVCORO_NOEXCEPT;

EVCORO_API struct event_base* EVLOOP_base(EVLOOP* loop) EVCORO_NOEXCEPT;

// EVLOOP_set_event_priority() gives the events of the loop, and those that it adds from now on, a
// priority among the application's: 0 is first, see event_base_priority_init(); without it they
// have libevent's, in the middle. EINVAL if the base has no such priority, EBUSY inside of a
// callback of the base.
EVCORO_API int EVLOOP_set_event_priority(EVLOOP* loop, int priority) EVCORO_NOEXCEPT;

// EVLOOP_run() drives the loop. As event_base_dispatch(), it returns 0 after EVLOOP_break(), and 1
// when nothing is left to do: no thread, no acceptor, no pending event; 2 after EVLOOP_abort(). It
// can be called again. EDEADLK in a thread or callback of this loop.
EVCORO_API int EVLOOP_run(EVLOOP* loop) EVCORO_NOEXCEPT;

// EVLOOP_break() makes EVLOOP_run() return, or the next one if none is under way; in a base that
// the application drives, it breaks the dispatch. Any OS thread may call it.
EVCORO_API int EVLOOP_break(EVLOOP* loop) EVCORO_NOEXCEPT;

// EVLOOP_post() runs function(ctx) in the OS thread of the loop, outside any thread: it must not
// block, but may start threads. In order of posting. Any OS thread may call it. Posts alone don't
// keep EVLOOP_run() from returning; what is left then waits for the next run, and is dropped with
// the loop. ENOMEM.
EVCORO_API int EVLOOP_post(EVLOOP* loop, void (*function)(void* ctx), void* ctx) EVCORO_NOEXCEPT;

// EVLOOP_shutdown() cancels all threads but the calling one (EVCANCEL_SHUTDOWN), stops the
// acceptors from accepting, and waits for the threads to end. Returns how many have not: those go
// on. EDEADLK in a thread of another loop that a thread of this one has started.
EVCORO_API int EVLOOP_shutdown(EVLOOP* loop, struct timeval timeout) EVCORO_NOEXCEPT;

// EVLOOP_abort() cancels all threads (EVCANCEL_SHUTDOWN) and stops the acceptors; until the threads
// have ended nothing new is started. EVLOOP_run() goes on until then, and returns 2; in a base that
// the application drives, nothing more is done. The loop can be used again. Any OS thread may call
// it.
EVCORO_API int EVLOOP_abort(EVLOOP* loop) EVCORO_NOEXCEPT;

// EVLOOP_set_local() and EVLOOP_local() are EVTHREAD_set_local() and EVTHREAD_local() for a loop:
// its values go when it is freed.
EVCORO_API int EVLOOP_set_local(EVLOOP* loop, const void* key, void* value,
                                void (*destroy)(void* value)) EVCORO_NOEXCEPT;
EVCORO_API void* EVLOOP_local(EVLOOP* loop, const void* key) EVCORO_NOEXCEPT;

// EVLOOP_free() cancels the threads that are left, lets them run to their end without further I/O,
// and frees the loop. Threads that then don't end are named in a report, and the process is
// terminated: call EVLOOP_shutdown() before. EDEADLK in the loop's threads, posts, factories, and
// callbacks of its own base (but those of an application's base may). EBUSY if it is of an
// EVLOOPGROUP, or C++ code has made it.
EVCORO_API int EVLOOP_free(EVLOOP* loop) EVCORO_NOEXCEPT;

// EVCANCEL_REASON says why a thread is cancelled.
typedef enum tagEVCANCEL_REASON EVCORO_ENUM {
  EVCANCEL_NONE,
  EVCANCEL_USER,
  EVCANCEL_DEADLINE,
  EVCANCEL_SHUTDOWN,
  EVCANCEL_FAILURE,  // another thread of the scope has failed
} EVCANCEL_REASON;

// EVTHREAD_INFO describes a thread for people. The texts are good during the call that hands them
// out.
typedef struct tagEVTHREAD_INFO {
  uint64_t id;
  const char* name;
  const char* state;        // "ready", "running" or "parked"
  const char* wait_reason;  // such as "recv fd 7"; empty unless parked
  const char* started_at;   // where EVTHREAD_init() was called: "file:line"
  EVCANCEL_REASON cancel_reason;
  int urgent;
  uint64_t parks;             // how often it has parked: it was resumed as often, yields apart
  struct timeval parked_for;  // to some milliseconds; zero unless parked
  uintptr_t reserved[1];
} EVTHREAD_INFO;

// EVLOOP_threads() calls visit for each live thread. Returns how many there are; visit may be NULL.
EVCORO_API int EVLOOP_threads(EVLOOP* loop, void (*visit)(const EVTHREAD_INFO* info, void* ctx),
                              void* ctx) EVCORO_NOEXCEPT;

// --- EVTHREAD ---

// EVTHREAD_PROC is what a thread runs. socket is the one that it was started with, or NULL. When it
// returns, the thread's sockets and timers are closed and freed, the CTHREADs that it started are
// killed, and the EVTHREAD is freed.
typedef void (*EVTHREAD_PROC)(EVTHREAD* thread, EVSOCKET* socket, void* user_ctx);

// EVTHREAD_init() makes a thread, which takes a stack of the loop's. It does nothing until it is
// started. Errors: EAGAIN if all stacks are taken; ENOMEM; ECANCELED while the loop shuts down.
EVCORO_API EVTHREAD* EVTHREAD_init(EVLOOP* loop, EVTHREAD_PROC proc,
                                   void* user_ctx) EVCORO_NOEXCEPT;

// EVTHREAD_OPTIONS are what a thread may have beyond its function: zero means the default.
typedef struct tagEVTHREAD_OPTIONS {
  const char* name;  // copied, and cut to 31 characters
  STACKS* stacks;    // others than the loop's, which must outlive the thread
  const char* file;  // where it is made, for people: not copied, it must outlive the thread
  int line;
  int urgent;  // not 0: it goes before others, which still get their turn
  // For threads of an EVLOOPGROUP: with the user_ctx of one that is never started; may be NULL.
  void (*discard)(void* user_ctx);
  uintptr_t reserved[3];
} EVTHREAD_OPTIONS;

EVCORO_API EVTHREAD* EVTHREAD_init_ex(EVLOOP* loop, EVTHREAD_PROC proc, void* user_ctx,
                                      const EVTHREAD_OPTIONS* options) EVCORO_NOEXCEPT;

// A call of EVTHREAD_init() notes where it is made.
EVCORO_API EVTHREAD* EVTHREAD_init_at(EVLOOP* loop, EVTHREAD_PROC proc, void* user_ctx,
                                      const char* file, int line) EVCORO_NOEXCEPT;
#define EVTHREAD_init(loop, proc, user_ctx) \
  EVTHREAD_init_at((loop), (proc), (user_ctx), __FILE__, __LINE__)

// EVTHREAD_start() runs the thread at once, until it first waits, and then returns. (Called by a
// thread of another loop that runs inside one of this, it only queues.) socket is handed to the
// thread's function, and stays its maker's: it closes when that one ends. EALREADY if the thread
// has been started; ECANCELED while the loop shuts down: the thread is the caller's to free still.
EVCORO_API int EVTHREAD_start(EVTHREAD* thread, EVSOCKET* socket) EVCORO_NOEXCEPT;

// EVTHREAD_start_joinable() does so, too, but the EVTHREAD (its stack, too) stays until
// EVTHREAD_join() frees it, or EVTHREAD_detach() gives that up.
EVCORO_API int EVTHREAD_start_joinable(EVTHREAD* thread, EVSOCKET* socket) EVCORO_NOEXCEPT;

// EVTHREAD_join() waits until the thread has ended, and frees it; if it fails, nothing has changed.
// One that has ended can be joined from anywhere. EINVAL if it isn't joinable, EBUSY if another
// thread joins it, EDEADLK if it is the calling one.
EVCORO_API int EVTHREAD_join(EVTHREAD* thread, struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API int EVTHREAD_detach(EVTHREAD* thread) EVCORO_NOEXCEPT;

// EVTHREAD_free() frees a thread that was never started, and closes its sockets. EBUSY if it was:
// it frees itself, see EVTHREAD_cancel().
EVCORO_API int EVTHREAD_free(EVTHREAD* thread) EVCORO_NOEXCEPT;

// EVTHREAD_current() is the running thread, NULL outside one. In a thread that C++ code has made it
// is one, too, and lives as long.
EVCORO_API EVTHREAD* EVTHREAD_current(void) EVCORO_NOEXCEPT;

// EVTHREAD_delay() pauses the thread, which must be the running one (EPERM), for at least delay. 0,
// or -1 if it is cancelled.
EVCORO_API int EVTHREAD_delay(EVTHREAD* thread, struct timeval delay) EVCORO_NOEXCEPT;

// EVTHREAD_yield() lets all other ready threads run and, now and then, the loop look for I/O. In a
// cancelled thread it does so too, and then fails.
EVCORO_API int EVTHREAD_yield(void) EVCORO_NOEXCEPT;

// EVTHREAD_park() waits for EVTHREAD_wake(), which counts: called before, it makes the next park
// return at once. It disturbs no other wait of the thread. From another OS thread, post it.
EVCORO_API int EVTHREAD_park(struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API int EVTHREAD_wake(EVTHREAD* thread) EVCORO_NOEXCEPT;

// EVTHREAD_cancel() makes every blocking call of the thread fail with ECANCELED, from now until it
// ends or acknowledges. The first reason stays; EVCANCEL_NONE is EINVAL.
EVCORO_API int EVTHREAD_cancel(EVTHREAD* thread, EVCANCEL_REASON reason) EVCORO_NOEXCEPT;
EVCORO_API EVCANCEL_REASON EVTHREAD_cancel_reason(EVTHREAD* thread) EVCORO_NOEXCEPT;

// EVTHREAD_acknowledge_cancellation() lets the running thread block again, until it is cancelled
// again.
EVCORO_API int EVTHREAD_acknowledge_cancellation(void) EVCORO_NOEXCEPT;

// EVTHREAD_set_urgent() lets the thread, from its next wait on, go before others (not 0), or not
// (0).
EVCORO_API int EVTHREAD_set_urgent(EVTHREAD* thread, int urgent) EVCORO_NOEXCEPT;

// EVTHREAD_set_local() gives the running thread a value of its own for key, an address that is
// unique, such as that of a static variable. When the thread ends, or the value is replaced,
// destroy(value) is called; it may be NULL. EVTHREAD_local() is the running thread's value, or
// NULL.
EVCORO_API int EVTHREAD_set_local(const void* key, void* value,
                                  void (*destroy)(void* value)) EVCORO_NOEXCEPT;
EVCORO_API void* EVTHREAD_local(const void* key) EVCORO_NOEXCEPT;

// EVTHREAD_loop() is the loop of a thread that has not ended. It is one, too, if C++ code has made
// it, or if it is of an EVLOOPGROUP: then whoever made it frees it, and EVLOOP_free() is EBUSY.
EVCORO_API EVLOOP* EVTHREAD_loop(EVTHREAD* thread) EVCORO_NOEXCEPT;
EVCORO_API uint64_t EVTHREAD_id(EVTHREAD* thread) EVCORO_NOEXCEPT;
EVCORO_API const char* EVTHREAD_name(EVTHREAD* thread) EVCORO_NOEXCEPT;

// What the thread runs on, in bytes: the size, and the deepest use, see STACK_ENTRY_watermark().
EVCORO_API size_t EVTHREAD_stack_size(EVTHREAD* thread) EVCORO_NOEXCEPT;
EVCORO_API size_t EVTHREAD_stack_watermark(EVTHREAD* thread) EVCORO_NOEXCEPT;

// --- EVTIMER ---

// EVTIMER_init() makes a timer of thread, which frees it when it ends. id is for the caller.
EVCORO_API EVTIMER* EVTIMER_init(EVTHREAD* thread, int id, struct timeval expiry) EVCORO_NOEXCEPT;

// EVTIMER_start() lets it expire once, its time from now; EVTIMER_start_periodic() again and again,
// at least a microsecond apart. EALREADY if it is running.
EVCORO_API int EVTIMER_start(EVTIMER* timer) EVCORO_NOEXCEPT;
EVCORO_API int EVTIMER_start_periodic(EVTIMER* timer) EVCORO_NOEXCEPT;

// EVTIMER_cancel() stops it, or forgets that it has expired. EINVAL if neither is to be done.
EVCORO_API int EVTIMER_cancel(EVTIMER* timer) EVCORO_NOEXCEPT;
EVCORO_API int EVTIMER_free(EVTIMER* timer) EVCORO_NOEXCEPT;

// EVTHREAD_wait_timer() waits until a timer of the running thread has expired, and stores its id:
// of several, the first. A timer that expires while the thread waits for something else is
// remembered, and disturbs nothing. EINVAL if none is running and none has expired. (Timers of C++
// code don't count.)
EVCORO_API int EVTHREAD_wait_timer(int* id, struct timeval timeout) EVCORO_NOEXCEPT;

// --- EVSOCKET ---

// EVSOCKET_init() makes a socket of thread around fd, a stream socket, which it makes non-blocking.
// The thread closes it when it ends. If this fails, fd stays the caller's. What is_connected says
// the kernel knows better. No event for fd may be in the loop's base.
EVCORO_API EVSOCKET* EVSOCKET_init(EVTHREAD* thread, int fd, int is_connected) EVCORO_NOEXCEPT;

// EVSOCKET_open() makes a TCP socket, family AF_INET or AF_INET6, with TCP_NODELAY on.
EVCORO_API EVSOCKET* EVSOCKET_open(EVTHREAD* thread, int family) EVCORO_NOEXCEPT;

// EVSOCKET_close() closes the descriptor and frees the EVSOCKET. Threads that wait for it fail with
// ECANCELED.
EVCORO_API int EVSOCKET_close(EVSOCKET* socket) EVCORO_NOEXCEPT;

// EVSOCKET_release() frees the EVSOCKET, and returns the descriptor, which is the caller's then.
EVCORO_API int EVSOCKET_release(EVSOCKET* socket) EVCORO_NOEXCEPT;

// EVSOCKET_fd() is the descriptor: for getsockopt(2) and the like. It is not to be closed.
EVCORO_API int EVSOCKET_fd(EVSOCKET* socket) EVCORO_NOEXCEPT;

// EVSOCKET_connect() connects; see connect(2). After ETIMEDOUT, a further call goes on waiting for
// the same attempt; after other failures the socket is good for EVSOCKET_close() only.
EVCORO_API int EVSOCKET_connect(EVSOCKET* socket, const struct sockaddr* address, socklen_t length,
                                struct timeval timeout) EVCORO_NOEXCEPT;

// One thread may receive while another sends: EBUSY for a second one in the same direction. flags
// as for recv(2) and send(2). SIGPIPE is never raised.
//
// EVSOCKET_recv() waits until there is something, and returns how many bytes it has taken: 0 if the
// peer has closed. EVSOCKET_recv_all() waits until buf is full; it returns less only if the peer
// has closed; MSG_PEEK is EINVAL. (MSG_WAITALL is the same, but says less of an error.)
// EVSOCKET_send() sends all. A size over INT_MAX is EINVAL.
EVCORO_API int EVSOCKET_recv(EVSOCKET* socket, void* buf, size_t size, int flags,
                             struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API int EVSOCKET_recv_all(EVSOCKET* socket, void* buf, size_t size, int flags,
                                 struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API int EVSOCKET_send(EVSOCKET* socket, const void* buf, size_t size, int flags,
                             struct timeval timeout) EVCORO_NOEXCEPT;

// These return 0 or -1, and store in *count how many bytes were transferred, also if they fail half
// way; size has no limit.
EVCORO_API int EVSOCKET_recv_all_ex(EVSOCKET* socket, void* buf, size_t size, int flags,
                                    struct timeval timeout, size_t* count) EVCORO_NOEXCEPT;
EVCORO_API int EVSOCKET_send_ex(EVSOCKET* socket, const void* buf, size_t size, int flags,
                                struct timeval timeout, size_t* count) EVCORO_NOEXCEPT;

// EVSOCKET_shutdown() ends one direction or both: SHUT_RD, SHUT_WR, SHUT_RDWR; see shutdown(2).
EVCORO_API int EVSOCKET_shutdown(EVSOCKET* socket, int how) EVCORO_NOEXCEPT;

// EVSOCKET_set_idle_timeout() limits how long the socket may go without transferring a byte in
// either direction, counted from this call and from each byte: after that, a call that has to wait
// fails with ETIMEDOUT. It never closes, and disturbs no other wait.
EVCORO_API void EVSOCKET_set_idle_timeout(EVSOCKET* socket, struct timeval timeout) EVCORO_NOEXCEPT;

// The two ends of the connection. EAFNOSUPPORT if they are of another family than SOCKADDR knows.
EVCORO_API int EVSOCKET_local_address(EVSOCKET* socket, SOCKADDR* address) EVCORO_NOEXCEPT;
EVCORO_API int EVSOCKET_peer_address(EVSOCKET* socket, SOCKADDR* address) EVCORO_NOEXCEPT;

// --- EVTCPACCEPTOR ---

// EVTHREAD_FACTORY decides what runs on a new connection: it stores the thread's function and its
// user_ctx. It is called in a callback of the loop, or by EVTCPACCEPTOR_close(), which may be
// called in a thread; it must not block, nor free the loop. Non-zero closes the connection at once,
// and so does a function that is NULL. The connection runs on the stack that is free when the
// factory is called: one that starts a thread of its own there may take that away.
typedef int (*EVTHREAD_FACTORY)(int fd, EVTHREAD_PROC* proc, void** ctx);
typedef int (*EVTHREAD_FACTORY_EX)(int fd, EVTHREAD_PROC* proc, void** ctx, void* factory_ctx);

// EVTCPACCEPTOR_init_ex() listens on address (port 0: the kernel chooses one) and runs each
// connection in a thread. When no stack is left it stops listening until one is free: clients wait
// in the backlog, see listen(2). The sizes are SO_RCVBUF and SO_SNDBUF of the connections in bytes;
// -1, and 0, leave the system's. Errors are those of socket(2), bind(2) and listen(2).
EVCORO_API EVTCPACCEPTOR* EVTCPACCEPTOR_init_ex(EVLOOP* loop, const SOCKADDR* address, int backlog,
                                                EVTHREAD_FACTORY factory, int read_buffer_size,
                                                int write_buffer_size) EVCORO_NOEXCEPT;

// The same with a factory that has a context of its own.
EVCORO_API EVTCPACCEPTOR* EVTCPACCEPTOR_init_ctx(EVLOOP* loop, const SOCKADDR* address, int backlog,
                                                 EVTHREAD_FACTORY_EX factory, int read_buffer_size,
                                                 int write_buffer_size,
                                                 void* factory_ctx) EVCORO_NOEXCEPT;

// EVTCPACCEPTOR_init() is for a descriptor that listens already, and keeps its backlog. It is the
// acceptor's then, and closed also if this fails; but for EINVAL (it doesn't listen, among others),
// ENOTSOCK, EBADF and ECHILD, after which it is the caller's still.
EVCORO_API EVTCPACCEPTOR* EVTCPACCEPTOR_init(EVLOOP* loop, int listener_fd,
                                             EVTHREAD_FACTORY factory, int read_buffer_size,
                                             int write_buffer_size) EVCORO_NOEXCEPT;

// EVREFUSAL is a connection that is turned away: good during the call that hands it out.
typedef struct tagEVREFUSAL EVREFUSAL;

// EVREFUSAL_write() sends as much as the socket's buffer takes without waiting. Returns how much.
EVCORO_API int EVREFUSAL_write(EVREFUSAL* refusal, const void* data, size_t size) EVCORO_NOEXCEPT;
EVCORO_API int EVREFUSAL_peer_address(EVREFUSAL* refusal, SOCKADDR* address) EVCORO_NOEXCEPT;

// EVWHEN_FULL says what happens to clients when no stack is left.
typedef enum tagEVWHEN_FULL EVCORO_ENUM {
  EVWHEN_FULL_PAUSE,   // they wait in the backlog until a stack is free
  EVWHEN_FULL_REJECT,  // they are accepted and closed; refuse() may write a refusal before
} EVWHEN_FULL;

typedef struct tagEVTCPACCEPTOR_OPTIONS {
  const SOCKADDR* address;  // to listen on, or NULL:
  int listener_fd;          // a descriptor that listens already
  int backlog;
  int read_buffer_size;
  int write_buffer_size;
  EVTHREAD_FACTORY_EX factory;
  void* factory_ctx;
  // With a user_ctx of the factory's that has returned 0, but for which there is no thread after
  // all; may be NULL. As the factory, it must not block, nor free the loop.
  void (*discard)(void* ctx, void* factory_ctx);
  EVWHEN_FULL when_full;
  // With EVWHEN_FULL_REJECT; as the factory, it must not block, nor free the loop; may be NULL.
  void (*refuse)(EVREFUSAL* refusal, void* factory_ctx);
  const char* name;  // of the threads
  STACKS* stacks;    // others than the loop's, which must outlive the connections; NULL: those
  const char* file;  // where it is made, for people: not copied, as long as the connections
  int line;
  const struct tagEVTCPACCEPTOR_LIMITS* limits;  // see evcoro/net/limits.h; NULL: none
  uintptr_t reserved[3];
} EVTCPACCEPTOR_OPTIONS;

// EVTCPACCEPTOR_OPTIONS_init() stores the defaults, which are zero but for listener_fd: backlog
// 4096, the system's buffers, pause.
EVCORO_API int EVTCPACCEPTOR_OPTIONS_init(EVTCPACCEPTOR_OPTIONS* options) EVCORO_NOEXCEPT;
EVCORO_API EVTCPACCEPTOR* EVTCPACCEPTOR_init_options(
    EVLOOP* loop, const EVTCPACCEPTOR_OPTIONS* options) EVCORO_NOEXCEPT;

typedef struct tagEVTCPACCEPTOR_COUNTERS {
  uint64_t accepted;  // connections that got a thread
  uint64_t refused;   // turned away: no stack (with reject), by the factory, no memory, or still
                      // waiting when the acceptor closed
  size_t waiting;     // in the kernel's backlog now, or drained
  size_t active;      // have a thread now
  size_t peak;        // most that were active at once
  uintptr_t reserved[4];
} EVTCPACCEPTOR_COUNTERS;

EVCORO_API int EVTCPACCEPTOR_counters(EVTCPACCEPTOR* acceptor,
                                      EVTCPACCEPTOR_COUNTERS* counters) EVCORO_NOEXCEPT;
EVCORO_API int EVTCPACCEPTOR_local_address(EVTCPACCEPTOR* acceptor,
                                           SOCKADDR* address) EVCORO_NOEXCEPT;

// EVTCPACCEPTOR_drain() ends service gracefully: it stops listening, serves who was waiting in the
// backlog, and waits until all connections have ended. To be called in a thread, which should run
// on other stacks. EBUSY if another thread does.
EVCORO_API int EVTCPACCEPTOR_drain(EVTCPACCEPTOR* acceptor, struct timeval timeout) EVCORO_NOEXCEPT;

// EVTCPACCEPTOR_close() stops listening, and frees the acceptor. Clients that wait in the backlog
// are served as far as there are stacks for them, the others get a reset. The connections' threads
// go on. An acceptor is to be closed also if its loop is freed.
EVCORO_API void EVTCPACCEPTOR_close(EVTCPACCEPTOR* acceptor) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
