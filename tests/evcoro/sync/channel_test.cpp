// Channel: values that go from threads to threads.
#include <evcoro/sync/channel.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <evcoro/scope.hpp>
#include <support/failing_new.hpp>
#include <support/sync.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::is_canceled;
using support::is_timed_out;
using support::long_time;

namespace {

bool would_block(std::error_code error) { return error == std::errc::operation_would_block; }

// NoDefault can only be made of a number, and only be moved; it notes that it was.
struct NoDefault {
  explicit NoDefault(int its_number) : number(its_number) {}
  NoDefault(NoDefault&& other) noexcept : number(std::exchange(other.number, -1)) {}
  NoDefault& operator=(NoDefault&&) = delete;
  int number;
};

class ChannelFixture : public support::LoopFixture {
 public:
  // spawn_sender() spawns a thread that sends value, and returns why it couldn't.
  template <class T>
  Thread<std::error_code> spawn_sender(Channel<T>& channel, T value, Timeout timeout = {}) {
    return loop
        ->spawn([&channel, value = std::move(value), timeout]() mutable {
          return channel.send(std::move(value), timeout);
        })
        .value();
  }
  template <class T>
  Thread<Result<T>> spawn_receiver(Channel<T>& channel, Timeout timeout = {}) {
    return loop->spawn([&channel, timeout] { return channel.receive(timeout); }).value();
  }
};

}  // namespace

TEST_CASE_METHOD(ChannelFixture, "without room, send returns when the value is taken") {
  Channel<int> channel;
  in_thread([&] {
    Thread sender = spawn_sender(channel, 42);
    REQUIRE(support::until_parked(sender));
    REQUIRE(sender.info().wait_reason == "channel, to send");
    REQUIRE(channel.size() == 0);
    REQUIRE(channel.receive().value() == 42);
    REQUIRE(!sender.join().value());
    Thread receiver = spawn_receiver(channel);
    REQUIRE(support::until_parked(receiver));
    REQUIRE(receiver.info().wait_reason == "channel, to receive");
    const auto parks = loop->threads().front().parks;
    REQUIRE(!channel.send(43));  // at once
    REQUIRE(loop->threads().front().parks == parks);
    REQUIRE(receiver.join().value().value() == 43);
  });
}

TEST_CASE_METHOD(ChannelFixture, "with room, send waits only when it is full") {
  Channel<int> channel{2};
  REQUIRE(channel.capacity() == 2);
  in_thread([&] {
    REQUIRE(!channel.send(1, no_wait));
    REQUIRE(channel.size() == 1);
    REQUIRE(!channel.send(2, no_wait));
    REQUIRE(channel.size() == 2);
    REQUIRE(is_timed_out(channel.send(3, no_wait)));
    Thread sender = spawn_sender(channel, 3);
    REQUIRE(support::until_parked(sender));
    REQUIRE(channel.receive(no_wait).value() == 1);
    REQUIRE(channel.size() == 2);  // who waited has come in
    REQUIRE(!sender.join().value());
    REQUIRE(channel.receive(no_wait).value() == 2);
    REQUIRE(channel.receive(no_wait).value() == 3);
    REQUIRE(channel.size() == 0);
    REQUIRE(is_timed_out(channel.receive(no_wait).error()));
  });
}

TEST_CASE_METHOD(ChannelFixture, "values come out in the order in which they were sent") {
  const std::size_t capacity = GENERATE(0, 1, 3, 100);
  Channel<int> channel{capacity};
  in_thread([&] {
    std::vector<Thread<std::error_code>> senders;
    for (int i = 0; i < 10; ++i) senders.push_back(spawn_sender(channel, int{i}));
    REQUIRE(!this_thread::yield());
    for (int i = 0; i < 10; ++i) REQUIRE(channel.receive().value() == i);
    for (int i = 10; i < 20; ++i) {  // around the end of the room
      senders.push_back(spawn_sender(channel, int{i}));
      REQUIRE(channel.receive().value() == i);
    }
    for (auto& each : senders) REQUIRE(!each.join().value());
  });
}

TEST_CASE_METHOD(ChannelFixture, "who has waited longest for a value is served first") {
  const std::size_t capacity = GENERATE(0, 4);
  Channel<int> channel{capacity};
  in_thread([&] {
    std::vector<Thread<Result<int>>> receivers;
    for (int i = 0; i < 5; ++i) receivers.push_back(spawn_receiver(channel));
    REQUIRE(support::until_parked(receivers.back()));
    for (int i = 0; i < 5; ++i) REQUIRE(!channel.send(int{i}, no_wait));
    REQUIRE(channel.size() == 0);
    for (int i = 0; i < 5; ++i)
      REQUIRE(receivers[static_cast<std::size_t>(i)].join()->value() == i);
  });
}

TEST_CASE_METHOD(ChannelFixture, "nobody gets ahead of who waits to send") {
  Channel<int> channel{1};
  in_thread([&] {
    REQUIRE(!channel.send(0));
    Thread sender = spawn_sender(channel, 1);
    REQUIRE(support::until_parked(sender));
    REQUIRE(channel.receive().value() == 0);
    REQUIRE(would_block(channel.try_send(2)));  // the room is who waited's
    REQUIRE(channel.receive().value() == 1);
    REQUIRE(!sender.join().value());
  });
}

TEST_CASE_METHOD(ChannelFixture,
                 "a channel carries what can only be moved, and nothing else made") {
  const std::size_t capacity = GENERATE(0, 2);
  Channel<NoDefault> channel{capacity};
  Channel<std::unique_ptr<int>> pointers{capacity};
  in_thread([&] {
    Thread sender = loop->spawn([&] {
                          NoDefault value{7};
                          CHECK(!channel.send(std::move(value)));
                          CHECK(value.number == -1);
                          CHECK(!pointers.send(std::make_unique<int>(8)));
                        })
                        .value();
    REQUIRE(channel.receive().value().number == 7);
    REQUIRE(*pointers.receive().value() == 8);
    REQUIRE(sender.join());
  });
}

TEST_CASE_METHOD(ChannelFixture, "a channel sends a copy of what is not given up") {
  Channel<std::string> channel{2};
  const std::string text = "a text that is too long for the string itself";
  in_thread([&] {
    REQUIRE(!channel.send(text));
    REQUIRE(!channel.try_send(text));
    REQUIRE(channel.receive().value() == text);
    REQUIRE(channel.try_receive().value() == text);
  });
}

TEST_CASE_METHOD(ChannelFixture, "a channel of error codes tells values from errors") {
  Channel<std::error_code> channel{1};
  const auto value = std::make_error_code(std::errc::io_error);
  in_thread([&] {
    REQUIRE(!channel.send(std::error_code{value}));
    REQUIRE(channel.receive().value() == value);
    REQUIRE(would_block(channel.try_receive().error()));
    REQUIRE(is_timed_out(channel.receive(no_wait).error()));
    channel.close();
    REQUIRE(channel.receive().error() == Errc::channel_closed);
  });
}

TEST_CASE_METHOD(ChannelFixture, "a value that was not sent has not been moved from") {
  Channel<NoDefault> channel;
  in_thread([&] {
    NoDefault value{1};
    REQUIRE(would_block(channel.try_send(std::move(value))));
    REQUIRE(is_timed_out(channel.send(std::move(value), no_wait)));
    REQUIRE(is_timed_out(channel.send(std::move(value), 1ms)));
    Thread cancelled = loop->spawn([&] { return channel.send(std::move(value)); }).value();
    REQUIRE(support::until_parked(cancelled));
    cancelled.request_stop();
    REQUIRE(is_canceled(cancelled.join().value()));
    Thread waits = loop->spawn([&] { return channel.send(std::move(value)); }).value();
    REQUIRE(support::until_parked(waits));
    channel.close();
    REQUIRE(waits.join().value() == Errc::channel_closed);
    REQUIRE(channel.send(std::move(value)) == Errc::channel_closed);
    REQUIRE(channel.try_send(std::move(value)) == Errc::channel_closed);
    REQUIRE(value.number == 1);
  });
}

TEST_CASE_METHOD(ChannelFixture, "a channel is waited for until the deadline") {
  Channel<int> channel;
  in_thread([&] {
    const auto began = Clock::now();
    REQUIRE(is_timed_out(channel.send(1, 2ms)));
    REQUIRE(Clock::now() - began >= 2ms);
    REQUIRE(is_timed_out(channel.receive(Clock::now() + 2ms).error()));
    REQUIRE(Clock::now() - began >= 4ms);
    REQUIRE(is_timed_out(channel.send(1, TimePoint{})));
    REQUIRE(is_timed_out(channel.receive(no_wait).error()));
    REQUIRE(would_block(channel.try_receive().error()));  // none of them is left in it
    REQUIRE(would_block(channel.try_send(2)));
    const Scope scope{1ms};
    REQUIRE(is_canceled(channel.receive(1h).error()));
    REQUIRE(is_canceled(channel.send(1, 1h)));
  });
}

TEST_CASE_METHOD(ChannelFixture, "who has waited in vain is skipped") {
  Channel<int> channel;
  in_thread([&] {
    Thread too_late = spawn_sender(channel, 1, 1ms);
    Thread cancelled = spawn_sender(channel, 2);
    Thread sender = spawn_sender(channel, 3);
    REQUIRE(is_timed_out(too_late.join().value()));
    cancelled.request_stop();
    REQUIRE(is_canceled(cancelled.join().value()));
    REQUIRE(channel.receive().value() == 3);
    REQUIRE(!sender.join().value());
    Thread late_receiver = spawn_receiver(channel, 1ms);
    Thread cancelled_receiver = spawn_receiver(channel);
    Thread receiver = spawn_receiver(channel);
    REQUIRE(is_timed_out(late_receiver.join()->error()));
    cancelled_receiver.request_stop();
    REQUIRE(is_canceled(cancelled_receiver.join()->error()));
    REQUIRE(!channel.send(4, no_wait));
    REQUIRE(receiver.join()->value() == 4);
  });
}

TEST_CASE_METHOD(ChannelFixture, "what is handed over at the time of a cancellation is had") {
  const bool hands_over_first = GENERATE(true, false);
  Channel<int> channel;
  in_thread([&] {
    Thread receiver = spawn_receiver(channel);
    REQUIRE(support::until_parked(receiver));
    if (!hands_over_first) receiver.request_stop();
    const auto error = channel.send(1, no_wait);
    if (hands_over_first) receiver.request_stop();
    const auto received = receiver.join().value();
    REQUIRE(received.has_value() == !error);  // not lost, nor twice
    if (hands_over_first) REQUIRE(received.value() == 1);
  });
}

TEST_CASE_METHOD(ChannelFixture, "a cancelled thread neither sends nor receives, but by try") {
  Channel<int> channel{1};
  in_thread([&] {
    Thread thread = loop->spawn([&] {
                          CHECK(is_canceled(channel.send(1)));
                          CHECK(is_canceled(channel.send(1, no_wait)));
                          CHECK(!channel.try_send(2));
                          CHECK(is_canceled(channel.receive().error()));
                          CHECK(is_canceled(channel.receive(no_wait).error()));
                          CHECK(channel.try_receive().value() == 2);
                        })
                        .value();
    thread.request_stop();
    REQUIRE(thread.join());
  });
}

TEST_CASE_METHOD(ChannelFixture, "a callback of a loop has what there is, and must not wait") {
  Channel<int> channel{1};
  bool was_called = false;
  in_thread([&] {
    loop->post([&] {
      CHECK(channel.receive().error() == Errc::not_in_a_thread);
      CHECK(channel.receive(1h).error() == Errc::not_in_a_thread);
      CHECK(is_timed_out(channel.receive(no_wait).error()));
      CHECK(!channel.send(1));
      CHECK(channel.send(2) == Errc::not_in_a_thread);
      CHECK(would_block(channel.try_send(2)));
      CHECK(channel.try_receive().value() == 1);
      CHECK(!channel.try_send(3));
      CHECK(channel.receive().value() == 3);
      was_called = true;
    });
    REQUIRE(support::eventually([&] { return was_called; }));
  });
}

TEST_CASE_METHOD(ChannelFixture, "what was posted before the loop runs must not wait either") {
  Channel<int> channel;
  std::error_code error;
  loop->post([&] { error = channel.receive(1ms).error(); });
  loop->run();
  REQUIRE(error == Errc::not_in_a_thread);
  loop->post([&] { error = channel.send(1, 1ms); });
  error.clear();
  loop->run_once(no_wait);
  REQUIRE(error == Errc::not_in_a_thread);
}

TEST_CASE_METHOD(ChannelFixture, "a callback of a loop sends to a thread that waits") {
  Channel<int> channel;
  in_thread([&] {
    loop->post([&] { CHECK(!channel.try_send(5)); });
    REQUIRE(channel.receive(long_time).value() == 5);
  });
}

TEST_CASE_METHOD(ChannelFixture, "a channel allocates when it is made, and no more") {
  Channel<int> channel{1};
  in_thread([&] {
    const int failed = support::fail_each_new([&](support::FailingNew& failing) {
      failing.run([&] {
        CHECK(!channel.send(1));
        CHECK(is_timed_out(channel.send(2, 1us)));
        CHECK(channel.receive().value() == 1);
        CHECK(is_timed_out(channel.receive(1us).error()));
      });
    });
    REQUIRE(failed == 0);
  });
}
