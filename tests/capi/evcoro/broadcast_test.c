// evcoro/sync/broadcast.h
#define _GNU_SOURCE
#include <evcoro/sync/broadcast.h>

#include <stdatomic.h>

#include "waits.h"

// Quote is a message that counts its references.
typedef struct Quote {
  atomic_int uses;
  int number;
} Quote;

static atomic_int quotes;  // that exist

static Quote* make_quote(int number) {
  Quote* const quote = malloc(sizeof *quote);
  quote->uses = 1;
  quote->number = number;
  ++quotes;
  return quote;
}

static void* retain(void* message) {
  ++((Quote*)message)->uses;
  return message;
}

static void release(void* message) {
  if (--((Quote*)message)->uses != 0) return;
  free(message);
  --quotes;
}

static EVSUBSCRIPTION* subscribe(EVBROADCAST* broadcast, size_t capacity, EVSLOW slow) {
  EVSUBSCRIPTION_OPTIONS options;
  REQUIRE_C(EVSUBSCRIPTION_OPTIONS_init(&options) == 0);
  REQUIRE_C(options.capacity == 16 && options.slow == EVSLOW_BLOCK);
  options.capacity = capacity;
  options.slow = slow;
  EVSUBSCRIPTION* const result = EVBROADCAST_subscribe(broadcast, &options);
  REQUIRE_C(result != NULL && EVSUBSCRIPTION_capacity(result) == capacity);
  return result;
}

// receive_number() is that of the next quote, which must be there.
static int receive_number(EVSUBSCRIPTION* subscription) {
  void* message = NULL;
  REQUIRE_C(EVSUBSCRIPTION_tryreceive(subscription, &message) == 0);
  const int number = ((Quote*)message)->number;
  release(message);
  return number;
}

TEST_CASE_C(published, "all who have subscribed get what is published, and it is freed") {
  EVBROADCAST* const broadcast = EVBROADCAST_init(retain, release);
  REQUIRE_C(EVBROADCAST_publish(broadcast, make_quote(0), EVTIMEOUT_NOW) == 0);
  REQUIRE_C(quotes == 0);
  EVSUBSCRIPTION* const one = EVBROADCAST_subscribe(broadcast, NULL);
  EVSUBSCRIPTION* const other = EVBROADCAST_subscribe(broadcast, NULL);
  REQUIRE_C(EVBROADCAST_subscribers(broadcast) == 2);
  REQUIRE_C(EVBROADCAST_publish(broadcast, make_quote(1), EVTIMEOUT_NOW) == 2);
  REQUIRE_C(EVBROADCAST_trypublish(broadcast, make_quote(2)) == 2);
  REQUIRE_C(EVBROADCAST_trypublish(broadcast, NULL) == 2);
  REQUIRE_C(EVSUBSCRIPTION_size(one) == 3);
  REQUIRE_C(receive_number(one) == 1 && receive_number(one) == 2);
  void* message = &message;
  REQUIRE_C(EVSUBSCRIPTION_receive(one, &message, EVTIMEOUT_NOW) == 0 && message == NULL);
  REQUIRE_C(receive_number(other) == 1);
  REQUIRE_C(quotes == 1);
  REQUIRE_C(EVSUBSCRIPTION_free(other) == 0);  // with what is left
  REQUIRE_C(quotes == 0);
  REQUIRE_C(EVSUBSCRIPTION_free(one) == 0);
  REQUIRE_C(EVBROADCAST_free(broadcast) == 0);
}

static int publish_one(void* broadcast, struct timeval timeout) {
  Quote* const quote = make_quote(9);
  const int result = EVBROADCAST_publish(broadcast, quote, timeout);
  const int error = errno;
  if (result == -1) release(quote);  // it is the caller's still
  errno = error;
  return result;
}
static int receive_one(void* subscription, struct timeval timeout) {
  void* message = NULL;
  return EVSUBSCRIPTION_receive(subscription, &message, timeout);
}

TEST_CASE_C(broadcast_waits, "messages are waited for, and room for them") {
  EVBROADCAST* const broadcast = EVBROADCAST_init(retain, release);
  EVSUBSCRIPTION* const subscription = subscribe(broadcast, 1, EVSLOW_BLOCK);
  void* message = NULL;
  require_waits(receive_one, subscription);
  REQUIRE_ERRNO(EVSUBSCRIPTION_tryreceive(subscription, &message) == -1, EAGAIN);
  REQUIRE_C(EVBROADCAST_publish(broadcast, make_quote(1), EVTIMEOUT_NOW) == 1);
  require_waits(publish_one, broadcast);
  REQUIRE_ERRNO(EVBROADCAST_trypublish(broadcast, &message) == -1, EAGAIN);
  REQUIRE_C(quotes == 1);
  REQUIRE_C(receive_number(subscription) == 1);
  REQUIRE_C(EVSUBSCRIPTION_free(subscription) == 0);
  REQUIRE_C(EVBROADCAST_free(broadcast) == 0);
  REQUIRE_C(quotes == 0);
}

TEST_CASE_C(slow_subscribers, "who is too slow misses the oldest, or all that follow") {
  EVBROADCAST* const broadcast = EVBROADCAST_init(retain, release);
  EVSUBSCRIPTION* const dropping = subscribe(broadcast, 2, EVSLOW_DROP_OLDEST);
  EVSUBSCRIPTION* const disconnected = subscribe(broadcast, 2, EVSLOW_DISCONNECT);
  void* message = NULL;
  for (int i = 0; i < 4; i++) {
    REQUIRE_C(EVBROADCAST_trypublish(broadcast, make_quote(i)) == (i < 2 ? 2 : 1));
  }
  REQUIRE_C(EVBROADCAST_subscribers(broadcast) == 1);
  REQUIRE_C(EVSUBSCRIPTION_missed(dropping) == 2);
  REQUIRE_C(receive_number(dropping) == 2 && receive_number(dropping) == 3);
  REQUIRE_C(receive_number(disconnected) == 0 && receive_number(disconnected) == 1);
  REQUIRE_ERRNO(EVSUBSCRIPTION_tryreceive(disconnected, &message) == -1, ENOBUFS);
  REQUIRE_ERRNO(EVSUBSCRIPTION_receive(disconnected, &message, EVTIMEOUT_NEVER) == -1, ENOBUFS);
  REQUIRE_C(quotes == 0);
  REQUIRE_C(EVSUBSCRIPTION_free(dropping) == 0);
  REQUIRE_C(EVSUBSCRIPTION_free(disconnected) == 0);
  REQUIRE_C(EVBROADCAST_free(broadcast) == 0);
}

TEST_CASE_C(broadcast_closed, "what is queued when a broadcast closes, or goes, is received yet") {
  for (int frees = 0; frees < 2; frees++) {
    EVBROADCAST* const broadcast = EVBROADCAST_init(retain, release);
    EVSUBSCRIPTION* const subscription = subscribe(broadcast, 2, EVSLOW_BLOCK);
    Quote* const late = make_quote(2);
    void* message = &message;
    REQUIRE_C(EVBROADCAST_trypublish(broadcast, make_quote(1)) == 1);
    if (frees) {
      REQUIRE_C(EVBROADCAST_free(broadcast) == 0);
    } else {
      REQUIRE_C(EVBROADCAST_is_closed(broadcast) == 0);
      REQUIRE_C(EVBROADCAST_close(broadcast) == 0);
      REQUIRE_C(EVBROADCAST_is_closed(broadcast) == 1);
      REQUIRE_ERRNO(EVBROADCAST_publish(broadcast, late, EVTIMEOUT_NEVER) == -1, EPIPE);
      REQUIRE_ERRNO(EVBROADCAST_trypublish(broadcast, late) == -1, EPIPE);
      REQUIRE_C(EVBROADCAST_free(broadcast) == 0);
    }
    release(late);
    REQUIRE_C(receive_number(subscription) == 1);
    REQUIRE_C(EVSUBSCRIPTION_tryreceive(subscription, &message) == 1);
    REQUIRE_C(EVSUBSCRIPTION_receive(subscription, &message, EVTIMEOUT_NEVER) == 1);
    REQUIRE_C(message == &message);
    REQUIRE_C(EVSUBSCRIPTION_free(subscription) == 0);
    REQUIRE_C(quotes == 0);
  }
}

static void* copy_nothing(void* message) { return NULL; }

TEST_CASE_C(copies, "a message that can't be copied is lost, and without a copy all get the same") {
  int number = 0;
  void* message = NULL;
  EVBROADCAST* broadcast = EVBROADCAST_init(copy_nothing, release);
  EVSUBSCRIPTION* subscriptions[2];
  for (int i = 0; i < 2; i++) subscriptions[i] = subscribe(broadcast, 2, EVSLOW_BLOCK);
  REQUIRE_C(EVBROADCAST_trypublish(broadcast, make_quote(1)) == 2);
  REQUIRE_ERRNO(EVSUBSCRIPTION_tryreceive(subscriptions[0], &message) == -1, ENOMEM);
  REQUIRE_ERRNO(EVSUBSCRIPTION_tryreceive(subscriptions[0], &message) == -1, EAGAIN);
  REQUIRE_C(EVBROADCAST_trypublish(broadcast, make_quote(2)) == 2);
  REQUIRE_ERRNO(EVSUBSCRIPTION_receive(subscriptions[0], &message, EVTIMEOUT_NOW) == -1, ENOMEM);
  REQUIRE_C(receive_number(subscriptions[1]) == 1 && receive_number(subscriptions[1]) == 2);
  for (int i = 0; i < 2; i++) REQUIRE_C(EVSUBSCRIPTION_free(subscriptions[i]) == 0);
  REQUIRE_C(EVBROADCAST_free(broadcast) == 0);
  REQUIRE_C(quotes == 0);

  broadcast = EVBROADCAST_init(NULL, NULL);
  for (int i = 0; i < 2; i++) subscriptions[i] = subscribe(broadcast, 2, EVSLOW_BLOCK);
  REQUIRE_C(EVBROADCAST_trypublish(broadcast, &number) == 2);
  for (int i = 0; i < 2; i++) {
    REQUIRE_C(EVSUBSCRIPTION_tryreceive(subscriptions[i], &message) == 0 && message == &number);
    REQUIRE_C(EVSUBSCRIPTION_free(subscriptions[i]) == 0);
  }
  REQUIRE_C(EVBROADCAST_free(broadcast) == 0);
}

// --- everywhere ---

enum { messages = 300 };

// One place publishes, the others receive.
typedef struct Readers {
  EVBROADCAST* broadcast;
  atomic_int place;
  EVSUBSCRIPTION* subscriptions[places];
} Readers;

static void publish_or_receive(void* ctx) {
  Readers* const readers = ctx;
  const int place = readers->place++;
  EVSUBSCRIPTION* const mine = readers->subscriptions[place];
  if (place == 0) {
    for (int i = 0; i < messages; i++) {
      REQUIRE_C(EVBROADCAST_publish(readers->broadcast, make_quote(i), long_time()) == places - 1);
    }
    REQUIRE_C(EVBROADCAST_close(readers->broadcast) == 0);
    return;
  }
  void* message = NULL;
  for (int i = 0; i < messages; i++) {
    REQUIRE_C(EVSUBSCRIPTION_receive(mine, &message, long_time()) == 0);
    REQUIRE_C(((Quote*)message)->number == i);
    release(message);
  }
  REQUIRE_C(EVSUBSCRIPTION_receive(mine, &message, long_time()) == 1);
  REQUIRE_C(EVSUBSCRIPTION_free(mine) == 0);
}

TEST_CASE_C(broadcast_everywhere,
            "threads of all loops and OS threads get all messages, in order") {
  Readers readers = {.broadcast = EVBROADCAST_init(retain, release), .place = 0};
  for (int i = 1; i < places; i++) {
    readers.subscriptions[i] = subscribe(readers.broadcast, 2, EVSLOW_BLOCK);
  }
  run_everywhere(publish_or_receive, &readers);
  REQUIRE_C(EVBROADCAST_free(readers.broadcast) == 0);
  REQUIRE_C(quotes == 0);
}

// --- misuse ---

static void receive_in_vain(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  (void)receive_one(ctx, EVTIMEOUT_NEVER);
}
static void publish_in_vain(EVTHREAD* thread, EVSOCKET* socket, void* ctx) {
  (void)publish_one(ctx, EVTIMEOUT_NEVER);
}

static void free_subscription_waited_for(void* ctx) {
  Fixture f;
  EVSUBSCRIPTION* const subscription = subscribe(EVBROADCAST_init(NULL, NULL), 1, EVSLOW_BLOCK);
  set_up(&f);
  start(&f, receive_in_vain, subscription);
  EVSUBSCRIPTION_free(subscription);
}

static void free_broadcast_waited_for(void* ctx) {
  Fixture f;
  EVBROADCAST* const broadcast = EVBROADCAST_init(NULL, NULL);
  subscribe(broadcast, 1, EVSLOW_BLOCK);
  REQUIRE_C(EVBROADCAST_trypublish(broadcast, NULL) == 1);
  set_up(&f);
  start(&f, publish_in_vain, broadcast);
  EVBROADCAST_free(broadcast);
}

TEST_CASE_C(broadcast_misuse, "what a broadcast doesn't forgive, or refuses") {
  void* message = NULL;
  require_misuse(free_subscription_waited_for, NULL, "wait");
  require_misuse(free_broadcast_waited_for, NULL, "wait");
  REQUIRE_ERRNO(EVBROADCAST_init(NULL, release) == NULL, EINVAL);
  EVBROADCAST* const broadcast = EVBROADCAST_init(NULL, NULL);
  EVSUBSCRIPTION_OPTIONS options = {.capacity = 0};
  REQUIRE_ERRNO(EVBROADCAST_subscribe(broadcast, &options) == NULL, EINVAL);
  options.capacity = 1;
  options.slow = (EVSLOW)3;
  REQUIRE_ERRNO(EVBROADCAST_subscribe(broadcast, &options) == NULL, EINVAL);
  EVSUBSCRIPTION* const subscription = EVBROADCAST_subscribe(broadcast, NULL);
  REQUIRE_ERRNO(EVSUBSCRIPTION_receive(subscription, NULL, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVSUBSCRIPTION_tryreceive(subscription, NULL) == -1, EINVAL);
  REQUIRE_C(EVSUBSCRIPTION_free(subscription) == 0);
  REQUIRE_C(EVBROADCAST_free(broadcast) == 0);
  REQUIRE_ERRNO(EVBROADCAST_free(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVBROADCAST_publish(NULL, &message, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVBROADCAST_trypublish(NULL, &message) == -1, EINVAL);
  REQUIRE_ERRNO(EVBROADCAST_close(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVBROADCAST_is_closed(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVBROADCAST_subscribers(NULL) == 0, EINVAL);
  REQUIRE_ERRNO(EVBROADCAST_subscribe(NULL, NULL) == NULL, EINVAL);
  REQUIRE_ERRNO(EVSUBSCRIPTION_OPTIONS_init(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVSUBSCRIPTION_free(NULL) == -1, EINVAL);
  REQUIRE_ERRNO(EVSUBSCRIPTION_receive(NULL, &message, EVTIMEOUT_NOW) == -1, EINVAL);
  REQUIRE_ERRNO(EVSUBSCRIPTION_tryreceive(NULL, &message) == -1, EINVAL);
  REQUIRE_ERRNO(EVSUBSCRIPTION_missed(NULL) == 0, EINVAL);
  REQUIRE_ERRNO(EVSUBSCRIPTION_size(NULL) == 0, EINVAL);
  REQUIRE_ERRNO(EVSUBSCRIPTION_capacity(NULL) == 0, EINVAL);
}
