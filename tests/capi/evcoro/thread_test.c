#define _GNU_SOURCE

#include "order.h"

// --- starting ---

static void note_and_yield(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  note(ctx, 'a');
  REQUIRE_C(EVTHREAD_yield() == 0);
  note(ctx, 'c');
}

TEST_CASE_C(started_at_once, "a thread that is started runs at once, until it first waits") {
  Order order = {.text = ""};
  set_up(&order.f);
  EVTHREAD* const thread = EVTHREAD_init(order.f.loop, note_and_yield, &order);
  REQUIRE_C(strcmp(order.text, "") == 0);
  REQUIRE_C(EVTHREAD_start(thread, NULL) == 0);
  note(&order, 'b');
  REQUIRE_C(strcmp(order.text, "ab") == 0);
  REQUIRE_C(EVLOOP_run(order.f.loop) == 1);
  REQUIRE_C(strcmp(order.text, "abc") == 0);
  tear_down(&order.f);
}

static void start_another(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Order* const order = ctx;
  note(order, '<');
  start(&order->f, note_and_yield, order);
  note(order, '>');
}

TEST_CASE_C(started_inside, "a thread that starts another goes on when that waits") {
  Order order = {.text = ""};
  set_up(&order.f);
  run_in_thread(&order.f, start_another, &order);
  REQUIRE_C(strcmp(order.text, "<a>c") == 0);
  tear_down(&order.f);
}

TEST_CASE_C(started_inside_at_once, "so it does outside of the loop, too") {
  Order order = {.text = ""};
  set_up(&order.f);
  start(&order.f, start_another, &order);
  note(&order, 'M');
  REQUIRE_C(strcmp(order.text, "<a>M") == 0);
  REQUIRE_C(EVLOOP_run(order.f.loop) == 1);
  REQUIRE_C(strcmp(order.text, "<a>Mc") == 0);
  tear_down(&order.f);
}

static void do_nothing(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {}

static void start_again(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  REQUIRE_ERRNO(EVTHREAD_start(thread, NULL) == -1, EALREADY);
  REQUIRE_ERRNO(EVTHREAD_free(thread) == -1, EBUSY);
}

TEST_CASE_C(started_twice, "a thread can be started once, and frees itself") {
  Fixture f;
  set_up(&f);
  run_in_thread(&f, start_again, NULL);
  for (int i = 0; i < 1000; ++i) run_in_thread(&f, do_nothing, NULL);
  REQUIRE_C(stacks_in_use(&f) == 0);
  tear_down(&f);
}

TEST_CASE_C(no_stack_left, "the stacks cap the threads") {
  Fixture f;
  set_up_with(&f, 2);
  EVTHREAD* const first = EVTHREAD_init(f.loop, do_nothing, NULL);
  EVTHREAD* const second = EVTHREAD_init(f.loop, do_nothing, NULL);
  REQUIRE_C(first != NULL && second != NULL);
  REQUIRE_ERRNO(EVTHREAD_init(f.loop, do_nothing, NULL) == NULL, EAGAIN);
  REQUIRE_C(EVTHREAD_free(first) == 0);  // was never started
  REQUIRE_C(EVTHREAD_start(second, NULL) == 0);
  run_in_thread(&f, do_nothing, NULL);
  tear_down(&f);
}

static void check_size(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  *(size_t*)ctx = EVTHREAD_stack_size(thread);
  REQUIRE_C(EVTHREAD_stack_watermark(thread) > 0);
  REQUIRE_C(EVTHREAD_stack_watermark(thread) <= EVTHREAD_stack_size(thread));
}

TEST_CASE_C(other_stacks, "a thread can have stacks of another size, and a name") {
  Fixture f;
  STACKS large;
  size_t usual = 0;
  size_t size = 0;
  set_up(&f);
  run_in_thread(&f, check_size, &usual);
  REQUIRE_C(STACKS_init(&large, 1, 129) == 0);
  EVTHREAD_OPTIONS options = {.name = "large", .stacks = &large};
  EVTHREAD* const thread = EVTHREAD_init_ex(f.loop, check_size, &size, &options);
  REQUIRE_C(strcmp(EVTHREAD_name(thread), "large") == 0);
  REQUIRE_C(EVTHREAD_id(thread) != 0);
  REQUIRE_C(EVTHREAD_start(thread, NULL) == 0);
  REQUIRE_C(size > usual);
  REQUIRE_C(EVLOOP_run(f.loop) == 1);
  REQUIRE_C(STACKS_destroy(&large) == 0);
  REQUIRE_ERRNO(EVTHREAD_init_ex(f.loop, check_size, &size, &options) == NULL, EINVAL);
  tear_down(&f);
}

// --- delay ---

static void pause_three_times(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  const int64_t start = now_us();
  REQUIRE_C(EVTHREAD_delay(thread, milliseconds(5)) == 0);
  REQUIRE_C(now_us() - start >= 5000);
  REQUIRE_C(EVTHREAD_delay(thread, EVTIMEOUT_NOW) == 0);
  const struct timeval not_normal = {2, -1995000};
  const int64_t later = now_us();
  REQUIRE_C(EVTHREAD_delay(thread, not_normal) == 0);
  REQUIRE_C(now_us() - later >= 5000);
  const struct timeval negative = {-1, 999999};
  REQUIRE_C(EVTHREAD_delay(thread, negative) == 0);
}

static void pause_for_ages(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  REQUIRE_ERRNO(EVTHREAD_delay(thread, *(const struct timeval*)ctx) == -1, ECANCELED);
}

TEST_CASE_C(delays_for_ages, "a delay that is too long for the clock is as good as never") {
  static struct timeval ages[] = {{INT64_MAX, 0}, {INT64_MAX / 1000000000 + 1, 0}, {1, INT64_MAX}};
  Fixture f;
  set_up(&f);
  for (size_t i = 0; i < sizeof ages / sizeof *ages; ++i) {
    EVTHREAD* const thread = start(&f, pause_for_ages, &ages[i]);
    REQUIRE_C(EVTHREAD_cancel(thread, EVCANCEL_USER) == 0);
  }
  REQUIRE_C(EVLOOP_run(f.loop) == 1);
  tear_down(&f);
}

TEST_CASE_C(delays, "a delay is never too short") {
  Fixture f;
  set_up(&f);
  run_in_thread(&f, pause_three_times, NULL);
  tear_down(&f);
}

static void delay_other(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  REQUIRE_ERRNO(EVTHREAD_delay(((Order*)ctx)->thread, EVTIMEOUT_NOW) == -1, EPERM);
}

TEST_CASE_C(delays_of_others, "a thread can't be delayed from outside") {
  Order order = {.text = ""};
  set_up(&order.f);
  order.thread = EVTHREAD_init(order.f.loop, do_nothing, NULL);
  REQUIRE_ERRNO(EVTHREAD_delay(order.thread, EVTIMEOUT_NOW) == -1, EPERM);
  run_in_thread(&order.f, delay_other, &order);
  REQUIRE_C(EVTHREAD_free(order.thread) == 0);
  tear_down(&order.f);
}

// --- parking ---

static void park_twice(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Order* const order = ctx;
  REQUIRE_C(EVTHREAD_current() == thread);
  note(order, 'a');
  REQUIRE_C(EVTHREAD_park(EVTIMEOUT_NEVER) == 0);
  note(order, 'c');
  REQUIRE_C(EVTHREAD_wake(thread) == 0);  // counts for the next
  REQUIRE_C(EVTHREAD_park(EVTIMEOUT_NOW) == 0);
  REQUIRE_ERRNO(EVTHREAD_park(EVTIMEOUT_NOW) == -1, ETIMEDOUT);
  const int64_t start = now_us();
  REQUIRE_ERRNO(EVTHREAD_park(milliseconds(3)) == -1, ETIMEDOUT);
  REQUIRE_C(now_us() - start >= 3000);
  note(order, 'd');
}

TEST_CASE_C(parked, "a parked thread goes on when it is woken, and a wake-up is never lost") {
  Order order = {.text = ""};
  set_up(&order.f);
  EVTHREAD* const thread = start(&order.f, park_twice, &order);
  note(&order, 'b');
  REQUIRE_C(EVTHREAD_wake(thread) == 0);
  REQUIRE_C(EVTHREAD_wake(thread) == 0);  // is the same
  REQUIRE_C(EVLOOP_run(order.f.loop) == 1);
  REQUIRE_C(strcmp(order.text, "abcd") == 0);
  tear_down(&order.f);
}

static void pause_undisturbed(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  const int64_t start = now_us();
  REQUIRE_C(EVTHREAD_delay(thread, milliseconds(5)) == 0);
  REQUIRE_C(now_us() - start >= 5000);
  REQUIRE_C(EVTHREAD_park(EVTIMEOUT_NOW) == 0);
}

TEST_CASE_C(woken_elsewhere, "a wake-up disturbs no other wait") {
  Fixture f;
  set_up(&f);
  EVTHREAD* const thread = start(&f, pause_undisturbed, NULL);
  REQUIRE_C(EVTHREAD_wake(thread) == 0);
  REQUIRE_C(EVLOOP_run(f.loop) == 1);
  tear_down(&f);
}

// --- cancellation ---

static void be_cancelled(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  int id;
  REQUIRE_C(EVTHREAD_cancel_reason(thread) == EVCANCEL_NONE);
  REQUIRE_ERRNO(EVTHREAD_park(EVTIMEOUT_NEVER) == -1, ECANCELED);
  REQUIRE_C(EVTHREAD_cancel_reason(thread) == EVCANCEL_DEADLINE);  // the first one
  REQUIRE_ERRNO(EVTHREAD_delay(thread, EVTIMEOUT_NOW) == -1, ECANCELED);
  REQUIRE_ERRNO(EVTHREAD_yield() == -1, ECANCELED);
  REQUIRE_ERRNO(EVTHREAD_park(EVTIMEOUT_NOW) == -1, ECANCELED);
  REQUIRE_ERRNO(EVTHREAD_wait_timer(&id, EVTIMEOUT_NOW) == -1, ECANCELED);
  REQUIRE_C(EVTHREAD_acknowledge_cancellation() == 0);
  REQUIRE_C(EVTHREAD_cancel_reason(thread) == EVCANCEL_NONE);
  REQUIRE_C(EVTHREAD_delay(thread, EVTIMEOUT_NOW) == 0);
}

TEST_CASE_C(cancelled, "cancellation is sticky, has a reason, and can be acknowledged") {
  Fixture f;
  set_up(&f);
  EVTHREAD* const thread = start(&f, be_cancelled, NULL);
  REQUIRE_C(EVTHREAD_cancel(thread, EVCANCEL_DEADLINE) == 0);
  REQUIRE_C(EVTHREAD_cancel(thread, EVCANCEL_USER) == 0);
  REQUIRE_C(EVLOOP_run(f.loop) == 1);
  tear_down(&f);
}

static void be_cancelled_before(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  REQUIRE_C(EVTHREAD_cancel_reason(thread) == EVCANCEL_USER);
  REQUIRE_ERRNO(EVTHREAD_delay(thread, EVTIMEOUT_NEVER) == -1, ECANCELED);
}

TEST_CASE_C(cancelled_before, "a thread that is cancelled before it is started runs all the same") {
  Fixture f;
  set_up(&f);
  EVTHREAD* const thread = EVTHREAD_init(f.loop, be_cancelled_before, NULL);
  REQUIRE_C(EVTHREAD_cancel(thread, EVCANCEL_USER) == 0);
  REQUIRE_C(EVTHREAD_start(thread, NULL) == 0);
  REQUIRE_C(EVLOOP_run(f.loop) == 1);
  tear_down(&f);
}

// --- misuse ---

TEST_CASE_C(outside_a_thread, "what blocks is an error outside a thread") {
  REQUIRE_ERRNO(EVTHREAD_current() == NULL, EPERM);
  REQUIRE_ERRNO(EVTHREAD_yield() == -1, EPERM);
  REQUIRE_ERRNO(EVTHREAD_park(EVTIMEOUT_NOW) == -1, EPERM);
  REQUIRE_ERRNO(EVTHREAD_acknowledge_cancellation() == -1, EPERM);
}

TEST_CASE_C(thread_misuse, "NULL is an error for each function of a thread") {
  Fixture f;
  set_up(&f);
  REQUIRE_ERRNO(EVTHREAD_init(NULL, do_nothing, NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(EVTHREAD_init(f.loop, NULL, NULL) == NULL, EINVAL);
  REQUIRE_ERRNO((EVTHREAD_init)(NULL, do_nothing, NULL) == NULL, EINVAL);  // not the macro
  REQUIRE_ERRNO(EVTHREAD_init_at(NULL, do_nothing, NULL, "", 1) == NULL, EINVAL);
  REQUIRE_ERRNO(EVTHREAD_init_ex(NULL, do_nothing, NULL, NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(EVTHREAD_start(NULL, NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVTHREAD_start_joinable(NULL, NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVTHREAD_join(NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVTHREAD_detach(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVTHREAD_free(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVTHREAD_delay(NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVTHREAD_wake(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVTHREAD_cancel(NULL, EVCANCEL_USER) == -1, EINVAL);
  REQUIRE_ERRNO(EVTHREAD_cancel_reason(NULL) == EVCANCEL_NONE, EINVAL);
  REQUIRE_ERRNO(EVTHREAD_loop(NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(EVTHREAD_id(NULL) == 0, EINVAL);
  REQUIRE_ERRNO(EVTHREAD_name(NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(EVTHREAD_stack_size(NULL) == 0, EINVAL);
  REQUIRE_ERRNO(EVTHREAD_stack_watermark(NULL) == 0, EINVAL);
  EVTHREAD* const thread = EVTHREAD_init(f.loop, do_nothing, NULL);
  REQUIRE_ERRNO(EVTHREAD_cancel(thread, EVCANCEL_NONE) == -1, EINVAL);
  REQUIRE_C(EVTHREAD_loop(thread) == f.loop);
  REQUIRE_C(EVTHREAD_free(thread) == 0);
  tear_down(&f);
}
