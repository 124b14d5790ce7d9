// Channel<T>: hands values from threads to threads, many to many.
//
//   evcoro::Channel<Job> jobs{16};                // room for 16; without: each send() waits for a
//   ...                                           // receive()
//   if (const auto error = jobs.send(std::move(job), 3s)) return error;
//   jobs.close();                                 // what is in it is received yet
//
//   for (Job& job : jobs) work(job);              // until it is closed and empty
//   evcoro::Result<Job> job = jobs.receive(3s);   // Errc::channel_closed
//
// First come, first served, on both sides: values come out in the order in which they were sent. A
// value that was not sent has not been moved from.
//
// Channels are for threads of all loops and OS threads at once. T's move constructor must not
// throw, and is called while other OS threads may wait for it: let it be short, and not use
// channels. An OS thread that drives a loop must not wait outside of the loop's threads, in a
// callback. Destroying a channel destroys what is in it; while somebody waits for it, it is a
// misuse.
#pragma once

#include <cstddef>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

#include <evcoro/error.hpp>
#include <evcoro/result.hpp>
#include <evcoro/sync/detail/channel_core.hpp>
#include <evcoro/sync/detail/receive_iterator.hpp>
#include <evcoro/sync/detail/ring.hpp>
#include <evcoro/timeout.hpp>

namespace evcoro {

template <class T>
class Channel {
  static_assert(std::is_nothrow_move_constructible_v<T>,
                "a Channel's values move without throwing");

 public:
  // A channel with room for capacity values; allocates it at once, and nothing later. Throws
  // std::bad_alloc.
  explicit Channel(std::size_t capacity = 0) : room_(capacity) {}
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // send() waits until a receiver or the room has taken value. Errors: Errc::channel_closed,
  // timed_out, operation_canceled, Errc::not_in_a_thread in a callback of a loop.
  [[nodiscard]] std::error_code send(T&& value, Timeout timeout = {}) noexcept {
    if (detail::is_refused()) [[unlikely]]
      return detail::refuse_wait();
    const Step step = try_to([&](auto& wakeups) { return put(value, wakeups); });
    if (step == Step::done) return detail::no_error;
    return core_.finish(step, core_.senders, "channel, to send", &value, timeout);
  }
  [[nodiscard]] std::error_code send(
      const T& value, Timeout timeout = {}) requires std::is_copy_constructible_v<T> {
    return send(T{value}, timeout);
  }

  // try_send() never waits, and works in a cancelled thread. Errors: Errc::channel_closed,
  // operation_would_block.
  [[nodiscard]] std::error_code try_send(T&& value) noexcept {
    detail::Wakeups wakeups;
    const std::lock_guard lock{core_.lock};
    return detail::to_error(put(value, wakeups));
  }
  [[nodiscard]] std::error_code try_send(const T& value) requires std::is_copy_constructible_v<T> {
    return try_send(T{value});
  }

  // receive() waits for a value. Errors: Errc::channel_closed when nothing is left in it either,
  // timed_out, operation_canceled, Errc::not_in_a_thread in a callback of a loop.
  Result<T> receive(Timeout timeout = {}) noexcept {
    if (detail::is_refused()) [[unlikely]]
      return Failure{detail::refuse_wait()};
    std::optional<T> value;
    const Step step = try_to([&](auto& wakeups) { return take(value, wakeups); });
    if (step != Step::done) {
      const auto error =
          core_.finish(step, core_.receivers, "channel, to receive", &value, timeout);
      if (error) return Failure{error};
    }
    return std::move(*value);
  }

  // try_receive() is as try_send().
  Result<T> try_receive() noexcept {
    std::optional<T> value;
    detail::Wakeups wakeups;
    const std::lock_guard lock{core_.lock};
    const Step step = take(value, wakeups);
    if (step != Step::done) return Failure{detail::to_error(step)};
    return std::move(*value);
  }

  // close() lets nothing more in: those who wait to send, or come to send, get
  // Errc::channel_closed, and so does who receives when the channel is empty. It can be closed
  // again.
  void close() noexcept { core_.close(); }

  bool is_closed() const noexcept {
    const std::lock_guard lock{core_.lock};
    return core_.is_closed;
  }

  // size() is how many values are in its room, of capacity().
  std::size_t size() const noexcept {
    const std::lock_guard lock{core_.lock};
    return room_.size();
  }
  std::size_t capacity() const noexcept { return room_.capacity(); }

  // begin() and end() are for range-for: the loop receives until an error, which is that the
  // channel is closed, or that the thread is cancelled.
  using Iterator = detail::ReceiveIterator<Channel, T>;
  Iterator begin() noexcept { return Iterator{*this}; }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  template <class Value, class Function>
  friend class ReceiveCase;
  template <class Value, class Function>
  friend class SendCase;
  using Step = detail::ChannelStep;

  // try_to() calls step(wakeups) with the lock, which is held on if that must wait.
  template <class Do>
  Step try_to(Do&& step) noexcept {
    detail::Wakeups wakeups;
    core_.lock.lock();
    const Step how = step(wakeups);
    if (how != Step::must_wait) core_.lock.unlock();
    return how;
  }

  // put() and take() do what can be done at once, with the lock held.
  Step put(T& value, detail::Wakeups& wakeups) noexcept {
    if (core_.is_closed) return Step::closed;
    if (auto* const receiver = core_.receivers.first_claimed()) {
      slot_of(*receiver).emplace(std::move(value));
      core_.receivers.wake(*receiver, wakeups);
      return Step::done;
    }
    return room_.push(value) ? Step::done : Step::must_wait;
  }

  Step take(std::optional<T>& value, detail::Wakeups& wakeups) noexcept {
    const bool had_value = room_.pop(value);
    if (auto* const sender = core_.senders.first_claimed()) {
      T& sent = value_of(*sender);
      had_value ? static_cast<void>(room_.push(sent))
                : static_cast<void>(value.emplace(std::move(sent)));
      core_.senders.wake(*sender, wakeups);
      return Step::done;
    }
    if (had_value) return Step::done;
    return core_.is_closed ? Step::closed : Step::must_wait;
  }

  static std::optional<T>& slot_of(detail::WaitNode& receiver) noexcept {
    return *static_cast<std::optional<T>*>(static_cast<detail::ChannelNode&>(receiver).item);
  }
  static T& value_of(detail::WaitNode& sender) noexcept {
    return *static_cast<T*>(static_cast<detail::ChannelNode&>(sender).item);
  }

  detail::Ring<T> room_;
  detail::ChannelCore core_;  // destroyed first: it waits for those who are about to leave
};

}  // namespace evcoro
