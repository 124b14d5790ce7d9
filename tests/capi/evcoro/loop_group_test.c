// evcoro/loop_group.h
#define _GNU_SOURCE
#include <evcoro/loop_group.h>
#include <evcoro/sync/sync.h>

#include <event2/event.h>
#include <sched.h>
#include <stdatomic.h>

#include "waits.h"

static void do_nothing(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {}

static void wait_for_flag(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  (void)EVFLAG_wait(ctx, EVTIMEOUT_NEVER);
}

// Where is the place in which a thread has run.
typedef struct Where {
  EVLOOPGROUP* group;
  int index;
  EVLOOP* loop;
  char name[32];
  char os_thread[16];
} Where;

static void note_where(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Where* const where = ctx;
  REQUIRE_C(EVTHREAD_current() == thread && socket == NULL);
  where->index = EVLOOPGROUP_index(where->group);
  where->loop = EVTHREAD_loop(thread);
  strcpy(where->name, EVTHREAD_name(thread));
  REQUIRE_C(pthread_getname_np(pthread_self(), where->os_thread, sizeof where->os_thread) == 0);
  REQUIRE_C(EVSOCKET_open(thread, AF_INET) != NULL);  // closed when the thread ends
  (void)EVTHREAD_delay(thread, milliseconds(1));
}

TEST_CASE_C(group_threads, "threads of a group run on the loop that is named, and on the next") {
  const int descriptors = open_descriptors();
  EVLOOPGROUP* const group = two_loops();
  Where where = {.group = group};
  const EVTHREAD_OPTIONS options = {.name = "it", .file = __FILE__, .line = __LINE__, .urgent = 1};
  REQUIRE_C(EVLOOPGROUP_size(group) == 2);
  REQUIRE_ERRNO(EVLOOPGROUP_index(group) == -1, EPERM);
  for (int i = 0; i < 2; i++) {
    EVREMOTETHREAD* const thread =
        EVLOOPGROUP_start_on(group, (size_t)i, note_where, &where, &options);
    REQUIRE_C(EVREMOTETHREAD_join(thread, long_time()) == 0);
    REQUIRE_C(where.index == i && where.loop == EVLOOPGROUP_loop(group, (size_t)i));
    REQUIRE_C(strcmp(where.name, "it") == 0);
    REQUIRE_C(strcmp(where.os_thread, i == 0 ? "loop 0" : "loop 1") == 0);
  }
  REQUIRE_C(EVLOOPGROUP_loop(group, 0) != EVLOOPGROUP_loop(group, 1));
  int seen = 0;
  for (int i = 0; i < 2; i++) {
    REQUIRE_C(
        EVREMOTETHREAD_join(EVLOOPGROUP_start(group, note_where, &where, NULL), long_time()) == 0);
    seen |= 1 << where.index;
  }
  REQUIRE_C(seen == 3);
  REQUIRE_C(EVLOOPGROUP_next(group) != EVLOOPGROUP_next(group));
  REQUIRE_C(EVLOOPGROUP_free(group) == 0);
  REQUIRE_C(open_descriptors() == descriptors);
}

// A thread that begins is in no count for a moment.
static void await_least_loaded(EVLOOPGROUP* group, int index) {
  for (int in_a_row = 0; in_a_row < 10; sched_yield()) {
    in_a_row = EVLOOPGROUP_least_loaded(group) == index ? in_a_row + 1 : 0;
  }
}

TEST_CASE_C(group_least_loaded, "the least loaded loop is that with the fewest threads") {
  EVLOOPGROUP* const group = two_loops();
  EVFLAG* const flag = EVFLAG_init(EVFLAG_MANUAL, 0);
  for (int busy = 0; busy < 2; busy++) {
    REQUIRE_C(EVLOOPGROUP_go_on(group, (size_t)busy, wait_for_flag, flag, NULL) == 0);
    REQUIRE_C(EVLOOPGROUP_go_on(group, (size_t)busy, wait_for_flag, flag, NULL) == 0);
    if (busy == 0) await_least_loaded(group, 1);
  }
  REQUIRE_C(EVLOOPGROUP_go_on(group, 1, wait_for_flag, flag, NULL) == 0);
  await_least_loaded(group, 0);
  REQUIRE_C(EVFLAG_set(flag) == 0);
  REQUIRE_C(EVLOOPGROUP_free(group) == 0);
  REQUIRE_C(EVFLAG_free(flag) == 0);
}

// --- EVREMOTETHREAD ---

// Remote is a thread of a group, and who joins it.
typedef struct Remote {
  EVLOOPGROUP* group;
  EVREMOTETHREAD* thread;
  EVFLAG* flag;
  EVCANCEL_REASON reason;
  int result;
  int error;
} Remote;

static void wait_to_be_cancelled(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Remote* const remote = ctx;
  REQUIRE_C(EVFLAG_set(remote->flag) == 0);
  REQUIRE_ERRNO(EVTHREAD_park(EVTIMEOUT_NEVER) == -1, ECANCELED);
  remote->reason = EVTHREAD_cancel_reason(thread);
}

static void open_remote(Remote* remote) {
  *remote = (Remote){.group = two_loops(), .flag = EVFLAG_init(EVFLAG_AUTOMATIC, 0)};
  remote->thread = EVLOOPGROUP_start(remote->group, wait_to_be_cancelled, remote, NULL);
  REQUIRE_C(EVFLAG_wait(remote->flag, long_time()) == 0);
  REQUIRE_C(EVREMOTETHREAD_has_ended(remote->thread) == 0);
}

static void close_remote(Remote* remote) {
  REQUIRE_C(EVLOOPGROUP_free(remote->group) == 0);
  REQUIRE_C(EVFLAG_free(remote->flag) == 0);
}

static int join_remote(void* thread, struct timeval timeout) {
  return EVREMOTETHREAD_join(thread, timeout);
}

TEST_CASE_C(remote_join, "a thread is joined from everywhere, and cancelled") {
  Remote remote;
  open_remote(&remote);
  require_waits(join_remote, remote.thread);
  REQUIRE_ERRNO(EVREMOTETHREAD_cancel(remote.thread, EVCANCEL_NONE) == -1, EINVAL);
  REQUIRE_C(EVREMOTETHREAD_cancel(remote.thread, EVCANCEL_DEADLINE) == 0);
  REQUIRE_C(EVREMOTETHREAD_join(remote.thread, long_time()) == 0);
  REQUIRE_C(remote.reason == EVCANCEL_DEADLINE);
  close_remote(&remote);
}

static void join_too(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Remote* const remote = ctx;
  REQUIRE_C(EVREMOTETHREAD_join(remote->thread, long_time()) == 0);
}

static void meet_who_joins(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Remote* const remote = ctx;
  REQUIRE_ERRNO(EVREMOTETHREAD_join(remote->thread, long_time()) == -1, EBUSY);
  REQUIRE_ERRNO(EVREMOTETHREAD_detach(remote->thread) == -1, EBUSY);
  REQUIRE_ERRNO(EVREMOTETHREAD_free(remote->thread) == -1, EBUSY);
  REQUIRE_C(EVREMOTETHREAD_cancel(remote->thread, EVCANCEL_USER) == 0);
}

TEST_CASE_C(remote_join_twice, "one thread at a time joins") {
  Remote remote;
  Fixture f;
  set_up(&f);
  open_remote(&remote);
  EVTHREAD* const first = start(&f, join_too, &remote);
  EVTHREAD* const second = start(&f, meet_who_joins, &remote);
  REQUIRE_C(first != NULL && second != NULL);
  REQUIRE_C(EVLOOP_run(f.loop) == 1);
  close_remote(&remote);
  tear_down(&f);
}

static void join_itself(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Remote* const remote = ctx;
  REQUIRE_C(EVFLAG_wait(remote->flag, long_time()) == 0);
  REQUIRE_ERRNO(EVREMOTETHREAD_join(remote->thread, long_time()) == -1, EDEADLK);
  REQUIRE_ERRNO(EVREMOTETHREAD_free(remote->thread) == -1, EDEADLK);
}

TEST_CASE_C(remote_join_itself, "a thread doesn't join itself") {
  Remote remote = {.group = two_loops(), .flag = EVFLAG_init(EVFLAG_AUTOMATIC, 0)};
  remote.thread = EVLOOPGROUP_start(remote.group, join_itself, &remote, NULL);
  REQUIRE_C(EVFLAG_set(remote.flag) == 0);
  while (EVREMOTETHREAD_has_ended(remote.thread) == 0) sched_yield();
  REQUIRE_C(EVREMOTETHREAD_join(remote.thread, long_time()) == 0);
  close_remote(&remote);
}

static void join_in_thread(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Remote* const remote = ctx;
  REQUIRE_C(EVREMOTETHREAD_cancel(remote->thread, EVCANCEL_USER) == 0);
  REQUIRE_C(EVREMOTETHREAD_join(remote->thread, long_time()) == 0);
  REQUIRE_C(remote->reason == EVCANCEL_USER);
}

TEST_CASE_C(remote_join_in_threads, "a thread is joined by one of another loop of the group") {
  Remote remote;
  open_remote(&remote);
  EVREMOTETHREAD* const joining = EVLOOPGROUP_start(remote.group, join_in_thread, &remote, NULL);
  REQUIRE_C(EVREMOTETHREAD_join(joining, long_time()) == 0);
  close_remote(&remote);
}

TEST_CASE_C(remote_free,
            "a handle that is freed cancels its thread, one that is detached doesn't") {
  Remote remote;
  open_remote(&remote);
  REQUIRE_C(EVREMOTETHREAD_free(remote.thread) == 0);
  REQUIRE_C(remote.reason == EVCANCEL_USER);
  close_remote(&remote);
  open_remote(&remote);
  REQUIRE_C(EVREMOTETHREAD_detach(remote.thread) == 0);
  REQUIRE_C(remote.reason == EVCANCEL_NONE);
  close_remote(&remote);
  REQUIRE_C(remote.reason == EVCANCEL_SHUTDOWN);
}

static void count(void* ctx) { ++*(atomic_int*)ctx; }

// A thread that waits for a stack when its group ends.
static EVREMOTETHREAD* start_without_stack(EVLOOPGROUP* group, EVFLAG* flag,
                                           atomic_int* discarded) {
  const EVTHREAD_OPTIONS options = {.discard = count};
  for (int i = 0; i < 8; i++) {
    REQUIRE_C(EVLOOPGROUP_go_on(group, 0, wait_for_flag, flag, NULL) == 0);
  }
  REQUIRE_C(EVLOOPGROUP_go_on(group, 0, do_nothing, discarded, &options) == 0);
  EVREMOTETHREAD* const thread = EVLOOPGROUP_start_on(group, 0, do_nothing, discarded, &options);
  REQUIRE_ERRNO(EVREMOTETHREAD_join(thread, milliseconds(1)) == -1, ETIMEDOUT);
  return thread;
}

TEST_CASE_C(remote_unstarted, "a thread that can't be started any more has its context discarded") {
  EVLOOPGROUP* const group = two_loops();
  EVFLAG* const flag = EVFLAG_init(EVFLAG_MANUAL, 0);
  atomic_int discarded = 0;
  EVREMOTETHREAD* const thread = start_without_stack(group, flag, &discarded);
  REQUIRE_C(EVLOOPGROUP_free(group) == 0);
  REQUIRE_C(discarded == 2);
  REQUIRE_C(EVREMOTETHREAD_has_ended(thread) == 1);
  REQUIRE_ERRNO(EVREMOTETHREAD_join(thread, EVTIMEOUT_NOW) == 1, ECANCELED);
  REQUIRE_C(EVFLAG_free(flag) == 0);
}

TEST_CASE_C(remote_waits_for_stack,
            "a thread that waits for a stack runs, and nothing is discarded") {
  EVLOOPGROUP* const group = two_loops();
  EVFLAG* const flag = EVFLAG_init(EVFLAG_MANUAL, 0);
  atomic_int discarded = 0;
  EVREMOTETHREAD* const thread = start_without_stack(group, flag, &discarded);
  REQUIRE_C(EVFLAG_set(flag) == 0);
  REQUIRE_C(EVREMOTETHREAD_join(thread, long_time()) == 0);
  REQUIRE_C(EVLOOPGROUP_free(group) == 0);
  REQUIRE_C(discarded == 0);
  REQUIRE_C(EVFLAG_free(flag) == 0);
}

// Stacks of one loop, for a thread there.
typedef struct OtherStacks {
  STACKS stacks;
  size_t size;
} OtherStacks;

static void make_stacks(void* ctx) {
  REQUIRE_C(STACKS_init(&((OtherStacks*)ctx)->stacks, 1, 33) == 0);
}
static void destroy_stacks(void* ctx) {
  REQUIRE_C(STACKS_destroy(&((OtherStacks*)ctx)->stacks) == 0);
}
static void note_stack_size(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  ((OtherStacks*)ctx)->size = EVTHREAD_stack_size(thread);
}
static void keep_stack(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  (void)EVTHREAD_park(EVTIMEOUT_NEVER);
}

TEST_CASE_C(other_stacks, "a thread may have other stacks, which are not waited for") {
  EVLOOPGROUP* const group = two_loops();
  OtherStacks other = {.size = 0};
  STACKS zeroed = {0};
  EVTHREAD_OPTIONS options = {.stacks = &other.stacks};
  REQUIRE_C(EVLOOPGROUP_call_on(group, 1, make_stacks, &other) == 0);
  EVREMOTETHREAD* const keeping = EVLOOPGROUP_start_on(group, 1, keep_stack, NULL, &options);
  EVREMOTETHREAD* const refused = EVLOOPGROUP_start_on(group, 1, do_nothing, NULL, &options);
  REQUIRE_ERRNO(EVREMOTETHREAD_join(refused, long_time()) == 1, EAGAIN);
  REQUIRE_C(EVREMOTETHREAD_free(keeping) == 0);
  EVREMOTETHREAD* const thread = EVLOOPGROUP_start_on(group, 1, note_stack_size, &other, &options);
  REQUIRE_C(EVREMOTETHREAD_join(thread, long_time()) == 0);
  REQUIRE_C(other.size > 0 && other.size < 256 * 1024);  // the group's have more
  REQUIRE_C(EVLOOPGROUP_call_on(group, 1, destroy_stacks, &other) == 0);
  options.stacks = &zeroed;
  REQUIRE_ERRNO(EVLOOPGROUP_start(group, do_nothing, NULL, &options) == NULL, EINVAL);
  REQUIRE_ERRNO(EVLOOPGROUP_go(group, do_nothing, NULL, &options) == -1, EINVAL);
  REQUIRE_C(EVLOOPGROUP_free(group) == 0);
}

// --- in the loops ---

static void start_by_loop(void* ctx) {
  Where* const where = ctx;
  EVLOOP* const loop = EVLOOPGROUP_loop(where->group, 1);
  REQUIRE_C(EVTHREAD_current() == NULL);
  REQUIRE_C(EVLOOPGROUP_index(where->group) == 1);
  REQUIRE_C(EVTHREAD_start(EVTHREAD_init(loop, note_where, where), NULL) == 0);
  REQUIRE_C(EVTHREAD_init(loop, do_nothing, NULL) != NULL);  // never started: it goes with the loop
  REQUIRE_ERRNO(EVLOOP_free(loop) == -1, EBUSY);
  REQUIRE_ERRNO(EVLOOPGROUP_free(where->group) == -1, EDEADLK);
}

static void count_posted(void* ctx) { ++*(atomic_int*)ctx; }

TEST_CASE_C(group_call_on, "functions are called in, and posted to, the loops of a group") {
  EVLOOPGROUP* const group = two_loops();
  Where where = {.group = group, .index = -1};
  atomic_int posted = 0;
  REQUIRE_C(EVLOOPGROUP_call_on(group, 1, start_by_loop, &where) == 0);
  REQUIRE_C(where.index == 1 && where.loop == EVLOOPGROUP_loop(group, 1));
  REQUIRE_C(EVLOOP_post(EVLOOPGROUP_loop(group, 0), count_posted, &posted) == 0);
  REQUIRE_C(EVLOOPGROUP_call_on(group, 0, count_posted, &posted) == 0);
  REQUIRE_C(posted == 2);
  REQUIRE_C(EVLOOPGROUP_free(group) == 0);
}

static void free_group(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  REQUIRE_ERRNO(EVLOOPGROUP_free(ctx) == -1, EDEADLK);
}

TEST_CASE_C(group_free, "a group is not freed by a thread of its own") {
  EVLOOPGROUP* const group = two_loops();
  REQUIRE_C(EVREMOTETHREAD_join(EVLOOPGROUP_start(group, free_group, group, NULL), long_time()) ==
            0);
  REQUIRE_C(EVLOOPGROUP_free(group) == 0);
}

// --- the end ---

static void linger(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  REQUIRE_C(EVFLAG_set(ctx) == 0);
  REQUIRE_ERRNO(EVTHREAD_park(EVTIMEOUT_NEVER) == -1, ECANCELED);
  REQUIRE_C(EVTHREAD_acknowledge_cancellation() == 0);
  (void)EVTHREAD_park(EVTIMEOUT_NEVER);
}

TEST_CASE_C(group_shutdown, "a group shuts down, and tells how many threads have not ended") {
  EVLOOPGROUP* const group = two_loops();
  EVFLAG* const flag = EVFLAG_init(EVFLAG_AUTOMATIC, 0);
  REQUIRE_C(EVLOOPGROUP_go_on(group, 0, linger, flag, NULL) == 0);
  REQUIRE_C(EVFLAG_wait(flag, long_time()) == 0);
  REQUIRE_C(EVLOOPGROUP_shutdown(group, milliseconds(5)) == 1);
  REQUIRE_C(EVLOOPGROUP_go_on(group, 1, wait_for_flag, flag, NULL) == 0);
  REQUIRE_C(EVLOOPGROUP_shutdown(group, long_time()) == 0);
  REQUIRE_C(EVREMOTETHREAD_join(EVLOOPGROUP_start(group, do_nothing, NULL, NULL), long_time()) ==
            0);
  REQUIRE_C(EVLOOPGROUP_free(group) == 0);
  REQUIRE_C(EVFLAG_free(flag) == 0);
}

// --- the application's own loop ---

static void stop_loop(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Where* const where = ctx;
  note_where(thread, socket, where);
  REQUIRE_C(event_base_loopbreak(EVLOOP_base(EVTHREAD_loop(thread))) == 0);
}

TEST_CASE_C(group_own, "the application's loop, in its base, is the first of a group") {
  Fixture f;
  struct event_base* const base = event_base_new();
  EVLOOPGROUP_OPTIONS options;
  f.descriptors = open_descriptors();
  REQUIRE_C(STACKS_init(&f.stacks, 4, 65) == 0);
  f.loop = EVLOOP_init_base(&f.stacks, base);
  REQUIRE_C(EVLOOPGROUP_OPTIONS_init(&options) == 0);
  options.loops = 2;
  options.own = f.loop;
  options.name = "mine";
  options.pin = 1;
  options.on_demand = 1;
  options.stack_size = 128 * 1024;
  EVLOOPGROUP* const group = EVLOOPGROUP_init(&options);
  REQUIRE_C(group != NULL && EVLOOPGROUP_size(group) == 2);
  REQUIRE_C(EVLOOPGROUP_loop(group, 0) == f.loop && EVLOOPGROUP_index(group) == 0);
  REQUIRE_ERRNO(EVLOOP_free(f.loop) == -1, EBUSY);
  REQUIRE_ERRNO(EVLOOPGROUP_init(&options) == NULL, EBUSY);
  Where where = {.group = group, .index = -1};
  REQUIRE_C(EVREMOTETHREAD_join(EVLOOPGROUP_start_on(group, 1, note_where, &where, NULL),
                                long_time()) == 0);
  REQUIRE_C(where.index == 1 && strcmp(where.os_thread, "mine 1") == 0);
  REQUIRE_C(EVLOOPGROUP_go_on(group, 0, stop_loop, &where, NULL) == 0);
  REQUIRE_C(event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY) == 0);
  REQUIRE_C(where.index == 0 && where.loop == f.loop);
  atomic_int posted = 0;
  REQUIRE_C(EVLOOPGROUP_call_on(group, 0, count_posted, &posted) == 0);
  REQUIRE_C(posted == 1);
  REQUIRE_C(EVLOOPGROUP_shutdown(group, long_time()) == 0);
  REQUIRE_C(EVLOOPGROUP_free(group) == 0);
  tear_down(&f);
  event_base_free(base);
}

// --- EVGO ---

static void note_and_tell(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Remote* const remote = ctx;
  remote->result =
      remote->group == NULL ? EVTHREAD_loop(thread) != NULL : EVLOOPGROUP_index(remote->group) >= 0;
  REQUIRE_C(EVFLAG_set(remote->flag) == 0);
}

static void go_in_group(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  REQUIRE_C(EVGO(note_and_tell, ctx) == 0);
}

TEST_CASE_C(go, "EVGO() runs a function on a loop of the caller's group, or of the process") {
  Remote remote = {.flag = EVFLAG_init(EVFLAG_AUTOMATIC, 0)};
  REQUIRE_C(EVGO(note_and_tell, &remote) == 0);
  REQUIRE_C(EVFLAG_wait(remote.flag, long_time()) == 0);
  REQUIRE_C(remote.result == 1);
  REQUIRE_C((EVGO)(note_and_tell, &remote) == 0);
  REQUIRE_C(EVFLAG_wait(remote.flag, long_time()) == 0);
  REQUIRE_C(EVGO_at(note_and_tell, &remote, NULL, 0) == 0);
  REQUIRE_C(EVFLAG_wait(remote.flag, long_time()) == 0);
  remote.group = two_loops();
  remote.result = 0;
  REQUIRE_C(EVLOOPGROUP_go(remote.group, go_in_group, &remote, NULL) == 0);
  REQUIRE_C(EVFLAG_wait(remote.flag, long_time()) == 0);
  REQUIRE_C(remote.result == 1);
  REQUIRE_C(EVLOOPGROUP_free(remote.group) == 0);
  REQUIRE_C(EVFLAG_free(remote.flag) == 0);
  REQUIRE_ERRNO(EVGO(NULL, NULL) == -1, EINVAL);
}

// --- what is refused ---

static void call_nothing(void* ctx) {}

TEST_CASE_C(group_defaults, "a group without options has a loop per core") {
  EVLOOPGROUP* const group = EVLOOPGROUP_init(NULL);
  cpu_set_t cores;
  REQUIRE_C(sched_getaffinity(0, sizeof cores, &cores) == 0);
  REQUIRE_C(EVLOOPGROUP_size(group) == (size_t)CPU_COUNT(&cores));
  REQUIRE_C(EVLOOPGROUP_free(group) == 0);
  EVLOOPGROUP_OPTIONS options;
  REQUIRE_C(EVLOOPGROUP_OPTIONS_init(&options) == 0);
  options.num_stacks = 0;
  REQUIRE_ERRNO(EVLOOPGROUP_init(&options) == NULL, EINVAL);
}

TEST_CASE_C(group_refused, "what a group refuses") {
  EVLOOPGROUP* const group = two_loops();
  REQUIRE_ERRNO(EVLOOPGROUP_loop(group, 2) == NULL, EINVAL);
  REQUIRE_ERRNO(EVLOOPGROUP_start_on(group, 2, do_nothing, NULL, NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(EVLOOPGROUP_start(group, NULL, NULL, NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(EVLOOPGROUP_go_on(group, 2, do_nothing, NULL, NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVLOOPGROUP_go(group, NULL, NULL, NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVLOOPGROUP_call_on(group, 2, call_nothing, NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVLOOPGROUP_call_on(group, 0, NULL, NULL) == -1, EINVAL);
  REQUIRE_C(EVLOOPGROUP_free(group) == 0);
  REQUIRE_ERRNO(EVLOOPGROUP_OPTIONS_init(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVLOOPGROUP_free(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVLOOPGROUP_size(NULL) == 0, EINVAL);
  REQUIRE_ERRNO(EVLOOPGROUP_loop(NULL, 0) == NULL, EINVAL);
  REQUIRE_ERRNO(EVLOOPGROUP_index(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVLOOPGROUP_next(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVLOOPGROUP_least_loaded(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVLOOPGROUP_start(NULL, do_nothing, NULL, NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(EVLOOPGROUP_start_on(NULL, 0, do_nothing, NULL, NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(EVLOOPGROUP_go(NULL, do_nothing, NULL, NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVLOOPGROUP_go_on(NULL, 0, do_nothing, NULL, NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVLOOPGROUP_call_on(NULL, 0, call_nothing, NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVLOOPGROUP_shutdown(NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVREMOTETHREAD_join(NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVREMOTETHREAD_detach(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVREMOTETHREAD_cancel(NULL, EVCANCEL_USER) == -1, EINVAL);
  REQUIRE_ERRNO(EVREMOTETHREAD_has_ended(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVREMOTETHREAD_free(NULL) == -1, EINVAL);
}

static void use_parents_group(void* ctx) {
  Remote* const remote = ctx;
  EVLOOPGROUP* const group = remote->group;
  REQUIRE_ERRNO(EVLOOPGROUP_start(group, do_nothing, NULL, NULL) == NULL, ECHILD);
  REQUIRE_ERRNO(EVLOOPGROUP_go(group, do_nothing, NULL, NULL) == -1, ECHILD);
  REQUIRE_ERRNO(EVLOOPGROUP_call_on(group, 0, call_nothing, NULL) == -1, ECHILD);
  REQUIRE_ERRNO(EVLOOPGROUP_shutdown(group, EVTIMEOUT_NOW) == -1, ECHILD);
  REQUIRE_ERRNO(EVREMOTETHREAD_join(remote->thread, long_time()) == -1, ECHILD);
  REQUIRE_C(EVREMOTETHREAD_free(remote->thread) == 0);
  REQUIRE_C(EVLOOPGROUP_free(group) == 0);
}

TEST_CASE_C(group_forked, "a child process is told that a group is its parent's") {
  Remote remote;
  open_remote(&remote);
  require_in_child(use_parents_group, &remote);
  REQUIRE_C(EVREMOTETHREAD_free(remote.thread) == 0);
  close_remote(&remote);
}
