// own_loopback() is an address of 127.0.0.0/8, in host byte order, that no other test's process
// has: where a test has stopped to listen, nobody else may listen next.
#pragma once

#include <stdint.h>
#include <unistd.h>

static inline uint32_t own_loopback(void) {
  return UINT32_C(0x7f800000) | ((uint32_t)getpid() & UINT32_C(0x3fffff));  // pids have 22 bits
}
