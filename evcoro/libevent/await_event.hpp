// await_event(): a thread waits for an event of the application's: a descriptor, a timer, a signal,
// or one that is activated by hand.
//
//   event* hang_up = evsignal_new(base, SIGHUP, on_hang_up, nullptr);   // the application's
//   evsignal_add(hang_up, nullptr);
//   loop.spawn([&] {
//     while (evcoro::await_event(hang_up, 1h)) reload();
//   });
//
// The event stays the application's, which adds it, with a timeout if it wants, and deletes it, as
// ever; one that isn't persistent is to be added again for each time. While a thread waits for it,
// the event's callback is taken over: what fires wakes the thread, and the application's callback
// doesn't hear of it. Before and after it does.
//
// While it is awaited, the event must not be freed, nor assigned anew; it may be added, deleted and
// activated.
#pragma once

#include <system_error>

#include <evcoro/error.hpp>
#include <evcoro/result.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

struct event;

namespace evcoro {

// await_event() parks the calling thread until the event fires, and returns what its callback would
// have been told: EV_READ, EV_WRITE, EV_TIMEOUT, EV_SIGNAL. Also one that isn't pending is waited
// for: it may be added or activated meanwhile. Errors: timed_out, operation_canceled (when it has
// fired, too, it is what fired that is returned); Errc::second_waiter if another thread waits for
// this event; Errc::not_in_a_thread, parents_loop; Errc::wrong_loop for an event of another base;
// invalid_argument for nullptr, and an event that was never assigned.
EVCORO_API Result<short> await_event(event* awaited, Timeout timeout = {}) noexcept;

}  // namespace evcoro
