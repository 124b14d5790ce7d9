// poll() and Poller: wait for several descriptors at once.
//
//   pollfd each[] = {{.fd = one, .events = POLLIN}, {.fd = other, .events = POLLIN | POLLOUT}};
//   const Result<std::size_t> ready = poll(each, 3s);       // in each[i].revents, as poll(2)
//
//   Poller poller = Poller::open().value();                 // for many descriptors, and many waits
//   poller.add(one, EPOLLIN);
//   epoll_event events[64];
//   while (const auto count = poller.wait(events, 3s)) {
//     for (const auto& each : std::span{events}.first(*count)) serve(each.data.fd);
//   }
//
// The descriptors stay the caller's. A Poller is an epoll(7) instance of its own, which the loop
// waits for: events of the loop's base on the same descriptors, of either kind, don't disturb, and
// what epoll(7) says of edges, EPOLLONESHOT, and descriptors that are closed holds.
//
// A Poller belongs to a loop; wait() is called in threads of that loop, by one at a time,
// everything else in the loop's OS thread. Waits fail with: timed_out, operation_canceled,
// Errc::not_in_a_thread, wrong_loop, second_reader, no_loop, parents_loop; too_many_files_open if
// there is no descriptor for the epoll instance.
#pragma once

#include <poll.h>
#include <sys/epoll.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <system_error>
#include <utility>

#include <evcoro/error.hpp>
#include <evcoro/result.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

namespace evcoro {

class Loop;

namespace detail {
class PollerState;
}

// poll() is poll(2) for a thread: it waits until at least one of entries is ready, sets the revents
// of all, and returns how many are ready. Entries with a negative fd are left out; a file is ready,
// a descriptor that is closed is, too (POLLNVAL).
EVCORO_API Result<std::size_t> poll(std::span<pollfd> entries, Timeout timeout = {}) noexcept;

class EVCORO_API Poller {
 public:
  // An empty handle: every call fails with bad_file_descriptor.
  Poller() noexcept = default;

  // open() makes one in the calling thread's loop, or in the one given. Errors: those of
  // epoll_create1(2); not_enough_memory; Errc::not_in_a_thread, parents_loop.
  static Result<Poller> open() noexcept;
  static Result<Poller> open(Loop& loop) noexcept;

  Poller(Poller&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  Poller& operator=(Poller&& other) noexcept {
    if (this != &other) {
      close();
      state_ = std::exchange(other.state_, nullptr);
    }
    return *this;
  }
  ~Poller() { close(); }

  // add() registers a descriptor for events, EPOLLIN and so on, until remove(); wait() reports it
  // with data, by default the descriptor in data.fd. A thread that waits takes note. Errors: those
  // of epoll_ctl(2); Errc::not_pollable for a file; parents_loop.
  std::error_code add(int descriptor, std::uint32_t events) noexcept {
    return add(descriptor, events, epoll_data_t{.fd = descriptor});
  }
  std::error_code add(int descriptor, std::uint32_t events, epoll_data_t data) noexcept;

  // modify() replaces what a descriptor was added with.
  std::error_code modify(int descriptor, std::uint32_t events) noexcept {
    return modify(descriptor, events, epoll_data_t{.fd = descriptor});
  }
  std::error_code modify(int descriptor, std::uint32_t events, epoll_data_t data) noexcept;
  std::error_code remove(int descriptor) noexcept;

  // wait() waits until one of the descriptors is ready, stores what epoll_wait(2) does, as far as
  // there is room, and returns how many that are. invalid_argument if there is no room at all.
  Result<std::size_t> wait(std::span<epoll_event> events, Timeout timeout = {}) noexcept;

  // close() forgets all descriptors; a thread that waits returns operation_canceled.
  void close() noexcept;

  explicit operator bool() const noexcept { return state_ != nullptr; }

 private:
  explicit Poller(detail::PollerState& state) noexcept : state_(&state) {}

  detail::PollerState* state_ = nullptr;
};

}  // namespace evcoro
