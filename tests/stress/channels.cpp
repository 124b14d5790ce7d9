// The stress of channels, select and broadcasts.
#include <array>
#include <atomic>
#include <memory>
#include <mutex>

#include <evcoro/sync/broadcast.hpp>
#include <evcoro/sync/channel.hpp>
#include <evcoro/sync/event.hpp>
#include <evcoro/sync/mutex.hpp>
#include <evcoro/sync/select.hpp>

#include "scenario.hpp"

namespace stress {
namespace {

// Tally is what went in and what came out.
class Tally {
 public:
  std::unique_ptr<long> next() { return std::make_unique<long>(++last_); }
  void sent(long value) {
    ++sent_;
    sum_sent_ += value;
  }
  void received(long value) {
    ++received_;
    sum_received_ += value;
  }
  void check() const {
    require(sent_ == received_ && sum_sent_ == sum_received_, "what is sent is received, once");
  }

 private:
  std::atomic<long> last_{0};
  std::atomic<long> sent_{0};
  std::atomic<long> received_{0};
  std::atomic<long> sum_sent_{0};
  std::atomic<long> sum_received_{0};
};

using Parcel = std::unique_ptr<long>;

void send_one(Channel<Parcel>& channel, Tally& tally, Dice& dice) {
  Parcel parcel = tally.next();
  const long value = *parcel;
  const auto error = dice.once_in(4) ? channel.try_send(std::move(parcel))
                                     : channel.send(std::move(parcel), dice.patience());
  require((parcel == nullptr) == !error, "a value that was not sent stays");
  if (!error) tally.sent(value);
}

void receive_one(Channel<Parcel>& channel, Tally& tally, Dice& dice) {
  auto parcel = dice.once_in(4) ? channel.try_receive() : channel.receive(dice.patience());
  if (parcel) tally.received(**parcel);
}

void drain(Channel<Parcel>& channel, Tally& tally) {
  channel.close();
  while (auto parcel = channel.try_receive()) tally.received(**parcel);
}

class Channels final : public Scenario {
 public:
  explicit Channels(std::size_t capacity) : channel_(capacity) {}
  void step(Dice& dice, int) override {
    dice.once_in(2) ? send_one(channel_, tally_, dice) : receive_one(channel_, tally_, dice);
  }
  void end() override {
    drain(channel_, tally_);
    tally_.check();
  }

 private:
  Channel<Parcel> channel_;
  Tally tally_;
};

// A channel is closed now and then, and another takes its place.
class Closings final : public Scenario {
 public:
  void step(Dice& dice, int) override {
    const std::shared_ptr<Channel<Parcel>> channel = current();
    if (dice.once_in(64)) return replace(*channel);
    dice.once_in(2) ? send_one(*channel, tally_, dice) : receive_one(*channel, tally_, dice);
  }
  void end() override {
    drain(*channel_, tally_);
    tally_.check();
  }

 private:
  std::shared_ptr<Channel<Parcel>> current() {
    const std::lock_guard lock{mutex_};
    return channel_;
  }
  void replace(Channel<Parcel>& old) {
    {
      const std::lock_guard lock{mutex_};
      if (channel_.get() != &old) return;
      channel_ = std::make_shared<Channel<Parcel>>(next_capacity_++ % 3);
    }
    drain(old, tally_);
  }

  std::mutex mutex_;  // guards what follows
  std::shared_ptr<Channel<Parcel>> channel_ = std::make_shared<Channel<Parcel>>(0);
  std::size_t next_capacity_ = 1;
  Tally tally_;
};

class Selects final : public Scenario {
 public:
  void step(Dice& dice, int) override {
    if (dice.once_in(3)) {
      Channel<Parcel>& channel = *channels_[dice.below(3)];
      dice.once_in(2) ? send_one(channel, tally_, dice) : receive_one(channel, tally_, dice);
      return;
    }
    Parcel first = tally_.next();
    Parcel second = tally_.next();
    const long first_value = *first;
    const long second_value = *second;
    const auto received = [&](Result<Parcel> parcel) {
      if (parcel) tally_.received(**parcel);
    };
    const bool swapped = dice.once_in(2);
    Channel<Parcel>& one = *channels_[swapped ? 1 : 0];
    Channel<Parcel>& two = *channels_[swapped ? 0 : 1];
    const auto chosen = select(when(dice.once_in(2), on_send(one, std::move(first),
                                                             [&](std::error_code error) {
                                                               if (!error) tally_.sent(first_value);
                                                             })),
                               when(dice.once_in(2), on_send(two, std::move(second),
                                                             [&](std::error_code error) {
                                                               if (!error)
                                                                 tally_.sent(second_value);
                                                             })),
                               when(dice.once_in(2), on_receive(one, received)),
                               when(dice.once_in(2), on_receive(*channels_[2], received)),
                               on_event(event_), on_timeout(dice.patience()));
    if (dice.once_in(8)) event_.set();
    const bool sent = chosen && *chosen < 2;
    require((first == nullptr) + (second == nullptr) == (sent ? 1 : 0),
            "a select sends what it has chosen, and nothing else");
  }
  void end() override {
    for (const auto& each : channels_) drain(*each, tally_);
    tally_.check();
  }

 private:
  std::array<std::unique_ptr<Channel<Parcel>>, 3> channels_{std::make_unique<Channel<Parcel>>(0),
                                                            std::make_unique<Channel<Parcel>>(0),
                                                            std::make_unique<Channel<Parcel>>(2)};
  Event event_;
  Tally tally_;
};

class Broadcasts final : public Scenario {
 public:
  void step(Dice& dice, int) override { dice.once_in(4) ? subscribe(dice) : publish(dice); }

 private:
  void subscribe(Dice& dice) {
    constexpr std::array ways{Slow::block, Slow::drop_oldest, Slow::disconnect};
    auto subscription =
        broadcast_.subscribe({.capacity = 2, .slow = ways[dice.below(ways.size())]});
    long last = 0;
    const auto look_at = [&](const Result<long>& message) {
      if (!message) return;
      require(*message > last, "messages come in order");
      last = *message;
    };
    for (unsigned i = dice.below(6); i > 0; --i) {
      if (dice.once_in(2)) {
        look_at(subscription.receive(dice.patience()));
      } else {
        const auto chosen = select(on_receive(subscription, look_at), on_event(event_),
                                   on_timeout(dice.patience()));
        if (chosen && *chosen == 0 && dice.once_in(4)) event_.set();
      }
    }
  }

  void publish(Dice& dice) {
    std::unique_lock lock{order_, std::defer_lock};
    if (order_.lock(dice.patience())) return;
    lock = std::unique_lock{order_, std::adopt_lock};
    static_cast<void>(broadcast_.publish(++last_, dice.patience()));
  }

  Mutex order_;
  long last_ = 0;
  Event event_;
  Broadcast<long> broadcast_;
};

}  // namespace

std::vector<Named> channels() {
  return {named<Channels>("channel", std::size_t{0}),
          named<Channels>("buffered_channel", std::size_t{4}), named<Closings>("closed_channel"),
          named<Selects>("select"), named<Broadcasts>("broadcast")};
}

}  // namespace stress
