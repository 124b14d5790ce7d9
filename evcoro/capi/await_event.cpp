#include <evcoro/libevent/await_event.h>

#include <evcoro/capi/objects.hpp>
#include <evcoro/libevent/await_event.hpp>

int EVEVENT_await(struct event* event, struct timeval timeout) noexcept {
  const auto what = evcoro::await_event(event, evcoro::capi::to_timeout(timeout));
  return what ? *what : evcoro::capi::fail(what.error());
}
