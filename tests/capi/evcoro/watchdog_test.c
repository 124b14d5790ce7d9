// evcoro/watchdog.h
#define _GNU_SOURCE
#include <evcoro/watchdog.h>

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

#include "fixture.h"

// Told is what a watchdog has said.
typedef struct Told {
  atomic_int count;
  char name[32];
  char text[4096];
  int64_t held;
  uint64_t id;
  int has_backtrace;
} Told;

static void note_stall(const EVSTALL* stall, void* ctx) {
  Told* const told = ctx;
  snprintf(told->name, sizeof told->name, "%s", stall->name);
  snprintf(told->text, sizeof told->text, "%s", stall->text);
  told->held = stall->held.tv_sec * 1000000 + stall->held.tv_usec;
  told->id = stall->id;
  told->has_backtrace = stall->backtrace_size > 0 && stall->backtrace[0][0] != '\0' &&
                        strstr(stall->started_at, "watchdog_test.c:") != NULL;
  ++told->count;
}

static void hold_loop(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  const Told* const told = ctx;
  REQUIRE_C(EVTHREAD_yield() == 0);
  const int64_t end = now_us() + 30000000;
  while (told->count == 0) REQUIRE_C(now_us() < end);
}

TEST_CASE_C(watchdog, "a thread that holds its loop is reported to C") {
  Fixture f;
  Told told = {.count = 0};
  EVWATCHDOG_OPTIONS options;
  REQUIRE_C(EVWATCHDOG_OPTIONS_init(&options) == 0);
  REQUIRE_C(options.limit.tv_usec == 25000 && options.signal == SIGURG);
  options.limit = milliseconds(20);
  options.on_stall = note_stall;
  options.ctx = &told;
  EVWATCHDOG* const dog = EVWATCHDOG_init(&options);
  REQUIRE_C(dog != NULL);
  REQUIRE_ERRNO(EVWATCHDOG_init(NULL) == NULL, EBUSY);
  set_up(&f);
  const EVTHREAD_OPTIONS hog = {.name = "hog", .file = __FILE__, .line = __LINE__};
  EVTHREAD* const thread = EVTHREAD_init_ex(f.loop, hold_loop, &told, &hog);
  const uint64_t id = EVTHREAD_id(thread);
  REQUIRE_C(EVTHREAD_start(thread, NULL) == 0);
  REQUIRE_C(EVLOOP_run(f.loop) == 1);
  REQUIRE_C(EVWATCHDOG_free(dog) == 0);
  REQUIRE_C(told.count == 1 && told.id == id && told.held >= 20000 && told.has_backtrace);
  REQUIRE_C(strcmp(told.name, "hog") == 0 && strstr(told.text, "has held its loop for ") != NULL);
  tear_down(&f);
}

TEST_CASE_C(watchdog_refused, "what a watchdog refuses") {
  EVWATCHDOG_OPTIONS options;
  REQUIRE_ERRNO(EVWATCHDOG_OPTIONS_init(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVWATCHDOG_free(NULL) == -1, EINVAL);
  REQUIRE_C(EVWATCHDOG_OPTIONS_init(&options) == 0);
  options.limit = EVTIMEOUT_NOW;
  REQUIRE_ERRNO(EVWATCHDOG_init(&options) == NULL, EINVAL);
  options.limit = milliseconds(20);
  options.signal = SIGKILL;
  REQUIRE_ERRNO(EVWATCHDOG_init(&options) == NULL, EINVAL);
  EVWATCHDOG* const dog = EVWATCHDOG_init(NULL);
  REQUIRE_C(dog != NULL && EVWATCHDOG_free(dog) == 0);
}
