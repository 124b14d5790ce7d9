// evcoro/sync/select.h
#define _GNU_SOURCE
#include <evcoro/sync/select.h>

#include <fcntl.h>
#include <stdatomic.h>

#include "waits.h"

static int select_nothing(void* ctx, struct timeval timeout) {
  EVSELECT_CASE cases[] = {{.kind = EVSELECT_NOTHING}};
  return EVSELECT_wait(cases, 1, timeout);
}

static int select_flag(void* flag, struct timeval timeout) {
  EVSELECT_CASE cases[] = {{.kind = EVSELECT_NOTHING}, {.kind = EVSELECT_FLAG, .flag = flag}};
  return EVSELECT_wait(cases, 2, timeout);
}

TEST_CASE_C(select_waits, "a select waits until one of its cases happens") {
  EVFLAG* const flag = EVFLAG_init(EVFLAG_AUTOMATIC, 0);
  require_waits(select_nothing, NULL);
  require_waits(select_flag, flag);
  REQUIRE_C(EVFLAG_set(flag) == 0);
  REQUIRE_C(select_flag(flag, EVTIMEOUT_NOW) == 1);
  REQUIRE_C(EVFLAG_is_set(flag) == 0);
  REQUIRE_ERRNO(EVSELECT_wait(NULL, 0, EVTIMEOUT_NOW) == -1, ETIMEDOUT);
  REQUIRE_C(EVFLAG_free(flag) == 0);
}

// Sources are one of each kind, none of which can happen at once.
typedef struct Sources {
  EVCHANNEL* empty;
  EVCHANNEL* full;
  EVBROADCAST* broadcast;
  EVSUBSCRIPTION* subscription;
  EVFLAG* flag;
  int pipe[2];
  int full_pipe[2];
  EVTIMER* timer;
  struct timeval timer_time;
  char item;  // to be sent
  void (*trigger)(struct Sources* sources);
} Sources;

enum { receive, send_one, message, flag, readable, writable, timer, kinds };

static void open_sources(Sources* s) {
  *s = (Sources){.timer_time = {3600, 0}};
  s->empty = EVCHANNEL_init(1, NULL);
  s->full = EVCHANNEL_init(1, NULL);
  REQUIRE_C(EVCHANNEL_trysend(s->full, s) == 0);
  s->broadcast = EVBROADCAST_init(NULL, NULL);
  s->subscription = EVBROADCAST_subscribe(s->broadcast, NULL);
  s->flag = EVFLAG_init(EVFLAG_MANUAL, 0);
  REQUIRE_C(pipe2(s->pipe, O_CLOEXEC | O_NONBLOCK) == 0);
  REQUIRE_C(pipe2(s->full_pipe, O_CLOEXEC | O_NONBLOCK) == 0);
  char zeros[4096] = {0};
  while (write(s->full_pipe[1], zeros, sizeof zeros) > 0) continue;
}

// left is how many items are in the channel that was full.
static void close_sources(Sources* s, size_t left) {
  REQUIRE_C(EVCHANNEL_size(s->empty) == 0 && EVCHANNEL_size(s->full) == left);
  REQUIRE_C(EVCHANNEL_free(s->empty) == 0);
  REQUIRE_C(EVCHANNEL_free(s->full) == 0);
  REQUIRE_C(EVSUBSCRIPTION_free(s->subscription) == 0);
  REQUIRE_C(EVBROADCAST_free(s->broadcast) == 0);
  REQUIRE_C(EVFLAG_free(s->flag) == 0);
  for (int i = 0; i < 2; i++) {
    close(s->pipe[i]);
    close(s->full_pipe[i]);
  }
}

static void set_cases(const Sources* s, EVSELECT_CASE cases[kinds]) {
  memset(cases, 0, kinds * sizeof *cases);
  cases[receive] = (EVSELECT_CASE){.kind = EVSELECT_RECEIVE, .channel = s->empty};
  cases[send_one] =
      (EVSELECT_CASE){.kind = EVSELECT_SEND, .channel = s->full, .item = (void*)&s->item};
  cases[message] = (EVSELECT_CASE){.kind = EVSELECT_MESSAGE, .subscription = s->subscription};
  cases[flag] = (EVSELECT_CASE){.kind = EVSELECT_FLAG, .flag = s->flag};
  cases[readable] = (EVSELECT_CASE){.kind = EVSELECT_READABLE, .descriptor = s->pipe[0]};
  cases[writable] = (EVSELECT_CASE){.kind = EVSELECT_WRITABLE, .descriptor = s->full_pipe[1]};
  cases[timer] = (EVSELECT_CASE){.kind = EVSELECT_TIMER, .timer = s->timer};
}

static void trigger_receive(Sources* s) { REQUIRE_C(EVCHANNEL_trysend(s->empty, s) == 0); }
static void trigger_send(Sources* s) {
  void* item = NULL;
  REQUIRE_C(EVCHANNEL_tryreceive(s->full, &item) == 0 && item == s);
}
static void trigger_message(Sources* s) { REQUIRE_C(EVBROADCAST_trypublish(s->broadcast, s) == 1); }
static void trigger_flag(Sources* s) { REQUIRE_C(EVFLAG_set(s->flag) == 0); }
static void trigger_readable(Sources* s) { REQUIRE_C(write(s->pipe[1], "x", 1) == 1); }
static void trigger_writable(Sources* s) {
  char zeros[4096];
  while (read(s->full_pipe[0], zeros, sizeof zeros) > 0) continue;
}
static void trigger_nothing(Sources* s) {}  // the timer expires by itself

static void trigger_in_thread(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Sources* const s = ctx;
  REQUIRE_C(EVTHREAD_delay(thread, milliseconds(1)) == 0);
  s->trigger(s);
}

// Each kind of case: waited for, and then had at once; the others stay as they were.
static void select_each(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  static void (*const triggers[kinds])(Sources*) = {
      trigger_receive,  trigger_send,     trigger_message, trigger_flag,
      trigger_readable, trigger_writable, trigger_nothing};
  for (int kind = 0; kind < kinds; kind++) {
    for (int at_once = 0; at_once < 2; at_once++) {
      Sources s;
      EVSELECT_CASE cases[kinds];
      open_sources(&s);
      s.trigger = triggers[kind];
      s.timer = EVTIMER_init(thread, 1, kind == timer ? milliseconds(1) : s.timer_time);
      REQUIRE_C(EVTIMER_start(s.timer) == 0);
      set_cases(&s, cases);
      REQUIRE_ERRNO(EVSELECT_wait(cases, kinds, EVTIMEOUT_NOW) == -1, ETIMEDOUT);
      if (at_once) {
        s.trigger(&s);
        if (kind == timer) REQUIRE_C(EVTHREAD_delay(thread, milliseconds(2)) == 0);
      } else {
        start(ctx, trigger_in_thread, &s);
      }
      REQUIRE_C(EVSELECT_wait(cases, kinds, at_once ? EVTIMEOUT_NOW : long_time()) == kind);
      REQUIRE_C(cases[kind].error == 0);
      if (kind == receive || kind == message) REQUIRE_C(cases[kind].item == &s);
      if (kind == timer) REQUIRE_C(cases[kind].expirations == 1);
      if (kind == send_one) {
        void* item = NULL;
        REQUIRE_C(EVCHANNEL_tryreceive(s.full, &item) == 0 && item == &s.item);
      }
      REQUIRE_C(EVTIMER_free(s.timer) == 0);
      if (kind == timer && !at_once) REQUIRE_C(EVTHREAD_delay(thread, milliseconds(2)) == 0);
      close_sources(&s, kind == send_one ? 0 : 1);
    }
  }
}

TEST_CASE_C(select_kinds, "each kind of case happens, alone") {
  Fixture f;
  set_up(&f);
  run_in_thread(&f, select_each, &f);
  tear_down(&f);
}

static void count_destroyed(void* item) { ++*(int*)item; }

TEST_CASE_C(select_closed, "what is closed, or has been too slow, says so in its case") {
  int item = 0;
  EVCHANNEL* const channel = EVCHANNEL_init(1, count_destroyed);
  EVBROADCAST* const broadcast = EVBROADCAST_init(NULL, NULL);
  EVSUBSCRIPTION_OPTIONS options = {.capacity = 1, .slow = EVSLOW_DISCONNECT};
  EVSUBSCRIPTION* const slow = EVBROADCAST_subscribe(broadcast, &options);
  EVSUBSCRIPTION* const other = EVBROADCAST_subscribe(broadcast, NULL);
  for (int i = 0; i < 2; i++) REQUIRE_C(EVBROADCAST_trypublish(broadcast, &item) == 2 - i);
  REQUIRE_C(EVCHANNEL_close(channel) == 0);
  REQUIRE_C(EVBROADCAST_close(broadcast) == 0);
  EVSELECT_CASE cases[] = {{.kind = EVSELECT_SEND, .channel = channel, .item = &item},
                           {.kind = EVSELECT_RECEIVE, .channel = channel},
                           {.kind = EVSELECT_MESSAGE, .subscription = slow},
                           {.kind = EVSELECT_MESSAGE, .subscription = other}};
  for (int i = 0; i < 2; i++) {
    REQUIRE_C(EVSELECT_wait(&cases[i], 1, EVTIMEOUT_NEVER) == 0);
    REQUIRE_C(cases[i].error == EPIPE);
  }
  REQUIRE_C(cases[0].item == &item && cases[1].item == NULL);
  static const int errors[] = {0, ENOBUFS, 0, 0, EPIPE};
  for (int i = 0; i < 5; i++) {
    EVSELECT_CASE* const its_case = &cases[i < 2 ? 2 : 3];
    REQUIRE_C(EVSELECT_wait(its_case, 1, EVTIMEOUT_NEVER) == 0);
    REQUIRE_C(its_case->error == errors[i]);
  }
  REQUIRE_C(EVSUBSCRIPTION_free(slow) == 0 && EVSUBSCRIPTION_free(other) == 0);
  REQUIRE_C(EVBROADCAST_free(broadcast) == 0 && EVCHANNEL_free(channel) == 0);
  REQUIRE_C(item == 0);
}

static void* copy_nothing(void* ctx) { return NULL; }
static void do_nothing(void* ctx) {}

TEST_CASE_C(select_copy, "a message that can't be copied says so in its case") {
  int item = 0;
  EVBROADCAST* const broadcast = EVBROADCAST_init(copy_nothing, do_nothing);
  EVSUBSCRIPTION* const one = EVBROADCAST_subscribe(broadcast, NULL);
  EVSUBSCRIPTION* const other = EVBROADCAST_subscribe(broadcast, NULL);
  REQUIRE_C(EVBROADCAST_trypublish(broadcast, &item) == 2);
  EVSELECT_CASE its_case = {.kind = EVSELECT_MESSAGE, .subscription = one};
  REQUIRE_C(EVSELECT_wait(&its_case, 1, EVTIMEOUT_NOW) == 0);
  REQUIRE_C(its_case.error == ENOMEM && its_case.item == NULL);
  REQUIRE_C(EVSUBSCRIPTION_free(one) == 0 && EVSUBSCRIPTION_free(other) == 0);
  REQUIRE_C(EVBROADCAST_free(broadcast) == 0);
}

// --- everywhere ---

enum { items = 300 };

// Each place sends to and receives from the same two channels, whatever can be done.
typedef struct Exchange {
  EVCHANNEL* channels[2];
  EVFLAG* all_received;
  atomic_int received;
} Exchange;

static void exchange_items(void* ctx) {
  Exchange* const exchange = ctx;
  int sent = 0;
  for (;;) {
    EVSELECT_CASE cases[] = {
        {.kind = sent < items ? EVSELECT_SEND : EVSELECT_NOTHING, .channel = exchange->channels[0]},
        {.kind = sent < items ? EVSELECT_SEND : EVSELECT_NOTHING, .channel = exchange->channels[1]},
        {.kind = EVSELECT_RECEIVE, .channel = exchange->channels[0]},
        {.kind = EVSELECT_RECEIVE, .channel = exchange->channels[1]},
        {.kind = EVSELECT_FLAG, .flag = exchange->all_received}};
    const int chosen = EVSELECT_wait(cases, 5, long_time());
    REQUIRE_C(chosen >= 0 && cases[chosen].error == 0);
    if (chosen == 4) return;
    if (chosen < 2) {
      ++sent;
    } else if (++exchange->received == places * items) {
      REQUIRE_C(EVFLAG_set(exchange->all_received) == 0);
    }
  }
}

TEST_CASE_C(select_everywhere, "threads of all loops and OS threads select at the same channels") {
  Exchange exchange = {.all_received = EVFLAG_init(EVFLAG_MANUAL, 0), .received = 0};
  for (int i = 0; i < 2; i++) exchange.channels[i] = EVCHANNEL_init((size_t)i, NULL);
  run_everywhere(exchange_items, &exchange);
  REQUIRE_C(exchange.received == places * items);
  for (int i = 0; i < 2; i++) REQUIRE_C(EVCHANNEL_free(exchange.channels[i]) == 0);
  REQUIRE_C(EVFLAG_free(exchange.all_received) == 0);
}

// --- what is refused ---

static void select_foreign(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  EVSELECT_CASE* const cases = ctx;
  REQUIRE_ERRNO(EVSELECT_wait(&cases[0], 1, EVTIMEOUT_NEVER) == -1, EBADF);
  REQUIRE_ERRNO(EVSELECT_wait(&cases[1], 1, EVTIMEOUT_NEVER) == -1, EPERM);
}

static void make_timer(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  EVSELECT_CASE cases[2] = {{.kind = EVSELECT_READABLE, .descriptor = -1},
                            {.kind = EVSELECT_TIMER}};
  cases[1].timer = EVTIMER_init(thread, 1, milliseconds(3600000));
  REQUIRE_C(EVTIMER_start(cases[1].timer) == 0);
  start(ctx, select_foreign, cases);
}

TEST_CASE_C(select_refused, "what a select refuses") {
  Fixture f;
  int ends[2];
  EVSELECT_CASE cases[EVSELECT_MAX + 1] = {{.kind = EVSELECT_NOTHING}};
  REQUIRE_ERRNO(EVSELECT_wait(cases, EVSELECT_MAX, EVTIMEOUT_NOW) == -1, ETIMEDOUT);
  REQUIRE_ERRNO(EVSELECT_wait(cases, EVSELECT_MAX + 1, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVSELECT_wait(NULL, 1, EVTIMEOUT_NOW) == -1, EINVAL);
  static const EVSELECT_KIND with_object[] = {
      EVSELECT_RECEIVE, EVSELECT_SEND,  EVSELECT_MESSAGE,
      EVSELECT_FLAG,    EVSELECT_TIMER, (EVSELECT_KIND)(EVSELECT_TIMER + 1)};
  for (size_t i = 0; i < sizeof with_object / sizeof *with_object; i++) {
    cases[0].kind = with_object[i];
    REQUIRE_ERRNO(EVSELECT_wait(cases, 1, EVTIMEOUT_NOW) == -1, EINVAL);
  }
  REQUIRE_C(pipe2(ends, O_CLOEXEC) == 0);
  cases[0] = (EVSELECT_CASE){.kind = EVSELECT_READABLE, .descriptor = ends[0]};
  REQUIRE_ERRNO(EVSELECT_wait(cases, 1, long_time()) == -1, EPERM);  // an OS thread
  close(ends[0]);
  close(ends[1]);
  set_up(&f);
  run_in_thread(&f, make_timer, &f);
  tear_down(&f);
}
