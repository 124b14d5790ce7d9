#include <evcoro/sync/broadcast.hpp>

#include <mutex>

#include <evcoro/error.hpp>
#include <evcoro/sync/detail/sleeper_inline.hpp>

namespace evcoro::detail {

using corothread::Wake;

class BroadcastCore::LoneWaiter : public Sleeper, public BroadcastNode {
 public:
  explicit LoneWaiter(const char* what, Message* its_message = nullptr) noexcept
      : Sleeper(what), BroadcastNode(static_cast<Sleeper&>(*this), its_message) {}
};

namespace {

BroadcastNode& to_node(WaitNode& node) noexcept { return static_cast<BroadcastNode&>(node); }

void end_all(WaitList& list, std::error_code reason, Wakeups& wakeups) noexcept {
  while (WaitNode* const node = list.first_claimed()) {
    to_node(*node).error = reason;
    list.wake(*node, wakeups);
  }
}

std::error_code would_block() noexcept {
  return std::make_error_code(std::errc::operation_would_block);
}

std::size_t checked_capacity(const SubscriptionOptions& options) {
  if (options.capacity != 0) return options.capacity;
  throw std::system_error(std::make_error_code(std::errc::invalid_argument),
                          "Broadcast: the capacity of a subscription is 0; give at least 1");
}

}  // namespace

// --- BroadcastCore ---

// Calls step(wakeups, unused) with the lock, which is held on if that must wait.
template <class Do>
inline BroadcastStep BroadcastCore::try_to(Do&& step) noexcept {
  Wakeups wakeups;
  UnusedMessages unused;
  lock_.lock();
  const Step how = step(wakeups, unused);
  if (how != Step::must_wait) lock_.unlock();
  return how;
}

inline BroadcastStep BroadcastCore::put(Message& message, std::size_t& count, Wakeups& wakeups,
                                        UnusedMessages& unused) noexcept {
  if (is_closed_) return Step::ended;
  if (full_ != 0) return Step::must_wait;
  count = hand_out(message, wakeups, unused);
  return Step::done;
}

// Nobody holds it up.
std::size_t BroadcastCore::hand_out(Message& message, Wakeups& wakeups,
                                    UnusedMessages& unused) noexcept {
  std::size_t count = 0;
  subscribers_.for_each([&](Subscriber& each) {
    if (each.deliver(message, wakeups, unused)) ++count;
  });
  unused.end_use(message);  // the publisher's
  return count;
}

void BroadcastCore::serve_publishers(Wakeups& wakeups, UnusedMessages& unused) noexcept {
  while (full_ == 0) {
    WaitNode* const first = publishers_.first_claimed();
    if (first == nullptr) return;
    BroadcastNode& publisher = to_node(*first);
    publisher.count = hand_out(*publisher.message, wakeups, unused);
    publishers_.wake(publisher, wakeups);
  }
}

std::error_code BroadcastCore::publish(Message& message, Timeout timeout,
                                       std::size_t& count) noexcept {
  if (const auto error = admit_wait()) return error;
  const Step step =
      try_to([&](auto& wakeups, auto& unused) { return put(message, count, wakeups, unused); });
  if (step == Step::done) return no_error;
  if (step == Step::ended) return Errc::channel_closed;
  LoneWaiter self{"broadcast, to publish", &message};
  const std::error_code error = wait(publishers_, self, timeout);
  count = self.count;
  return error;
}

std::error_code BroadcastCore::try_publish(Message& message, std::size_t& count) noexcept {
  Wakeups wakeups;
  UnusedMessages unused;
  const std::lock_guard held{lock_};
  const Step step = put(message, count, wakeups, unused);
  if (step == Step::ended) return Errc::channel_closed;
  return step == Step::done ? no_error : would_block();
}

// With the lock held, which it releases.
std::error_code BroadcastCore::wait(WaitList& list, LoneWaiter& self, Timeout timeout) noexcept {
  std::error_code error = self.admit();
  if (!timeout.may_wait()) error = to_error(Wake::timed_out);
  if (!error) list.enqueue(self);
  lock_.unlock();
  if (error) return error;
  const Wake how = await(self, self, lock_, timeout.deadline());
  return how == Wake::ready ? self.error : to_error(how);
}

void BroadcastCore::close() noexcept {
  Wakeups wakeups;
  const std::lock_guard held{lock_};
  is_closed_ = true;
  end_all(publishers_, Errc::channel_closed, wakeups);
  subscribers_.for_each([&](Subscriber& each) { each.end(Errc::channel_closed, wakeups); });
}

void BroadcastCore::end() noexcept {
  require_nobody(publishers_, lock_);
  close();
}

bool BroadcastCore::is_closed() const noexcept {
  const std::lock_guard held{lock_};
  return is_closed_;
}

std::size_t BroadcastCore::subscribers() const noexcept {
  const std::lock_guard held{lock_};
  return count_;
}

// --- Subscriber ---

Subscriber::Subscriber(std::shared_ptr<BroadcastCore> core, const SubscriptionOptions& options)
    : core_(std::move(core)), slow_(options.slow), queue_(checked_capacity(options)) {
  const std::lock_guard held{core_->lock_};
  if (core_->is_closed_) {
    end_ = Errc::channel_closed;
  } else {
    core_->subscribers_.push_back(*this);
    ++core_->count_;
  }
}

Subscriber::~Subscriber() {
  require_nobody(receivers_, core_->lock_);
  Wakeups wakeups;
  UnusedMessages unused;
  const std::lock_guard held{core_->lock_};
  leave();
  for (; queue_.size() != 0; queue_.drop_first()) unused.end_use(*queue_.first());
  core_->serve_publishers(wakeups, unused);
}

inline bool Subscriber::holds_up() const noexcept {
  return slow_ == Slow::block && queue_.is_full() && is_linked();
}

// Out of the list of those that are published to, if it is there.
void Subscriber::leave() noexcept {
  if (!is_linked()) return;
  if (holds_up()) --core_->full_;
  --core_->count_;
  unlink();
}

void Subscriber::end(std::error_code reason, Wakeups& wakeups) noexcept {
  end_ = reason;
  leave();
  end_all(receivers_, reason, wakeups);
}

// Whether there is no room, and none can be made.
bool Subscriber::is_cut_off(UnusedMessages& unused) noexcept {
  if (!queue_.is_full()) return false;
  if (slow_ == Slow::disconnect) return true;
  unused.end_use(*queue_.first());
  queue_.drop_first();
  ++missed_;
  return false;
}

// False if it has been disconnected instead.
bool Subscriber::deliver(Message& message, Wakeups& wakeups, UnusedMessages& unused) noexcept {
  if (WaitNode* const receiver = receivers_.first_claimed()) {
    message.uses.fetch_add(1, std::memory_order_relaxed);
    to_node(*receiver).message = &message;
    receivers_.wake(*receiver, wakeups);
    return true;
  }
  if (is_cut_off(unused)) {
    end(Errc::subscriber_too_slow, wakeups);
    return false;
  }
  message.uses.fetch_add(1, std::memory_order_relaxed);
  Message* pointer = &message;
  queue_.push(pointer);
  if (holds_up()) ++core_->full_;
  return true;
}

BroadcastStep Subscriber::take(MessageUse& message, Wakeups& wakeups,
                               UnusedMessages& unused) noexcept {
  if (queue_.size() == 0) return end_ ? Step::ended : Step::must_wait;
  const bool held_up = holds_up();
  message = MessageUse{queue_.first()};
  queue_.drop_first();
  if (held_up && --core_->full_ == 0) core_->serve_publishers(wakeups, unused);
  return Step::done;
}

std::error_code Subscriber::receive(MessageUse& message, Timeout timeout) noexcept {
  if (const auto error = admit_wait()) return error;
  const Step step =
      core_->try_to([&](auto& wakeups, auto& unused) { return take(message, wakeups, unused); });
  if (step == Step::done) return no_error;
  if (step == Step::ended) return end_;
  BroadcastCore::LoneWaiter self{"broadcast, to receive"};
  const std::error_code error = core_->wait(receivers_, self, timeout);
  if (!error) message = MessageUse{self.message};
  return error;
}

std::error_code Subscriber::try_receive(MessageUse& message) noexcept {
  Wakeups wakeups;
  UnusedMessages unused;
  const std::lock_guard held{core_->lock_};
  const Step step = take(message, wakeups, unused);
  if (step == Step::ended) return end_;
  return step == Step::done ? no_error : would_block();
}

std::uint64_t Subscriber::missed() const noexcept {
  const std::lock_guard held{core_->lock_};
  return missed_;
}

std::size_t Subscriber::size() const noexcept {
  const std::lock_guard held{core_->lock_};
  return queue_.size();
}

// --- a case of select() ---

SubscriptionSelectCase::SubscriptionSelectCase(Subscriber& subscriber) noexcept
    : SelectCase(&subscriber.core_->lock_), subscriber_(subscriber) {}

bool SubscriptionSelectCase::try_now(Wakeups& wakeups) noexcept {
  const BroadcastStep step = subscriber_.take(message_, wakeups, unused_);
  if (step == BroadcastStep::ended) error_ = subscriber_.end_;
  return step != BroadcastStep::must_wait;
}

std::error_code SubscriptionSelectCase::enter(Sleeper& sleeper) noexcept {
  node_.emplace(sleeper);
  subscriber_.receivers_.enqueue(*node_);
  return {};
}

bool SubscriptionSelectCase::leave() noexcept {
  if (!node_) return false;
  const bool is_granted = node_->is_granted;
  if (is_granted) {
    message_ = MessageUse{node_->message};
    error_ = node_->error;
  }
  node_.reset();
  return is_granted;
}

}  // namespace evcoro::detail
