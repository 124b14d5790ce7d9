// Fixture: stacks and a loop for a test in C, and the check that the test has left nothing behind:
// no thread, no stack, no descriptor.
//
//   TEST_CASE_C(a_thread_pauses, "a thread pauses") {
//     Fixture f;
//     set_up(&f);
//     run_in_thread(&f, pause_a_while, &f);
//     tear_down(&f);
//   }
#pragma once

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <evcoro/evthread.h>
#include <evcoro/net/address.h>
#include <support/c_test.h>
#include <support/own_loopback.h>

typedef struct Fixture {
  STACKS stacks;
  EVLOOP* loop;
  int descriptors;  // open before it was set up
} Fixture;

static inline int open_descriptors(void) {
  DIR* const directory = opendir("/proc/self/fd");
  int count = -1;  // the directory's own
  while (readdir(directory) != NULL) ++count;
  closedir(directory);
  return count;
}

static inline void set_up_with(Fixture* f, int stacks) {
  f->descriptors = open_descriptors();
  REQUIRE_C(STACKS_init(&f->stacks, stacks, 65) == 0);
  f->loop = EVLOOP_init(&f->stacks);
  REQUIRE_C(f->loop != NULL);
}

static inline void set_up(Fixture* f) { set_up_with(f, 16); }

static inline size_t stacks_in_use(Fixture* f) {
  STACKS_STATISTICS statistics;
  REQUIRE_C(STACKS_statistics(&f->stacks, &statistics) == 0);
  return statistics.in_use;
}

static inline void tear_down(Fixture* f) {
  REQUIRE_C(EVLOOP_threads(f->loop, NULL, NULL) == 0);
  REQUIRE_C(EVLOOP_free(f->loop) == 0);
  REQUIRE_C(stacks_in_use(f) == 0);
  REQUIRE_C(STACKS_destroy(&f->stacks) == 0);
  REQUIRE_C(open_descriptors() == f->descriptors);
}

// start() starts a thread.
static inline EVTHREAD* start(Fixture* f, EVTHREAD_PROC proc, void* ctx) {
  EVTHREAD* const thread = EVTHREAD_init(f->loop, proc, ctx);
  REQUIRE_C(thread != NULL);
  REQUIRE_C(EVTHREAD_start(thread, NULL) == 0);
  return thread;
}

// run_in_thread() runs proc in a thread, and the loop until nothing is left to do.
static inline void run_in_thread(Fixture* f, EVTHREAD_PROC proc, void* ctx) {
  start(f, proc, ctx);
  REQUIRE_C(EVLOOP_run(f->loop) == 1);
}

// own_address() is where no other test listens; see own_loopback.h.
static inline SOCKADDR own_address(uint16_t port) {
  SOCKADDR result;
  const struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(own_loopback())}};
  REQUIRE_C(SOCKADDR_init_saddr(&result, (const struct sockaddr*)&address, sizeof address) == 0);
  return result;
}

// bound_socket() has the address, in which it stores the port if that was 0. Until it listens
// nobody does there.
static inline int bound_socket(SOCKADDR* address) {
  socklen_t length = sizeof *address;
  const int result = socket(SOCKADDR_family(address), SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE_C(bind(result, SOCKADDR_saddr(address), SOCKADDR_length(address)) == 0);
  REQUIRE_C(getsockname(result, SOCKADDR_saddr(address), &length) == 0);
  return result;
}

static inline struct timeval milliseconds(int count) {
  struct timeval result = {count / 1000, count % 1000 * 1000};
  return result;
}

// Long enough for everything that comes at all.
static inline struct timeval long_time(void) { return milliseconds(30000); }

// now_us() is the time in microseconds.
static inline int64_t now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}
