// Loop::abort(), and a loop that is stopped and goes on.
#include <thread>
#include <vector>

#include <evcoro/net/tcp_acceptor.hpp>
#include <evcoro/timer.hpp>
#include <support/loop_fixture.hpp>

using namespace evcoro;
using namespace std::chrono_literals;

TEST_CASE_METHOD(support::LoopFixture,
                 "a loop that was stopped goes on with every thread as it was") {
  int ticks = 0;
  spawn([&] {
    Timer timer;
    timer.start_periodic(1ms);
    for (; ticks < 6; ++ticks) {
      REQUIRE(timer.wait());
      if (ticks == 2) loop->stop();
    }
  });
  REQUIRE(loop->run() == Loop::End::stopped);
  REQUIRE(ticks == 3);
  REQUIRE(loop->thread_count() == 1);
  REQUIRE(loop->run() == Loop::End::idle);
  REQUIRE(ticks == 6);
}

TEST_CASE_METHOD(support::LoopFixture, "abort ends all threads and acceptors, and run() says so") {
  std::vector<CancelReason> reasons;
  const TcpAcceptor acceptor{*loop, Address::loopback(AF_INET, 0), [](Socket&) {}};
  for (int i = 0; i < 3; ++i) {
    spawn([&] {
      (void)this_thread::sleep_until(never);
      REQUIRE(loop->spawn([] {}).error() == Errc::loop_shutting_down);
      this_thread::acknowledge_cancellation();
      REQUIRE(!this_thread::sleep_for(1ms));  // it may still take its time
      reasons.push_back(CancelReason::shutdown);
    });
  }
  spawn([&] { loop->abort(); });
  REQUIRE(loop->run() == Loop::End::aborted);
  REQUIRE(reasons.size() == 3);
  spawn([] { REQUIRE(!this_thread::sleep_for(1ms)); });
  REQUIRE(loop->run() == Loop::End::idle);  // and can be used again
}

TEST_CASE_METHOD(support::LoopFixture,
                 "abort before run, without threads, and from another OS thread") {
  loop->abort();
  REQUIRE(loop->run() == Loop::End::aborted);
  REQUIRE(loop->run() == Loop::End::idle);
  spawn([] { (void)this_thread::sleep_until(never); });
  loop->abort();
  REQUIRE(loop->run() == Loop::End::aborted);
  spawn([] { (void)this_thread::sleep_until(never); });
  std::thread other{[&] { loop->abort(); }};
  REQUIRE(loop->run() == Loop::End::aborted);
  other.join();
}

TEST_CASE_METHOD(support::LoopFixture,
                 "what a thread waits for, and since when, is told to people") {
  in_thread([&] {
    Thread thread = loop->spawn({.name = "sleeper", .priority = Priority::urgent},
                                [] { return this_thread::sleep_until(never); })
                        .value();
    REQUIRE(!this_thread::yield());
    const ThreadInfo info = thread.info();
    REQUIRE(info.priority == Priority::urgent);
    REQUIRE(info.parks == 1);
    REQUIRE(Clock::now() - info.parked_since < 10s);
    thread.request_stop();
    const std::string text = to_string(info);
    REQUIRE(text.find("'sleeper' (id ") == 0);
    REQUIRE(text.find("abort_test.cpp:") != std::string::npos);
    REQUIRE(text.find(", parked for 0.") != std::string::npos);
    REQUIRE(text.find(" s: sleep") != std::string::npos);
    REQUIRE(to_string(thread.info()).find("cancelled (user)") != std::string::npos);
  });
}
