// evcoro/sync/channel.h
#define _GNU_SOURCE
#include <evcoro/sync/channel.h>

#include <stdatomic.h>

#include "waits.h"

static int send_item(void* channel, struct timeval timeout) {
  return EVCHANNEL_send(channel, channel, timeout);
}
static int receive_item(void* channel, struct timeval timeout) {
  void* item = NULL;
  return EVCHANNEL_receive(channel, &item, timeout);
}

TEST_CASE_C(channel_waits, "room in a channel is waited for, and items") {
  int numbers[2];
  void* item = NULL;
  EVCHANNEL* const channel = EVCHANNEL_init(2, NULL);
  REQUIRE_C(EVCHANNEL_capacity(channel) == 2);
  require_waits(receive_item, channel);
  REQUIRE_ERRNO(EVCHANNEL_tryreceive(channel, &item) == -1, EAGAIN);
  REQUIRE_C(EVCHANNEL_send(channel, &numbers[0], EVTIMEOUT_NOW) == 0);
  REQUIRE_C(EVCHANNEL_trysend(channel, &numbers[1]) == 0);
  REQUIRE_C(EVCHANNEL_size(channel) == 2);
  require_waits(send_item, channel);
  REQUIRE_ERRNO(EVCHANNEL_trysend(channel, NULL) == -1, EAGAIN);
  REQUIRE_C(EVCHANNEL_receive(channel, &item, EVTIMEOUT_NOW) == 0 && item == &numbers[0]);
  REQUIRE_C(EVCHANNEL_tryreceive(channel, &item) == 0 && item == &numbers[1]);
  REQUIRE_C(EVCHANNEL_size(channel) == 0);
  REQUIRE_C(EVCHANNEL_free(channel) == 0);
}

// Meeting is two threads that have a channel without room.
typedef struct Meeting {
  EVCHANNEL* channel;
  int received;
  int result;
  int error;
} Meeting;

static void send_and_close(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Meeting* const meeting = ctx;
  REQUIRE_C(EVCHANNEL_send(meeting->channel, meeting, EVTIMEOUT_NEVER) == 0);
  REQUIRE_C(EVCHANNEL_send(meeting->channel, NULL, EVTIMEOUT_NEVER) == 0);
  REQUIRE_C(EVCHANNEL_close(meeting->channel) == 0);
}

static void receive_all(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Meeting* const meeting = ctx;
  void* item = &item;
  REQUIRE_C(EVCHANNEL_receive(meeting->channel, &item, EVTIMEOUT_NEVER) == 0 && item == meeting);
  REQUIRE_C(EVCHANNEL_receive(meeting->channel, &item, EVTIMEOUT_NEVER) == 0 && item == NULL);
  item = meeting;
  REQUIRE_C(EVCHANNEL_receive(meeting->channel, &item, EVTIMEOUT_NEVER) == 1 && item == meeting);
  meeting->received = 2;
}

TEST_CASE_C(channel_meeting, "without room sender and receiver meet, and NULL is an item") {
  Fixture f;
  Meeting meeting = {.channel = EVCHANNEL_init(0, free), .received = 0};
  set_up(&f);
  start(&f, receive_all, &meeting);
  run_in_thread(&f, send_and_close, &meeting);
  REQUIRE_C(meeting.received == 2);
  REQUIRE_C(EVCHANNEL_free(meeting.channel) == 0);
  tear_down(&f);
}

// --- close ---

static void send_until_closed(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  Meeting* const meeting = ctx;
  meeting->result = EVCHANNEL_send(meeting->channel, meeting, EVTIMEOUT_NEVER);
  meeting->error = errno;
}

TEST_CASE_C(channel_closed, "a channel that is closed is received from until it is empty") {
  Fixture f;
  void* item = NULL;
  Meeting meeting = {.channel = EVCHANNEL_init(2, NULL), .result = 0};
  set_up(&f);
  for (int i = 0; i < 2; i++) REQUIRE_C(EVCHANNEL_trysend(meeting.channel, &f) == 0);
  start(&f, send_until_closed, &meeting);
  REQUIRE_C(EVCHANNEL_is_closed(meeting.channel) == 0);
  REQUIRE_C(EVCHANNEL_close(meeting.channel) == 0);
  REQUIRE_C(EVCHANNEL_close(meeting.channel) == 0);
  REQUIRE_C(EVCHANNEL_is_closed(meeting.channel) == 1);
  REQUIRE_C(EVLOOP_run(f.loop) == 1);
  REQUIRE_C(meeting.result == -1 && meeting.error == EPIPE);
  REQUIRE_ERRNO(EVCHANNEL_send(meeting.channel, &f, EVTIMEOUT_NEVER) == -1, EPIPE);
  REQUIRE_ERRNO(EVCHANNEL_trysend(meeting.channel, &f) == -1, EPIPE);
  REQUIRE_C(EVCHANNEL_receive(meeting.channel, &item, EVTIMEOUT_NEVER) == 0 && item == &f);
  REQUIRE_C(EVCHANNEL_tryreceive(meeting.channel, &item) == 0 && item == &f);
  REQUIRE_C(EVCHANNEL_receive(meeting.channel, &item, EVTIMEOUT_NEVER) == 1);
  REQUIRE_C(EVCHANNEL_tryreceive(meeting.channel, &item) == 1);
  REQUIRE_C(EVCHANNEL_free(meeting.channel) == 0);
  tear_down(&f);
}

static void count_destroyed(void* item) { ++*(int*)item; }

TEST_CASE_C(channel_destroy, "what is left in a channel is destroyed with it, nothing else is") {
  int counts[5] = {0, 0, 0, 0, 0};
  void* item = NULL;
  EVCHANNEL* const channel = EVCHANNEL_init(3, count_destroyed);
  REQUIRE_C(EVCHANNEL_trysend(channel, &counts[0]) == 0);
  REQUIRE_C(EVCHANNEL_tryreceive(channel, &item) == 0 && item == &counts[0]);
  for (int i = 1; i < 3; i++) REQUIRE_C(EVCHANNEL_trysend(channel, &counts[i]) == 0);
  REQUIRE_C(EVCHANNEL_trysend(channel, NULL) == 0);
  REQUIRE_ERRNO(EVCHANNEL_trysend(channel, &counts[3]) == -1, EAGAIN);
  REQUIRE_ERRNO(EVCHANNEL_send(channel, &counts[3], milliseconds(1)) == -1, ETIMEDOUT);
  REQUIRE_C(EVCHANNEL_close(channel) == 0);
  REQUIRE_ERRNO(EVCHANNEL_send(channel, &counts[4], EVTIMEOUT_NEVER) == -1, EPIPE);
  REQUIRE_C(EVCHANNEL_free(channel) == 0);
  const int expected[5] = {0, 1, 1, 0, 0};
  REQUIRE_C(memcmp(counts, expected, sizeof counts) == 0);
}

// --- everywhere ---

enum { items = 400 };

// Half of the places send, half receive.
typedef struct Traffic {
  EVCHANNEL* channel;
  atomic_int place;
  atomic_int senders;
  atomic_int received;
  int numbers[2][items];
} Traffic;

static void send_or_receive(void* ctx) {
  Traffic* const traffic = ctx;
  const int place = traffic->place++;
  void* item = NULL;
  if (place >= 2) {
    while (EVCHANNEL_receive(traffic->channel, &item, long_time()) == 0) {
      ++*(int*)item;
      ++traffic->received;
    }
    return;
  }
  for (int i = 0; i < items; i++) {
    REQUIRE_C(EVCHANNEL_send(traffic->channel, &traffic->numbers[place][i], long_time()) == 0);
  }
  if (--traffic->senders == 0) REQUIRE_C(EVCHANNEL_close(traffic->channel) == 0);
}

TEST_CASE_C(channel_everywhere,
            "a channel has senders and receivers of all loops, and OS threads") {
  for (size_t capacity = 0; capacity < 5; capacity += 4) {
    Traffic traffic = {.channel = EVCHANNEL_init(capacity, NULL), .senders = 2};
    run_everywhere(send_or_receive, &traffic);
    REQUIRE_C(traffic.received == 2 * items);
    for (int i = 0; i < items; i++) {
      REQUIRE_C(traffic.numbers[0][i] == 1 && traffic.numbers[1][i] == 1);
    }
    REQUIRE_C(EVCHANNEL_free(traffic.channel) == 0);
  }
}

// --- misuse ---

static void receive_in_vain(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  (void)receive_item(ctx, EVTIMEOUT_NEVER);
}

static void free_channel_waited_for(void* ctx) {
  Fixture f;
  EVCHANNEL* const channel = EVCHANNEL_init(0, NULL);
  set_up(&f);
  start(&f, receive_in_vain, channel);
  EVCHANNEL_free(channel);
}

TEST_CASE_C(channel_misuse, "what a channel doesn't forgive, or refuses") {
  void* item = NULL;
  require_misuse(free_channel_waited_for, NULL, "wait");
  EVCHANNEL* const channel = EVCHANNEL_init(1, NULL);
  REQUIRE_ERRNO(EVCHANNEL_receive(channel, NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVCHANNEL_tryreceive(channel, NULL) == -1, EINVAL);
  REQUIRE_C(EVCHANNEL_free(channel) == 0);
  REQUIRE_ERRNO(EVCHANNEL_free(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVCHANNEL_send(NULL, &item, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVCHANNEL_receive(NULL, &item, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVCHANNEL_trysend(NULL, &item) == -1, EINVAL);
  REQUIRE_ERRNO(EVCHANNEL_tryreceive(NULL, &item) == -1, EINVAL);
  REQUIRE_ERRNO(EVCHANNEL_close(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVCHANNEL_is_closed(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVCHANNEL_size(NULL) == 0, EINVAL);
  REQUIRE_ERRNO(EVCHANNEL_capacity(NULL) == 0, EINVAL);
}
