// Watchdog

#include <csignal>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <evcoro/watchdog.hpp>
#include <support/contains.hpp>
#include <support/loop_fixture.hpp>

using namespace evcoro;
using namespace std::chrono_literals;

namespace {

constexpr auto limit = 20ms;

// Stalls collects what a watchdog tells, and lets others wait for it.
class Stalls {
 public:
  void add(const Stall& stall) {
    const std::lock_guard lock{mutex_};
    stalls_.push_back(stall);
    changed_.notify_all();
  }

  bool wait_for(std::size_t count) {
    std::unique_lock lock{mutex_};
    return changed_.wait_for(lock, 20s, [&] { return stalls_.size() >= count; });
  }

  std::vector<Stall> all() {
    const std::lock_guard lock{mutex_};
    return stalls_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Stall> stalls_;
};

WatchdogOptions told_to(Stalls& stalls) {
  return {.limit = limit, .on_stall = [&](const Stall& stall) { stalls.add(stall); }};
}

[[gnu::noinline]] void spin_until(const std::atomic<bool>& flag) {
  while (!flag) {
  }
}

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "a thread that holds its loop is reported") {
  Stalls stalls;
  const Watchdog watchdog{told_to(stalls)};
  bool told = false;
  spawn([&] { told = stalls.wait_for(1); }, {.name = "hog"});
  loop->run();
  REQUIRE(told);
  const Stall stall = stalls.all().front();
  CHECK(stall.name == "hog");
  CHECK(stall.id != 0);
  CHECK_THAT(stall.spawned_at, support::contains("watchdog_test.cpp"));
  CHECK(stall.held >= limit);
  REQUIRE(!stall.backtrace.empty());
  CHECK_THAT(stall.backtrace.front(), !support::contains("on_signal"));
  const std::string text = to_string(stall);
  CHECK_THAT(text, support::contains("'hog' (id " + std::to_string(stall.id) + "), spawned at "));
  CHECK_THAT(text, support::contains("has held its loop for "));
}

TEST_CASE_METHOD(support::LoopFixture,
                 "the backtrace begins with the function that holds the loop") {
  std::atomic<bool> is_told{false};
  std::string first;
  const Watchdog watchdog{{.limit = limit, .on_stall = [&](const Stall& stall) {
                             if (!is_told && !stall.backtrace.empty()) first = stall.backtrace[0];
                             is_told = true;
                           }}};
  spawn([&] { spin_until(is_told); });
  loop->run();
  CHECK_THAT(first, support::contains("spin_until") || support::contains("test_evcoro"));
}

TEST_CASE_METHOD(support::LoopFixture, "each time that a thread holds its loop is reported once") {
  Stalls stalls;
  const Watchdog watchdog{told_to(stalls)};
  in_thread([&] {
    for (int i = 0; i < 2; ++i) {
      const std::size_t before = stalls.all().size();
      REQUIRE(stalls.wait_for(before + 1));
      std::this_thread::sleep_for(3 * limit);  // time is what this is about
      REQUIRE(stalls.all().size() == before + 1);
      REQUIRE(!evcoro::this_thread::sleep_for(1ms));
    }
  });
}

TEST_CASE_METHOD(support::LoopFixture, "threads that take turns are not reported") {
  Stalls stalls;
  const Watchdog watchdog{told_to(stalls)};
  const TimePoint end = Clock::now() + 10 * limit;
  TimePoint turn = Clock::now();
  std::chrono::nanoseconds longest_turn{0};
  const auto take_turns = [&] {
    while (turn < end) {
      const TimePoint now = Clock::now();
      longest_turn = std::max<std::chrono::nanoseconds>(longest_turn, now - turn);
      turn = now;
      static_cast<void>(evcoro::this_thread::yield());
    }
  };
  for (int i = 0; i < 3; ++i) spawn(take_turns);
  loop->run();
  // A machine that is busy otherwise may have held a turn itself.
  REQUIRE((stalls.all().empty() || longest_turn >= limit));
}

TEST_CASE("there is one watchdog at a time, with a limit and a signal that can be") {
  const auto code_of = [](WatchdogOptions options) {
    try {
      const Watchdog watchdog{std::move(options)};
    } catch (const std::system_error& error) {
      return error.code();
    }
    return std::error_code{};
  };
  REQUIRE(code_of({.limit = 0ms}) == std::errc::invalid_argument);
  REQUIRE(code_of({.signal = SIGKILL}) == std::errc::invalid_argument);
  const Watchdog first;
  REQUIRE(code_of({.signal = SIGUSR2}) == std::errc::device_or_resource_busy);
}

TEST_CASE("a signal that has a handler is left alone") {
  const auto previous = std::signal(SIGURG, [](int) {});
  REQUIRE_THROWS_AS(Watchdog{}, std::system_error);
  std::signal(SIGURG, previous);
  const Watchdog watchdog;  // and now it can be had
}

TEST_CASE_METHOD(support::LoopFixture, "a watchdog can go while a loop is being held") {
  Stalls stalls;
  std::optional<Watchdog> watchdog{std::in_place, told_to(stalls)};
  in_thread([&] {
    REQUIRE(stalls.wait_for(1));
    watchdog.reset();
  });
  REQUIRE(stalls.all().size() == 1);
}
