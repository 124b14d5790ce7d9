// Broadcast between loops and OS threads.
#include <evcoro/sync/broadcast.hpp>

#include <atomic>
#include <deque>
#include <vector>

#include <support/broadcast.hpp>
#include <support/sync.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::Counted;
using support::in_own_loop;
using support::is_closed;
using support::long_time;
using support::OsThread;

namespace {

// Numbered is who published what: in each publisher's order.
struct Numbered {
  int publisher;
  int number;
  bool operator==(const Numbered&) const = default;
};

constexpr int publishers = 6;
constexpr int subscribers = 6;

// publish_everywhere() publishes count messages in each of publishers threads: of a loop, and OS
// threads.
void publish_everywhere(Broadcast<Numbered>& broadcast, int count, std::atomic<int>& errors) {
  std::atomic<int> next{0};
  const auto publish = [&] {
    const int self = next++;
    for (int i = 0; i < count; ++i) {
      const auto got = broadcast.publish({self, i}, long_time);
      if (!got) ++errors;
      if (i % 8 == 0 && Loop::current() != nullptr) (void)this_thread::yield();
    }
  };
  OsThread first{publish};
  OsThread second{publish};
  OsThread loop{in_own_loop(publish, publishers - 2)};
}

// Readers are subscribers in threads of a loop, and OS threads, each with what it has got.
class Readers {
 public:
  Readers(Broadcast<Numbered>& broadcast, const SubscriptionOptions& options) {
    for (int i = 0; i < subscribers; ++i) subscriptions_.push_back(broadcast.subscribe(options));
    const auto read = [this] {
      const auto self = static_cast<std::size_t>(next_++);
      for (const Numbered& each : subscriptions_[self]) got[self].push_back(each);
    };
    threads_.emplace_back(read);
    threads_.emplace_back(read);
    threads_.emplace_back(in_own_loop(read, subscribers - 2));
  }
  void join() { threads_.clear(); }
  Subscription<Numbered>& subscription(std::size_t index) { return subscriptions_[index]; }

  std::vector<std::vector<Numbered>> got{subscribers};

 private:
  std::atomic<int> next_{0};
  std::vector<Subscription<Numbered>> subscriptions_;
  std::deque<OsThread> threads_;
};

// in_order() says whether each publisher's messages came in its order, count of each.
bool in_order(const std::vector<Numbered>& messages, int count) {
  std::vector<int> next(publishers);
  for (const Numbered& each : messages) {
    if (next[static_cast<std::size_t>(each.publisher)]++ != each.number) return false;
  }
  return next == std::vector<int>(publishers, count);
}

}  // namespace

TEST_CASE("subscribers of all loops and OS threads get all messages in one order") {
  const int count = support::rounds(1000);
  const std::size_t capacity = GENERATE(1, 5);
  std::atomic<int> errors{0};
  Broadcast<Numbered> broadcast;
  Readers readers{broadcast, {.capacity = capacity}};
  publish_everywhere(broadcast, count, errors);
  broadcast.close();
  readers.join();
  REQUIRE(errors == 0);
  REQUIRE(in_order(readers.got[0], count));
  for (const auto& each : readers.got) REQUIRE((each == readers.got[0]));
}

TEST_CASE("what a subscriber misses of several publishers is counted") {
  const int count = support::rounds(1000);
  std::atomic<int> errors{0};
  Broadcast<Numbered> broadcast;
  Readers readers{broadcast, {.capacity = 4, .slow = Slow::drop_oldest}};
  publish_everywhere(broadcast, count, errors);
  broadcast.close();
  readers.join();
  REQUIRE(errors == 0);
  for (std::size_t i = 0; i < subscribers; ++i) {
    REQUIRE(readers.got[i].size() + readers.subscription(i).missed() ==
            static_cast<std::size_t>(publishers * count));
  }
}

TEST_CASE("subscriptions that come and go while others publish lose and keep nothing") {
  const int rounds = support::rounds(400);
  Counted::reset();
  std::atomic<int> wrong{0};
  {
    Broadcast<Counted> broadcast;
    std::atomic<bool> ends{false};
    const auto publish = [&] {
      for (int i = 1; !ends; ++i) {
        if (!broadcast.publish(Counted{i}, long_time)) ++wrong;
        if (Loop::current() != nullptr) (void)this_thread::yield();
      }
    };
    const auto subscribe = [&] {
      for (int i = 0; i < rounds; ++i) {
        Subscription own = broadcast.subscribe(
            {.capacity = 2, .slow = i % 3 == 0 ? Slow::drop_oldest : Slow::block});
        const auto first = own.receive(long_time);
        const auto second = own.receive(long_time);
        if (!first || !second) ++wrong;
        if (first && second && i % 3 != 0 && second->number != first->number + 1) ++wrong;
      }
    };
    OsThread publisher{in_own_loop(publish)};
    {
      OsThread one{subscribe};
      OsThread two{in_own_loop(subscribe, 3)};
    }
    ends = true;
  }
  REQUIRE(wrong == 0);
  REQUIRE(Counted::living == 0);
}

TEST_CASE("deadlines, cancellations and messages that meet lose nothing") {
  const int rounds = support::rounds(2000);
  Broadcast<int> numbers;
  Subscription subscription = numbers.subscribe({.capacity = 1});
  std::atomic<long> published{0};
  std::atomic<long> received{0};
  OsThread publisher{in_own_loop([&] {
    for (int i = 0; i < rounds; ++i) {
      if (numbers.publish(i, i % 20 * 1us)) published += i;
    }
    numbers.close();
  })};
  const auto receive = [&] {
    while (true) {
      Thread waiting = Loop::current()->spawn([&] { return subscription.receive(5us); }).value();
      (void)this_thread::yield();
      waiting.request_stop();
      const Result<int> number = waiting.join().value();
      if (number) received += *number;
      if (is_closed(number.error())) return;
    }
  };
  OsThread receiver{[&] {
    Loop own{{.capacity = 2, .stack_size = support::test_stack_size}};
    own.spawn(receive).value().detach();
    own.run();
  }};
  publisher.join();
  receiver.join();
  REQUIRE(published > 0);
  REQUIRE(received == published);
}

TEST_CASE("selects of several loops share the messages of a subscription") {
  const int count = support::rounds(2000);
  Broadcast<int> numbers;
  Subscription shared = numbers.subscribe({.capacity = 3});
  Subscription all = numbers.subscribe({.capacity = 3});
  std::atomic<long> of_shared{0};
  std::atomic<long> of_all{0};
  const auto read = [&] {
    bool ends = false;
    const auto add_to = [&](std::atomic<long>& sum) {
      return [&](Result<int> number) { number ? void(sum += *number) : void(ends = true); };
    };
    while (!ends) {
      if (!select(on_receive(shared, add_to(of_shared)), on_receive(all, add_to(of_all)))) return;
    }
    while (const Result<int> rest = shared.try_receive()) of_shared += *rest;
    while (const Result<int> rest = all.try_receive()) of_all += *rest;
  };
  {
    OsThread outside{read};
    OsThread one{in_own_loop(read, 2)};
    OsThread two{in_own_loop(read, 2)};
    for (int i = 0; i < count; ++i) REQUIRE(numbers.publish(i, long_time).value() == 2);
    numbers.close();
  }
  const long sum = static_cast<long>(count) * (count - 1) / 2;
  REQUIRE(of_shared == sum);
  REQUIRE(of_all == sum);
}
