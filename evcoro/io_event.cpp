#include <evcoro/io_event.hpp>

#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <new>

#include <evcoro/detail/descriptor_libevent.hpp>
#include <evcoro/detail/patience.hpp>
#include <evcoro/detail/turns.hpp>
#include <evcoro/loop.hpp>

namespace evcoro {
namespace detail {
namespace {

// After the kernel has been asked in vain, so many waits don't ask: the loop's poll will tell.
constexpr int waits_after_a_vain_question = 250;

// A wait that hasn't asked makes sure after this time that its registration still is the
// descriptor's.
constexpr std::chrono::seconds doubt{1};

constexpr const char* waits_for = "io event";

short to_events(Readiness wanted) noexcept {
  return static_cast<short>((is_readable(wanted) ? EV_READ : 0) |
                            (is_writable(wanted) ? EV_WRITE : 0));
}

Readiness to_readiness(short events) noexcept {
  return ((events & EV_READ) != 0 ? Readiness::readable : Readiness::none) |
         ((events & EV_WRITE) != 0 ? Readiness::writable : Readiness::none);
}

// poll(2) and select(2) call files ready, epoll(7) refuses them, and all mean the same.
bool is_file(int descriptor) noexcept {
  struct stat status;
  return ::fstat(descriptor, &status) == 0 && (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode));
}

}  // namespace

class IoEventState final : public Descriptor {
 public:
  IoEventState(LoopCore& core, int descriptor) noexcept : Descriptor(core, descriptor, 0) {}

  // wait() returns which of events hold, or 0 with an error. (An error_code that says nothing takes
  // a function call to make, and so does the comparison of one.)
  short wait(short events, Timeout timeout, std::error_code& error) noexcept;

 private:
  std::error_code admit_to(short events) const noexcept;
  bool should_ask(short events) noexcept;
  short ask(short events, std::error_code& error) noexcept;
  short wait_for_event(short events, bool is_sure, Patience& patience,
                       std::error_code& error) noexcept;
  void on_edge(short what) noexcept override { fired_ = static_cast<short>(fired_ | what); }

  short fired_ = 0;  // events since the last wait for them began
  bool may_be_file_ = true;
  int waits_to_go_[2] = {};  // without a question: those that include reading, and others
};

std::error_code IoEventState::admit_to(short events) const noexcept {
  if (core() != nullptr && core()->is_foreign()) return Errc::parents_loop;
  if (events == 0) return system_error(EINVAL);
  std::error_code error = no_error;
  if ((events & EV_READ) != 0) error = admit(Direction::read);
  if (!error && (events & EV_WRITE) != 0) error = admit(Direction::write);
  return error;
}

// Without edges it always asks: of a descriptor that was closed those back ends say that it is
// ready.
bool IoEventState::should_ask(short events) noexcept {
  int& to_go = waits_to_go_[(events & EV_READ) != 0 ? 0 : 1];
  if (to_go == 0 || !is_registered_for(events) || !core()->has_edges()) {
    to_go = waits_after_a_vain_question;
    return true;
  }
  --to_go;
  return false;
}

// Asks the kernel, without waiting. 0 without an error: none of events holds.
short IoEventState::ask(short events, std::error_code& error) noexcept {
  const bool reads = (events & EV_READ) != 0;
  const bool writes = (events & EV_WRITE) != 0;
  pollfd state{.fd = number(), .events = 0, .revents = 0};
  state.events = static_cast<short>((reads ? POLLIN : 0) | (writes ? POLLOUT : 0));
  if (::poll(&state, 1, 0) < 0 && errno != EINTR) return error = system_error(), 0;
  if ((state.revents & POLLNVAL) != 0) {
    renew();  // without the registration that it may have had
    return error = system_error(EBADF), 0;
  }
  const bool failed = (state.revents & (POLLERR | POLLHUP)) != 0;
  short ready = 0;
  if (reads && (failed || (state.revents & POLLIN) != 0)) ready |= EV_READ;
  if (writes && (failed || (state.revents & POLLOUT) != 0)) ready |= EV_WRITE;
  if (ready != 0) {
    waits_to_go_[reads ? 0 : 1] = 0;
    if (may_be_file_ && is_file(number())) return error = Errc::not_pollable, 0;
    may_be_file_ = false;
    take_turn();
  }
  return ready;
}

// 0 without an error: ask. is_sure: the descriptor is what it was when it was registered.
short IoEventState::wait_for_event(short events, bool is_sure, Patience& patience,
                                   std::error_code& error) noexcept {
  TimePoint deadline = patience.deadline();
  if (!is_sure) deadline = std::min(deadline, core()->scheduler().pass_began() + doubt);
  fired_ = static_cast<short>(fired_ & ~events);
  const auto failure = events == EV_READ ? Descriptor::wait(Direction::read, deadline, waits_for)
                       : events == EV_WRITE
                           ? Descriptor::wait(Direction::write, deadline, waits_for)
                           : wait_for_any(events, deadline, waits_for);
  if (!failure) [[likely]]
    return static_cast<short>(fired_ & events);
  if (failure == std::errc::timed_out && deadline != patience.deadline()) {
    renew();  // it may be of a descriptor that was closed
  } else {
    error = failure;
  }
  return 0;
}

short IoEventState::wait(short events, Timeout timeout, std::error_code& error) noexcept {
  error = admit_to(events);
  if (error) return 0;
  const Hold hold{*this};
  Patience patience{timeout};
  bool asks = !patience.may_wait() || should_ask(events);
  while (number() >= 0) {
    short ready = asks ? ask(events, error) : short{0};
    if (ready != 0 || error) return ready;
    if (!patience.may_wait()) return error = to_error(corothread::Wake::timed_out), 0;
    ready = wait_for_event(events, asks, patience, error);
    if (ready != 0 || error) return ready;
    asks = true;
  }
  return error = to_error(corothread::Wake::cancelled), 0;  // closed while this thread was away
}

}  // namespace detail

IoEvent::IoEvent(int descriptor) noexcept { open(Loop::current(), descriptor); }

IoEvent::IoEvent(Loop& loop, int descriptor) noexcept { open(&loop, descriptor); }

void IoEvent::open(Loop* loop, int descriptor) noexcept {
  if (loop == nullptr) {
    error_ = Errc::not_in_a_thread;
  } else if (loop->core().is_foreign()) {
    error_ = Errc::parents_loop;
  } else if (descriptor >= 0) {
    state_ = new (std::nothrow) detail::IoEventState(loop->core(), descriptor);
    if (state_ == nullptr) error_ = detail::system_error(ENOMEM);
  }
}

// Flattened as the operations of sockets are, see net/socket_state.cpp.
[[gnu::flatten]] std::error_code IoEvent::wait_readable(Timeout timeout) noexcept {
  if (state_ == nullptr) return error_;
  std::error_code error = detail::no_error;
  state_->wait(EV_READ, timeout, error);
  return error;
}

[[gnu::flatten]] std::error_code IoEvent::wait_writable(Timeout timeout) noexcept {
  if (state_ == nullptr) return error_;
  std::error_code error = detail::no_error;
  state_->wait(EV_WRITE, timeout, error);
  return error;
}

Result<Readiness> IoEvent::wait(Readiness wanted, Timeout timeout) noexcept {
  if (state_ == nullptr) return error_;
  std::error_code error = detail::no_error;
  const short ready = state_->wait(detail::to_events(wanted), timeout, error);
  if (error) return error;
  return detail::to_readiness(ready);
}

void IoEvent::close() noexcept {
  if (state_ == nullptr) return;
  state_->give_up();
  std::exchange(state_, nullptr)->drop();
  error_ = detail::system_error(EBADF);
}

int IoEvent::descriptor() const noexcept { return state_ == nullptr ? -1 : state_->number(); }

std::error_code wait_readable(int descriptor, Timeout timeout) noexcept {
  return IoEvent{descriptor}.wait_readable(timeout);
}

std::error_code wait_writable(int descriptor, Timeout timeout) noexcept {
  return IoEvent{descriptor}.wait_writable(timeout);
}

Result<Readiness> wait_both(int descriptor, Timeout timeout) noexcept {
  return IoEvent{descriptor}.wait(Readiness::both, timeout);
}

}  // namespace evcoro
