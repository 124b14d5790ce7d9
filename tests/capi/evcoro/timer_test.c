#define _GNU_SOURCE
#include "fixture.h"

static void wait_for_two(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  EVTIMER* const late = EVTIMER_init(thread, 7, milliseconds(50));
  EVTIMER* const early = EVTIMER_init(thread, 8, milliseconds(2));
  const int64_t start = now_us();
  int id = 0;
  REQUIRE_C(EVTIMER_start(late) == 0);
  REQUIRE_C(EVTIMER_start(early) == 0);
  REQUIRE_ERRNO(EVTIMER_start(early) == -1, EALREADY);
  REQUIRE_ERRNO(EVTHREAD_wait_timer(&id, EVTIMEOUT_NOW) == -1, ETIMEDOUT);
  REQUIRE_C(EVTHREAD_wait_timer(&id, EVTIMEOUT_NEVER) == 0);
  REQUIRE_C(id == 8);
  REQUIRE_C(now_us() - start >= 2000);
  REQUIRE_C(EVTHREAD_wait_timer(&id, EVTIMEOUT_NEVER) == 0);
  REQUIRE_C(id == 7);
  REQUIRE_C(now_us() - start >= 50000);
  REQUIRE_ERRNO(EVTHREAD_wait_timer(&id, EVTIMEOUT_NEVER) == -1, EINVAL);  // none is running
  REQUIRE_C(EVTIMER_start(early) == 0);                                    // as often as one likes
  REQUIRE_C(EVTHREAD_wait_timer(&id, EVTIMEOUT_NEVER) == 0);
  REQUIRE_C(id == 8);
}

TEST_CASE_C(timers_in_order, "a thread waits for its timers, and learns which has expired") {
  Fixture f;
  set_up(&f);
  run_in_thread(&f, wait_for_two, NULL);
  tear_down(&f);
}

static void pause_beside_a_timer(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  EVTIMER* const second = EVTIMER_init(thread, 2, milliseconds(50));
  EVTIMER* const first = EVTIMER_init(thread, 1, milliseconds(1));
  const int64_t start = now_us();
  int id = 0;
  REQUIRE_C(EVTIMER_start(second) == 0);
  REQUIRE_C(EVTIMER_start(first) == 0);
  REQUIRE_C(EVTHREAD_delay(thread, milliseconds(60)) == 0);
  REQUIRE_C(now_us() - start >= 60000);
  REQUIRE_C(EVTHREAD_wait_timer(&id, EVTIMEOUT_NOW) == 0);
  REQUIRE_C(id == 1);
  REQUIRE_C(EVTHREAD_wait_timer(&id, EVTIMEOUT_NOW) == 0);
  REQUIRE_C(id == 2);
}

TEST_CASE_C(timers_disturb_nothing, "a timer that expires ends no other wait, and is remembered") {
  Fixture f;
  set_up(&f);
  run_in_thread(&f, pause_beside_a_timer, NULL);
  tear_down(&f);
}

static void cancel_and_free(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  EVTIMER* const timer = EVTIMER_init(thread, 1, milliseconds(1));
  int id;
  REQUIRE_ERRNO(EVTIMER_cancel(timer) == -1, EINVAL);
  REQUIRE_C(EVTIMER_start(timer) == 0);
  REQUIRE_C(EVTIMER_cancel(timer) == 0);
  REQUIRE_ERRNO(EVTHREAD_wait_timer(&id, EVTIMEOUT_NEVER) == -1, EINVAL);
  REQUIRE_C(EVTIMER_start_periodic(timer) == 0);
  REQUIRE_ERRNO(EVTIMER_start_periodic(timer) == -1, EALREADY);
  for (int i = 0; i < 3; ++i) {
    REQUIRE_C(EVTHREAD_wait_timer(&id, EVTIMEOUT_NEVER) == 0);
    REQUIRE_C(id == 1);
  }
  REQUIRE_C(EVTIMER_free(timer) == 0);
  REQUIRE_ERRNO(EVTHREAD_wait_timer(&id, EVTIMEOUT_NEVER) == -1, EINVAL);

  EVTIMER* const expired = EVTIMER_init(thread, 2, EVTIMEOUT_NOW);
  REQUIRE_C(EVTIMER_start(expired) == 0);
  REQUIRE_C(EVTHREAD_delay(thread, milliseconds(1)) == 0);
  REQUIRE_C(EVTIMER_cancel(expired) == 0);  // forgets it
  REQUIRE_ERRNO(EVTIMER_cancel(expired) == -1, EINVAL);
  REQUIRE_ERRNO(EVTHREAD_wait_timer(&id, EVTIMEOUT_NOW) == -1, EINVAL);

  EVTIMER* const unending = EVTIMER_init(thread, 3, EVTIMEOUT_NEVER);
  REQUIRE_C(EVTIMER_start_periodic(unending) == 0);
  REQUIRE_ERRNO(EVTHREAD_wait_timer(&id, milliseconds(1)) == -1, ETIMEDOUT);
}

TEST_CASE_C(timers_cancelled, "a timer can be cancelled, periodic, and freed while it runs") {
  Fixture f;
  set_up(&f);
  run_in_thread(&f, cancel_and_free, NULL);
  tear_down(&f);
}

static void wait_for_one(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  int id = 0;
  REQUIRE_C(EVTHREAD_wait_timer(&id, EVTIMEOUT_NEVER) == 0);
  REQUIRE_C(id == 5);
}

TEST_CASE_C(timers_before_start, "a timer may run before its thread does") {
  Fixture f;
  set_up(&f);
  EVTHREAD* const thread = EVTHREAD_init(f.loop, wait_for_one, NULL);
  REQUIRE_C(EVTIMER_start(EVTIMER_init(thread, 5, milliseconds(1))) == 0);
  REQUIRE_C(EVTHREAD_start(thread, NULL) == 0);
  REQUIRE_C(EVLOOP_run(f.loop) == 1);
  tear_down(&f);
}

static void wait_in_vain(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  int id;
  REQUIRE_ERRNO(EVTHREAD_wait_timer(&id, EVTIMEOUT_NEVER) == -1, EINVAL);
}

TEST_CASE_C(timers_cancelled_meanwhile,
            "who waits for a timer that another thread cancels is told") {
  Fixture f;
  set_up(&f);
  EVTHREAD* const thread = EVTHREAD_init(f.loop, wait_in_vain, NULL);
  EVTIMER* const timer = EVTIMER_init(thread, 1, long_time());
  REQUIRE_C(EVTIMER_start(timer) == 0);
  REQUIRE_C(EVTHREAD_start(thread, NULL) == 0);
  REQUIRE_C(EVTIMER_cancel(timer) == 0);
  REQUIRE_C(EVLOOP_run(f.loop) == 1);
  tear_down(&f);
}

TEST_CASE_C(timer_misuse, "NULL is an error for each function of a timer") {
  int id;
  REQUIRE_ERRNO(EVTIMER_init(NULL, 1, EVTIMEOUT_NOW) == NULL, EINVAL);
  REQUIRE_ERRNO(EVTIMER_start(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVTIMER_start_periodic(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVTIMER_cancel(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVTIMER_free(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVTHREAD_wait_timer(NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVTHREAD_wait_timer(&id, EVTIMEOUT_NOW) == -1, EPERM);
}
