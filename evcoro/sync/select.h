// EVSELECT: waits in C for the first of several things: items of channels, room in them, messages,
// flags, descriptors, timers. Exactly one of the cases happens.
//
//   EVSELECT_CASE cases[] = {
//       {.kind = EVSELECT_RECEIVE, .channel = jobs},
//       {.kind = EVSELECT_SEND, .channel = results, .item = result},
//       {.kind = EVSELECT_FLAG, .flag = stop},
//       {.kind = EVSELECT_READABLE, .descriptor = descriptor},
//   };
//   switch (EVSELECT_wait(cases, 4, timeout)) {
//     case 0: if (cases[0].error == 0) work(cases[0].item); break;
//     ...
//     case -1: perror("select");                     // ETIMEDOUT: none has happened
//   }
//
// If several can happen it takes one of them at random, so that none starves. A channel that is
// closed and empty can be received from at once, again and again: leave it out then, by
// EVSELECT_NOTHING, or the loop around never waits.
//
// The rules of all of evcoro/sync are in mutex.h. select.hpp says more.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <evcoro/evthread.h>
#include <evcoro/sync/broadcast.h>
#include <evcoro/sync/channel.h>
#include <evcoro/sync/sync.h>

#ifdef __cplusplus
extern "C" {
#endif

// EVSELECT_MAX is how many cases there may be. They lie on the caller's stack: up to four take some
// 1.5 KB there, more take 4.5 KB.
#define EVSELECT_MAX 16

typedef enum tagEVSELECT_KIND EVCORO_ENUM {
  EVSELECT_NOTHING,   // never happens
  EVSELECT_RECEIVE,   // channel: an item has been received, or it is closed and empty
  EVSELECT_SEND,      // channel: item has been sent, or it is closed
  EVSELECT_MESSAGE,   // subscription: a message has been received, or nothing more comes
  EVSELECT_FLAG,      // flag: it has let the caller pass
  EVSELECT_READABLE,  // descriptor: it is, or has failed; it must stay open during the call
  EVSELECT_WRITABLE,
  EVSELECT_TIMER,  // timer, of the calling thread: it has expired
} EVSELECT_KIND;

// EVSELECT_CASE: what its kind doesn't use is not looked at.
typedef struct tagEVSELECT_CASE {
  EVSELECT_KIND kind;
  int descriptor;
  EVCHANNEL* channel;
  EVSUBSCRIPTION* subscription;
  EVFLAG* flag;
  EVTIMER* timer;

  // What is to be sent; it is the channel's if it has been. Or what has been received, stored when
  // the case has happened without an error.
  void* item;

  // Stored when the case has happened: 0, or EPIPE if the channel, or broadcast, is closed; ENOBUFS
  // and ENOMEM as of EVSUBSCRIPTION_receive().
  int error;

  // Stored when a timer has expired: how often, since it was last waited for.
  uint64_t expirations;
  uintptr_t reserved[4];
} EVSELECT_CASE;

// EVSELECT_wait() waits until one of the cases has happened, and returns its index. With
// EVTIMEOUT_NOW it takes one that can happen at once. ETIMEDOUT, ECANCELED, EPERM: none has
// happened. EPERM also for a descriptor or timer outside of a coroutine thread, a timer of another
// thread, and a descriptor that can't be waited for; EBADF. EINVAL for more than EVSELECT_MAX
// cases, another kind, and a case whose object is NULL.
EVCORO_API int EVSELECT_wait(EVSELECT_CASE* cases, size_t count,
                             struct timeval timeout) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
