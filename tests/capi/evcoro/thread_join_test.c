// Waiting for a thread, or letting it go.
#define _GNU_SOURCE

#include "order.h"

static void do_nothing(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {}

static void pause_and_note(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  REQUIRE_C(EVTHREAD_delay(thread, milliseconds(2)) == 0);
  note(ctx, 'a');
}

static void join_it(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Order* const order = ctx;
  EVTHREAD* const other = EVTHREAD_init(order->f.loop, pause_and_note, order);
  REQUIRE_ERRNO(EVTHREAD_join(other, EVTIMEOUT_NOW) == -1, EINVAL);  // it isn't started
  REQUIRE_C(EVTHREAD_start_joinable(other, NULL) == 0);
  REQUIRE_ERRNO(EVTHREAD_join(other, EVTIMEOUT_NOW) == -1, ETIMEDOUT);
  REQUIRE_C(EVTHREAD_join(other, long_time()) == 0);
  note(order, 'b');
  REQUIRE_ERRNO(EVTHREAD_join(thread, EVTIMEOUT_NEVER) == -1, EINVAL);  // it isn't joinable
}

TEST_CASE_C(joined, "a thread that was started joinable can be waited for") {
  Order order = {.text = ""};
  set_up(&order.f);
  run_in_thread(&order.f, join_it, &order);
  REQUIRE_C(strcmp(order.text, "ab") == 0);
  tear_down(&order.f);
}

static void join_while_joined(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  EVTHREAD* const joined = ctx;
  REQUIRE_ERRNO(EVTHREAD_join(joined, EVTIMEOUT_NEVER) == -1, EBUSY);
  REQUIRE_ERRNO(EVTHREAD_detach(joined) == -1, EBUSY);
}

static void join_first(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  REQUIRE_C(EVTHREAD_join(ctx, EVTIMEOUT_NEVER) == 0);
}

static void join_self(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  REQUIRE_ERRNO(EVTHREAD_join(thread, EVTIMEOUT_NEVER) == -1, EDEADLK);
  REQUIRE_C(EVTHREAD_park(EVTIMEOUT_NEVER) == 0);
}

TEST_CASE_C(joined_twice, "one thread at a time joins another, and none itself") {
  Fixture f;
  set_up(&f);
  EVTHREAD* const joined = EVTHREAD_init(f.loop, join_self, NULL);
  REQUIRE_C(EVTHREAD_start_joinable(joined, NULL) == 0);
  REQUIRE_ERRNO(EVTHREAD_join(joined, EVTIMEOUT_NEVER) == -1, EPERM);  // outside a thread
  start(&f, join_first, joined);
  start(&f, join_while_joined, joined);
  REQUIRE_C(EVTHREAD_wake(joined) == 0);
  REQUIRE_C(EVLOOP_run(f.loop) == 1);
  tear_down(&f);
}

TEST_CASE_C(joined_late, "one that has ended can be joined from anywhere, or detached") {
  Fixture f;
  set_up(&f);
  EVTHREAD* const first = EVTHREAD_init(f.loop, do_nothing, NULL);
  EVTHREAD* const second = EVTHREAD_init(f.loop, do_nothing, NULL);
  EVTHREAD* const third = EVTHREAD_init(f.loop, do_nothing, NULL);
  REQUIRE_C(EVTHREAD_start_joinable(first, NULL) == 0);
  REQUIRE_C(EVTHREAD_start_joinable(second, NULL) == 0);
  REQUIRE_C(EVTHREAD_start_joinable(third, NULL) == 0);
  REQUIRE_C(stacks_in_use(&f) == 3);
  REQUIRE_C(EVTHREAD_join(first, EVTIMEOUT_NOW) == 0);
  REQUIRE_C(EVTHREAD_detach(second) == 0);
  REQUIRE_C(stacks_in_use(&f) == 1);
  REQUIRE_C(EVLOOP_run(f.loop) == 1);
  REQUIRE_C(EVLOOP_free(f.loop) == 0);
  REQUIRE_C(EVTHREAD_loop(third) == NULL);
  REQUIRE_C(EVTHREAD_cancel(third, EVCANCEL_USER) == 0);
  REQUIRE_C(EVTHREAD_join(third, EVTIMEOUT_NOW) == 0);  // even then
  REQUIRE_C(STACKS_destroy(&f.stacks) == 0);
}

static void detach_self(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  REQUIRE_C(EVTHREAD_detach(thread) == 0);
  REQUIRE_ERRNO(EVTHREAD_detach(thread) == -1, EINVAL);
}

TEST_CASE_C(detached, "a joinable thread may detach itself") {
  Fixture f;
  set_up(&f);
  REQUIRE_C(EVTHREAD_start_joinable(EVTHREAD_init(f.loop, detach_self, NULL), NULL) == 0);
  REQUIRE_C(EVLOOP_run(f.loop) == 1);
  tear_down(&f);
}
