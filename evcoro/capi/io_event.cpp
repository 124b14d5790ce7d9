#include <evcoro/io_event.h>

#include <cerrno>
#include <new>
#include <span>

#include <evcoro/capi/objects.hpp>
#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/io_event.hpp>
#include <evcoro/poller.hpp>

using namespace evcoro::capi;
using evcoro::IoEvent;
using evcoro::Poller;
using evcoro::Readiness;

struct tagEVIOEVENT final : Object {
  tagEVIOEVENT(evcoro::Loop& loop, int descriptor) noexcept : event(loop, descriptor) {}
  IoEvent event;
};

struct tagEVPOLLER final : Object {
  explicit tagEVPOLLER(Poller its_poller) noexcept : poller(std::move(its_poller)) {}
  Poller poller;
};

namespace {

int wait(IoEvent& event, short events, timeval timeout) noexcept {
  if ((events & ~(POLLIN | POLLOUT)) != 0) return fail(EINVAL);
  const auto ready =
      event.wait(((events & POLLIN) != 0 ? Readiness::readable : Readiness::none) |
                     ((events & POLLOUT) != 0 ? Readiness::writable : Readiness::none),
                 to_timeout(timeout));
  if (!ready) return fail(ready.error());
  return (is_readable(*ready) ? POLLIN : 0) | (is_writable(*ready) ? POLLOUT : 0);
}

int to_int(const evcoro::Result<std::size_t>& count) noexcept {
  return count ? static_cast<int>(*count) : fail(count.error());
}

}  // namespace

EVIOEVENT* EVIOEVENT_init(EVTHREAD* thread, int fd) noexcept {
  if (thread == nullptr) return refuse(EINVAL);
  return give_to(*thread, new (std::nothrow) EVIOEVENT(thread->task.core().loop(), fd));
}

int EVIOEVENT_wait(EVIOEVENT* event, short events, struct timeval timeout) noexcept {
  if (event == nullptr) return fail(EINVAL);
  return wait(event->event, events, timeout);
}

int EVIOEVENT_free(EVIOEVENT* event) noexcept {
  if (event == nullptr) return fail(EINVAL);
  event->dispose();
  return 0;
}

int EVIO_wait(int fd, short events, struct timeval timeout) noexcept {
  IoEvent event{fd};
  return wait(event, events, timeout);
}

int EVIO_poll(struct pollfd* entries, nfds_t count, struct timeval timeout) noexcept {
  if (entries == nullptr && count != 0) return fail(EINVAL);
  return to_int(evcoro::poll({entries, count}, to_timeout(timeout)));
}

EVPOLLER* EVPOLLER_init(EVTHREAD* thread) noexcept {
  if (thread == nullptr) return refuse(EINVAL);
  auto opened = Poller::open(thread->task.core().loop());
  if (!opened) return refuse(opened.error());
  return give_to(*thread, new (std::nothrow) EVPOLLER(std::move(*opened)));
}

int EVPOLLER_free(EVPOLLER* poller) noexcept {
  if (poller == nullptr) return fail(EINVAL);
  poller->dispose();
  return 0;
}

int EVPOLLER_add(EVPOLLER* poller, int fd, uint32_t events, epoll_data_t data) noexcept {
  if (poller == nullptr) return fail(EINVAL);
  return finish(poller->poller.add(fd, events, data));
}

int EVPOLLER_modify(EVPOLLER* poller, int fd, uint32_t events, epoll_data_t data) noexcept {
  if (poller == nullptr) return fail(EINVAL);
  return finish(poller->poller.modify(fd, events, data));
}

int EVPOLLER_remove(EVPOLLER* poller, int fd) noexcept {
  if (poller == nullptr) return fail(EINVAL);
  return finish(poller->poller.remove(fd));
}

int EVPOLLER_wait(EVPOLLER* poller, struct epoll_event* events, int room,
                  struct timeval timeout) noexcept {
  if (poller == nullptr || events == nullptr || room <= 0) return fail(EINVAL);
  const std::span<epoll_event> where{events, static_cast<std::size_t>(room)};
  return to_int(poller->poller.wait(where, to_timeout(timeout)));
}
