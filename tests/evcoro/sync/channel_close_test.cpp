// Channel, the end: close(), what is drained then, range-for, and what goes with a channel.
#include <evcoro/sync/channel.hpp>

#include <atomic>
#include <csignal>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <support/contains.hpp>
#include <support/errors.hpp>
#include <support/sync.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::in_own_loop;
using support::long_time;
using support::OsThread;

namespace {

// Counted counts those of its kind that live.
class Counted {
 public:
  explicit Counted(int number = 0) noexcept : number_(number) { ++live; }
  Counted(Counted&& other) noexcept : number_(other.number_) { ++live; }
  Counted& operator=(Counted&&) = delete;
  ~Counted() { --live; }

  int number() const noexcept { return number_; }
  static inline std::atomic<int> live{0};

 private:
  int number_;
};

bool is_closed(std::error_code error) { return error == Errc::channel_closed; }

std::string report_of(const std::function<void(Loop&)>& body) {
  const support::Ended ended = support::in_child_with_loop([&](std::optional<Loop>& loop) {
    loop->spawn([&] { body(*loop); }).value().detach();
    loop->run();
  });
  CHECK(ended.signal == SIGABRT);
  return ended.output;
}

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "closing a channel wakes all who wait to send") {
  Channel<Counted> channel{1};
  in_thread([&] {
    REQUIRE(!channel.send(Counted{0}));
    std::vector<Thread<std::error_code>> senders;
    for (int i = 1; i < 5; ++i) {
      senders.push_back(loop->spawn([&, i] { return channel.send(Counted{i}); }).value());
    }
    REQUIRE(support::until_parked(senders.back()));
    REQUIRE(!channel.is_closed());
    channel.close();
    REQUIRE(channel.is_closed());
    for (auto& each : senders) REQUIRE(is_closed(each.join(long_time).value()));
    REQUIRE(channel.size() == 1);
    REQUIRE(channel.receive().value().number() == 0);
    REQUIRE(is_closed(channel.receive().error()));
  });
  REQUIRE(Counted::live == 0);
}

TEST_CASE_METHOD(support::LoopFixture, "closing a channel wakes all who wait to receive") {
  Channel<int> channel{2};
  std::error_code there;
  support::OsThread os_thread{[&] { there = channel.receive().error(); }};
  in_thread([&] {
    std::vector<Thread<Result<int>>> receivers;
    for (int i = 0; i < 4; ++i) {
      receivers.push_back(loop->spawn([&] { return channel.receive(); }).value());
    }
    REQUIRE(support::until_parked(receivers.back()));
    channel.close();
    for (auto& each : receivers) REQUIRE(is_closed(each.join(long_time)->error()));
  });
  os_thread.join();
  REQUIRE(is_closed(there));
}

TEST_CASE_METHOD(support::LoopFixture, "what is in a channel when it is closed is received yet") {
  Channel<int> channel{3};
  in_thread([&] {
    for (int i = 0; i < 3; ++i) REQUIRE(!channel.send(int{i}));
    channel.close();
    REQUIRE(channel.size() == 3);
    REQUIRE(is_closed(channel.send(3)));
    REQUIRE(is_closed(channel.send(3, no_wait)));
    REQUIRE(is_closed(channel.try_send(3)));
    channel.close();  // changes nothing
    REQUIRE(channel.receive().value() == 0);
    REQUIRE(channel.try_receive().value() == 1);
    REQUIRE(channel.receive(no_wait).value() == 2);
    REQUIRE(is_closed(channel.receive().error()));
    REQUIRE(is_closed(channel.receive(1h).error()));
    REQUIRE(is_closed(channel.receive(no_wait).error()));
    REQUIRE(is_closed(channel.try_receive().error()));
    channel.close();
    REQUIRE(channel.is_closed());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a channel that goes destroys what is in it") {
  {
    std::optional<Channel<Counted>> channel{4};
    in_thread([&] {
      for (int i = 0; i < 3; ++i) REQUIRE(!channel->send(Counted{i}));
      REQUIRE(channel->receive().value().number() == 0);  // so that the rest is not at the start
      for (int i = 3; i < 5; ++i) REQUIRE(!channel->send(Counted{i}));
    });
    REQUIRE(Counted::live == 4);
  }
  REQUIRE(Counted::live == 0);
}

TEST_CASE_METHOD(support::LoopFixture, "a closed channel that goes destroys what is in it") {
  {
    Channel<Counted> channel{2};
    REQUIRE(!channel.try_send(Counted{1}));
    channel.close();
    REQUIRE(Counted::live == 1);
  }
  REQUIRE(Counted::live == 0);
}

TEST_CASE_METHOD(support::LoopFixture, "as many values live as are sent and not received") {
  Channel<Counted> channel{2};
  in_thread([&] {
    Thread sender = loop->spawn([&] {
                          for (int i = 0; i < 20; ++i) CHECK(!channel.send(Counted{i}));
                          channel.close();
                        })
                        .value();
    for (Counted& each : channel) {
      REQUIRE(Counted::live <= 4);  // this, two in the room, and who waits
      REQUIRE(each.number() >= 0);
    }
    REQUIRE(sender.join());
  });
  REQUIRE(Counted::live == 0);
}

TEST_CASE_METHOD(support::LoopFixture, "range-for receives until the channel is closed and empty") {
  const std::size_t capacity = GENERATE(0, 3);
  Channel<std::unique_ptr<int>> channel{capacity};
  in_thread([&] {
    Thread sender = loop->spawn([&] {
                          for (int i = 0; i < 5; ++i)
                            CHECK(!channel.send(std::make_unique<int>(i)));
                          channel.close();
                        })
                        .value();
    std::vector<int> received;
    for (const auto& each : channel) received.push_back(*each);
    REQUIRE(received == std::vector{0, 1, 2, 3, 4});
    for (const auto& each : channel) FAIL("received " << *each << " of a closed channel");
    REQUIRE(sender.join());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "range-for ends when the thread is cancelled") {
  Channel<int> channel{2};
  in_thread([&] {
    std::vector<int> received;
    bool is_cancelled = false;
    Thread receiver = loop->spawn([&] {
                            for (const int each : channel) received.push_back(each);
                            is_cancelled = this_thread::stop_requested();
                          })
                          .value();
    REQUIRE(!channel.send(1));
    REQUIRE(!channel.send(2));
    REQUIRE(support::until_parked(receiver));
    receiver.request_stop();
    REQUIRE(receiver.join());
    REQUIRE(is_cancelled);
    REQUIRE(received == std::vector{1, 2});
    REQUIRE(!channel.is_closed());
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "several receive of one channel by range-for until its end") {
  const int count = support::rounds(2000);
  Channel<int> channel{4};
  std::atomic<int> received{0};
  const auto receive = [&] {
    for (const int each : channel) received += each;
  };
  OsThread os_thread{receive};
  OsThread other_loop{in_own_loop(receive, 2)};
  spawn(receive);
  in_thread([&] {
    for (int i = 0; i < count; ++i) REQUIRE(!channel.send(1));
    channel.close();
  });
  os_thread.join();
  other_loop.join();
  REQUIRE(received == count);
}

TEST_CASE_METHOD(support::LoopFixture, "senders of other loops are told of the end") {
  const int rounds = support::rounds(300);
  support::Errors errors;
  std::atomic<long> sent{0};
  long received = 0;
  for (int i = 0; i < rounds; ++i) {
    Channel<int> channel{1};
    const auto send = [&] {
      std::error_code error;
      while (!(error = channel.send(1))) ++sent;
      errors.check(is_closed(error));
    };
    OsThread os_thread{send};
    OsThread other_loop{in_own_loop(send, 2)};
    in_thread([&] {
      for (int j = 0; j < i % 5; ++j) received += channel.receive(long_time).value();
      channel.close();
      for (const int each : channel) received += each;
    });
    os_thread.join();
    other_loop.join();
    if (sent != received) FAIL(sent << " were sent, " << received << " received");
  }
  REQUIRE(!errors.any());
}

TEST_CASE("to destroy a channel while somebody waits for it is a misuse") {
  const auto gone = support::contains("what is waited for was destroyed");
  REQUIRE_THAT(report_of([](Loop& loop) {
                 auto channel = std::make_unique<Channel<int>>();
                 loop.spawn([&] { (void)channel->send(1); }).value().detach();
                 (void)this_thread::yield();
                 channel.reset();
               }),
               gone && support::contains("somebody waits for it: channel, to send"));
  REQUIRE_THAT(report_of([](Loop& loop) {
                 auto channel = std::make_unique<Channel<int>>(3);
                 loop.spawn([&] { (void)channel->receive(); }).value().detach();
                 (void)this_thread::yield();
                 channel.reset();
               }),
               gone && support::contains("somebody waits for it: channel, to receive"));
}
