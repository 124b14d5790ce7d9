// EVCHANNEL: hands pointers from threads to threads in C, many to many; threads of all loops and OS
// threads at once.
//
//   EVCHANNEL* jobs = EVCHANNEL_init(16, free);      // room for 16; with 0, a send waits for a
//   ...                                              // receive
//   if (EVCHANNEL_send(jobs, job, timeout) != 0) free(job);
//   ...
//   void* job;
//   while (EVCHANNEL_receive(jobs, &job, EVTIMEOUT_NEVER) == 0) work(job);
//
// An item goes from who sends it to who receives it, and belongs to the latter then; what was not
// sent is the sender's still. Items may be NULL. They come out in the order in which they were
// sent.
//
// The rules of all of evcoro/sync are in mutex.h: who may call, what waits fail with. channel.hpp
// says more, and select.h is for several channels at once.
#pragma once

#include <stddef.h>

#include <evcoro/evthread.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct tagEVCHANNEL EVCHANNEL;

// EVCHANNEL_init() makes a channel with room for capacity items, and allocates that at once.
// destroy(item) is called by EVCHANNEL_free() for each that is left and isn't NULL; it may be NULL.
EVCORO_API EVCHANNEL* EVCHANNEL_init(size_t capacity, void (*destroy)(void* item)) EVCORO_NOEXCEPT;

// EVCHANNEL_free() while somebody waits for the channel is a misuse: close it, and let them go on.
EVCORO_API int EVCHANNEL_free(EVCHANNEL* channel) EVCORO_NOEXCEPT;

// EVCHANNEL_send() waits until a receiver or the room has taken item. EPIPE if the channel is
// closed, or is meanwhile. If it fails, item is the caller's still.
EVCORO_API int EVCHANNEL_send(EVCHANNEL* channel, void* item,
                              struct timeval timeout) EVCORO_NOEXCEPT;

// EVCHANNEL_receive() waits for an item, stores it in *item, and returns 0; it returns 1 if the
// channel is closed, and nothing is left in it.
EVCORO_API int EVCHANNEL_receive(EVCHANNEL* channel, void** item,
                                 struct timeval timeout) EVCORO_NOEXCEPT;

// These fail with EAGAIN if they would have to wait.
EVCORO_API int EVCHANNEL_trysend(EVCHANNEL* channel, void* item) EVCORO_NOEXCEPT;
EVCORO_API int EVCHANNEL_tryreceive(EVCHANNEL* channel, void** item) EVCORO_NOEXCEPT;

// EVCHANNEL_close() lets nothing more in; what is in it is received yet. It can be closed again.
EVCORO_API int EVCHANNEL_close(EVCHANNEL* channel) EVCORO_NOEXCEPT;

// EVCHANNEL_is_closed() is 1 if it has been closed, and 0 if not.
EVCORO_API int EVCHANNEL_is_closed(EVCHANNEL* channel) EVCORO_NOEXCEPT;

// EVCHANNEL_size() is how many items are in its room, of EVCHANNEL_capacity(). 0 and EINVAL for
// NULL.
EVCORO_API size_t EVCHANNEL_size(EVCHANNEL* channel) EVCORO_NOEXCEPT;
EVCORO_API size_t EVCHANNEL_capacity(EVCHANNEL* channel) EVCORO_NOEXCEPT;

#ifdef __cplusplus
}
#endif
