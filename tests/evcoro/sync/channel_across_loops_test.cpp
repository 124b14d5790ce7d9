// Channel between loops in OS threads of their own, and OS threads that have none.
#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include <evcoro/sync/channel.hpp>
#include <support/errors.hpp>
#include <support/sync.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::in_own_loop;
using support::long_time;
using support::OsThread;

namespace {

// exchange_many() lets senders send `count` numbers each, and as many receivers receive as many;
// an OS thread, threads of a loop of its own and of `here` each are both. Returns how much more was
// sent than received, by value.
long exchange_many(Channel<int>& channel, support::LoopFixture& here, int count) {
  std::atomic<long> sum{0};
  support::Errors errors;
  const auto send = [&] {
    for (int i = 1; i <= count; ++i) {
      errors.none(channel.send(int{i}));
      sum += i;
    }
  };
  const auto receive = [&] {
    for (int i = 0; i < count; ++i) sum -= channel.receive().value();
  };
  {
    OsThread sender{send};
    OsThread receiver{receive};
    OsThread senders{in_own_loop(send, 2)};
    OsThread receivers{in_own_loop(receive, 2)};
    for (int i = 0; i < 2; ++i) {
      here.spawn(send);
      here.spawn(receive);
    }
    here.loop->run();
  }
  return errors.any() ? -1 : sum.load();
}

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "two loops and OS threads lose nothing in a channel") {
  const std::size_t capacity = GENERATE(0, 1, 16);
  Channel<int> channel{capacity};
  REQUIRE(exchange_many(channel, *this, support::rounds(1000)) == 0);
  REQUIRE(channel.size() == 0);
}

TEST_CASE_METHOD(support::LoopFixture,
                 "each sender's values come in order, though loops are between") {
  const int count = support::rounds(3000);
  Channel<std::pair<int, int>> channel{4};  // who, and his how manieth
  support::Errors errors;
  const auto sender = [&](int who) {
    return [&, who] {
      for (int i = 0; i < count; ++i) errors.none(channel.send({who, i}));
    };
  };
  OsThread one{sender(0)};
  OsThread other{in_own_loop(sender(1))};
  std::vector<int> next{0, 0};
  in_thread([&] {
    for (int i = 0; i < 2 * count; ++i) {
      const auto value = channel.receive(long_time).value();
      if (next[static_cast<std::size_t>(value.first)]++ != value.second) FAIL("out of order");
    }
  });
  one.join();
  other.join();
  REQUIRE(!errors.any());
}

TEST_CASE_METHOD(support::LoopFixture,
                 "deadlines and hand-overs between loops that meet lose nothing") {
  const int rounds = support::rounds(3000);
  Channel<int> channel;
  std::atomic<long> sent{0};
  std::atomic<long> received{0};
  const auto send = [&] {
    for (int i = 1; i <= rounds; ++i) {
      if (!channel.send(int{i}, i % 20 * 1us)) sent += i;
    }
  };
  const auto receive = [&] {
    for (int i = 1; i <= rounds; ++i) {
      if (const auto value = channel.receive(i % 17 * 1us)) received += *value;
    }
  };
  OsThread one{send};
  OsThread other{in_own_loop(receive, 2)};
  spawn(send);
  spawn(receive);
  loop->run();
  one.join();
  other.join();
  REQUIRE(sent == received);
}

TEST_CASE_METHOD(support::LoopFixture, "a channel goes while the last value is handed over") {
  const int rounds = support::rounds(1500);
  std::atomic<Channel<int>*> next{nullptr};
  std::atomic<bool> ends{false};
  OsThread sender{[&] {
    while (!ends) {
      if (Channel<int>* const channel = next.exchange(nullptr)) (void)channel->send(1);
      std::this_thread::yield();
    }
  }};
  in_thread([&] {
    for (int i = 0; i < rounds; ++i) {
      Channel<int> channel;
      next = &channel;
      if (channel.receive(long_time).value() != 1) FAIL("another value");
    }
  });
  ends = true;
}
