// BroadcastCore: what of a broadcast doesn't depend on the type of its messages: who subscribes,
// who waits, and what is queued for whom.
//
//   publish(message) --> publishers     while a subscriber that must not miss anything has no room
//                            |
//                            v  by whoever makes the last room: under one lock, to all at once
//        Subscriber: queue of messages, or a receiver that waits --> receive()
//
// A message is made once; the queues have pointers to it. Nothing of the application's is called
// with the lock held: messages are made before, copied and destroyed after.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include <evcoro/sync/detail/ring.hpp>
#include <evcoro/sync/detail/select_case.hpp>
#include <evcoro/sync/detail/wait_queue.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>
#include <stacks/intrusive_list.hpp>

namespace evcoro {

// Slow says what becomes of a subscriber that has no room for what is being published.
enum class Slow {
  block,        // publish() waits for it
  drop_oldest,  // it misses the oldest message that it has not received
  disconnect,   // it misses this and all that follow
};

// SubscriptionOptions are for Broadcast::subscribe().
struct SubscriptionOptions {
  std::size_t capacity = 16;  // how many messages wait for the subscriber; at least one
  Slow slow = Slow::block;
};

namespace detail {

// Message is what is published, beside its value.
struct EVCORO_API Message {
  Message() noexcept = default;
  virtual ~Message() = default;
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;

  std::atomic<std::size_t> uses{1};  // the publisher's, and one for each who is to get it
  Message* next_unused = nullptr;
};

// MessageUse is a use of a message, or of none; the message goes with its last.
class MessageUse {
 public:
  MessageUse() noexcept = default;
  explicit MessageUse(Message* message) noexcept : message_(message) {}
  MessageUse(MessageUse&& other) noexcept : message_(std::exchange(other.message_, nullptr)) {}
  MessageUse& operator=(MessageUse&& other) noexcept {
    std::swap(message_, other.message_);
    return *this;
  }
  ~MessageUse() {
    if (message_ != nullptr && end_use(*message_)) delete message_;
  }

  Message& operator*() const noexcept { return *message_; }

  // is_last() says whether nobody else has it, or is to get it.
  bool is_last() const noexcept { return message_->uses.load(std::memory_order_acquire) == 1; }

  // end_use() is true if that was the last.
  static bool end_use(Message& message) noexcept {
    return message.uses.fetch_sub(1, std::memory_order_acq_rel) == 1;
  }

 private:
  Message* message_ = nullptr;
};

// UnusedMessages are destroyed when it goes: after the lock, if it is made before.
class UnusedMessages {
 public:
  UnusedMessages() noexcept = default;
  ~UnusedMessages() {
    while (first_ != nullptr) delete std::exchange(first_, first_->next_unused);
  }
  UnusedMessages(const UnusedMessages&) = delete;
  UnusedMessages& operator=(const UnusedMessages&) = delete;

  // end_use() ends a use of message.
  void end_use(Message& message) noexcept {
    if (MessageUse::end_use(message)) message.next_unused = std::exchange(first_, &message);
  }

 private:
  Message* first_ = nullptr;
};

// BroadcastNode is a place among those who wait to publish, or for a message of a subscription.
struct BroadcastNode : WaitNode {
  explicit BroadcastNode(Sleeper& its_sleeper, Message* its_message = nullptr) noexcept
      : WaitNode(its_sleeper), message(its_message) {}
  Message* message;       // a publisher's, or what a receiver gets
  std::size_t count = 0;  // how many subscribers a publisher's message went to
  std::error_code error = no_error;
};

enum class BroadcastStep { done, must_wait, ended };

class BroadcastCore;

// Subscriber is what the broadcast knows of a Subscription, which owns it.
class EVCORO_API Subscriber : public stacks::ListLink {
 public:
  // Throws std::bad_alloc, and std::system_error (invalid_argument) for a capacity of zero.
  Subscriber(std::shared_ptr<BroadcastCore> core, const SubscriptionOptions& options);
  ~Subscriber();
  Subscriber(const Subscriber&) = delete;
  Subscriber& operator=(const Subscriber&) = delete;

  std::error_code receive(MessageUse& message, Timeout timeout) noexcept;
  std::error_code try_receive(MessageUse& message) noexcept;
  std::uint64_t missed() const noexcept;
  std::size_t size() const noexcept;
  std::size_t capacity() const noexcept { return queue_.capacity(); }

 private:
  friend class BroadcastCore;
  friend class SubscriptionSelectCase;
  using Step = BroadcastStep;

  // All of these with the core's lock held.
  Step take(MessageUse& message, Wakeups& wakeups, UnusedMessages& unused) noexcept;
  bool deliver(Message& message, Wakeups& wakeups, UnusedMessages& unused) noexcept;
  bool is_cut_off(UnusedMessages& unused) noexcept;
  bool holds_up() const noexcept;
  bool take_first(MessageUse& message) noexcept;
  void end(std::error_code reason, Wakeups& wakeups) noexcept;
  void leave() noexcept;

  const std::shared_ptr<BroadcastCore> core_;
  const Slow slow_;
  std::uint64_t missed_ = 0;
  std::error_code end_ = no_error;  // what receiving says when the queue is empty, if it has ended
  Ring<Message*> queue_;
  WaitList receivers_;  // only while the queue is empty
};

class EVCORO_API BroadcastCore {
 public:
  BroadcastCore() noexcept = default;
  ~BroadcastCore() = default;
  BroadcastCore(const BroadcastCore&) = delete;
  BroadcastCore& operator=(const BroadcastCore&) = delete;

  // publish() says in count to how many subscribers message went, whose it is then. After an error
  // it is the caller's still.
  std::error_code publish(Message& message, Timeout timeout, std::size_t& count) noexcept;
  std::error_code try_publish(Message& message, std::size_t& count) noexcept;
  void close() noexcept;
  bool is_closed() const noexcept;
  std::size_t subscribers() const noexcept;

  // end() is close(), when nobody must be waiting to publish.
  void end() noexcept;

 private:
  friend class Subscriber;
  friend class SubscriptionSelectCase;
  using Step = BroadcastStep;
  class LoneWaiter;

  template <class Do>
  Step try_to(Do&& step) noexcept;
  Step put(Message& message, std::size_t& count, Wakeups& wakeups, UnusedMessages& unused) noexcept;
  std::size_t hand_out(Message& message, Wakeups& wakeups, UnusedMessages& unused) noexcept;
  void serve_publishers(Wakeups& wakeups, UnusedMessages& unused) noexcept;
  std::error_code wait(WaitList& list, LoneWaiter& self, Timeout timeout) noexcept;

  mutable SpinLock lock_;  // guards all else, and the subscribers
  bool is_closed_ = false;
  std::size_t count_ = 0;  // of the subscribers
  std::size_t full_ = 0;   // of them, those that hold up publishers
  stacks::IntrusiveList<Subscriber> subscribers_;
  WaitList publishers_;  // only while somebody holds them up
};

// SubscriptionSelectCase is a case of select(): a message of a subscription.
class EVCORO_API SubscriptionSelectCase : public SelectCase {
 protected:
  explicit SubscriptionSelectCase(Subscriber& subscriber) noexcept;
  ~SubscriptionSelectCase() = default;

  MessageUse message_;
  std::error_code error_ = no_error;  // or why there is none

 private:
  bool try_now(Wakeups& wakeups) noexcept override;
  std::error_code enter(Sleeper& sleeper) noexcept override;
  bool leave() noexcept override;
  const WaitNode* node() const noexcept override { return node_ ? &*node_ : nullptr; }

  Subscriber& subscriber_;
  UnusedMessages unused_;
  std::optional<BroadcastNode> node_;
};

}  // namespace detail
}  // namespace evcoro
