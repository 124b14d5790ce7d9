// select() of several loops and OS threads at once: exactly one case of each happens.
#include <array>
#include <atomic>
#include <functional>
#include <vector>

#include <evcoro/sync/event.hpp>
#include <evcoro/sync/select.hpp>
#include <support/errors.hpp>
#include <support/sync.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::in_own_loop;
using support::OsThread;

namespace {

// Random is enough for what to do next.
class Random {
 public:
  explicit Random(unsigned seed) : state_(seed * 2654435761U + 1) {}
  int below(int limit) {
    state_ = state_ * 1664525 + 1013904223;
    return static_cast<int>((state_ >> 16) % static_cast<unsigned>(limit));
  }

 private:
  unsigned state_;
};

class ExactlyOnce : public support::LoopFixture {
 public:
  // everywhere() runs function(number) in two OS threads, in two threads of a loop of its own, and
  // in two of the test's.
  static constexpr int everywhere_count = 6;
  void everywhere(const std::function<void(unsigned)>& function) {
    std::atomic<unsigned> number{0};
    const auto run = [&] { function(number++); };
    OsThread first{run};
    OsThread second{run};
    OsThread other_loop{in_own_loop(run, 2)};
    for (int i = 0; i < 2; ++i) spawn(run);
    loop->run();
  }

  // moved() does one select() that sends value to either channel or receives from either, and
  // returns what it has sent less what it has received.
  static long moved(Channel<int>& a, Channel<int>& b, int value, Timeout timeout) {
    long sum = 0;
    int calls = 0;
    const auto count = [&](Result<int> received) {
      ++calls;
      sum -= received.value();
    };
    const auto sent = [&](std::error_code) {
      ++calls;
      sum += value;
    };
    const auto chosen =
        select(on_receive(a, count), on_send(b, int{value}, sent), on_send(a, int{value}, sent),
               on_receive(b, count), on_timeout(timeout, [&] { ++calls; }));
    return chosen && calls == 1 ? sum : long{1} << 40;
  }
};

}  // namespace

TEST_CASE_METHOD(ExactlyOnce, "what selects send, selects receive: exactly once") {
  const int rounds = support::rounds(3000);
  const std::size_t capacity = GENERATE(0, 2);
  Channel<int> a{capacity};
  Channel<int> b{capacity};
  std::atomic<long> balance{0};
  everywhere([&](unsigned number) {
    Random random{number};
    for (int i = 0; i < rounds; ++i) {
      const int value = random.below(1000) + 1;
      const Timeout timeout = random.below(4) == 0 ? Timeout{no_wait} : random.below(200) * 1us;
      balance += moved(a, b, value, timeout);
    }
  });
  while (const auto left = a.try_receive()) balance -= *left;
  while (const auto left = b.try_receive()) balance -= *left;
  REQUIRE(balance == 0);
}

TEST_CASE_METHOD(ExactlyOnce, "select meets select over the same two channels, in either order") {
  const int rounds = support::rounds(4000);
  const std::size_t capacity = GENERATE(0, 1);
  Channel<int> a{capacity};
  Channel<int> b{capacity};
  std::atomic<long> sent{0};
  std::atomic<long> received{0};
  support::Errors errors;
  everywhere([&](unsigned number) {
    const bool sends = number % 2 == 0;
    Channel<int>& first = number % 4 < 2 ? a : b;
    Channel<int>& second = number % 4 < 2 ? b : a;
    for (int i = 1; i <= rounds; ++i) {
      int calls = 0;
      const auto note_sent = [&](std::error_code error) {
        errors.none(error);
        sent += i;
        ++calls;
      };
      const auto note_received = [&](Result<int> value) {
        received += value.value();
        ++calls;
      };
      const auto chosen =
          sends ? select(on_send(first, int{i}, note_sent), on_send(second, int{i}, note_sent))
                : select(on_receive(first, note_received), on_receive(second, note_received));
      errors.check(chosen && calls == 1);
    }
  });
  REQUIRE(!errors.any());
  REQUIRE(sent == received);
  REQUIRE(sent == 3 * (long{rounds} * (rounds + 1) / 2));
}

TEST_CASE_METHOD(ExactlyOnce, "select and plain calls share channels and lose nothing") {
  const int rounds = support::rounds(3000);
  Channel<int> a{1};
  Channel<int> b;
  std::atomic<long> sum{0};
  std::atomic<int> receivers{everywhere_count / 2};
  everywhere([&](unsigned number) {
    if (number % 2 == 0) {
      for (int i = 1; i <= rounds; ++i) {
        if (!(i % 2 == 0 ? a : b).send(int{i})) sum += i;
      }
      if (--receivers != 0) return;  // the last who sends
      a.close();
      b.close();
      return;
    }
    const auto take = [&](Result<int> value) { sum -= value.value(); };
    bool a_is_open = true;
    bool b_is_open = true;
    while (a_is_open || b_is_open) {
      const auto take_or_leave = [&](bool& is_open) {
        return [&](Result<int> value) { value ? take(std::move(value)) : void(is_open = false); };
      };
      (void)select(when(a_is_open, on_receive(a, take_or_leave(a_is_open))),
                   when(b_is_open, on_receive(b, take_or_leave(b_is_open))));
    }
  });
  REQUIRE(sum == 0);
}

TEST_CASE_METHOD(ExactlyOnce, "an automatic event that a select may take lets exactly one pass") {
  const int rounds = support::rounds(3000);
  Event one;
  Event other;
  std::atomic<int> passes{0};
  std::atomic<int> sets{0};
  std::atomic<int> setters{everywhere_count / 2};
  support::Errors errors;
  everywhere([&](unsigned number) {
    if (number % 2 == 0) {
      for (int i = 0; i < rounds; ++i) {
        Event& event = i % 2 == 0 ? one : other;
        ++sets;
        event.set();
        while (event.is_set() && number == 0) {
          if (Loop::current() != nullptr) (void)this_thread::yield();
        }
      }
      --setters;
      return;
    }
    while (setters != 0 || one.is_set() || other.is_set()) {
      int calls = 0;
      const auto pass = [&] {
        ++passes;
        ++calls;
      };
      errors.check(
          select(on_event(one, pass), on_event(other, pass), on_timeout(1ms, [&] { ++calls; }))
              .has_value());
      errors.check(calls == 1);
    }
  });
  REQUIRE(!errors.any());
  REQUIRE(passes > 0);
  REQUIRE(passes <= sets);
}

TEST_CASE_METHOD(ExactlyOnce, "cancellations and hand-overs to a select that meet lose nothing") {
  const int rounds = support::rounds(2000);
  Channel<int> a;
  Channel<int> b;
  std::atomic<bool> ends{false};
  std::atomic<int> sent{0};
  OsThread sender{[&] {
    while (!ends) {
      const auto count = [&](std::error_code error) { sent += error ? 0 : 1; };
      (void)select(on_send(a, 1, count), on_send(b, 1, count), on_timeout(100us));
    }
  }};
  int received = 0;
  in_thread([&] {
    for (int i = 0; i < rounds; ++i) {
      Thread waiter = loop->spawn([&] { return select(on_receive(b), on_receive(a)); }).value();
      for (int step = 0; step < i % 4; ++step) REQUIRE(!this_thread::yield());
      waiter.request_stop();
      if (waiter.join().value()) ++received;
    }
  });
  ends = true;
  sender.join();
  REQUIRE(sent == received);
}
