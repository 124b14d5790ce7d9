// EVGROUPACCEPTOR: listens in C, and runs each connection in a thread on one of the loops of an
// EVLOOPGROUP.
//
//   EVGROUPACCEPTOR_OPTIONS options;
//   EVGROUPACCEPTOR_OPTIONS_init(&options);
//   options.acceptor.address = &address;
//   options.acceptor.factory = factory;              // called by several OS threads at once
//   EVGROUPACCEPTOR* acceptor = EVGROUPACCEPTOR_init(group, &options);
//   ...
//   EVGROUPACCEPTOR_drain(acceptor, timeout);
//   EVGROUPACCEPTOR_close(acceptor);
//   EVLOOPGROUP_free(group);
//
// Any OS thread may call these, but not in a callback of a loop, which is a misuse and terminates.
// What fails returns -1, or NULL, and sets errno: EINVAL for NULL, ECHILD in a child process.
// group_acceptor.hpp says more.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <evcoro/evthread.h>
#include <evcoro/loop_group.h>
#include <evcoro/net/limits.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tagEVGROUPACCEPTOR EVGROUPACCEPTOR;

// EVSPREAD says how connections come to the loops.
typedef enum tagEVSPREAD EVCORO_ENUM {
  EVSPREAD_AUTOMATIC,   // reuse port with EVWHEN_FULL_REJECT, otherwise hand out
  EVSPREAD_HAND_OUT,    // one listener, on the first loop; each goes to the loop with the fewest
  EVSPREAD_REUSE_PORT,  // a listener on every loop (SO_REUSEPORT): the kernel chooses
} EVSPREAD;

typedef struct tagEVGROUPACCEPTOR_OPTIONS {
  EVSPREAD spread;
  size_t max_per_loop;  // connections at once on each loop; 0: as many as it has stacks

  // As of EVTCPACCEPTOR_init_options(), but for address, which there must be. limits'
  // max_connections is the cap of all together; its reserve, and its bandwidth of all connections,
  // can't be had, nor can stacks. factory, discard and refuse are called in the OS threads of all
  // loops.
  EVTCPACCEPTOR_OPTIONS acceptor;
  uintptr_t reserved[4];
} EVGROUPACCEPTOR_OPTIONS;

// EVGROUPACCEPTOR_OPTIONS_init() stores the defaults: automatic, no further cap, and those of
// EVTCPACCEPTOR_OPTIONS_init().
EVCORO_API int EVGROUPACCEPTOR_OPTIONS_init(EVGROUPACCEPTOR_OPTIONS* options) EVCORO_NOEXCEPT;

// EVGROUPACCEPTOR_init() listens. It is to be closed before the group is freed. EINVAL for options
// that can't be had, or another spread; others are those of EVTCPACCEPTOR_init_options().
EVCORO_API EVGROUPACCEPTOR* EVGROUPACCEPTOR_init(
    EVLOOPGROUP* group, const EVGROUPACCEPTOR_OPTIONS* options) EVCORO_NOEXCEPT;

// EVGROUPACCEPTOR_spread() is how connections are spread: never EVSPREAD_AUTOMATIC, but for NULL.
EVCORO_API EVSPREAD EVGROUPACCEPTOR_spread(EVGROUPACCEPTOR* acceptor) EVCORO_NOEXCEPT;

// These are as those of an EVTCPACCEPTOR, of all loops together; peak is the sum of theirs. Other
// than that, EVGROUPACCEPTOR_drain() may be called in an OS thread, too.
EVCORO_API int EVGROUPACCEPTOR_counters(EVGROUPACCEPTOR* acceptor,
                                        EVTCPACCEPTOR_COUNTERS* counters) EVCORO_NOEXCEPT;
EVCORO_API int EVGROUPACCEPTOR_refusals(EVGROUPACCEPTOR* acceptor,
                                        EVTCPACCEPTOR_REFUSALS* refusals) EVCORO_NOEXCEPT;
EVCORO_API int EVGROUPACCEPTOR_local_address(EVGROUPACCEPTOR* acceptor,
                                             SOCKADDR* address) EVCORO_NOEXCEPT;
EVCORO_API int EVGROUPACCEPTOR_drain(EVGROUPACCEPTOR* acceptor,
                                     struct timeval timeout) EVCORO_NOEXCEPT;

// EVGROUPACCEPTOR_close() stops listening, and frees the acceptor; the connections' threads go on.
EVCORO_API void EVGROUPACCEPTOR_close(EVGROUPACCEPTOR* acceptor) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
