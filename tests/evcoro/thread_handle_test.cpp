// The end of a thread's handle: destruction, assignment, detaching; and misuse of handles.
#include <csignal>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <support/application.hpp>
#include <support/contains.hpp>

using namespace evcoro;
using namespace std::chrono_literals;

TEST_CASE_METHOD(support::LoopFixture, "a handle's destructor requests a stop and joins") {
  CancelReason reason = CancelReason::none;
  bool ended = false;
  const auto work = [&] {
    (void)this_thread::sleep_until(never);
    reason = this_thread::cancel_reason();
    this_thread::acknowledge_cancellation();
    (void)this_thread::sleep_for(1ms);  // cleaning up takes a moment
    ended = true;
  };
  SECTION("in a thread") {
    in_thread([&] {
      {
        Thread thread = loop->spawn(work).value();
        REQUIRE(!this_thread::yield());
      }
      REQUIRE(ended);
    });
  }
  SECTION("in a thread that is cancelled itself") {
    in_thread([&] {
      Thread parent = loop->spawn([&] {
                            Thread thread = loop->spawn(work).value();
                            (void)this_thread::sleep_until(never);
                          })
                          .value();
      REQUIRE(!this_thread::yield());
      REQUIRE(!this_thread::yield());
      parent.request_stop();
      REQUIRE(parent.join().has_value());
      REQUIRE(ended);
    });
  }
  SECTION("outside with the loop not running") {
    { Thread thread = loop->spawn(work).value(); }
    REQUIRE(ended);
  }
  SECTION("outside between two runs") {
    {
      Thread thread = loop->spawn(work).value();
      spawn([&] { loop->stop(); });
      loop->run();
      REQUIRE(!ended);
    }
    REQUIRE(ended);
  }
  REQUIRE(reason == CancelReason::user);
  REQUIRE(pool.in_use() == 0);
}

TEST_CASE_METHOD(support::Application,
                 "a handle can be destroyed in a callback of the application") {
  std::error_code error;
  auto thread = std::make_unique<Thread<>>(
      loop->spawn([&] { error = this_thread::sleep_until(never); }).value());
  call_in(1ms, [&] {
    thread.reset();
    CHECK(error == std::errc::operation_canceled);
  });
  dispatch();
  REQUIRE(error);
}

TEST_CASE_METHOD(support::LoopFixture, "assigning to a handle ends the thread that it had") {
  in_thread([&] {
    std::error_code error;
    Thread thread = loop->spawn([&] { error = this_thread::sleep_until(never); }).value();
    thread = loop->spawn([] {}).value();
    REQUIRE(error == std::errc::operation_canceled);
    REQUIRE(thread.joinable());
    Thread moved = std::move(thread);
    REQUIRE(!thread.joinable());
    REQUIRE(moved.join().has_value());
    thread = Thread<>{};
    REQUIRE(!thread.joinable());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a detached thread belongs to its loop") {
  bool ended = false;
  in_thread([&] {
    Thread running = loop->spawn([&] {
                           REQUIRE(!this_thread::sleep_for(2ms));
                           ended = true;
                         })
                         .value();
    Thread over = loop->spawn([] {}).value();
    REQUIRE(!this_thread::yield());
    REQUIRE(over.has_ended());
    over.detach();
    running.detach();
    REQUIRE(!running.joinable());
    REQUIRE(pool.in_use() == 2);
  });
  REQUIRE(ended);
}

TEST_CASE_METHOD(support::LoopFixture, "a result that nobody takes is destroyed") {
  const auto result = std::make_shared<int>(1);
  in_thread([&] {
    {
      Thread dropped = loop->spawn([result] { return result; }).value();
    }
    spawn([result] { return result; });
  });
  REQUIRE(result.use_count() == 1);
}

TEST_CASE_METHOD(support::LoopFixture, "a detached thread may return a handle that nobody takes") {
  std::error_code error;
  in_thread([&] {
    spawn([&] { return loop->spawn([&] { error = this_thread::sleep_until(never); }).value(); });
  });
  REQUIRE(error == std::errc::operation_canceled);
}

TEST_CASE_METHOD(support::LoopFixture, "a thread may own and return handles of others") {
  in_thread([&] {
    Thread outer = loop->spawn([&] { return loop->spawn([] { return 5; }).value(); }).value();
    Thread inner = outer.join().value();
    REQUIRE(inner.join().value() == 5);
    std::vector<Thread<int>> crowd;
    for (int i = 0; i < 10; ++i) crowd.push_back(loop->spawn([i] { return i; }).value());
    int sum = 0;
    for (Thread<int>& each : crowd) sum += each.join().value();
    REQUIRE(sum == 45);
  });
}

TEST_CASE("using an empty handle is a misuse") {
  const auto misuse = [](void (*use)(Thread<int>&)) {
    return support::in_child([&] {
      Thread<int> empty;
      use(empty);
    });
  };
  for (const auto use : {+[](Thread<int>& empty) { (void)empty.join(no_wait); },
                         +[](Thread<int>& empty) { empty.detach(); },
                         +[](Thread<int>& empty) { empty.request_stop(); },
                         +[](Thread<int>& empty) { (void)empty.info(); }}) {
    const support::Ended ended = misuse(use);
    REQUIRE(ended.signal == SIGABRT);
    REQUIRE_THAT(ended.output, support::contains("evcoro: misuse: ") && support::contains("empty"));
  }
}

TEST_CASE("joins that cannot end are misuses") {
  const support::Ended itself = support::in_child_with_loop([](std::optional<Loop>& loop) {
    Thread<> thread;
    thread = loop->spawn([&] { (void)thread.join(); }).value();
    loop->run();
  });
  REQUIRE(itself.signal == SIGABRT);
  REQUIRE_THAT(itself.output, support::contains("join() of a thread by itself"));

  const support::Ended twice = support::in_child_with_loop([](std::optional<Loop>& loop) {
    Thread target = loop->spawn([] { return this_thread::sleep_until(never); }).value();
    for (int i = 0; i < 2; ++i) loop->spawn([&] { (void)target.join(); }).value().detach();
    loop->run();
  });
  REQUIRE(twice.signal == SIGABRT);
  REQUIRE_THAT(twice.output, support::contains("another thread is joining"));
}

TEST_CASE("a handle destroyed where its thread cannot end is a misuse") {
  const support::Ended ended = support::in_child_with_loop([](std::optional<Loop>& loop) {
    const auto stay = [] {
      while (true) {
        (void)this_thread::sleep_for(1h);
        this_thread::acknowledge_cancellation();
      }
    };
    auto thread = std::make_unique<Thread<>>(loop->spawn(stay).value());
    loop->post([&] { thread.reset(); });
    loop->run();
  });
  REQUIRE(ended.signal == SIGABRT);
  REQUIRE_THAT(ended.output, support::contains("join() or detach() it before"));
}

TEST_CASE_METHOD(support::LoopFixture, "a handle's destructor waits for its own thread only") {
  bool stop = false;
  spawn([&] {
    while (!stop) (void)this_thread::yield();
  });
  {
    Thread thread = loop->spawn([] { return this_thread::sleep_until(never); }).value();
  }
  REQUIRE(loop->thread_count() == 1);
  stop = true;
  loop->run();
}

TEST_CASE_METHOD(support::LoopFixture, "a handle can be destroyed by a thread of another loop") {
  Loop other{{.capacity = 1, .stack_size = support::test_stack_size}};
  bool ended = false;
  in_thread([&] {
    const Thread thread = other
                              .spawn([&] {
                                (void)this_thread::sleep_until(never);
                                this_thread::acknowledge_cancellation();
                                (void)this_thread::sleep_for(1ms);
                                ended = true;
                              })
                              .value();
  });
  REQUIRE(ended);
}

TEST_CASE_METHOD(support::LoopFixture, "a handle that is moved to itself stays as it is") {
  in_thread([&] {
    Thread thread = loop->spawn([] { return this_thread::sleep_for(1ms); }).value();
    Thread<std::error_code>& itself = thread;
    thread = std::move(itself);
    REQUIRE(thread.joinable());
    REQUIRE(!thread.join().value());
  });
}
