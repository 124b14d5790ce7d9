#include <evcoro/timer.hpp>

#include <csignal>
#include <deque>
#include <memory>
#include <optional>

#include <support/contains.hpp>
#include <support/loop_fixture.hpp>

using namespace evcoro;
using namespace std::chrono_literals;

namespace {

void wait_busily(std::chrono::nanoseconds duration) {
  const auto until = Clock::now() + duration;
  while (Clock::now() < until) {
  }
}

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "a one-shot timer expires once and not early") {
  in_thread([] {
    Timer timer;
    REQUIRE(!timer.is_running());
    for (const auto duration : {0ms, 1ms, 7ms}) {
      const auto start = Clock::now();
      timer.start(duration);
      REQUIRE(timer.is_running());
      REQUIRE(timer.wait().value() == 1);
      REQUIRE(Clock::now() - start >= duration);
      REQUIRE(!timer.is_running());
      REQUIRE(timer.wait().error() == std::errc::invalid_argument);
    }
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a periodic timer expires again and again and never early") {
  in_thread([] {
    Timer timer;
    const auto start = Clock::now();
    timer.start_periodic(2ms);
    std::uint64_t ticks = 0;
    while (ticks < 5) {
      ticks += timer.wait().value();
      REQUIRE(Clock::now() - start >= ticks * 2ms);
    }
    REQUIRE(timer.is_running());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "periods that were missed are counted and not made up for") {
  in_thread([] {
    Timer timer;
    const auto start = Clock::now();
    timer.start_periodic(1ms);
    wait_busily(20ms);
    const std::uint64_t first = timer.wait().value();
    REQUIRE(first >= 19);
    const std::uint64_t next = timer.wait().value();  // a whole wait again
    REQUIRE(Clock::now() - start >= (first + next) * 1ms);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a period of nothing is a microsecond") {
  in_thread([] {
    Timer timer;
    const auto start = Clock::now();
    timer.start_periodic(0s);
    wait_busily(1ms);
    const std::uint64_t ticks = timer.wait().value();
    REQUIRE(ticks >= 999);
    REQUIRE(ticks <= static_cast<std::uint64_t>((Clock::now() - start) / 1us));
  });
}

TEST_CASE_METHOD(support::LoopFixture, "starting a timer again forgets what was before") {
  in_thread([] {
    Timer timer;
    timer.start(1ns);
    REQUIRE(!this_thread::sleep_for(2ms));
    REQUIRE(!timer.is_running());
    const auto start = Clock::now();
    timer.start(5ms);  // instead of the expiry
    REQUIRE(timer.wait().value() == 1);
    REQUIRE(Clock::now() - start >= 5ms);
    timer.start_periodic(1h);
    timer.start(1ms);  // instead of the period
    REQUIRE(timer.wait().value() == 1);
    REQUIRE(timer.wait().error() == std::errc::invalid_argument);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a cancelled timer is stopped and has not expired") {
  in_thread([] {
    Timer timer;
    timer.start(1h);
    timer.cancel();
    REQUIRE(!timer.is_running());
    REQUIRE(timer.wait().error() == std::errc::invalid_argument);
    timer.start_periodic(1ms);
    REQUIRE(!this_thread::sleep_for(3ms));
    timer.cancel();
    REQUIRE(timer.wait().error() == std::errc::invalid_argument);
    timer.cancel();
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "an expiry while the thread waits otherwise is only counted") {
  in_thread([&] {
    Timer timer;
    timer.start(1ms);
    const auto start = Clock::now();
    REQUIRE(!this_thread::sleep_for(10ms));
    REQUIRE(Clock::now() - start >= 10ms);
    REQUIRE(timer.wait(no_wait).value() == 1);
    timer.start_periodic(1ms);
    Thread other = loop->spawn([] { return this_thread::sleep_for(5ms) ? 0 : 1; }).value();
    REQUIRE(other.join().value() == 1);
    REQUIRE(timer.wait().value() >= 4);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "wait times out and the timer goes on") {
  in_thread([] {
    Timer timer;
    timer.start(1h);
    REQUIRE(timer.wait(no_wait).error() == std::errc::timed_out);
    REQUIRE(timer.wait(1ms).error() == std::errc::timed_out);
    REQUIRE(timer.is_running());
    timer.start_periodic(1ms);
    REQUIRE(timer.wait(1h).value() >= 1);
    timer.start(Clock::now() + 1ms);
    REQUIRE(timer.wait().value() == 1);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "wait_any gives each timer as it expires") {
  in_thread([] {
    Timer late;
    Timer early;
    Timer stopped;
    REQUIRE(Timer::wait_any().error() == std::errc::invalid_argument);
    late.start(1h);
    early.start(2ms);
    REQUIRE(Timer::wait_any(no_wait).error() == std::errc::timed_out);
    REQUIRE(Timer::wait_any().value() == &early);
    REQUIRE(early.wait(no_wait).value() == 1);
    REQUIRE(Timer::wait_any(1ns).error() == std::errc::timed_out);
    late.start(1ms);
    REQUIRE(Timer::wait_any().value() == &late);
    REQUIRE(Timer::wait_any(no_wait).value() == &late);  // until it is waited for
    REQUIRE(late.wait().value() == 1);
    REQUIRE(Timer::wait_any().error() == std::errc::invalid_argument);
  });
  REQUIRE(Timer::wait_any().error() == Errc::not_in_a_thread);
}

TEST_CASE_METHOD(support::LoopFixture, "of several that have expired, wait_any gives the first") {
  in_thread([] {
    Timer second;
    Timer first;
    const auto now = Clock::now();
    second.start(now + 2us);
    first.start(now + 1us);
    REQUIRE(!this_thread::sleep_for(1ms));
    REQUIRE(Timer::wait_any().value() == &first);
    REQUIRE(first.wait(no_wait).value() == 1);
    REQUIRE(Timer::wait_any().value() == &second);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "one timer does not end the wait for another") {
  in_thread([] {
    Timer frequent;
    frequent.start_periodic(1ms);
    Timer rare;
    const auto start = Clock::now();
    rare.start(10ms);
    REQUIRE(rare.wait().value() == 1);
    REQUIRE(Clock::now() - start >= 10ms);
    REQUIRE(frequent.wait().value() >= 5);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a timer belongs to the thread that made it") {
  in_thread([&] {
    Timer timer;
    timer.start(1h);
    REQUIRE(loop->spawn([&] { return timer.wait().error(); }).value().join().value() ==
            Errc::not_the_owner);
    REQUIRE(loop->spawn([&] { return Timer::wait_any().error(); }).value().join().value() ==
            std::errc::invalid_argument);
  });
  const support::Ended ended = support::in_child([] { Timer nobodys; });
  REQUIRE(ended.signal == SIGABRT);
  REQUIRE_THAT(ended.output, support::contains("a Timer was made outside a thread"));
}

TEST_CASE_METHOD(support::LoopFixture, "a timer that outlives its thread is inert") {
  std::unique_ptr<Timer> one_shot;
  std::unique_ptr<Timer> periodic;
  spawn([&] {
    one_shot = std::make_unique<Timer>();
    one_shot->start(1h);
    periodic = std::make_unique<Timer>();
    periodic->start_periodic(1ms);
    REQUIRE(!this_thread::sleep_for(3ms));
  });
  REQUIRE(loop->run() == Loop::End::idle);
  REQUIRE(!one_shot->is_running());
  REQUIRE(!periodic->is_running());
  one_shot->start(1ms);
  periodic->start_periodic(1ms);
  REQUIRE(!one_shot->is_running());
  in_thread([&] { REQUIRE(periodic->wait().error() == Errc::not_the_owner); });
  one_shot->cancel();
  loop.reset();
}

TEST_CASE_METHOD(support::LoopFixture, "the longest timers do not overflow into short ones") {
  in_thread([] {
    Timer timer;
    timer.start(std::chrono::hours::max());
    REQUIRE(timer.is_running());
    REQUIRE(timer.wait(2ms).error() == std::errc::timed_out);
    timer.start_periodic(std::chrono::hours::max());
    REQUIRE(timer.wait(2ms).error() == std::errc::timed_out);
    timer.start(-1h);
    REQUIRE(timer.wait().value() == 1);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a thousand timers of one thread all expire") {
  in_thread([] {
    std::deque<Timer> timers(1000);
    const auto start = Clock::now();
    for (std::size_t i = 0; i < timers.size(); ++i) timers[i].start((i * 7 % 20) * 1ms);
    for (std::size_t i = timers.size(); i-- > 0;) {
      REQUIRE(timers[i].wait().value() == 1);
      REQUIRE(Clock::now() - start >= (i * 7 % 20) * 1ms);
    }
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a periodic timer hides no nearer deadline") {
  in_thread([&] {
    const TimePoint begin = Clock::now();
    Thread sleeper = loop->spawn([] { return this_thread::sleep_for(60ms); }).value();
    Timer timer;
    timer.start_periodic(50ms);
    REQUIRE(timer.wait().value() >= 1);
    timer.start_periodic(10s);
    REQUIRE(!sleeper.join().value());
    REQUIRE(Clock::now() - begin < 5s);
  });
}
