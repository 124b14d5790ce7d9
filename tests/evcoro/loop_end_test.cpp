// The destruction of loops.
#include <csignal>
#include <functional>
#include <thread>

#include <support/application.hpp>
#include <support/contains.hpp>

using namespace evcoro;
using namespace std::chrono_literals;

TEST_CASE_METHOD(support::LoopFixture, "a loop that is destroyed ends its threads") {
  int ended = 0;
  for (int i = 0; i < 3; ++i) {
    spawn([&] {
      (void)this_thread::sleep_until(never);
      if (this_thread::cancel_reason() == CancelReason::shutdown) ++ended;
      for (int step = 0; step < 100; ++step) (void)this_thread::yield();
    });
  }
  SECTION("that were never run") {}
  SECTION("that wait") { loop->run_once(no_wait); }
  loop.reset();
  REQUIRE(ended == 3);
  REQUIRE(pool.in_use() == 0);
}

TEST_CASE_METHOD(support::Application, "a loop can be destroyed in a callback of the application") {
  int ended = 0;
  for (int i = 0; i < 3; ++i) {
    spawn([&] {
      (void)this_thread::sleep_for(1h);
      ++ended;
    });
  }
  bool later = false;
  call_in(1ms, [&] {
    loop.reset();
    CHECK(ended == 3);
    CHECK(pool.in_use() == 0);
  });
  call_in(3ms, [&] { later = true; });
  dispatch();  // returns: the threads' hour is none of its business any more
  REQUIRE(ended == 3);
  REQUIRE(later);
}

TEST_CASE("a loop destroyed with threads that do not stop terminates") {
  const auto destroy = [](const std::function<void()>& body) {
    return support::in_child_with_loop([&](std::optional<Loop>& loop) {
      loop->spawn({.name = "stubborn"}, body).value().detach();
      loop->run_once(no_wait);
      loop.reset();
    });
  };
  const support::Ended waits = destroy([] {
    while (true) {
      (void)this_thread::sleep_for(1h);
      this_thread::acknowledge_cancellation();
    }
  });
  REQUIRE(waits.signal == SIGABRT);
  REQUIRE_THAT(waits.output, support::contains("this thread does not stop: 'stubborn' (id ") &&
                                 support::contains("spawned at ") &&
                                 support::contains(" s: sleep") &&
                                 support::contains("call Loop::shutdown() before"));
  const support::Ended yields = destroy([] {
    while (true) (void)this_thread::yield();
  });
  REQUIRE(yields.signal == SIGABRT);
  REQUIRE_THAT(yields.output, support::contains("this thread does not stop: 'stubborn'") &&
                                  support::contains("ready"));
}

TEST_CASE("a loop that one of its threads destroys is a misuse") {
  const support::Ended ended = support::in_child_with_loop([](std::optional<Loop>& loop) {
    loop->spawn([&] { loop.reset(); }).value().detach();
    loop->run();
  });
  REQUIRE(ended.signal == SIGABRT);
  REQUIRE_THAT(ended.output, support::contains("a Loop was destroyed by a thread of its own"));
}

TEST_CASE("a loop that a posted function destroys is a misuse") {
  const support::Ended ended = support::in_child_with_loop([](std::optional<Loop>& loop) {
    loop->post([&] { loop.reset(); });
    loop->run();
  });
  REQUIRE(ended.signal == SIGABRT);
  REQUIRE_THAT(ended.output, support::contains("evcoro: misuse: a Loop was destroyed"));
}

TEST_CASE_METHOD(support::LoopFixture, "posts that arrive after a stop wait for the next run") {
  int calls = 0;
  loop->stop();
  loop->post([&] { ++calls; });
  REQUIRE(loop->run() == Loop::End::stopped);
  loop->post([&] { ++calls; });
  loop->run();
  REQUIRE(calls == 2);
}
