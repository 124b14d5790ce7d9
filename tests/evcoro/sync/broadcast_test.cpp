// Broadcast and Subscription: publish and subscribe.
#include <evcoro/sync/broadcast.hpp>

#include <optional>
#include <vector>

#include <support/broadcast.hpp>
#include <support/sync.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::BroadcastFixture;
using support::drain;
using support::is_canceled;
using support::is_timed_out;
using support::until_parked;
using support::would_block;

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
