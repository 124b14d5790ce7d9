// Subscriptions in a select().
#include <evcoro/sync/broadcast.hpp>

#include <string>
#include <vector>

#include <evcoro/sync/channel.hpp>
#include <support/broadcast.hpp>
#include <support/sync.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::BroadcastFixture;
using support::drain;
using support::is_canceled;
using support::is_closed;
using support::until_parked;

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
