// EVIOEVENT, EVIO_poll() and EVPOLLER: wait for descriptors that others own, in C.
//
//   static void relay(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
//     EVIOEVENT* const event = EVIOEVENT_init(thread, pipe_fd);
//     while (EVIOEVENT_wait(event, POLLIN, EVTIMEOUT_NEVER) > 0) {
//       if (!read_from(pipe_fd)) break;
//     }
//   }                                              // freed with its thread; pipe_fd stays open
//
// What io_event.hpp says of IoEvent, and poller.hpp of poll() and Poller, holds here. What fails
// returns -1, or NULL, and sets errno, see evthread.h: EPERM also for a file, EEXIST if the base
// has an edge-triggered event on the descriptor.
#pragma once

#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>

#include <evcoro/evthread.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tagEVIOEVENT EVIOEVENT;
typedef struct tagEVPOLLER EVPOLLER;

// EVIOEVENT_init() makes one of thread, which frees it when it ends. It registers nothing yet.
EVCORO_API EVIOEVENT* EVIOEVENT_init(EVTHREAD* thread, int fd) EVCORO_NOEXCEPT;

// EVIOEVENT_wait() waits until fd is readable or writable: events is POLLIN, POLLOUT or both.
// Returns which of them it is.
EVCORO_API int EVIOEVENT_wait(EVIOEVENT* event, short events,
                              struct timeval timeout) EVCORO_NOEXCEPT;

// EVIOEVENT_free() removes the registration, which must come before fd is closed. Threads that wait
// fail with ECANCELED.
EVCORO_API int EVIOEVENT_free(EVIOEVENT* event) EVCORO_NOEXCEPT;

// EVIO_wait() is EVIOEVENT_wait() for a single wait.
EVCORO_API int EVIO_wait(int fd, short events, struct timeval timeout) EVCORO_NOEXCEPT;

// EVIO_poll() is poll(2) for a thread; but at the timeout it fails with ETIMEDOUT.
EVCORO_API int EVIO_poll(struct pollfd* entries, nfds_t count,
                         struct timeval timeout) EVCORO_NOEXCEPT;

// EVPOLLER_init() makes an epoll(7) instance of thread, which frees it when it ends.
EVCORO_API EVPOLLER* EVPOLLER_init(EVTHREAD* thread) EVCORO_NOEXCEPT;
EVCORO_API int EVPOLLER_free(EVPOLLER* poller) EVCORO_NOEXCEPT;

// These are epoll_ctl(2).
EVCORO_API int EVPOLLER_add(EVPOLLER* poller, int fd, uint32_t events,
                            epoll_data_t data) EVCORO_NOEXCEPT;
EVCORO_API int EVPOLLER_modify(EVPOLLER* poller, int fd, uint32_t events,
                               epoll_data_t data) EVCORO_NOEXCEPT;
EVCORO_API int EVPOLLER_remove(EVPOLLER* poller, int fd) EVCORO_NOEXCEPT;

// EVPOLLER_wait() is epoll_wait(2) for a thread; but at the timeout it fails with ETIMEDOUT.
EVCORO_API int EVPOLLER_wait(EVPOLLER* poller, struct epoll_event* events, int room,
                             struct timeval timeout) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
