#include <evcoro/signals.hpp>

#include <pthread.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <future>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

#include <support/application.hpp>
#include <support/contains.hpp>
#include <support/every_park.hpp>
#include <support/failing_new.hpp>
#include <support/network.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::long_time;
using support::LoopFixture;

namespace {

bool is_blocked(int signal) {
  sigset_t mask;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  return sigismember(&mask, signal) == 1;
}

void send(int signal) { REQUIRE(::kill(::getpid(), signal) == 0); }

}  // namespace

TEST_CASE_METHOD(LoopFixture, "a signal is waited for, and says who sent it") {
  in_thread([&] {
    SignalWaiter waiter{SIGUSR1, SIGUSR2};
    Thread sender = loop->spawn([] {
                          REQUIRE(!this_thread::sleep_for(1ms));
                          send(SIGUSR2);
                        })
                        .value();
    const SignalInfo info = waiter.wait(long_time).value();
    REQUIRE(info.number == SIGUSR2);
    REQUIRE(info.sender == ::getpid());
    REQUIRE(info.sender_user == ::getuid());
    REQUIRE(info.code == SI_USER);
    REQUIRE(info.count == 1);
  });
}

TEST_CASE_METHOD(LoopFixture, "the mask is restored when the last waiter for a signal goes") {
  block_signals({SIGHUP});
  {
    std::optional<SignalWaiter> one{std::in_place, *loop,
                                    std::initializer_list<int>{SIGUSR1, SIGHUP}};
    {
      const SignalWaiter other{*loop, {SIGUSR1, SIGUSR2}};
      one.reset();
      REQUIRE(is_blocked(SIGUSR1));
    }
    REQUIRE(!is_blocked(SIGUSR1));
    REQUIRE(!is_blocked(SIGUSR2));
    REQUIRE(is_blocked(SIGHUP));  // it was before
  }
}

TEST_CASE_METHOD(LoopFixture, "nothing is lost between two waits") {
  in_thread([&] {
    SignalWaiter waiter{SIGUSR1, SIGUSR2, SIGRTMIN};
    SignalWaiter other{SIGUSR1, SIGRTMIN};
    send(SIGUSR1);
    REQUIRE(other.wait(long_time)->number == SIGUSR1);  // which reads it for both
    send(SIGUSR1);
    REQUIRE(other.wait(long_time)->number == SIGUSR1);
    send(SIGUSR2);
    const SignalInfo twice = waiter.wait(no_wait).value();
    REQUIRE(twice.number == SIGUSR1);
    REQUIRE(twice.count == 2);
    REQUIRE(waiter.wait(no_wait)->number == SIGUSR2);
    for (int i = 0; i < 3; ++i) REQUIRE(::sigqueue(::getpid(), SIGRTMIN, {.sival_int = i}) == 0);
    for (int i = 0; i < 3; ++i) REQUIRE(other.wait(no_wait)->value == i);
    for (int i = 0; i < 3; ++i) REQUIRE(waiter.wait(no_wait)->value == i);
    REQUIRE(waiter.wait(no_wait).error() == std::errc::timed_out);
    REQUIRE(waiter.wait(1ms).error() == std::errc::timed_out);
  });
}

TEST_CASE_METHOD(LoopFixture,
                 "a waiter keeps real-time signals up to a limit, and counts the others") {
  constexpr int limit = 1024;
  in_thread([&] {
    SignalWaiter idle{SIGRTMIN};
    SignalWaiter busy{SIGRTMIN};
    for (int i = 0; i < limit + 2; ++i) {
      REQUIRE(::sigqueue(::getpid(), SIGRTMIN, {.sival_int = i}) == 0);
      REQUIRE(busy.wait(no_wait)->value == i);
    }
    for (int i = 0; i < limit - 1; ++i) REQUIRE(idle.wait(no_wait)->count == 1);
    REQUIRE(idle.wait(no_wait)->count == 3);
    REQUIRE(idle.wait(no_wait).error() == std::errc::timed_out);
  });
}

TEST_CASE_METHOD(LoopFixture, "each waiter on each loop gets each signal") {
  constexpr int rounds = 30;
  block_signals({SIGUSR1});  // the OS threads inherit it
  std::array<std::atomic<int>, 3> received{};
  std::atomic<int> ready{0};
  std::vector<std::thread> os_threads;
  for (auto& mine : received) {
    os_threads.emplace_back([&] {
      Loop other{{.capacity = 4, .stack_size = support::test_stack_size}};
      SignalWaiter waiters[] = {SignalWaiter{other, {SIGUSR1}}, SignalWaiter{other, {SIGUSR1}}};
      for (SignalWaiter& each : waiters) {
        other
            .spawn([&] {
              for (int i = 0; i < rounds; ++i) {
                if (each.wait(long_time).error()) return;
                ++mine;
              }
            })
            .value()
            .detach();
      }
      ++ready;
      other.run();
    });
  }
  while (ready < 3) std::this_thread::yield();
  bool complete = true;
  for (int i = 1; i <= rounds && complete; ++i) {
    ::kill(::getpid(), SIGUSR1);
    const auto deadline = Clock::now() + long_time;
    for (auto& each : received) {
      while (each < 2 * i && Clock::now() < deadline) std::this_thread::yield();
      complete &= each == 2 * i;
    }
  }
  REQUIRE(complete);
  for (auto& each : os_threads) each.join();
}

TEST_CASE_METHOD(LoopFixture,
                 "signals go on while another loop that waits for them comes and goes") {
  block_signals({SIGUSR1});
  std::atomic<bool> done{false};
  std::thread other{[&] {
    while (!done) {
      Loop short_lived{{.capacity = 1, .stack_size = support::test_stack_size}};
      const SignalWaiter waiter{short_lived, {SIGUSR1}};
      short_lived.run_once(no_wait);
    }
  }};
  in_thread([&] {
    SignalWaiter waiter{SIGUSR1};
    for (int i = 0; i < 200; ++i) {
      send(SIGUSR1);
      REQUIRE(waiter.wait(long_time)->number == SIGUSR1);
    }
  });
  done = true;
  other.join();
}

TEST_CASE_METHOD(LoopFixture, "a wait for a signal can be cancelled, and leaves nothing behind") {
  in_thread([&] {
    SignalWaiter waiter{*loop, {SIGUSR1}};
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      Thread sender = loop->spawn([&] {
                            (void)this_thread::yield();
                            (void)this_thread::yield();
                            if (!cancelled) send(SIGUSR1);
                          })
                          .value();
      const auto signal = waiter.wait(long_time);
      CHECK((signal.error() == std::errc::operation_canceled) == cancelled);
    });
    REQUIRE(parks == 1);
  });
}

TEST_CASE_METHOD(LoopFixture, "a waiter that goes wakes who waits") {
  std::optional<SignalWaiter> waiter{std::in_place, *loop, std::initializer_list<int>{SIGUSR1}};
  in_thread([&] {
    Thread waiting = loop->spawn([&] { return waiter->wait().error(); }).value();
    REQUIRE(support::until_parked(waiting));
    Thread second = loop->spawn([&] { return waiter->wait().error(); }).value();
    REQUIRE(second.join().value() == Errc::second_reader);
    waiter.reset();
    REQUIRE(waiting.join().value() == std::errc::operation_canceled);
  });
}

TEST_CASE_METHOD(LoopFixture, "a waiter says what is wrong with its use") {
  SignalWaiter waiter{*loop, {SIGUSR1}};
  REQUIRE(waiter.wait().error() == Errc::not_in_a_thread);
  Loop other{{.capacity = 1, .stack_size = support::test_stack_size}};
  Thread foreign = other.spawn([&] { return waiter.wait().error(); }).value();
  other.run();
  REQUIRE(foreign.join().value() == Errc::wrong_loop);
  in_thread([&] {
    this_thread::sleep_for(1ms);
    for (const int bad : {0, -1, SIGKILL, SIGSTOP, SIGSEGV, 1000}) {
      REQUIRE_THROWS_AS(SignalWaiter({bad}), std::system_error);
    }
  });
  REQUIRE_THROWS_AS(SignalWaiter({SIGUSR1}), std::system_error);  // outside a thread
  loop.reset();
  REQUIRE(waiter.wait().error() == Errc::no_loop);
  REQUIRE(!is_blocked(SIGUSR1));  // with the loop, the wait is over
}

TEST_CASE_METHOD(support::Application, "signals come to a loop in an application's base") {
  std::optional<SignalWaiter> waiter{std::in_place, *loop, std::initializer_list<int>{SIGUSR1}};
  int signal = 0;
  spawn([&] { signal = waiter->wait(long_time)->number; });
  call_in(1ms, [] { ::kill(::getpid(), SIGUSR1); });
  dispatch();
  REQUIRE(signal == SIGUSR1);
  waiter.reset();
}

TEST_CASE_METHOD(LoopFixture, "an OS thread that doesn't block the signal is reported") {
  std::atomic<bool> done{false};
  std::thread other{[&] {
    ::pthread_setname_np(::pthread_self(), "careless");
    while (!done) std::this_thread::sleep_for(1ms);
  }};
  static std::string reported;
  const auto before = stacks::set_report_sink(
      [](const char* text, std::size_t size) noexcept { reported.append(text, size); });
  bool renamed = false;
  while (!renamed) {
    char name[16];
    renamed = ::pthread_getname_np(other.native_handle(), name, sizeof name) == 0 &&
              std::string_view{name} == "careless";
  }
  { const SignalWaiter waiter{*loop, {SIGUSR1}}; }
  const std::string first = std::exchange(reported, {});
  { const SignalWaiter again{*loop, {SIGUSR1}}; }
  stacks::set_report_sink(before);
  done = true;
  other.join();
  REQUIRE_THAT(first, support::contains("may miss signal 10 (SIGUSR1)"));
  REQUIRE_THAT(first, support::contains("'careless'"));
  REQUIRE_THAT(first, support::contains("before you start OS threads"));
  REQUIRE(reported.empty());
}

TEST_CASE_METHOD(LoopFixture,
                 "in a child process a waiter is the parent's, and signals act as before") {
  std::optional<SignalWaiter> waiter{std::in_place, *loop, std::initializer_list<int>{SIGTERM}};
  in_thread([&] {
    REQUIRE(waiter->wait(no_wait).error() == std::errc::timed_out);
    const auto refused = support::in_child([&] {
      std::puts(waiter->wait(no_wait).error() == Errc::parents_loop ? "named" : "not named");
      std::puts(support::contains("parent process").match(support::message_of([&] {
        SignalWaiter another{*loop, {SIGHUP}};
      }))
                    ? "refused"
                    : "made");
      waiter.reset();
    });
    REQUIRE(refused.output == "named\nrefused\n");
    const auto killed = support::in_child([] { ::kill(::getpid(), SIGTERM); });
    REQUIRE(killed.signal == SIGTERM);
    send(SIGTERM);
    REQUIRE(waiter->wait(long_time)->number == SIGTERM);
  });
}

TEST_CASE_METHOD(LoopFixture, "a child process can wait for signals itself") {
  SignalWaiter waiter{*loop, {SIGUSR1}};
  const auto ended = support::in_child_with_loop([&](std::optional<Loop>& own) {
    Thread thread = own->spawn([] {
                         SignalWaiter mine{SIGUSR1};
                         ::kill(::getpid(), SIGUSR1);
                         return mine.wait(long_time)->number;
                       })
                        .value();
    own->run();
    std::puts(thread.join().value() == SIGUSR1 ? "came" : "didn't");
  });
  REQUIRE(ended.output == "came\n");
  in_thread([&] { REQUIRE(waiter.wait(no_wait).error() == std::errc::timed_out); });
}

TEST_CASE_METHOD(LoopFixture, "what block_signals() has blocked no waiter unblocks") {
  std::optional<SignalWaiter> one{std::in_place, *loop, std::initializer_list<int>{SIGUSR1}};
  std::promise<void> made;
  std::promise<void> gone;
  std::string child;
  bool is_blocked_there = false;
  std::thread other{[&] {
    block_signals({SIGUSR1});
    {
      Loop own{{.capacity = 1, .stack_size = support::test_stack_size}};
      const SignalWaiter last{own, {SIGUSR1}};
      child = support::in_child([] { std::puts(is_blocked(SIGUSR1) ? "blocked" : "not"); }).output;
      made.set_value();
      gone.get_future().wait();
    }
    is_blocked_there = is_blocked(SIGUSR1);
  }};
  made.get_future().wait();
  one.reset();
  gone.set_value();
  other.join();
  REQUIRE(is_blocked_there);
  REQUIRE(child == "blocked\n");
  { const SignalWaiter again{*loop, {SIGUSR1, SIGUSR2}}; }
  REQUIRE(!is_blocked(SIGUSR1));  // here a waiter had blocked it
  {
    const SignalWaiter waiter{*loop, {SIGUSR2}};
    block_signals({SIGUSR2});
  }
  REQUIRE(is_blocked(SIGUSR2));
}

TEST_CASE_METHOD(LoopFixture, "without memory, signals that are alike are counted") {
  support::skip_without_failing_new();
  constexpr int count = 100;
  in_thread([&] {
    SignalWaiter idle{SIGRTMIN};
    SignalWaiter busy{SIGRTMIN};
    int failed = 0;
    for (int i = 0; i < count; ++i) {
      REQUIRE(::sigqueue(::getpid(), SIGRTMIN, {.sival_int = i}) == 0);
      support::FailingNew failing{1};
      const auto signal = failing.run([&] { return busy.wait(no_wait); });
      REQUIRE(signal->value().value == i);
      failed += failing.has_failed() ? 1 : 0;
    }
    REQUIRE(failed > 0);
    std::uint32_t kept = 0;
    while (const auto signal = idle.wait(no_wait)) kept += signal->count;
    REQUIRE(kept == count);
  });
}

TEST_CASE_METHOD(LoopFixture, "without memory, another loop finds a signal when it next looks") {
  Loop other{{.capacity = 1, .stack_size = support::test_stack_size}};
  SignalWaiter there{other, {SIGUSR1}};
  in_thread([&] {
    SignalWaiter here{SIGUSR1};
    const int failed = support::fail_each_new([&](support::FailingNew& failing) {
      send(SIGUSR1);
      REQUIRE(failing.run([&] { return here.wait(no_wait); })->value().number == SIGUSR1);
    });
    REQUIRE(failed == 1);
  });
  Thread thread = other.spawn([&] { return there.wait(no_wait); }).value();
  other.run();
  REQUIRE(thread.join().value()->count == 2);
}
