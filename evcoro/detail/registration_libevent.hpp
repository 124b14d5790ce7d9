// Of one descriptor the kernel knows edge- or level-triggered events, not both. libevent keeps the
// events of a descriptor in a list, and complains of a mix in its debug mode only.
#pragma once

#include <event2/event.h>
#include <event2/event_struct.h>

namespace evcoro::detail {

// is_mixed() says whether the descriptor of event, which has just been added and so comes first in
// the list, has events of the other kind, too.
inline bool is_mixed(const struct event& event) noexcept {
  const struct event* other = &event;
  while ((other = other->ev_.ev_io.ev_io_next.le_next) != nullptr) {
    if (((event_get_events(other) ^ event_get_events(&event)) & EV_ET) != 0) return true;
  }
  return false;
}

// restore_trigger() makes the kernel's registration what the events that are left want, EV_ET or 0,
// after one of the other kind has gone: libevent leaves it as that one had it, and edge-triggered,
// level-triggered events starve. Another event that comes and goes brings it back.
inline void restore_trigger(event_base* base, int descriptor, short trigger) noexcept {
  constexpr short all = EV_READ | EV_WRITE | EV_CLOSED | EV_PERSIST;
  struct event passing;
  const auto nothing = [](evutil_socket_t, short, void*) {};
  event_assign(&passing, base, descriptor, static_cast<short>(all | trigger), nothing, nullptr);
  if (event_add(&passing, nullptr) == 0) event_del(&passing);
}

}  // namespace evcoro::detail
