// Limits in C: token buckets, the bandwidth of sockets, and what an acceptor may have beyond its
// stacks.
//
//   EVTOKENBUCKET* bucket = EVTOKENBUCKET_init(1e6, 64e3);    // 1 MB/s, 64 kB at once
//   EVSOCKET_set_bandwidth(socket, bucket, bucket);           // both ways together
//   EVTOKENBUCKET_free(bucket);                               // the socket keeps it
//
//   EVTCPACCEPTOR_LIMITS limits;
//   EVTCPACCEPTOR_LIMITS_init(&limits);
//   limits.max_connections = 100;
//   limits.max_per_address = 4;
//   options.limits = &limits;
//   EVTCPACCEPTOR_init_options(loop, &options);
//
// token_bucket.hpp and tcp_acceptor.hpp say how they work. What fails returns -1, or NULL, and sets
// errno. All is for the OS thread of the loop.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <evcoro/evthread.h>
#include <stacks/export.h>

#ifdef __cplusplus
extern "C" {
#endif

// --- EVTOKENBUCKET ---

// EVTOKENBUCKET_init() makes a bucket, full, that gets so many tokens a second and holds burst.
EVCORO_API EVTOKENBUCKET* EVTOKENBUCKET_init(double per_second, double burst) EVCORO_NOEXCEPT;

// EVTOKENBUCKET_free() gives the bucket up; sockets, loops and acceptors that have it keep it. No
// thread may be in EVTOKENBUCKET_take(). NULL does nothing.
EVCORO_API void EVTOKENBUCKET_free(EVTOKENBUCKET* bucket) EVCORO_NOEXCEPT;

EVCORO_API int EVTOKENBUCKET_set_rate(EVTOKENBUCKET* bucket, double per_second,
                                      double burst) EVCORO_NOEXCEPT;

// EVTOKENBUCKET_available() stores how many tokens are there now.
EVCORO_API int EVTOKENBUCKET_available(EVTOKENBUCKET* bucket, uint64_t* count) EVCORO_NOEXCEPT;

// EVTOKENBUCKET_take() waits in the running thread until it has got count tokens; if it fails, it
// takes none.
EVCORO_API int EVTOKENBUCKET_take(EVTOKENBUCKET* bucket, uint64_t count,
                                  struct timeval timeout) EVCORO_NOEXCEPT;
EVCORO_API int EVTOKENBUCKET_give_back(EVTOKENBUCKET* bucket, uint64_t count) EVCORO_NOEXCEPT;

// --- bandwidth ---

// These throttle a socket, and all sockets that are made in a loop from now on together: a token a
// byte. NULL is no limit.
EVCORO_API int EVSOCKET_set_bandwidth(EVSOCKET* socket, EVTOKENBUCKET* receive,
                                      EVTOKENBUCKET* send) EVCORO_NOEXCEPT;
EVCORO_API int EVLOOP_set_bandwidth(EVLOOP* loop, EVTOKENBUCKET* receive,
                                    EVTOKENBUCKET* send) EVCORO_NOEXCEPT;

// --- acceptors ---

// EVV6ONLY is IPV6_V6ONLY of a listener for IPv6, see ipv6(7): off makes it a dual stack.
typedef enum tagEVV6ONLY EVCORO_ENUM { EVV6ONLY_SYSTEM, EVV6ONLY_OFF, EVV6ONLY_ON } EVV6ONLY;

// EVTCPACCEPTOR_LIMITS: of what is a number or a bucket, zero and NULL are no limit.
typedef struct tagEVTCPACCEPTOR_LIMITS {
  EVV6ONLY v6_only;
  int ipv6_prefix;                // bits of an IPv6 address that count for max_per_address; 0: all
  size_t max_connections;         // at once
  size_t reserve;                 // stacks that are set aside; EINVAL if there aren't so many
  EVTOKENBUCKET* accept_rate;     // a token for each new connection
  size_t max_per_address;         // connections at once of a client's IP address
  EVWHEN_FULL when_address_full;  // pause holds them; otherwise they are turned away
  EVTOKENBUCKET* receive;         // bandwidth of all connections together
  EVTOKENBUCKET* send;
  double
      receive_rate;  // of each connection, in bytes a second; with a burst of 0 there is no limit
  double receive_burst;
  double send_rate;
  double send_burst;
  uintptr_t reserved[4];
} EVTCPACCEPTOR_LIMITS;

// EVTCPACCEPTOR_LIMITS_init() stores the defaults: zero, but for when_address_full: reject.
EVCORO_API int EVTCPACCEPTOR_LIMITS_init(EVTCPACCEPTOR_LIMITS* limits) EVCORO_NOEXCEPT;

// EVREFUSAL_REASON is why a connection is turned away, for EVTCPACCEPTOR_OPTIONS.refuse.
typedef enum tagEVREFUSAL_REASON EVCORO_ENUM {
  EVREFUSAL_NO_STACK,
  EVREFUSAL_MAX_CONNECTIONS,
  EVREFUSAL_RATE,
  EVREFUSAL_MAX_PER_ADDRESS,
} EVREFUSAL_REASON;
EVCORO_API EVREFUSAL_REASON EVREFUSAL_reason(const EVREFUSAL* refusal) EVCORO_NOEXCEPT;

// EVTCPACCEPTOR_REFUSALS counts by reason those that EVTCPACCEPTOR_COUNTERS.refused counts.
typedef struct tagEVTCPACCEPTOR_REFUSALS {
  uint64_t no_stack;
  uint64_t max_connections;
  uint64_t rate;
  uint64_t max_per_address;
  uintptr_t reserved[4];
} EVTCPACCEPTOR_REFUSALS;
EVCORO_API int EVTCPACCEPTOR_refusals(EVTCPACCEPTOR* acceptor,
                                      EVTCPACCEPTOR_REFUSALS* refusals) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
