// Broadcast: how it ends, and what is refused.
#include <evcoro/sync/broadcast.hpp>

#include <csignal>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <support/broadcast.hpp>
#include <support/contains.hpp>
#include <support/sync.hpp>

using namespace evcoro;
using support::BroadcastFixture;
using support::contains;
using support::drain;
using support::is_canceled;
using support::is_closed;
using support::report_of;
using support::until_parked;

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
