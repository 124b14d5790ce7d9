// EVBROADCAST: publishes pointers in C to all who have subscribed, each of whom gets all of them;
// threads of all loops and OS threads at once.
//
//   EVBROADCAST* quotes = EVBROADCAST_init(retain, release);
//
//   EVSUBSCRIPTION* mine = EVBROADCAST_subscribe(quotes, NULL);                // a subscriber
//   void* quote;
//   while (EVSUBSCRIPTION_receive(mine, &quote, EVTIMEOUT_NEVER) == 0) {
//     show(quote);
//     release(quote);
//   }
//   EVSUBSCRIPTION_free(mine);
//
//   if (EVBROADCAST_publish(quotes, quote, timeout) < 0) release(quote);       // a publisher
//
// Whose a message is: what has been published is the broadcast's. Each subscriber that receives it
// gets copy(message), which is its own to destroy; the last to take it gets the message itself. So
// copy may count a reference and return the same pointer, or make another object. destroy(message)
// is called for what nobody receives. Both are called by several OS threads at once, and never with
// a lock held. Without a copy all get the same pointer, and the application knows when to free it.
//
// The rules of all of evcoro/sync are in mutex.h: who may call, what waits fail with. broadcast.hpp
// says more.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <evcoro/evthread.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tagEVBROADCAST EVBROADCAST;
typedef struct tagEVSUBSCRIPTION EVSUBSCRIPTION;

// EVBROADCAST_init() makes a broadcast. copy(message) returns what another subscriber gets, or NULL
// if that can't be had. Both may be NULL, or destroy; neither is called for a message that is NULL.
// EINVAL for destroy without copy.
EVCORO_API EVBROADCAST* EVBROADCAST_init(void* (*copy)(void* message),
                                         void (*destroy)(void* message)) EVCORO_NOEXCEPT;

// EVBROADCAST_free() closes it. Subscriptions stay. While somebody waits to publish it is a misuse.
EVCORO_API int EVBROADCAST_free(EVBROADCAST* broadcast) EVCORO_NOEXCEPT;

// EVBROADCAST_publish() hands message to all subscribers or to none, and returns how many have got
// it: 0 if there is none, and message has been destroyed. It waits for room at all with
// EVSLOW_BLOCK. EPIPE if it is closed, or is meanwhile; ENOMEM. If it fails, message is the
// caller's still.
EVCORO_API int EVBROADCAST_publish(EVBROADCAST* broadcast, void* message,
                                   struct timeval timeout) EVCORO_NOEXCEPT;

// EVBROADCAST_trypublish() fails with EAGAIN if it would have to wait.
EVCORO_API int EVBROADCAST_trypublish(EVBROADCAST* broadcast, void* message) EVCORO_NOEXCEPT;

// EVBROADCAST_close() lets nothing more be published; what is queued is received yet.
EVCORO_API int EVBROADCAST_close(EVBROADCAST* broadcast) EVCORO_NOEXCEPT;

// EVBROADCAST_is_closed() is 1 if it has been closed, and 0 if not.
EVCORO_API int EVBROADCAST_is_closed(EVBROADCAST* broadcast) EVCORO_NOEXCEPT;

// EVBROADCAST_subscribers() is how many a message would go to. 0 and EINVAL for NULL.
EVCORO_API size_t EVBROADCAST_subscribers(EVBROADCAST* broadcast) EVCORO_NOEXCEPT;

// --- EVSUBSCRIPTION ---

// EVSLOW says what becomes of a subscriber that has no room for what is being published.
typedef enum tagEVSLOW EVCORO_ENUM {
  EVSLOW_BLOCK,        // who publishes waits for it
  EVSLOW_DROP_OLDEST,  // it misses the oldest message that it has not received
  EVSLOW_DISCONNECT,   // it misses this and all that follow
} EVSLOW;

typedef struct tagEVSUBSCRIPTION_OPTIONS {
  size_t capacity;  // how many messages wait for the subscriber; at least one
  EVSLOW slow;
  uintptr_t reserved[4];
} EVSUBSCRIPTION_OPTIONS;

// EVSUBSCRIPTION_OPTIONS_init() stores the defaults: 16 messages, EVSLOW_BLOCK.
EVCORO_API int EVSUBSCRIPTION_OPTIONS_init(EVSUBSCRIPTION_OPTIONS* options) EVCORO_NOEXCEPT;

// EVBROADCAST_subscribe() begins a subscription, the caller's, to all that is published from now
// on; options may be NULL. Of a closed broadcast it is one that nothing comes to. EINVAL for a
// capacity of 0, or another slow.
EVCORO_API EVSUBSCRIPTION* EVBROADCAST_subscribe(
    EVBROADCAST* broadcast, const EVSUBSCRIPTION_OPTIONS* options) EVCORO_NOEXCEPT;

// EVSUBSCRIPTION_free() ends it. While somebody waits to receive it is a misuse.
EVCORO_API int EVSUBSCRIPTION_free(EVSUBSCRIPTION* subscription) EVCORO_NOEXCEPT;

// EVSUBSCRIPTION_receive() waits for a message, stores it in *message, and returns 0; it returns 1
// if the broadcast is closed, or freed, and nothing is left. ENOBUFS if it was disconnected, and
// nothing is left; ENOMEM if copy has returned NULL: that message is lost then.
EVCORO_API int EVSUBSCRIPTION_receive(EVSUBSCRIPTION* subscription, void** message,
                                      struct timeval timeout) EVCORO_NOEXCEPT;

// EVSUBSCRIPTION_tryreceive() fails with EAGAIN if it would have to wait.
EVCORO_API int EVSUBSCRIPTION_tryreceive(EVSUBSCRIPTION* subscription,
                                         void** message) EVCORO_NOEXCEPT;

// EVSUBSCRIPTION_missed() is how many messages it has lost by EVSLOW_DROP_OLDEST;
// EVSUBSCRIPTION_size() how many wait in its queue, of EVSUBSCRIPTION_capacity(). 0 and EINVAL for
// NULL.
EVCORO_API uint64_t EVSUBSCRIPTION_missed(EVSUBSCRIPTION* subscription) EVCORO_NOEXCEPT;
EVCORO_API size_t EVSUBSCRIPTION_size(EVSUBSCRIPTION* subscription) EVCORO_NOEXCEPT;
EVCORO_API size_t EVSUBSCRIPTION_capacity(EVSUBSCRIPTION* subscription) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
