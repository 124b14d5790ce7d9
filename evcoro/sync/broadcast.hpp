// Broadcast<T>: publishes messages to all who have subscribed, each of whom gets all of them.
//
//   evcoro::Broadcast<Quote> quotes;
//
//   evcoro::Subscription<Quote> mine = quotes.subscribe({.capacity = 64});     // a subscriber
//   for (const Quote& quote : mine) show(quote);  // until quotes is closed, or has gone
//
//   evcoro::Result<std::size_t> got = quotes.publish({"EVC", 42}, 3s);         // a publisher
//   if (got && *got == 0) ...                     // nobody has subscribed
//
// A subscriber gets what is published from its subscription on, in the order that all subscribers
// have in common. Messages wait for it in a queue of its own; Slow says what is done when that is
// full:
//
//   Slow::block        publish() waits until there is room: nobody misses anything
//   Slow::drop_oldest  the oldest message goes; the subscription counts what it has missed()
//   Slow::disconnect   nothing more comes: what is queued is received yet, and then
//                      Errc::subscriber_too_slow
//
// A message is published to all or to nobody: publish() waits for room at all who block, and then
// hands it to all at once. One that times out or is cancelled while it waits has done nothing.
// Publishers that wait are served first come, first served. Who publishes, and is itself the one to
// receive what there is no room for, waits for itself.
//
// A value is moved into a message, of which there is one for all; each subscriber gets a copy, made
// in its own receive(), and the last to take it gets the original. So T is copied by several OS
// threads at once, and destroyed by any; never while a lock is held. Its moves must not throw.
//
// Broadcasts and subscriptions are for threads of all loops and OS threads at once, and either may
// go first. An OS thread that drives a loop must not wait for them outside of the loop's threads,
// in a callback. Destroying one that somebody waits for (a Broadcast, to publish; a Subscription,
// to receive) is a misuse.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

#include <evcoro/result.hpp>
#include <evcoro/sync/detail/broadcast_core.hpp>
#include <evcoro/sync/detail/receive_iterator.hpp>
#include <evcoro/sync/select.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/report.hpp>

namespace evcoro {

namespace detail {

template <class T>
struct MessageOf final : Message {
  explicit MessageOf(T&& its_value) noexcept : value(std::move(its_value)) {}
  T value;
};

// take_value() is the value of a message that has been received.
template <class T>
T take_value(const MessageUse& use) {
  T& value = static_cast<MessageOf<T>&>(*use).value;
  if (use.is_last()) return std::move(value);
  return std::as_const(value);
}

}  // namespace detail

template <class T>
class Broadcast;
template <class T, class Function>
class SubscriptionCase;

// Subscription receives the messages of a Broadcast, until it goes. Several threads may receive
// from one: each gets other messages.
template <class T>
class [[nodiscard]] Subscription {
 public:
  // An empty one, as that which was moved from; to use it is a misuse, which terminates.
  Subscription() noexcept = default;
  Subscription(Subscription&&) noexcept = default;
  Subscription& operator=(Subscription&&) noexcept = default;

  // receive() waits for a message. Errors, when nothing is left in the queue: Errc::channel_closed
  // when the broadcast has been closed or has gone, Errc::subscriber_too_slow; timed_out,
  // operation_canceled, Errc::not_in_a_thread in a callback of a loop. What copying a T throws
  // passes through; the message is gone then.
  Result<T> receive(Timeout timeout = {}) {
    detail::MessageUse message;
    if (const auto error = subscriber().receive(message, timeout)) return Failure{error};
    return detail::take_value<T>(message);
  }

  // try_receive() never waits, and works in a cancelled thread. Errors: operation_would_block, and
  // those of the end as above.
  Result<T> try_receive() {
    detail::MessageUse message;
    if (const auto error = subscriber().try_receive(message)) return Failure{error};
    return detail::take_value<T>(message);
  }

  // missed() is how many messages it has lost, since it was made, by Slow::drop_oldest. They came
  // right before the one that is received next, or before those already received.
  std::uint64_t missed() const noexcept { return subscriber().missed(); }

  // size() is how many messages wait in its queue, of capacity().
  std::size_t size() const noexcept { return subscriber().size(); }
  std::size_t capacity() const noexcept { return subscriber().capacity(); }

  // false of an empty one.
  explicit operator bool() const noexcept { return subscriber_ != nullptr; }

  // begin() and end() are for range-for: the loop receives until an error, which is that nothing
  // more comes, or that the thread is cancelled.
  using Iterator = detail::ReceiveIterator<Subscription, T>;
  Iterator begin() { return Iterator{*this}; }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  friend class Broadcast<T>;
  template <class Value, class Function>
  friend class SubscriptionCase;

  explicit Subscription(std::unique_ptr<detail::Subscriber> subscriber) noexcept
      : subscriber_(std::move(subscriber)) {}

  detail::Subscriber& subscriber() const noexcept {
    if (subscriber_ == nullptr) [[unlikely]]
      stacks::misuse("an empty Subscription was used; test it first");
    return *subscriber_;
  }

  std::unique_ptr<detail::Subscriber> subscriber_;
};

template <class T>
class Broadcast {
  static_assert(std::copyable<T> && std::is_nothrow_move_constructible_v<T> &&
                    std::is_nothrow_move_assignable_v<T>,
                "a Broadcast's messages can be copied, and move without throwing");

 public:
  // Throws std::bad_alloc.
  Broadcast() : core_(std::make_shared<detail::BroadcastCore>()) {}

  // The destructor is close().
  ~Broadcast() { core_->end(); }
  Broadcast(const Broadcast&) = delete;
  Broadcast& operator=(const Broadcast&) = delete;

  // subscribe() begins a subscription; of a closed broadcast it is one that nothing comes to.
  // Allocates all that it needs. Throws std::bad_alloc, and std::system_error (invalid_argument)
  // for a capacity of zero.
  Subscription<T> subscribe(const SubscriptionOptions& options = {}) {
    return Subscription<T>{std::make_unique<detail::Subscriber>(core_, options)};
  }

  // publish() hands value to all subscribers, and returns how many have got it: 0 if there is none.
  // Errors, after which value is as it was: Errc::channel_closed, timed_out, operation_canceled,
  // Errc::not_in_a_thread in a callback of a loop. Throws std::bad_alloc.
  Result<std::size_t> publish(T&& value, Timeout timeout = {}) {
    return publish_by(value, [&](detail::Message& message, std::size_t& count) {
      return core_->publish(message, timeout, count);
    });
  }
  Result<std::size_t> publish(const T& value, Timeout timeout = {}) {
    return publish(T{value}, timeout);
  }

  // try_publish() never waits, and works in a cancelled thread. Errors: Errc::channel_closed,
  // operation_would_block.
  Result<std::size_t> try_publish(T&& value) {
    return publish_by(value, [&](detail::Message& message, std::size_t& count) {
      return core_->try_publish(message, count);
    });
  }
  Result<std::size_t> try_publish(const T& value) { return try_publish(T{value}); }

  // close() lets nothing more be published: those who wait to, or come to, get
  // Errc::channel_closed, and so do subscribers when they have received what is in their queues. It
  // can be closed again.
  void close() noexcept { core_->close(); }
  bool is_closed() const noexcept { return core_->is_closed(); }

  // subscribers() is how many a message would go to: not those that were too slow; none when it is
  // closed.
  std::size_t subscribers() const noexcept { return core_->subscribers(); }

 private:
  template <class Publish>
  static Result<std::size_t> publish_by(T& value, Publish&& publish) {
    auto message = std::make_unique<detail::MessageOf<T>>(std::move(value));
    std::size_t count = 0;
    if (const std::error_code error = publish(*message, count)) {
      value = std::move(message->value);
      return error;
    }
    static_cast<void>(message.release());  // its uses count
    return count;
  }

  const std::shared_ptr<detail::BroadcastCore> core_;
};

// SubscriptionCase is a case of select(), made by on_receive().
template <class T, class Function>
class SubscriptionCase final : public detail::SubscriptionSelectCase {
 public:
  SubscriptionCase(Subscription<T>& subscription, Function function)
      : SubscriptionSelectCase(subscription.subscriber()), function_(std::move(function)) {}

  // finish() is for select().
  void finish() {
    if (error_) {
      function_(Result<T>{Failure{error_}});
    } else {
      function_(Result<T>{detail::take_value<T>(message_)});
    }
  }

 private:
  Function function_;
};

// on_receive(), of select(): a message has been received, or nothing more comes:
// function(Result<T>).
template <class T, class Function = detail::Nothing>
SubscriptionCase<T, Function> on_receive(Subscription<T>& subscription, Function function = {}) {
  return {subscription, std::move(function)};
}

}  // namespace evcoro
