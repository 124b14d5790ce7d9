#include <evcoro/poller.hpp>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <new>

#include <evcoro/detail/descriptor_libevent.hpp>
#include <evcoro/detail/owned_descriptor.hpp>
#include <evcoro/detail/patience.hpp>
#include <evcoro/detail/turns.hpp>
#include <evcoro/detail/waiter.hpp>
#include <evcoro/loop.hpp>

namespace evcoro {
namespace detail {

class PollerState final : public Descriptor {
 public:
  PollerState(LoopCore& core, int descriptor) noexcept : Descriptor(core, descriptor, 0) {}

  std::error_code control(int operation, int descriptor, std::uint32_t events,
                          epoll_data_t data) noexcept;
  Result<std::size_t> wait(std::span<epoll_event> events, Timeout timeout) noexcept;
  void close() noexcept;

 private:
  // The instance is shared with the parent.
  bool is_foreign() const noexcept { return core() != nullptr && core()->is_foreign(); }
};

std::error_code PollerState::control(int operation, int descriptor, std::uint32_t events,
                                     epoll_data_t data) noexcept {
  if (is_foreign()) return Errc::parents_loop;
  epoll_event event{.events = events, .data = data};
  if (::epoll_ctl(number(), operation, descriptor, &event) == 0) return {};
  return errno == EPERM ? make_error_code(Errc::not_pollable) : system_error();
}

Result<std::size_t> PollerState::wait(std::span<epoll_event> events, Timeout timeout) noexcept {
  if (is_foreign()) return Errc::parents_loop;
  if (const auto error = admit(Direction::read)) return error;
  const Hold hold{*this};
  Patience patience{timeout};
  const int room = static_cast<int>(std::min<std::size_t>(events.size(), INT_MAX));
  while (number() >= 0) {
    const int count = ::epoll_wait(number(), events.data(), room, 0);
    if (count > 0) return take_turn(), static_cast<std::size_t>(count);
    if (count < 0 && errno != EINTR) return system_error();
    if (!patience.may_wait()) return to_error(corothread::Wake::timed_out);
    if (const auto error = Descriptor::wait(Direction::read, patience.deadline(), "poller")) {
      return error;
    }
  }
  return to_error(corothread::Wake::cancelled);  // closed while this thread was away
}

void PollerState::close() noexcept {
  const OwnedDescriptor instance{give_up()};
  drop();
}

}  // namespace detail

// --- Poller ---

Result<Poller> Poller::open() noexcept {
  Loop* const loop = Loop::current();
  if (loop == nullptr) return Errc::not_in_a_thread;
  return open(*loop);
}

Result<Poller> Poller::open(Loop& loop) noexcept {
  if (loop.core().is_foreign()) return Errc::parents_loop;
  detail::OwnedDescriptor instance{::epoll_create1(EPOLL_CLOEXEC)};
  if (!instance) return detail::system_error();
  auto* const state = new (std::nothrow) detail::PollerState(loop.core(), instance.get());
  if (state == nullptr) return detail::system_error(ENOMEM);
  static_cast<void>(instance.release());
  return Poller{*state};
}

std::error_code Poller::add(int descriptor, std::uint32_t events, epoll_data_t data) noexcept {
  if (state_ == nullptr) return detail::system_error(EBADF);
  return state_->control(EPOLL_CTL_ADD, descriptor, events, data);
}

std::error_code Poller::modify(int descriptor, std::uint32_t events, epoll_data_t data) noexcept {
  if (state_ == nullptr) return detail::system_error(EBADF);
  return state_->control(EPOLL_CTL_MOD, descriptor, events, data);
}

std::error_code Poller::remove(int descriptor) noexcept {
  if (state_ == nullptr) return detail::system_error(EBADF);
  return state_->control(EPOLL_CTL_DEL, descriptor, 0, {});
}

Result<std::size_t> Poller::wait(std::span<epoll_event> events, Timeout timeout) noexcept {
  if (state_ == nullptr) return detail::system_error(EBADF);
  return state_->wait(events, timeout);
}

void Poller::close() noexcept {
  if (state_ != nullptr) std::exchange(state_, nullptr)->close();
}

// --- poll() ---

namespace {

// The bits of poll(2) are those of epoll(7).
std::uint32_t to_epoll(short events) noexcept { return static_cast<unsigned short>(events); }

// Adds all entries; those of one descriptor together.
std::error_code add_all(Poller& poller, std::span<const pollfd> entries) noexcept {
  for (const pollfd& entry : entries) {
    if (entry.fd < 0) continue;
    std::error_code error = poller.add(entry.fd, to_epoll(entry.events));
    if (error == std::errc::file_exists) {
      std::uint32_t events = 0;
      for (const pollfd& each : entries) {
        if (each.fd == entry.fd) events |= to_epoll(each.events);
      }
      error = poller.modify(entry.fd, events);
    }
    if (error) return error;
  }
  return {};
}

}  // namespace

Result<std::size_t> poll(std::span<pollfd> entries, Timeout timeout) noexcept {
  Loop* const loop = Loop::current();
  if (loop == nullptr) return Errc::not_in_a_thread;
  if (const auto error = detail::admit(&loop->core())) return error;
  detail::Patience patience{timeout};
  Poller poller;
  while (true) {
    const int count = ::poll(entries.data(), entries.size(), 0);
    if (count > 0) return detail::take_turn(), static_cast<std::size_t>(count);
    if (count < 0 && errno != EINTR) return detail::system_error();
    if (!patience.may_wait()) return detail::to_error(corothread::Wake::timed_out);
    if (!poller) {
      auto opened = Poller::open(*loop);
      if (!opened) return opened.error();
      poller = std::move(*opened);
      if (const auto error = add_all(poller, entries)) return error;
    }
    epoll_event unused;
    const auto ready = poller.wait({&unused, 1}, patience.deadline());
    if (!ready) return ready.error();
  }
}

}  // namespace evcoro
