// Options of sockets in C, by name: for EVSOCKET_set_option() and EVDATAGRAM_set_option(), which
// are in socket.h and datagram.h. What socket_option.hpp says of them holds here.
//
// Values are ints: 0 and 1 for on and off, seconds for times (but EVOPTION_USER_TIMEOUT:
// milliseconds), bytes for sizes. ENOPROTOOPT of a socket that doesn't have the option, EINVAL of a
// value that it can't have.
#pragma once

#include <stacks/export.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum EVOPTION EVCORO_ENUM {
  EVOPTION_REUSE_ADDRESS,
  EVOPTION_REUSE_PORT,
  EVOPTION_BROADCAST,
  EVOPTION_SEND_BUFFER,
  EVOPTION_RECEIVE_BUFFER,
  EVOPTION_LINGER,  // -1 is off
  EVOPTION_KEEPALIVE,
  EVOPTION_KEEPALIVE_IDLE,
  EVOPTION_KEEPALIVE_INTERVAL,
  EVOPTION_KEEPALIVE_COUNT,
  EVOPTION_NODELAY,
  EVOPTION_QUICK_ACK,
  EVOPTION_USER_TIMEOUT,
  EVOPTION_HOP_LIMIT,
  EVOPTION_TRAFFIC_CLASS,
  EVOPTION_MULTICAST_HOPS,
  EVOPTION_MULTICAST_LOOP,
  EVOPTION_IPV6_ONLY,
} EVOPTION;

#ifdef __cplusplus
}
#endif
