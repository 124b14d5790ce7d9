// Broadcast and Subscription: publish and subscribe.
#include <evcoro/sync/broadcast.hpp>

#include <atomic>
#include <csignal>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <evcoro/sync/channel.hpp>
#include <evcoro/sync/latch.hpp>
#include <support/contains.hpp>
#include <support/sync.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::contains;
using support::in_own_loop;
using support::is_canceled;
using support::is_timed_out;
using support::long_time;
using support::OsThread;
using support::until_parked;

namespace {

bool is_closed(std::error_code error) { return error == Errc::channel_closed; }
bool would_block(std::error_code error) { return error == std::errc::operation_would_block; }

// drain() is all that can be received at once.
template <class T>
std::vector<T> drain(Subscription<T>& subscription) {
  std::vector<T> all;
  while (Result<T> message = subscription.try_receive()) all.push_back(*std::move(message));
  return all;
}

// Counted counts its copies, and what lives of it.
struct Counted {
  static inline std::atomic<int> copies{0};
  static inline std::atomic<int> living{0};
  static void reset() { copies = living = 0; }

  explicit Counted(int its_number) : number(its_number) { ++living; }
  Counted(const Counted& other) : number(other.number) {
    if (number < 0) throw std::runtime_error("not to be copied");
    ++copies;
    ++living;
  }
  Counted(Counted&& other) noexcept : number(std::exchange(other.number, 0)) { ++living; }
  Counted& operator=(const Counted&) = default;
  Counted& operator=(Counted&& other) noexcept {
    number = std::exchange(other.number, 0);
    return *this;
  }
  ~Counted() { --living; }
  int number;
};

class BroadcastFixture : public support::LoopFixture {
 public:
  // spawn_publisher() spawns a thread that publishes number, and returns to how many, or -1.
  Thread<Result<std::size_t>> spawn_publisher(int number, Timeout timeout = {}) {
    return loop->spawn([=, this] { return numbers.publish(number, timeout); }).value();
  }

  static Thread<Result<int>> spawn_receiver(Loop& loop, Subscription<int>& subscription,
                                            Timeout timeout = {}) {
    return loop.spawn([&subscription, timeout] { return subscription.receive(timeout); }).value();
  }

  Broadcast<int> numbers;
};

// report_of() is what is said when body, in a thread of a loop in a child process, is a misuse.
std::string report_of(const std::function<void(Loop&)>& body) {
  const support::Ended ended = support::in_child_with_loop([&](std::optional<Loop>& loop) {
    loop->spawn([&] { body(*loop); }).value().detach();
    loop->run();
  });
  CHECK(ended.signal == SIGABRT);
  return ended.output;
}

}  // namespace

TEST_CASE_METHOD(BroadcastFixture, "every subscriber gets what is published since it subscribed") {
  in_thread([&] {
    REQUIRE(numbers.publish(1).value() == 0);  // nobody
    Subscription first = numbers.subscribe();
    REQUIRE(numbers.subscribers() == 1);
    REQUIRE(numbers.publish(2).value() == 1);
    Subscription second = numbers.subscribe({.capacity = 3});
    REQUIRE(numbers.publish(3).value() == 2);
    REQUIRE(numbers.try_publish(4).value() == 2);
    REQUIRE(first.size() == 3);
    REQUIRE(second.size() == 2);
    REQUIRE(second.capacity() == 3);
    REQUIRE(first.receive().value() == 2);
    REQUIRE(drain(first) == std::vector{3, 4});
    REQUIRE(second.receive(no_wait).value() == 3);
    REQUIRE(drain(second) == std::vector{4});
    REQUIRE(would_block(first.try_receive().error()));
    REQUIRE(is_timed_out(first.receive(no_wait).error()));
    REQUIRE(is_timed_out(first.receive(1ms).error()));
  });
}

TEST_CASE_METHOD(BroadcastFixture, "a subscription that goes gets nothing more") {
  in_thread([&] {
    std::optional first{numbers.subscribe()};
    Subscription second = numbers.subscribe();
    REQUIRE(numbers.publish(1).value() == 2);
    first.reset();
    REQUIRE(numbers.subscribers() == 1);
    REQUIRE(numbers.publish(2).value() == 1);
    Subscription moved = std::move(second);
    REQUIRE(!second);  // NOLINT(bugprone-use-after-move)
    REQUIRE(moved);
    REQUIRE(drain(moved) == std::vector{1, 2});
    moved = numbers.subscribe();  // the old one goes
    REQUIRE(numbers.subscribers() == 1);
    moved = {};
    REQUIRE(numbers.subscribers() == 0);
    REQUIRE(numbers.publish(3).value() == 0);
  });
}

TEST_CASE_METHOD(BroadcastFixture, "a receiver that waits gets the message") {
  in_thread([&] {
    Subscription first = numbers.subscribe({.capacity = 1});
    Subscription second = numbers.subscribe({.capacity = 1});
    Thread one = spawn_receiver(*loop, first);
    Thread another = spawn_receiver(*loop, first);
    Thread other = spawn_receiver(*loop, second);
    REQUIRE(until_parked(other));
    REQUIRE(one.info().wait_reason == "broadcast, to receive");
    REQUIRE(numbers.publish(1, no_wait).value() == 2);
    REQUIRE(numbers.publish(2, no_wait).value() == 2);
    REQUIRE(one.join().value().value() == 1);  // each another one, first come first served
    REQUIRE(another.join().value().value() == 2);
    REQUIRE(other.join().value().value() == 1);
    REQUIRE(drain(second) == std::vector{2});
    REQUIRE(drain(first).empty());
  });
}

TEST_CASE_METHOD(BroadcastFixture, "publishers wait for a slow subscriber that blocks") {
  in_thread([&] {
    Subscription slow = numbers.subscribe({.capacity = 2, .slow = Slow::block});
    Subscription fast = numbers.subscribe();
    for (const int number : {1, 2}) REQUIRE(numbers.publish(number).value() == 2);
    Thread third = spawn_publisher(3);
    Thread fourth = spawn_publisher(4);
    REQUIRE(until_parked(fourth));
    REQUIRE(third.info().wait_reason == "broadcast, to publish");
    REQUIRE(would_block(numbers.try_publish(9).error()));
    REQUIRE(is_timed_out(numbers.publish(9, no_wait).error()));
    REQUIRE(drain(fast) == std::vector{1, 2});  // nobody is served before all can be
    REQUIRE(slow.receive().value() == 1);
    REQUIRE(third.join().value().value() == 2);
    REQUIRE(!fourth.has_ended());
    REQUIRE(drain(fast) == std::vector{3});
    REQUIRE(slow.try_receive().value() == 2);
    REQUIRE(fourth.join().value().value() == 2);
    REQUIRE(drain(slow) == std::vector{3, 4});
    REQUIRE(drain(fast) == std::vector{4});
  });
}

TEST_CASE_METHOD(BroadcastFixture, "a publisher waits until all who block have room") {
  in_thread([&] {
    Subscription first = numbers.subscribe({.capacity = 1});
    Subscription second = numbers.subscribe({.capacity = 1});
    REQUIRE(numbers.publish(1).value() == 2);
    Thread publisher = spawn_publisher(2);
    REQUIRE(until_parked(publisher));
    REQUIRE(first.receive().value() == 1);
    REQUIRE(!this_thread::yield());
    REQUIRE(!publisher.has_ended());
    REQUIRE(first.size() == 0);
    SECTION("since they have received") {
      REQUIRE(second.receive().value() == 1);
      REQUIRE(publisher.join().value().value() == 2);
      REQUIRE(drain(second) == std::vector{2});
    }
    SECTION("or have gone") {
      second = {};
      REQUIRE(publisher.join().value().value() == 1);
    }
    REQUIRE(drain(first) == std::vector{2});
  });
}

TEST_CASE_METHOD(BroadcastFixture, "a publisher that gives up has published to nobody") {
  const bool is_cancelled = GENERATE(false, true);
  in_thread([&] {
    Subscription slow = numbers.subscribe({.capacity = 1});
    Subscription lossy = numbers.subscribe({.capacity = 1, .slow = Slow::drop_oldest});
    Subscription strict = numbers.subscribe({.capacity = 1, .slow = Slow::disconnect});
    REQUIRE(numbers.publish(1).value() == 3);
    Thread in_vain = spawn_publisher(2, is_cancelled ? Timeout{} : Timeout{1ms});
    Thread patient = spawn_publisher(3);
    if (is_cancelled) {
      REQUIRE(until_parked(patient));
      in_vain.request_stop();
    }
    const std::error_code error = in_vain.join().value().error();
    REQUIRE((is_cancelled ? is_canceled(error) : is_timed_out(error)));
    REQUIRE(drain(lossy) == std::vector{1});
    REQUIRE(lossy.missed() == 0);
    REQUIRE(drain(strict) == std::vector{1});
    REQUIRE(!patient.has_ended());
    REQUIRE(slow.receive().value() == 1);
    REQUIRE(patient.join().value().value() == 3);
    REQUIRE(slow.receive().value() == 3);
    REQUIRE(drain(lossy) == std::vector{3});
    REQUIRE(drain(strict) == std::vector{3});
  });
}

TEST_CASE_METHOD(BroadcastFixture, "room that comes with a cancellation is used") {
  const bool receives_first = GENERATE(true, false);
  in_thread([&] {
    Subscription slow = numbers.subscribe({.capacity = 1});
    REQUIRE(numbers.publish(1).value() == 1);
    Thread publisher = spawn_publisher(2);
    REQUIRE(until_parked(publisher));
    if (receives_first) REQUIRE(slow.try_receive().value() == 1);
    publisher.request_stop();
    if (!receives_first) REQUIRE(slow.try_receive().value() == 1);
    REQUIRE(publisher.join().value().value() == 1);
    REQUIRE(drain(slow) == std::vector{2});
  });
}

TEST_CASE_METHOD(BroadcastFixture, "a message that comes with a cancellation is not lost") {
  const bool publishes_first = GENERATE(true, false);
  in_thread([&] {
    Subscription subscription = numbers.subscribe();
    Thread receiver = spawn_receiver(*loop, subscription);
    REQUIRE(until_parked(receiver));
    if (publishes_first) REQUIRE(numbers.publish(1).value() == 1);
    receiver.request_stop();
    if (!publishes_first) REQUIRE(numbers.publish(1).value() == 1);
    REQUIRE(receiver.join().value().value() == 1);
    REQUIRE(subscription.size() == 0);
  });
}

TEST_CASE_METHOD(BroadcastFixture, "a slow subscriber may miss the oldest, and knows how many") {
  in_thread([&] {
    Subscription lossy = numbers.subscribe({.capacity = 2, .slow = Slow::drop_oldest});
    Subscription other = numbers.subscribe();
    for (int i = 1; i <= 5; ++i) REQUIRE(numbers.publish(i, no_wait).value() == 2);
    REQUIRE(lossy.missed() == 3);
    REQUIRE(lossy.size() == 2);
    REQUIRE(drain(lossy) == std::vector{4, 5});
    REQUIRE(drain(other) == std::vector{1, 2, 3, 4, 5});
    REQUIRE(numbers.publish(6).value() == 2);
    REQUIRE(drain(lossy) == std::vector{6});
    REQUIRE(lossy.missed() == 3);
    REQUIRE(other.missed() == 0);
  });
}

TEST_CASE_METHOD(BroadcastFixture, "a slow subscriber may be disconnected, and gets what it has") {
  in_thread([&] {
    Subscription strict = numbers.subscribe({.capacity = 2, .slow = Slow::disconnect});
    Subscription other = numbers.subscribe();
    for (const int number : {1, 2}) REQUIRE(numbers.publish(number).value() == 2);
    REQUIRE(numbers.publish(3, no_wait).value() == 1);
    REQUIRE(numbers.subscribers() == 1);
    REQUIRE(strict.receive().value() == 1);
    REQUIRE(numbers.publish(4).value() == 1);  // though there would be room again
    REQUIRE(strict.try_receive().value() == 2);
    REQUIRE(strict.receive().error() == Errc::subscriber_too_slow);
    REQUIRE(strict.try_receive().error() == Errc::subscriber_too_slow);
    REQUIRE(strict.missed() == 0);
    numbers.close();
    REQUIRE(strict.receive().error() == Errc::subscriber_too_slow);
    REQUIRE(drain(other) == std::vector{1, 2, 3, 4});
  });
}

TEST_CASE_METHOD(BroadcastFixture, "a broadcast that is closed lets nothing in, and drains") {
  in_thread([&] {
    Subscription full = numbers.subscribe({.capacity = 1});
    Subscription empty = numbers.subscribe();
    REQUIRE(numbers.publish(1).value() == 2);
    REQUIRE(empty.receive().value() == 1);
    Thread publisher = spawn_publisher(2);
    Thread receiver = spawn_receiver(*loop, empty);
    REQUIRE(until_parked(receiver));
    REQUIRE(!numbers.is_closed());
    numbers.close();
    numbers.close();
    REQUIRE(numbers.is_closed());
    REQUIRE(numbers.subscribers() == 0);
    REQUIRE(is_closed(publisher.join().value().error()));
    REQUIRE(is_closed(receiver.join().value().error()));
    REQUIRE(is_closed(numbers.publish(3).error()));
    REQUIRE(is_closed(numbers.try_publish(3).error()));
    REQUIRE(full.receive().value() == 1);
    REQUIRE(is_closed(full.receive().error()));
    REQUIRE(is_closed(full.try_receive().error()));
    Subscription late = numbers.subscribe();
    REQUIRE(is_closed(late.receive().error()));
  });
}

TEST_CASE_METHOD(support::LoopFixture, "broadcast and subscriptions may go in any order") {
  std::optional<Broadcast<std::string>> texts{std::in_place};
  Subscription first = texts->subscribe();
  std::optional second{texts->subscribe()};
  in_thread([&] {
    REQUIRE(texts->publish("text").value() == 2);
    second.reset();
    Thread receiver = loop->spawn([&] {
                            CHECK(first.receive().value() == "text");
                            return first.receive().error();
                          })
                          .value();
    REQUIRE(until_parked(receiver));
    texts.reset();
    REQUIRE(is_closed(receiver.join().value()));
  });
}

TEST_CASE_METHOD(BroadcastFixture, "a loop over a subscription ends with the broadcast") {
  Subscription subscription = numbers.subscribe();
  std::vector<int> got;
  in_thread([&] {
    Thread receiver = loop->spawn([&] {
                            for (const int number : subscription) got.push_back(number);
                          })
                          .value();
    for (int i = 0; i < 40; ++i) REQUIRE(numbers.publish(i).value() == 1);
    numbers.close();
    REQUIRE(receiver.join());
    REQUIRE(got.size() == 40);
    REQUIRE(got.back() == 39);
  });
}

TEST_CASE_METHOD(BroadcastFixture, "a loop over a subscription ends with its thread") {
  Subscription subscription = numbers.subscribe();
  in_thread([&] {
    int sum = 0;
    Thread receiver = loop->spawn([&] {
                            for (const int number : subscription) sum += number;
                          })
                          .value();
    REQUIRE(numbers.publish(5).value() == 1);
    REQUIRE(until_parked(receiver));
    receiver.request_stop();
    REQUIRE(receiver.join());
    REQUIRE(sum == 5);
  });
}

TEST_CASE_METHOD(BroadcastFixture, "a cancelled thread publishes and receives by try only") {
  Subscription subscription = numbers.subscribe();
  in_thread([&] {
    Thread thread = loop->spawn([&] {
                          CHECK(is_canceled(numbers.publish(1).error()));
                          CHECK(is_canceled(numbers.publish(1, no_wait).error()));
                          CHECK(numbers.try_publish(2).value() == 1);
                          CHECK(is_canceled(subscription.receive().error()));
                          CHECK(subscription.try_receive().value() == 2);
                        })
                        .value();
    thread.request_stop();
    REQUIRE(thread.join());
    REQUIRE(subscription.size() == 0);
  });
}

TEST_CASE_METHOD(BroadcastFixture, "a callback of the loop may not wait") {
  Subscription subscription = numbers.subscribe({.capacity = 1});
  std::error_code receiving;
  std::error_code publishing;
  in_thread([&] {
    loop->post([&] {
      receiving = subscription.receive().error();
      (void)numbers.publish(1);
      publishing = numbers.publish(2).error();
    });
    REQUIRE(support::eventually([&] { return subscription.size() == 1; }));
  });
  REQUIRE(receiving == Errc::not_in_a_thread);
  REQUIRE(publishing == Errc::not_in_a_thread);
  REQUIRE(drain(subscription) == std::vector{1});
}

TEST_CASE_METHOD(support::LoopFixture, "a message is copied for all but the last, and then gone") {
  Counted::reset();
  in_thread([&] {
    Broadcast<Counted> broadcast;
    std::deque<Subscription<Counted>> all;
    for (int i = 0; i < 4; ++i) all.push_back(broadcast.subscribe({.capacity = 1}));
    REQUIRE(broadcast.publish(Counted{7}).value() == 4);
    REQUIRE(Counted::living == 1);
    REQUIRE(Counted::copies == 0);
    for (auto& each : all) REQUIRE(each.receive().value().number == 7);
    REQUIRE(Counted::copies == 3);
    REQUIRE(Counted::living == 0);
    // What is dropped, or that nobody receives, goes, too.
    Subscription lossy = broadcast.subscribe({.capacity = 1, .slow = Slow::drop_oldest});
    Subscription strict = broadcast.subscribe({.capacity = 1, .slow = Slow::disconnect});
    all.clear();
    for (int i = 0; i < 3; ++i) REQUIRE(broadcast.publish(Counted{i}));
    REQUIRE(Counted::living == 2);
    lossy = {};
    REQUIRE(Counted::living == 1);
    strict = {};
    REQUIRE(broadcast.publish(Counted{1}).value() == 0);
    REQUIRE(Counted::living == 0);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a value that could not be published is as it was") {
  Broadcast<std::string> texts;
  Subscription subscription = texts.subscribe({.capacity = 1});
  const std::string constant = "a text that is longer than what a string has room for";
  in_thread([&] {
    REQUIRE(texts.publish(constant).value() == 1);
    std::string text = constant;
    REQUIRE(is_timed_out(texts.publish(std::move(text), no_wait).error()));
    REQUIRE(text == constant);  // NOLINT(bugprone-use-after-move)
    REQUIRE(would_block(texts.try_publish(std::move(text)).error()));
    REQUIRE(text == constant);
    texts.close();
    REQUIRE(is_closed(texts.publish(std::move(text)).error()));
    REQUIRE(text == constant);
    REQUIRE(subscription.receive().value() == constant);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "what copying a message throws comes out of receive") {
  Counted::reset();
  in_thread([&] {
    Broadcast<Counted> broadcast;
    Subscription first = broadcast.subscribe();
    Subscription second = broadcast.subscribe();
    REQUIRE(broadcast.publish(Counted{-1}).value() == 2);
    REQUIRE(broadcast.publish(Counted{2}).value() == 2);
    REQUIRE_THROWS_AS(first.receive(), std::runtime_error);
    REQUIRE(first.receive().value().number == 2);
    REQUIRE(second.receive().value().number == -1);  // the original
  });
  REQUIRE(Counted::living == 0);
}

TEST_CASE_METHOD(support::LoopFixture, "messages may use the broadcast while they are destroyed") {
  struct Reentrant {
    std::shared_ptr<std::function<void()>> on_end;
  };
  Broadcast<Reentrant> broadcast;
  Subscription lossy = broadcast.subscribe({.capacity = 1, .slow = Slow::drop_oldest});
  std::size_t seen = 0;
  const auto message = [&] {
    return Reentrant{{new std::function<void()>{[&] { seen += broadcast.subscribers(); }},
                      [](std::function<void()>* function) {
                        (*function)();
                        delete function;
                      }}};
  };
  in_thread([&] {
    REQUIRE(broadcast.publish(message()).value() == 1);
    REQUIRE(broadcast.publish(message()).value() == 1);
    REQUIRE(seen == 1);
    lossy = {};
    REQUIRE(seen == 1);  // when there was no subscriber left
    REQUIRE(broadcast.publish(message()).value() == 0);
  });
}

TEST_CASE_METHOD(BroadcastFixture, "select receives from subscriptions and channels") {
  Subscription subscription = numbers.subscribe({.capacity = 1});
  Broadcast<std::string> texts;
  Subscription other = texts.subscribe();
  Channel<int> channel;
  std::vector<int> got;
  std::string text;
  std::error_code end;
  const auto select_one = [&](Timeout timeout) {
    return select(on_receive(subscription,
                             [&](Result<int> number) {
                               end = number.error();
                               if (number) got.push_back(*number);
                             }),
                  on_receive(other, [&](Result<std::string> message) { text = message.value(); }),
                  on_receive(channel), on_timeout(timeout))
        .value();
  };
  in_thread([&] {
    REQUIRE(select_one(no_wait) == 3);
    REQUIRE(select_one(1ms) == 3);
    REQUIRE(numbers.publish(1).value() == 1);
    REQUIRE(select_one(never) == 0);
    const auto spawn_select = [&] {
      Thread thread = loop->spawn([&] { return select_one(never); }).value();
      REQUIRE(until_parked(thread));
      return thread;
    };
    Thread selecting = spawn_select();
    REQUIRE(numbers.publish(2).value() == 1);
    REQUIRE(texts.publish("text").value() == 1);  // too late for this select()
    REQUIRE(selecting.join().value() == 0);
    REQUIRE(got == std::vector{1, 2});
    REQUIRE(text.empty());
    REQUIRE(select_one(never) == 1);
    REQUIRE(text == "text");
    // Room that a select() makes lets a publisher in.
    REQUIRE(numbers.publish(3).value() == 1);
    Thread publisher = spawn_publisher(4);
    REQUIRE(until_parked(publisher));
    REQUIRE(select_one(never) == 0);
    REQUIRE(publisher.join().value().value() == 1);
    REQUIRE(select_one(never) == 0);
    REQUIRE(got == std::vector{1, 2, 3, 4});
    selecting = spawn_select();
    numbers.close();
    REQUIRE(selecting.join().value() == 0);
    REQUIRE(is_closed(end));
    end.clear();
    REQUIRE(select_one(never) == 0);
    REQUIRE(is_closed(end));
  });
}

TEST_CASE_METHOD(BroadcastFixture, "a select that is cancelled takes no message") {
  Subscription subscription = numbers.subscribe();
  in_thread([&] {
    Thread selecting =
        loop->spawn([&] { return select(on_receive(subscription)).error(); }).value();
    REQUIRE(until_parked(selecting));
    selecting.request_stop();
    REQUIRE(is_canceled(selecting.join().value()));
    REQUIRE(numbers.publish(1).value() == 1);
    REQUIRE(drain(subscription) == std::vector{1});
  });
}

TEST_CASE_METHOD(BroadcastFixture, "a subscription without room is refused") {
  REQUIRE_THROWS_AS(numbers.subscribe({.capacity = 0}), std::system_error);
  REQUIRE(numbers.subscribers() == 0);
}

TEST_CASE("what is destroyed while somebody waits for it is a misuse") {
  REQUIRE_THAT(report_of([](Loop& loop) {
                 std::optional<Broadcast<int>> numbers{std::in_place};
                 const Subscription full = numbers->subscribe({.capacity = 1});
                 (void)numbers->publish(1);
                 loop.spawn([&] { (void)numbers->publish(2); }).value().detach();
                 (void)this_thread::yield();
                 numbers.reset();
               }),
               contains("somebody waits for it: broadcast, to publish"));
  REQUIRE_THAT(report_of([](Loop& loop) {
                 Broadcast<int> numbers;
                 Subscription subscription = numbers.subscribe();
                 loop.spawn([&] { (void)subscription.receive(); }).value().detach();
                 (void)this_thread::yield();
                 subscription = {};
               }),
               contains("somebody waits for it: broadcast, to receive"));
  REQUIRE_THAT(report_of([](Loop&) { (void)Subscription<int>{}.receive(); }),
               contains("an empty Subscription was used"));
}

// --- several OS threads ---

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
