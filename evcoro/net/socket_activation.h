// EVACTIVATION_take() in C: what a service manager has opened for this process, by systemd's
// protocol; see socket_activation.hpp and sd_listen_fds(3).
//
//   static void listen_on(int fd, const char* name, void* ctx) {
//     EVTCPACCEPTOR_init(ctx, fd, factory, -1, -1);
//   }
//
//   if (EVACTIVATION_take(listen_on, loop) == 0) ...;   // nothing was passed
#pragma once

#include <stacks/export.h>

#ifdef __cplusplus
extern "C" {
#endif

// EVACTIVATION_take() calls visit for each descriptor that was passed, in order; it is visit's to
// close, and closes on exec. name is good during the call, and "unknown" where the manager gives
// none. Returns how many there are, or -1: EINVAL for variables that make no sense, EBADF if a
// descriptor isn't open, ENOMEM. The variables are removed from the environment in any case: call
// it at the beginning of main(), before there are OS threads.
EVCORO_API int EVACTIVATION_take(void (*visit)(int fd, const char* name, void* ctx),
                                 void* ctx) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
