#define _GNU_SOURCE
#include <event2/event.h>
#include <pthread.h>
#include <stdio.h>

#include "fixture.h"

static void do_nothing(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {}

static void wait_for_ever(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  REQUIRE_ERRNO(EVTHREAD_delay(thread, EVTIMEOUT_NEVER) == -1, ECANCELED);
  if (ctx != NULL) *(EVCANCEL_REASON*)ctx = EVTHREAD_cancel_reason(thread);
}

TEST_CASE_C(nothing_to_do, "EVLOOP_run returns 1 when nothing is left to do") {
  Fixture f;
  set_up(&f);
  REQUIRE_C(EVLOOP_run(f.loop) == 1);
  run_in_thread(&f, do_nothing, NULL);
  tear_down(&f);
}

static void break_loop(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Fixture* const f = ctx;
  REQUIRE_C(EVTHREAD_loop(thread) == f->loop);
  REQUIRE_C(EVLOOP_break(f->loop) == 0);
  REQUIRE_C(EVTHREAD_delay(thread, milliseconds(1)) == 0);
}

TEST_CASE_C(broken,
            "EVLOOP_run returns 0 after EVLOOP_break, and goes on when it is called again") {
  Fixture f;
  set_up(&f);
  start(&f, break_loop, &f);
  REQUIRE_C(EVLOOP_run(f.loop) == 0);
  REQUIRE_C(EVLOOP_threads(f.loop, NULL, NULL) == 1);
  REQUIRE_C(EVLOOP_run(f.loop) == 1);
  REQUIRE_C(EVLOOP_break(f.loop) == 0);  // the next one
  REQUIRE_C(EVLOOP_run(f.loop) == 0);
  tear_down(&f);
}

static void* break_from_another_os_thread(void* ctx) {
  REQUIRE_C(EVLOOP_break(((Fixture*)ctx)->loop) == 0);
  return NULL;
}

TEST_CASE_C(broken_from_afar, "another OS thread may break a loop that waits") {
  Fixture f;
  EVCANCEL_REASON reason = EVCANCEL_NONE;
  set_up(&f);
  start(&f, wait_for_ever, &reason);
  pthread_t other;
  REQUIRE_C(pthread_create(&other, NULL, break_from_another_os_thread, &f) == 0);
  REQUIRE_C(EVLOOP_run(f.loop) == 0);
  REQUIRE_C(pthread_join(other, NULL) == 0);
  REQUIRE_C(EVLOOP_shutdown(f.loop, long_time()) == 0);
  REQUIRE_C(reason == EVCANCEL_SHUTDOWN);
  tear_down(&f);
}

// --- post ---

typedef struct Posts {
  Fixture f;
  int order[3];
  int count;
} Posts;

static void first(void* ctx) {
  Posts* const posts = ctx;
  posts->order[posts->count++] = 1;
}
static void second(void* ctx) {
  Posts* const posts = ctx;
  posts->order[posts->count++] = 2;
}
static void last(void* ctx) {
  Posts* const posts = ctx;
  posts->order[posts->count++] = 3;
  start(&posts->f, do_nothing, NULL);
  REQUIRE_C(EVLOOP_break(posts->f.loop) == 0);
}

static void* post_all(void* ctx) {
  Posts* const posts = ctx;
  REQUIRE_C(EVLOOP_post(posts->f.loop, first, posts) == 0);
  REQUIRE_C(EVLOOP_post(posts->f.loop, second, posts) == 0);
  REQUIRE_C(EVLOOP_post(posts->f.loop, last, posts) == 0);
  return NULL;
}

TEST_CASE_C(posted, "what another OS thread posts runs in the loop's, in order") {
  Posts posts = {.count = 0};
  set_up(&posts.f);
  EVTHREAD* const waiting = start(&posts.f, wait_for_ever, NULL);
  pthread_t other;
  REQUIRE_C(pthread_create(&other, NULL, post_all, &posts) == 0);
  REQUIRE_C(EVLOOP_run(posts.f.loop) == 0);
  REQUIRE_C(pthread_join(other, NULL) == 0);
  REQUIRE_C(posts.count == 3);
  for (int i = 0; i < 3; ++i) REQUIRE_C(posts.order[i] == i + 1);
  REQUIRE_C(EVTHREAD_cancel(waiting, EVCANCEL_USER) == 0);
  REQUIRE_C(EVLOOP_run(posts.f.loop) == 1);
  tear_down(&posts.f);
}

// --- in an existing event_base ---

static void count_callback(evutil_socket_t descriptor, short what, void* ctx) { ++*(int*)ctx; }

static void pause_a_while(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  REQUIRE_C(EVTHREAD_delay(thread, milliseconds(2)) == 0);
  ++*(int*)ctx;
}

TEST_CASE_C(embedded, "threads live in an event_base that the application dispatches") {
  STACKS stacks;
  int threads = 0;
  int callbacks = 0;
  const struct timeval soon = milliseconds(1);
  struct event_base* const base = event_base_new();
  REQUIRE_C(STACKS_init(&stacks, 4, 65) == 0);
  EVLOOP* const loop = EVLOOP_init_base(&stacks, base);
  REQUIRE_C(EVLOOP_base(loop) == base);
  event_base_once(base, -1, EV_TIMEOUT, count_callback, &callbacks, &soon);
  for (int i = 0; i < 3; ++i) {
    REQUIRE_C(EVTHREAD_start(EVTHREAD_init(loop, pause_a_while, &threads), NULL) == 0);
  }
  REQUIRE_C(event_base_dispatch(base) == 1);  // no event is left
  REQUIRE_C(threads == 3);
  REQUIRE_C(callbacks == 1);
  REQUIRE_C(EVLOOP_free(loop) == 0);
  event_base_once(base, -1, EV_TIMEOUT, count_callback, &callbacks, &soon);
  REQUIRE_C(event_base_dispatch(base) == 1);  // the base is as good as before
  REQUIRE_C(callbacks == 2);
  event_base_free(base);
  REQUIRE_C(STACKS_destroy(&stacks) == 0);
}

// --- the end ---

TEST_CASE_C(freed_with_threads, "a loop that is freed lets its suspended threads end") {
  Fixture f;
  EVCANCEL_REASON reason = EVCANCEL_NONE;
  set_up(&f);
  start(&f, wait_for_ever, &reason);
  REQUIRE_C(EVTHREAD_init(f.loop, do_nothing, NULL) != NULL);  // and never started
  REQUIRE_C(stacks_in_use(&f) == 2);
  REQUIRE_C(EVLOOP_free(f.loop) == 0);
  REQUIRE_C(reason == EVCANCEL_SHUTDOWN);
  REQUIRE_C(stacks_in_use(&f) == 0);
  REQUIRE_C(STACKS_destroy(&f.stacks) == 0);
  REQUIRE_C(open_descriptors() == f.descriptors);
}

static void refuse_to_end(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  int* const stubborn = ctx;
  while (*stubborn) {
    REQUIRE_C(EVTHREAD_acknowledge_cancellation() == 0);
    if (EVTHREAD_delay(thread, milliseconds(1)) != 0) REQUIRE_C(errno == ECANCELED);
  }
}

typedef struct Late {
  Fixture f;
  EVTHREAD* prepared;
} Late;

static void free_at_the_end(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Late* const late = ctx;
  late->prepared = EVTHREAD_init(late->f.loop, do_nothing, NULL);
  REQUIRE_ERRNO(EVTHREAD_delay(thread, EVTIMEOUT_NEVER) == -1, ECANCELED);
  REQUIRE_ERRNO(EVTHREAD_start(late->prepared, NULL) == -1, ECANCELED);
  REQUIRE_C(EVTHREAD_free(late->prepared) == 0);
}

TEST_CASE_C(freed_while_cleaning_up, "while a loop is freed its threads may free those they made") {
  Late late;
  set_up(&late.f);
  start(&late.f, free_at_the_end, &late);
  REQUIRE_C(EVLOOP_free(late.f.loop) == 0);
  REQUIRE_C(STACKS_destroy(&late.f.stacks) == 0);
}

static void break_it(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  REQUIRE_C(EVTHREAD_delay(thread, milliseconds(1)) == 0);
  REQUIRE_C(EVLOOP_break(ctx) == 0);
}

TEST_CASE_C(late_break, "a break by the last thread is for the dispatch that it is in") {
  STACKS stacks;
  int callbacks = 0;
  const struct timeval soon = milliseconds(1);
  struct event_base* const base = event_base_new();
  REQUIRE_C(STACKS_init(&stacks, 4, 65) == 0);
  EVLOOP* const loop = EVLOOP_init_base(&stacks, base);
  REQUIRE_C(EVTHREAD_start(EVTHREAD_init(loop, break_it, loop), NULL) == 0);
  REQUIRE_C(event_base_dispatch(base) >= 0);
  REQUIRE_C(event_base_got_break(base));
  event_base_once(base, -1, EV_TIMEOUT, count_callback, &callbacks, &soon);
  REQUIRE_C(event_base_dispatch(base) == 1);
  REQUIRE_C(callbacks == 1);
  REQUIRE_C(EVLOOP_free(loop) == 0);
  event_base_free(base);
  REQUIRE_C(STACKS_destroy(&stacks) == 0);
}

// --- two loops in one base ---

typedef struct Two {
  STACKS stacks[2];
  EVLOOP* loops[2];
} Two;

static void end_the_other(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  const Two* const two = ctx;
  REQUIRE_ERRNO(EVLOOP_shutdown(two->loops[0], EVTIMEOUT_NOW) == -1, EDEADLK);
  REQUIRE_ERRNO(EVLOOP_free(two->loops[0]) == -1, EDEADLK);
}

static void start_in_the_other(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  EVTHREAD* const other = EVTHREAD_init(((Two*)ctx)->loops[1], end_the_other, ctx);
  REQUIRE_C(EVTHREAD_start(other, NULL) == 0);
}

TEST_CASE_C(two_loops, "a loop isn't ended by what one of its threads has started elsewhere") {
  Two two;
  struct event_base* const base = event_base_new();
  for (int i = 0; i < 2; ++i) {
    REQUIRE_C(STACKS_init(&two.stacks[i], 4, 65) == 0);
    two.loops[i] = EVLOOP_init_base(&two.stacks[i], base);
  }
  REQUIRE_C(EVTHREAD_start(EVTHREAD_init(two.loops[0], start_in_the_other, &two), NULL) == 0);
  REQUIRE_C(event_base_dispatch(base) == 1);
  for (int i = 0; i < 2; ++i) {
    REQUIRE_C(EVLOOP_free(two.loops[i]) == 0);
    REQUIRE_C(STACKS_destroy(&two.stacks[i]) == 0);
  }
  event_base_free(base);
}

TEST_CASE_C(not_shut_down, "EVLOOP_shutdown says how many threads have not ended") {
  Fixture f;
  int stubborn = 1;
  set_up(&f);
  start(&f, refuse_to_end, &stubborn);
  start(&f, wait_for_ever, NULL);
  REQUIRE_C(EVLOOP_shutdown(f.loop, milliseconds(5)) == 1);
  stubborn = 0;
  REQUIRE_C(EVLOOP_run(f.loop) == 1);
  tear_down(&f);
}

static void misuse_loop(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  EVLOOP* const loop = ctx;
  REQUIRE_ERRNO(EVLOOP_run(loop) == -1, EDEADLK);
  REQUIRE_ERRNO(EVLOOP_free(loop) == -1, EDEADLK);
}

TEST_CASE_C(loop_inside, "a loop is neither run nor freed by its own threads") {
  Fixture f;
  set_up(&f);
  run_in_thread(&f, misuse_loop, f.loop);
  tear_down(&f);
}

static void run_in_callback(evutil_socket_t descriptor, short what, void* ctx) {
  REQUIRE_ERRNO(EVLOOP_run(ctx) == -1, EDEADLK);
  REQUIRE_ERRNO(EVLOOP_free(ctx) == -1, EDEADLK);
}

static void free_in_post(void* ctx) { REQUIRE_ERRNO(EVLOOP_free(ctx) == -1, EDEADLK); }

TEST_CASE_C(loop_in_callback, "a loop is neither run nor freed by a callback of its base") {
  Fixture f;
  set_up(&f);
  const struct timeval soon = {0, 0};
  REQUIRE_C(EVLOOP_post(f.loop, free_in_post, f.loop) == 0);
  event_base_once(EVLOOP_base(f.loop), -1, EV_TIMEOUT, run_in_callback, f.loop, &soon);
  REQUIRE_C(EVLOOP_run(f.loop) == 1);
  tear_down(&f);
}

// --- what is to be seen ---

static void look(const EVTHREAD_INFO* info, void* ctx) {
  if (strcmp(info->name, "sleeper") != 0) return;
  ++*(int*)ctx;
  REQUIRE_C(info->id != 0);
  REQUIRE_C(strcmp(info->state, "parked") == 0);
  REQUIRE_C(strcmp(info->wait_reason, "sleep") == 0);
  REQUIRE_C(strcmp(info->started_at, "here.c:7") == 0);
  REQUIRE_C(info->cancel_reason == EVCANCEL_NONE);
}

TEST_CASE_C(listed, "EVLOOP_threads shows each thread, its state, and what it waits for") {
  Fixture f;
  int seen = 0;
  set_up(&f);
  EVTHREAD_OPTIONS options = {.name = "sleeper", .file = "here.c", .line = 7};
  EVTHREAD* const thread = EVTHREAD_init_ex(f.loop, wait_for_ever, NULL, &options);
  REQUIRE_C(EVTHREAD_start(thread, NULL) == 0);
  EVTHREAD* const other = start(&f, wait_for_ever, NULL);
  REQUIRE_C(EVLOOP_threads(f.loop, look, &seen) == 2);
  REQUIRE_C(seen == 1);
  EVTHREAD_cancel(thread, EVCANCEL_USER);
  EVTHREAD_cancel(other, EVCANCEL_USER);
  REQUIRE_C(EVLOOP_run(f.loop) == 1);
  tear_down(&f);
}

TEST_CASE_C(errors_explained, "EVERROR_text explains what errno means here") {
  REQUIRE_C(strstr(EVERROR_text(EPERM), "EVTHREAD_init()") != NULL);
  REQUIRE_C(strstr(EVERROR_text(EAGAIN), "num_stacks") != NULL);
  REQUIRE_C(strstr(EVERROR_text(ETIMEDOUT), "timeout") != NULL);
  REQUIRE_C(strstr(EVERROR_text(EEXIST), "event_base") != NULL);
  REQUIRE_C(strcmp(EVERROR_text(ECONNREFUSED), "Connection refused") == 0);
  REQUIRE_C(strcmp(EVERROR_text(-5), "unknown error") == 0);
  static const int ours[] = {EXDEV, EBUSY, ENXIO, ECANCELED, ECHILD, EDEADLK, EPIPE, ENOBUFS};
  for (size_t i = 0; i < sizeof ours / sizeof *ours; ++i) {
    REQUIRE_C(strcmp(EVERROR_text(ours[i]), strerrordesc_np(ours[i])) != 0);
  }
}

// --- misuse ---

static void call_nothing(void* ctx) {}

TEST_CASE_C(loop_misuse, "NULL is an error for each function of a loop") {
  STACKS none = {0};
  REQUIRE_ERRNO(EVLOOP_init(NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(EVLOOP_init(&none) == NULL, EINVAL);
  REQUIRE_ERRNO(EVLOOP_init_base(NULL, NULL) == NULL, EINVAL);
  STACKS some;
  REQUIRE_C(STACKS_init(&some, 1, 5) == 0);
  REQUIRE_ERRNO(EVLOOP_init_base(&some, NULL) == NULL, EINVAL);
  REQUIRE_C(STACKS_destroy(&some) == 0);
  REQUIRE_ERRNO(EVLOOP_base(NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(EVLOOP_run(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVLOOP_break(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVLOOP_post(NULL, call_nothing, NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVLOOP_shutdown(NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVLOOP_free(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVLOOP_threads(NULL, NULL, NULL) == -1, EINVAL);
  Fixture f;
  set_up(&f);
  REQUIRE_ERRNO(EVLOOP_post(f.loop, NULL, NULL) == -1, EINVAL);
  tear_down(&f);
}

static int no_factory(int fd, EVTHREAD_PROC* proc, void** ctx) { return -1; }

static void use_parents_loop(void* ctx) {
  Fixture* const f = ctx;
  REQUIRE_ERRNO(EVLOOP_run(f->loop) == -1, ECHILD);
  REQUIRE_ERRNO(EVTHREAD_init(f->loop, do_nothing, NULL) == NULL, ECHILD);
  REQUIRE_ERRNO(EVLOOP_post(f->loop, call_nothing, NULL) == -1, ECHILD);
  REQUIRE_ERRNO(EVLOOP_break(f->loop) == -1, ECHILD);
  REQUIRE_ERRNO(EVLOOP_shutdown(f->loop, EVTIMEOUT_NOW) == -1, ECHILD);
  SOCKADDR address;
  REQUIRE_C(SOCKADDR_parse_string(&address, "127.0.0.1", 0) == 0);
  REQUIRE_ERRNO(EVTCPACCEPTOR_init_ex(f->loop, &address, 5, no_factory, -1, -1) == NULL, ECHILD);
}

TEST_CASE_C(forked, "a child process is told that a loop is its parent's") {
  Fixture f;
  struct c_test_ended child;
  set_up(&f);
  c_test_in_child(use_parents_loop, &f, &child);
  if (child.status != 0) puts(child.output);
  REQUIRE_C(child.status == 0 && child.signal == 0);
  run_in_thread(&f, do_nothing, NULL);
  tear_down(&f);
}

// An event of the application that notes when it runs.
static void note_turn(evutil_socket_t descriptor, short what, void* ctx) {
  char** const order = ctx;
  *(*order)++ = 'e';
}

static void note_thread(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  char** const order = ctx;
  REQUIRE_C(EVTHREAD_yield() == 0);  // until then EVTHREAD_start() runs it
  *(*order)++ = 't';
}

// Returns who was first: the application's event of the middle priority, or a thread of the loop.
static char first_with(int priority) {
  Fixture f = {.descriptors = open_descriptors()};
  char turns[3] = "";
  char* end = turns;
  struct event_base* const base = event_base_new();
  REQUIRE_C(event_base_priority_init(base, 3) == 0);
  REQUIRE_C(STACKS_init(&f.stacks, 1, 65) == 0);
  f.loop = EVLOOP_init_base(&f.stacks, base);
  REQUIRE_C(EVLOOP_set_event_priority(f.loop, priority) == 0);
  struct event* const event = event_new(base, -1, 0, note_turn, &end);
  event_active(event, EV_TIMEOUT, 1);
  start(&f, note_thread, &end);
  while (end < turns + 2) REQUIRE_C(event_base_loop(base, EVLOOP_ONCE) >= 0);
  event_free(event);
  REQUIRE_C(EVLOOP_free(f.loop) == 0);
  event_base_free(base);
  REQUIRE_C(STACKS_destroy(&f.stacks) == 0);
  REQUIRE_C(open_descriptors() == f.descriptors);
  return turns[0];
}

TEST_CASE_C(event_priority, "a loop's events have a priority among the application's") {
  REQUIRE_C(first_with(0) == 't');
  REQUIRE_C(first_with(2) == 'e');
  Fixture f;
  set_up(&f);
  REQUIRE_ERRNO(EVLOOP_set_event_priority(f.loop, 1) == -1, EINVAL);  // the base has one only
  REQUIRE_ERRNO(EVLOOP_set_event_priority(f.loop, -1) == -1, EINVAL);
  REQUIRE_ERRNO(EVLOOP_set_event_priority(NULL, 0) == -1, EINVAL);
  tear_down(&f);
}
