// select(): channels and timeouts. What else it waits for is in select_sources_test.cpp.
#include <evcoro/sync/select.hpp>

#include <array>
#include <stdexcept>
#include <utility>
#include <vector>

#include <evcoro/scope.hpp>
#include <support/sync.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::is_canceled;

namespace {

// Moved notes whether it has been moved from.
struct Moved {
  explicit Moved(int its_number) noexcept : number(its_number) {}
  Moved(Moved&& other) noexcept : number(std::exchange(other.number, -1)) {}
  int number;
};

class SelectFixture : public support::LoopFixture {
 public:
  // wait_for() is a thread that waits in a select() for either channel, and returns what it got.
  Thread<std::pair<std::size_t, int>> wait_for(Channel<int>& one, Channel<int>& other) {
    return loop
        ->spawn([&] {
          int got = 0;
          const auto take = [&](Result<int> value) { got = value.value(); };
          const auto chosen = select(on_receive(one, take), on_receive(other, take)).value();
          return std::pair{chosen, got};
        })
        .value();
  }

  Channel<int> a;
  Channel<int> b;
  Channel<int> roomy{8};
};

}  // namespace

TEST_CASE_METHOD(SelectFixture, "select takes what is there, without waiting") {
  in_thread([&] {
    REQUIRE(!roomy.send(5));
    int got = 0;
    const auto parks = loop->threads().front().parks;
    const auto chosen = select(on_receive(a), on_receive(b),
                               on_receive(roomy, [&](Result<int> value) { got = *value; }));
    REQUIRE(chosen.value() == 2);
    REQUIRE(got == 5);
    REQUIRE(loop->threads().front().parks == parks);
    REQUIRE(select(on_send(a, 1), on_send(roomy, 6)).value() == 1);
    REQUIRE(roomy.try_receive().value() == 6);
  });
}

TEST_CASE_METHOD(SelectFixture, "select waits for the first that can happen") {
  in_thread([&] {
    for (int i = 0; i < 4; ++i) {
      Channel<int>& channel = i % 2 == 0 ? a : b;
      Thread waiter = wait_for(a, b);
      REQUIRE(support::until_parked(waiter));
      REQUIRE(waiter.info().wait_reason == "select");
      REQUIRE(!channel.send(int{i}, no_wait));
      REQUIRE(waiter.join().value() == std::pair<std::size_t, int>(i % 2, i));
    }
    REQUIRE(a.try_send(1) == std::errc::operation_would_block);  // nobody is left in it
  });
}

TEST_CASE_METHOD(SelectFixture, "who selects and who receives are served in their order") {
  in_thread([&] {
    std::vector<int> order;
    const auto note = [&](int who) {
      return [&, who](Result<int> value) { order.push_back(who * 10 + *value); };
    };
    Thread first =
        loop->spawn([&] { (void)select(on_receive(a, note(1)), on_receive(b)); }).value();
    Thread second = loop->spawn([&] { note(2)(a.receive()); }).value();
    Thread third =
        loop->spawn([&] { (void)select(on_receive(b), on_receive(a, note(3))); }).value();
    REQUIRE(support::until_parked(third));
    for (int i = 1; i <= 3; ++i) REQUIRE(!a.send(int{i}, no_wait));
    REQUIRE(first.join());
    REQUIRE(second.join());
    REQUIRE(third.join());
    REQUIRE(order == std::vector{11, 22, 33});
  });
}

TEST_CASE_METHOD(SelectFixture, "select sends to the first who receives") {
  in_thread([&] {
    Thread sender = loop->spawn([&] {
                          std::error_code error = std::make_error_code(std::errc::io_error);
                          const auto note = [&](std::error_code how) { error = how; };
                          const auto chosen = select(on_send(a, 1), on_send(b, 2, note)).value();
                          CHECK(!error);
                          return chosen;
                        })
                        .value();
    REQUIRE(support::until_parked(sender));
    REQUIRE(b.receive(no_wait).value() == 2);
    REQUIRE(sender.join().value() == 1);
    REQUIRE(a.try_receive().error() == std::errc::operation_would_block);
  });
}

TEST_CASE_METHOD(SelectFixture, "what was to be sent by a case that didn't happen is not moved") {
  Channel<Moved> one;
  Channel<Moved> other;
  Moved for_one{1};
  Moved for_other{2};
  in_thread([&] {
    const auto send_either = [&] {
      return select(on_send(one, std::move(for_one)), on_send(other, std::move(for_other)),
                    on_receive(a));
    };
    Thread sender = loop->spawn(send_either).value();
    REQUIRE(support::until_parked(sender));
    REQUIRE(!a.send(1));
    REQUIRE(sender.join()->value() == 2);
    REQUIRE(for_one.number == 1);
    REQUIRE(for_other.number == 2);
    sender = loop->spawn(send_either).value();
    REQUIRE(support::until_parked(sender));
    REQUIRE(other.receive().value().number == 2);
    REQUIRE(sender.join()->value() == 1);
    REQUIRE(for_one.number == 1);
    REQUIRE(for_other.number == -1);
    other.close();
    REQUIRE(select(on_send(other, std::move(for_one))).value() == 0);
    REQUIRE(for_one.number == 1);
  });
}

TEST_CASE_METHOD(SelectFixture, "a closed channel's case happens") {
  in_thread([&] {
    std::error_code error;
    const auto to_receive = [&](Result<int> value) { error = value.error(); };
    const auto to_send = [&](std::error_code how) { error = how; };
    Thread receiver =
        loop->spawn([&] { return select(on_receive(b), on_receive(a, to_receive)); }).value();
    REQUIRE(support::until_parked(receiver));
    a.close();
    REQUIRE(receiver.join()->value() == 1);
    REQUIRE(error == Errc::channel_closed);
    Thread sender = loop->spawn([&] { return select(on_send(b, 1, to_send)); }).value();
    REQUIRE(support::until_parked(sender));
    error.clear();
    b.close();
    REQUIRE(sender.join()->value() == 0);
    REQUIRE(error == Errc::channel_closed);
    error.clear();
    REQUIRE(select(on_receive(a, to_receive)).value() == 0);
    REQUIRE(std::exchange(error, {}) == Errc::channel_closed);
    REQUIRE(select(on_send(a, 1, to_send)).value() == 0);
    REQUIRE(error == Errc::channel_closed);
    REQUIRE(!roomy.send(1));
    roomy.close();
    int drained = 0;
    REQUIRE(select(on_receive(roomy, [&](Result<int> value) { drained = *value; })));
    REQUIRE(drained == 1);
  });
}

TEST_CASE_METHOD(SelectFixture, "in a select, a closed channel of error codes is closed") {
  Channel<std::error_code> channel;
  channel.close();
  in_thread([&] {
    std::error_code error;
    REQUIRE(select(on_receive(channel, [&](Result<std::error_code> value) {
      CHECK(!value);
      error = value.error();
    })));
    REQUIRE(error == Errc::channel_closed);
  });
}

TEST_CASE_METHOD(SelectFixture, "a timeout happens when nothing else has") {
  in_thread([&] {
    const auto began = Clock::now();
    bool is_over = false;
    REQUIRE(select(on_receive(a), on_timeout(2ms, [&] { is_over = true; })).value() == 1);
    REQUIRE(is_over);
    REQUIRE(Clock::now() - began >= 2ms);
    REQUIRE(select(on_timeout(1h), on_receive(a), on_timeout(1ms), on_timeout(never)).value() == 2);
    REQUIRE(select(on_timeout(Clock::now() + 1ms)).value() == 0);
    REQUIRE(!roomy.send(1));
    REQUIRE(select(on_timeout(TimePoint{}), on_receive(roomy)).value() == 1);
    REQUIRE(a.try_send(1) == std::errc::operation_would_block);
  });
}

TEST_CASE_METHOD(SelectFixture, "with no_wait a timeout is what else to do") {
  in_thread([&] {
    const auto parks = loop->threads().front().parks;
    REQUIRE(select(on_receive(a), on_send(b, 1), on_timeout(no_wait)).value() == 2);
    REQUIRE(!roomy.send(1));
    for (int i = 0; i < 50; ++i) {  // it is never one of several that can happen
      REQUIRE(select(on_timeout(no_wait), on_receive(roomy)).value() == 1);
      REQUIRE(select(on_timeout(no_wait), on_send(roomy, 1), on_receive(a)).value() == 1);
    }
    REQUIRE(loop->threads().front().parks == parks);
    REQUIRE(select(on_timeout(no_wait)).value() == 0);
  });
}

TEST_CASE_METHOD(SelectFixture, "a case that is left out doesn't happen") {
  in_thread([&] {
    REQUIRE(!roomy.send(1));
    b.close();
    REQUIRE(select(when(false, on_receive(roomy)), when(false, on_send(b, 1)),
                   when(false, on_timeout(no_wait)), when(true, on_timeout(1ms)))
                .value() == 3);
    REQUIRE(roomy.size() == 1);
    REQUIRE(select(when(true, on_receive(roomy)), when(false, on_timeout(no_wait))).value() == 0);
    Thread waiter =
        loop->spawn([&] { return select(when(false, on_receive(a)), on_send(a, 3)); }).value();
    REQUIRE(support::until_parked(waiter));
    REQUIRE(a.try_send(1) == std::errc::operation_would_block);  // it doesn't receive
    REQUIRE(a.receive().value() == 3);
    REQUIRE(waiter.join()->value() == 1);
  });
}

TEST_CASE_METHOD(SelectFixture, "a channel may be in several cases, and doesn't serve itself") {
  in_thread([&] {
    int sum = 0;
    const auto add = [&](Result<int> value) { sum += *value; };
    Thread both =
        loop->spawn([&] { return select(on_receive(a, add), on_send(a, 5), on_receive(a, add)); })
            .value();
    REQUIRE(support::until_parked(both));
    REQUIRE(!a.send(3, no_wait));
    REQUIRE(both.join()->value() != 1);
    REQUIRE(sum == 3);
    REQUIRE(select(on_send(roomy, 1), on_send(roomy, 1)));
    REQUIRE(roomy.size() == 1);
    REQUIRE(select(on_receive(roomy, add), on_receive(roomy, add)));
    REQUIRE(roomy.size() == 0);
    REQUIRE(sum == 4);
    REQUIRE(a.try_send(1) == std::errc::operation_would_block);
    REQUIRE(a.try_receive().error() == std::errc::operation_would_block);
  });
}

TEST_CASE_METHOD(SelectFixture, "select takes each of those that can happen now and then") {
  std::array<Channel<int>, 4> channels{Channel<int>{1}, Channel<int>{1}, Channel<int>{1},
                                       Channel<int>{1}};
  std::array<int, 4> taken{};
  in_thread([&] {
    for (auto& each : channels) REQUIRE(!each.send(1));
    for (int i = 0; i < 4000; ++i) {
      const std::size_t chosen = select(on_receive(channels[0]), on_receive(channels[1]),
                                        on_receive(channels[2]), on_receive(channels[3]))
                                     .value();
      ++taken[chosen];
      if (channels[chosen].try_send(1)) FAIL("another was taken than was said");
    }
  });
  for (const int each : taken) REQUIRE(each > 500);
}

TEST_CASE_METHOD(SelectFixture, "a cancelled thread's select ends, and nothing has happened") {
  in_thread([&] {
    const auto wait = [&] { return select(on_receive(a), on_send(b, 1), on_timeout(1h)); };
    Thread waiter = loop->spawn(wait).value();
    REQUIRE(support::until_parked(waiter));
    waiter.request_stop();
    REQUIRE(is_canceled(waiter.join()->error()));
    REQUIRE(a.try_send(1) == std::errc::operation_would_block);
    REQUIRE(b.try_receive().error() == std::errc::operation_would_block);
    REQUIRE(!roomy.send(1));
    Thread refused = loop->spawn([&] {
                           CHECK(is_canceled(select(on_receive(roomy)).error()));
                           CHECK(is_canceled(select(on_timeout(no_wait)).error()));
                         })
                         .value();
    refused.request_stop();
    REQUIRE(refused.join());
    REQUIRE(roomy.size() == 1);
    const Scope scope{1ms};
    REQUIRE(is_canceled(wait().error()));
  });
}

TEST_CASE_METHOD(SelectFixture, "what happens in a select at the time of a cancellation is had") {
  const bool sends_first = GENERATE(true, false);
  in_thread([&] {
    Thread waiter = loop->spawn([&] { return select(on_receive(a), on_receive(b)); }).value();
    REQUIRE(support::until_parked(waiter));
    if (!sends_first) waiter.request_stop();
    const std::error_code error = a.send(1, no_wait);
    if (sends_first) waiter.request_stop();
    REQUIRE(waiter.join()->has_value() == !error);
    if (sends_first) REQUIRE(!error);
  });
}

TEST_CASE_METHOD(SelectFixture, "what a case's function throws comes out, and it may do anything") {
  in_thread([&] {
    REQUIRE(!roomy.send(1));
    const auto fail = [](Result<int>) { throw std::runtime_error("by the case"); };
    REQUIRE_THROWS_WITH(select(on_receive(a), on_receive(roomy, fail)), "by the case");
    REQUIRE(roomy.size() == 0);
    REQUIRE(!roomy.send(1));
    int got = 0;
    const auto nested = [&](Result<int>) {  // the channel is the caller's own again
      REQUIRE(select(on_send(roomy, 7)));
      REQUIRE(select(on_receive(roomy, [&](Result<int> value) { got = *value; })));
      REQUIRE(!this_thread::sleep_for(1ms));
    };
    REQUIRE(select(on_receive(roomy, nested), on_receive(a)));
    REQUIRE(got == 7);
  });
}
