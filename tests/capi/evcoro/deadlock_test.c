// evcoro/deadlock.h
#define _GNU_SOURCE
#include <evcoro/deadlock.h>
#include <evcoro/sync/sync.h>

#include <signal.h>

#include "waits.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAS_THREAD_OF_ITS_OWN 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define HAS_THREAD_OF_ITS_OWN 1
#endif

static EVLOOP* running;

static void stop_running(int number) { EVLOOP_break(running); }

static void wait_in_vain(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  REQUIRE_ERRNO(EVFLAG_wait(ctx, EVTIMEOUT_NEVER) == -1, ECANCELED);
}

// Runs a loop whose only thread waits for what never comes, until a signal: a timer of the loop, or
// another OS thread, would be a reason not to report.
static void run_into_deadlock(void* on) {
  Fixture f;
  const struct itimerval soon = {.it_value = {0, 200000}};
  EVFLAG* const never_set = EVFLAG_init(EVFLAG_AUTOMATIC, 0);
  EVDEADLOCK_set_reports(*(int*)on);
  REQUIRE_C(EVDEADLOCK_reports() == *(int*)on);
  set_up(&f);
  running = f.loop;
  start(&f, wait_in_vain, never_set);
  signal(SIGALRM, stop_running);
  setitimer(ITIMER_REAL, &soon, NULL);
  REQUIRE_C(EVLOOP_run(f.loop) == 0);
  REQUIRE_C(EVLOOP_shutdown(f.loop, long_time()) == 0);
  REQUIRE_C(EVFLAG_free(never_set) == 0);
  tear_down(&f);
}

TEST_CASE_C(deadlock_reports, "deadlock reports are switched on and off") {
#ifdef HAS_THREAD_OF_ITS_OWN
  c_test_skip("TSan has an OS thread of its own");
#endif
  for (int on = 0; on < 2; on++) {
    struct c_test_ended child;
    c_test_in_child(run_into_deadlock, &on, &child);
    if (child.status != 0) puts(child.output);
    REQUIRE_C(child.status == 0 && child.signal == 0);
    REQUIRE_C((strstr(child.output, "evcoro: deadlock: ") != NULL) == (on == 1));
  }
}
