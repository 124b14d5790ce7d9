// What tests of evcoro/sync in C share: a blocking call that has to wait, in all places, and a
// function that runs in all places at once.
//
//   static int wait_for_flag(void* flag, struct timeval timeout) { return EVFLAG_wait(flag,
//   timeout); }
//   ...
//   require_waits(wait_for_flag, flag);     // which nobody sets
//
//   run_everywhere(count_up, &counter);     // in threads of two loops, and in OS threads
#pragma once

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>

#include <evcoro/loop_group.h>

#include "fixture.h"

// --- a call that has to wait ---

typedef struct Wait {
  int (*call)(void* object, struct timeval timeout);
  void* object;
  int result;
  int error;
  int is_called_back;
} Wait;

static inline void time_out(const Wait* w) {
  REQUIRE_ERRNO(w->call(w->object, EVTIMEOUT_NOW) == -1, ETIMEDOUT);
  REQUIRE_ERRNO(w->call(w->object, milliseconds(1)) == -1, ETIMEDOUT);
}

static inline void time_out_in_thread(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  time_out(ctx);
}

static inline void wait_in_thread(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Wait* const w = ctx;
  w->result = w->call(w->object, EVTIMEOUT_NEVER);
  w->error = errno;
  REQUIRE_ERRNO(w->call(w->object, EVTIMEOUT_NOW) == -1, ECANCELED);
}

static inline void wait_in_callback(void* ctx) {
  Wait* const w = ctx;
  REQUIRE_ERRNO(w->call(w->object, long_time()) == -1, EPERM);
  w->is_called_back = 1;
}

static inline void post_in_thread(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Wait* const w = ctx;
  w->is_called_back = 0;
  REQUIRE_C(EVLOOP_post(EVTHREAD_loop(thread), wait_in_callback, w) == 0);
  while (!w->is_called_back) REQUIRE_C(EVTHREAD_yield() == 0);
}

static inline void* wait_in_all_ways(void* ctx) {
  Wait* const w = ctx;
  Fixture f;
  set_up(&f);
  time_out(w);
  run_in_thread(&f, time_out_in_thread, w);
  run_in_thread(&f, post_in_thread, w);
  EVTHREAD* const waiting = start(&f, wait_in_thread, w);
  REQUIRE_C(EVTHREAD_cancel(waiting, EVCANCEL_USER) == 0);
  REQUIRE_C(EVLOOP_run(f.loop) == 1);
  REQUIRE_C(w->result == -1 && w->error == ECANCELED);
  tear_down(&f);
  return NULL;
}

// require_waits() requires that call(object, timeout), which can't succeed, times out in an OS
// thread and in a thread, is cancelled in a thread, and is refused in a callback; none of these in
// the OS thread of the caller, who may hold what is waited for.
static inline void require_waits(int (*call)(void* object, struct timeval timeout), void* object) {
  Wait w = {.call = call, .object = object, .result = 0, .error = 0};
  pthread_t os_thread;
  REQUIRE_C(pthread_create(&os_thread, NULL, wait_in_all_ways, &w) == 0);
  REQUIRE_C(pthread_join(os_thread, NULL) == 0);
}

// --- a function in all places at once ---

enum { places = 4 };  // two loops with a thread each, and two OS threads

typedef struct Everywhere {
  void (*call)(void* ctx);
  void* ctx;
} Everywhere;

static inline void call_in_thread(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  const Everywhere* const everywhere = ctx;
  REQUIRE_C(thread == EVTHREAD_current() && socket == NULL);
  everywhere->call(everywhere->ctx);
}

static inline void* call_in_os_thread(void* ctx) {
  const Everywhere* const everywhere = ctx;
  everywhere->call(everywhere->ctx);
  return NULL;
}

static inline EVLOOPGROUP* two_loops(void) {
  EVLOOPGROUP_OPTIONS options;
  REQUIRE_C(EVLOOPGROUP_OPTIONS_init(&options) == 0);
  options.loops = 2;
  options.num_stacks = 8;
  options.stack_size = 256 * 1024;
  EVLOOPGROUP* const group = EVLOOPGROUP_init(&options);
  REQUIRE_C(group != NULL);
  return group;
}

static inline void run_everywhere(void (*call)(void* ctx), void* ctx) {
  Everywhere everywhere = {call, ctx};
  const int descriptors = open_descriptors();
  EVLOOPGROUP* const group = two_loops();
  EVREMOTETHREAD* threads[2];
  pthread_t os_threads[2];
  for (size_t i = 0; i < 2; i++) {
    threads[i] = EVLOOPGROUP_start_on(group, i, call_in_thread, &everywhere, NULL);
    REQUIRE_C(threads[i] != NULL);
    REQUIRE_C(pthread_create(&os_threads[i], NULL, call_in_os_thread, &everywhere) == 0);
  }
  for (size_t i = 0; i < 2; i++) {
    REQUIRE_C(EVREMOTETHREAD_join(threads[i], long_time()) == 0);
    REQUIRE_C(pthread_join(os_threads[i], NULL) == 0);
  }
  REQUIRE_C(EVLOOPGROUP_free(group) == 0);
  REQUIRE_C(open_descriptors() == descriptors);
}

// let_others_run() does so, wherever it is called.
static inline void let_others_run(void) {
  if (EVTHREAD_current() == NULL) {
    sched_yield();
  } else {
    REQUIRE_C(EVTHREAD_yield() == 0);
  }
}

// --- child processes ---

typedef struct InChild {
  void (*call)(void* ctx);
  void* ctx;
} InChild;

static inline void call_in_child(void* ctx) {
  const InChild* const child = ctx;
  child->call(child->ctx);
  printf("all is well\n");
}

// require_in_child() calls call(ctx) in a child process. What the parent's OS threads had, Valgrind
// takes there for lost; so what it exits with says nothing.
static inline void require_in_child(void (*call)(void* ctx), void* ctx) {
  struct c_test_ended ended;
  InChild child = {call, ctx};
  c_test_in_child(call_in_child, &child, &ended);
  if (strstr(ended.output, "all is well") == NULL) puts(ended.output);
  REQUIRE_C(ended.signal == 0 && strstr(ended.output, "all is well") != NULL);
}

// --- misuse ---

// require_misuse() requires that call(ctx) ends the process with a report that contains text.
static inline void require_misuse(void (*call)(void* ctx), void* ctx, const char* text) {
  struct c_test_ended child;
  c_test_in_child(call, ctx, &child);
  if (strstr(child.output, text) == NULL) puts(child.output);
  REQUIRE_C(child.signal == SIGABRT);
  REQUIRE_C(strstr(child.output, text) != NULL);
}
