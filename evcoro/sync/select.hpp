// select(): waits for the first of several things: values of channels, room in them, events,
// descriptors, timers, a timeout. Exactly one of its cases happens, and its function is called.
//
//   const auto chosen = select(
//       on_receive(jobs, [&](Result<Job> job) { if (job) work(*job); }),
//       on_send(results, std::move(result), [&](std::error_code error) { ... }),
//       on_event(stop, [&] { stopping = true; }),
//       on_readable(descriptor, [&] { read(descriptor, ...); }),
//       on_timeout(3s, [&] { give_up(); }));
//   if (!chosen) return chosen.error();      // such as operation_canceled; or the case's index
//
// (on_timeout() and on_readable() have to be named in full, or by a using declaration, since their
// arguments are not evcoro's.)
//
// A channel that is closed and empty can be received from at once, again and again: leave it out
// then, by when(), or the loop around the select() never waits.
//
// If several can happen it takes one of them at random, so that none starves. on_timeout(no_wait,
// ...) makes a case for when no other can happen at once. Functions are called after the select()
// is over, in the caller, and may do anything; each is optional. when(condition, on_...) leaves
// a case out unless condition holds.
//
// It allocates nothing. Cases are made in the call. on_readable(), on_writable() and on_timer() are
// for coroutine threads, all others for OS threads, too; an OS thread that drives a loop must not
// wait outside of the loop's threads, in a callback.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <system_error>
#include <type_traits>
#include <utility>

#include <evcoro/result.hpp>
#include <evcoro/sync/channel.hpp>
#include <evcoro/sync/detail/select_case.hpp>
#include <evcoro/sync/event.hpp>
#include <evcoro/timeout.hpp>
#include <evcoro/timer.hpp>
#include <stacks/export.hpp>

namespace evcoro {

namespace detail {

struct Nothing {
  template <class... Arguments>
  void operator()(Arguments&&...) const noexcept {}
};

}  // namespace detail

// The cases. Each is made by the function of its name, below.
template <class T, class Function>
class ReceiveCase final : public detail::ChannelSelectCase {
 public:
  ReceiveCase(Channel<T>& channel, Function function)
      : ChannelSelectCase(channel.core_, channel.core_.receivers, &value_),
        channel_(channel),
        function_(std::move(function)) {}

  // finish() is for select().
  void finish() {
    if (is_closed_) {
      function_(Result<T>{Errc::channel_closed});
    } else {
      function_(Result<T>{std::move(*value_)});
    }
  }

 private:
  bool try_now(detail::Wakeups& wakeups) noexcept override {
    return note(channel_.take(value_, wakeups));
  }

  Channel<T>& channel_;
  std::optional<T> value_;
  Function function_;
};

template <class T, class Function>
class SendCase final : public detail::ChannelSelectCase {
 public:
  SendCase(Channel<T>& channel, T& value, Function function)
      : ChannelSelectCase(channel.core_, channel.core_.senders, &value),
        channel_(channel),
        value_(value),
        function_(std::move(function)) {}

  void finish() {
    function_(is_closed_ ? make_error_code(Errc::channel_closed) : std::error_code{});
  }

 private:
  bool try_now(detail::Wakeups& wakeups) noexcept override {
    return note(channel_.put(value_, wakeups));
  }

  Channel<T>& channel_;
  T& value_;
  Function function_;
};

template <class Function>
class EventCase final : public detail::EventSelectCase {
 public:
  EventCase(Event& event, Function function)
      : EventSelectCase(event), function_(std::move(function)) {}
  void finish() { function_(); }

 private:
  Function function_;
};

template <class Function>
class DescriptorCase final : public detail::DescriptorSelectCase {
 public:
  DescriptorCase(int descriptor, Readiness wanted, Function function)
      : DescriptorSelectCase(descriptor, wanted), function_(std::move(function)) {}
  void finish() { function_(); }

 private:
  Function function_;
};

template <class Function>
class TimerCase final : public detail::TimerSelectCase {
 public:
  TimerCase(Timer& timer, Function function)
      : TimerSelectCase(timer), function_(std::move(function)) {}
  void finish() { function_(expirations()); }

 private:
  Function function_;
};

template <class Function>
class TimeoutCase final : public detail::TimeoutSelectCase {
 public:
  TimeoutCase(Timeout timeout, Function function)
      : TimeoutSelectCase(timeout), function_(std::move(function)) {}
  void finish() { function_(); }

 private:
  Function function_;
};

// on_receive(): a value has been received, or the channel is closed and empty: function(Result<T>).
template <class T, class Function = detail::Nothing>
ReceiveCase<T, Function> on_receive(Channel<T>& channel, Function function = {}) {
  return {channel, std::move(function)};
}

// on_send(): value has been sent, or the channel is closed: function(std::error_code). Unless it
// has been sent, value has not been moved from.
template <class T, class Function = detail::Nothing>
SendCase<T, Function> on_send(Channel<T>& channel, std::type_identity_t<T>&& value,
                              Function function = {}) {
  return {channel, value, std::move(function)};
}

// on_event(): the event has let the caller pass: function().
template <class Function = detail::Nothing>
EventCase<Function> on_event(Event& event, Function function = {}) {
  return {event, std::move(function)};
}

// on_readable() and on_writable(): the descriptor is, or has failed: function(). Any descriptor
// that can be polled, also of a Socket; it must stay open during the call.
template <class Function = detail::Nothing>
DescriptorCase<Function> on_readable(int descriptor, Function function = {}) {
  return {descriptor, Readiness::readable, std::move(function)};
}
template <class Function = detail::Nothing>
DescriptorCase<Function> on_writable(int descriptor, Function function = {}) {
  return {descriptor, Readiness::writable, std::move(function)};
}

// on_timer(): the timer, of the calling thread, has expired: function(std::uint64_t expirations).
template <class Function = detail::Nothing>
TimerCase<Function> on_timer(Timer& timer, Function function = {}) {
  return {timer, std::move(function)};
}

// on_timeout(): nothing else has happened until then: function().
template <class Function = detail::Nothing>
TimeoutCase<Function> on_timeout(Timeout timeout, Function function = {}) {
  return {timeout, std::move(function)};
}

// when() leaves a case out of the select() unless condition holds: a channel that is closed, say.
template <std::derived_from<detail::SelectCase> Case>
Case&& when(bool condition, Case&& its_case) noexcept {
  its_case.set_in(condition);
  return std::forward<Case>(its_case);
}

// select() returns the index of the case that has happened, after its function, whose exceptions
// pass through. Errors, with nothing having happened: operation_canceled; Errc::not_in_a_thread in
// a callback of a loop, or with a case that is for threads only; bad_file_descriptor and what else
// epoll(7) says of a descriptor.
template <class... Cases>
requires(sizeof...(Cases) > 0 && (std::derived_from<Cases, detail::SelectCase> &&
                                  ...)) Result<std::size_t> select(Cases&&... cases) {
  const std::array<detail::SelectCase*, sizeof...(Cases)> all{&cases...};
  std::array<detail::SpinLock*, sizeof...(Cases)> locks{};
  std::size_t chosen = 0;
  if (const auto error = detail::select_one(all, locks, chosen)) return error;
  std::size_t index = 0;
  const auto finish_chosen = [&](auto& each) {
    if (index++ == chosen) each.finish();
  };
  (finish_chosen(cases), ...);
  return chosen;
}

}  // namespace evcoro
