// What a thread owns, and what becomes of it: sockets, timers, and CTHREADs.
#define _GNU_SOURCE
#include <evcoro/scope.h>
#include <sys/socket.h>

#include "fixture.h"

static void do_nothing(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {}

static void own_sockets(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  int* const pair = ctx;
  REQUIRE_C(socket != NULL && EVSOCKET_fd(socket) == pair[0]);
  REQUIRE_C(EVSOCKET_init(thread, pair[1], 1) != NULL);
  REQUIRE_C(EVTIMER_start(EVTIMER_init(thread, 1, long_time())) == 0);
}

TEST_CASE_C(owned, "what a thread has open is closed when it ends") {
  Fixture f;
  int pair[2];
  set_up(&f);
  const int before = open_descriptors();
  REQUIRE_C(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  EVTHREAD* const thread = EVTHREAD_init(f.loop, own_sockets, pair);
  EVSOCKET* const socket = EVSOCKET_init(thread, pair[0], 1);
  REQUIRE_C(EVTHREAD_start(thread, socket) == 0);
  REQUIRE_C(open_descriptors() == before);
  REQUIRE_C(EVLOOP_run(f.loop) == 1);
  tear_down(&f);
}

TEST_CASE_C(owned_by_nobody, "a thread that is freed before it is started closes what it has") {
  Fixture f;
  int pair[2];
  set_up(&f);
  REQUIRE_C(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  EVTHREAD* const thread = EVTHREAD_init(f.loop, do_nothing, NULL);
  REQUIRE_C(EVSOCKET_init(thread, pair[0], 1) != NULL);
  REQUIRE_C(EVTIMER_start(EVTIMER_init(thread, 1, long_time())) == 0);
  REQUIRE_C(EVTHREAD_free(thread) == 0);
  close(pair[1]);
  tear_down(&f);
}

typedef struct Child {
  STACKS* stacks;
  CTHREAD* thread;
} Child;

static int kills = 0;

static void yield_until_killed(VALUES* values) {
  if (CTHREAD_yield(NULL, NULL) == 1) ++kills;
}

static void start_child(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Child* const child = ctx;
  child->thread = CTHREAD_init(child->stacks, yield_until_killed);
  REQUIRE_C(CTHREAD_start(child->thread, NULL, NULL) == 0);
}

TEST_CASE_C(owned_coroutines, "a thread that ends kills the CTHREADs that it has started") {
  Fixture f;
  set_up(&f);
  Child child = {.stacks = &f.stacks};
  kills = 0;
  run_in_thread(&f, start_child, &child);
  REQUIRE_C(kills == 1);
  REQUIRE_C(CTHREAD_state(child.thread) == CTHREAD_STATE_EXIT);
  REQUIRE_C(CTHREAD_free(child.thread) == 0);
  tear_down(&f);
}

static int start_child_in_scope(EVTHREAD* thread, void* ctx) {
  start_child(thread, NULL, ctx);
  return 0;
}

static void open_scope(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Child* const child = ctx;
  EVSCOPE* const scope = EVSCOPE_open(EVTIMEOUT_NEVER);
  REQUIRE_C(EVSCOPE_start(scope, start_child_in_scope, child, NULL) == 0);
  REQUIRE_C(EVSCOPE_wait(scope, EVTIMEOUT_NEVER) == 0);
  REQUIRE_C(CTHREAD_state(child->thread) == CTHREAD_STATE_EXIT);
  REQUIRE_C(EVSCOPE_close(scope) == 0);
}

TEST_CASE_C(owned_coroutines_in_scope, "so does a thread of a scope") {
  Fixture f;
  set_up(&f);
  Child child = {.stacks = &f.stacks};
  kills = 0;
  run_in_thread(&f, open_scope, &child);
  REQUIRE_C(kills == 1);
  REQUIRE_C(CTHREAD_free(child.thread) == 0);
  tear_down(&f);
}

static void delay_in_child(VALUES* values) {
  REQUIRE_C(EVTHREAD_delay(EVTHREAD_current(), milliseconds(1)) == 0);
}

static void block_in_child(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Child* const child = ctx;
  child->thread = CTHREAD_init(child->stacks, delay_in_child);
  REQUIRE_C(CTHREAD_start(child->thread, NULL, NULL) == 1);
  REQUIRE_C(CTHREAD_free(child->thread) == 0);
}

TEST_CASE_C(blocking_coroutines, "a CTHREAD may block in a thread, which then waits with it") {
  Fixture f;
  set_up(&f);
  Child child = {.stacks = &f.stacks};
  run_in_thread(&f, block_in_child, &child);
  tear_down(&f);
}
