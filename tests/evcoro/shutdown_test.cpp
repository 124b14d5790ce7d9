// Loop::shutdown()
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <evcoro/scope.hpp>
#include <support/application.hpp>
#include <support/contains.hpp>
#include <support/network.hpp>

using namespace evcoro;
using namespace std::chrono_literals;

namespace {

// A thread that ignores every cancellation until it is told to quit.
class Stubborn {
 public:
  void wait() {
    while (!quit_) {
      (void)this_thread::sleep_until(never);
      this_thread::acknowledge_cancellation();
    }
  }
  void yield() {
    while (!quit_) (void)this_thread::yield();
  }
  void quit() { quit_ = true; }

 private:
  bool quit_ = false;
};

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "shutdown from outside ends the threads") {
  std::vector<CancelReason> reasons;
  for (int i = 0; i < 3; ++i) {
    spawn([&] {
      (void)this_thread::sleep_until(never);
      reasons.push_back(this_thread::cancel_reason());
    });
  }
  SECTION("that were never run") {}
  SECTION("that wait") { loop->run_once(no_wait); }
  REQUIRE(loop->shutdown(1h).empty());
  REQUIRE(loop->thread_count() == 0);
  REQUIRE(reasons == std::vector(3, CancelReason::shutdown));
  REQUIRE(loop->shutdown(1h).empty());
}

TEST_CASE_METHOD(support::LoopFixture, "shutdown waits for threads that need a moment") {
  bool cleaned_up = false;
  spawn([&] {
    (void)this_thread::sleep_until(never);
    this_thread::acknowledge_cancellation();
    cleaned_up = !this_thread::sleep_for(5ms);
  });
  const auto timeout = GENERATE(Timeout{1h}, Timeout{never});
  REQUIRE(loop->shutdown(timeout).empty());
  REQUIRE(cleaned_up);
}

TEST_CASE_METHOD(support::LoopFixture,
                 "shutdown cancels a tree of scopes, and waits for what is shielded") {
  int leaves = 0;
  int cleaned_up = 0;
  std::error_code root;
  spawn([&] {
    Scope outer;
    for (int i = 0; i < 2; ++i) {
      REQUIRE(outer.spawn([&] {
        Scope inner;
        for (int j = 0; j < 2; ++j) {
          REQUIRE(inner.spawn([&] {
            const auto error = this_thread::sleep_until(never);
            if (error && this_thread::cancel_reason() == CancelReason::shutdown) ++leaves;
          }));
        }
        const auto error = inner.wait();
        const Scope cleaning_up{never, Scope::Shielded{}};
        if (error && !this_thread::sleep_for(5ms)) ++cleaned_up;
      }));
    }
    root = outer.wait();
  });
  while (loop->thread_count() < 7) loop->run_once(no_wait);
  REQUIRE(loop->shutdown(1h).empty());
  REQUIRE(leaves == 4);
  REQUIRE(cleaned_up == 2);
  REQUIRE(root == std::errc::operation_canceled);
  REQUIRE(loop->thread_count() == 0);
}

TEST_CASE_METHOD(support::LoopFixture, "shutdown returns the threads that do not stop in time") {
  Stubborn stubborn;
  spawn([&] { stubborn.wait(); }, {.name = "waits"});
  spawn([&] { stubborn.yield(); }, {.name = "yields"});
  spawn([] { (void)this_thread::sleep_until(never); }, {.name = "stops"});
  const auto start = Clock::now();
  std::vector<ThreadInfo> left = loop->shutdown(10ms);
  REQUIRE(Clock::now() - start >= 10ms);
  REQUIRE(left.size() == 2);
  REQUIRE(left[0].name == "waits");
  REQUIRE(left[0].state == TaskState::parked);
  REQUIRE(left[0].wait_reason == "sleep");
  REQUIRE(left[1].name == "yields");
  REQUIRE(left[1].state == TaskState::ready);
  REQUIRE(left[1].cancel_reason == CancelReason::shutdown);
  REQUIRE(left[0].parked_since > start - 1s);
  REQUIRE(left[0].parked_since <= Clock::now());
  REQUIRE(left[1].parked_since == TimePoint{});
  REQUIRE_THAT(to_string(left[0]),
               support::contains("'waits' (id ") && support::contains("shutdown_test.cpp:") &&
                   support::contains("parked for 0.") && support::contains(" s: sleep"));
  REQUIRE_THAT(to_string(left[1]),
               support::contains("'yields' (id ") && support::contains("ready"));
  left = loop->shutdown(no_wait);
  REQUIRE(left.size() == 2);
  stubborn.quit();
  REQUIRE(loop->shutdown(1h).empty());
}

TEST_CASE_METHOD(support::LoopFixture, "shutdown without waiting cancels all the same") {
  spawn([] { (void)this_thread::sleep_until(never); });
  loop->run_once(no_wait);
  REQUIRE(loop->shutdown(no_wait).size() == 1);
  REQUIRE(loop->run() == Loop::End::idle);
}

TEST_CASE_METHOD(support::LoopFixture, "shutdown by a thread ends all others") {
  in_thread([&] {
    int ended = 0;
    for (int i = 0; i < 5; ++i) {
      spawn([&] {
        (void)this_thread::sleep_until(never);
        this_thread::acknowledge_cancellation();
        (void)this_thread::sleep_for(1ms);
        ++ended;
      });
    }
    REQUIRE(!this_thread::yield());
    REQUIRE(loop->shutdown(1h).empty());
    REQUIRE(ended == 5);
    REQUIRE(!this_thread::stop_requested());
    REQUIRE(!this_thread::sleep_for(1ms));
  });
}

TEST_CASE_METHOD(support::LoopFixture, "shutdown by a thread returns at its deadline") {
  Stubborn stubborn;
  in_thread([&] {
    spawn([&] { stubborn.wait(); }, {.name = "waits"});
    const std::vector<ThreadInfo> left = loop->shutdown(3ms);
    REQUIRE(left.size() == 1);
    REQUIRE(left[0].name == "waits");
    stubborn.quit();
    REQUIRE(loop->shutdown(1h).empty());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a cancelled thread can shut its loop down") {
  bool done = false;
  Thread thread = loop->spawn([&] {
                        (void)this_thread::sleep_until(never);
                        done = loop->shutdown(1h).empty();
                        return this_thread::cancel_reason();
                      })
                      .value();
  spawn([] {
    (void)this_thread::sleep_until(never);
    this_thread::acknowledge_cancellation();
    (void)this_thread::sleep_for(2ms);
  });
  loop->run_once(no_wait);
  thread.request_stop();
  REQUIRE(loop->run() == Loop::End::idle);
  REQUIRE(done);
  REQUIRE(thread.join().value() == CancelReason::user);
}

TEST_CASE_METHOD(support::LoopFixture, "two threads that shut a loop down both return") {
  int returned = 0;
  for (int i = 0; i < 2; ++i) {
    spawn([&] {
      (void)loop->shutdown(5ms);  // the other one is in its way
      ++returned;
    });
  }
  loop->run();
  REQUIRE(returned == 2);
}

TEST_CASE_METHOD(support::LoopFixture, "two shutdowns at once each hear of the last thread's end") {
  spawn([&] { (void)loop->shutdown(never); });
  spawn([&] { (void)loop->shutdown(20ms); });
  REQUIRE(loop->run() == Loop::End::idle);
}

TEST_CASE_METHOD(support::LoopFixture, "nothing is spawned during a shutdown") {
  std::error_code spawned;
  std::error_code waited;
  const auto captured = std::make_shared<int>();
  spawn([&, captured] {
    (void)this_thread::sleep_until(never);
    spawned = loop->spawn([captured] {}).error();
    this_thread::acknowledge_cancellation();
    waited = loop->spawn_wait({}, [captured] {}).error();
  });
  loop->run_once(no_wait);
  REQUIRE(loop->shutdown(1h).empty());
  REQUIRE(spawned == Errc::loop_shutting_down);
  REQUIRE(waited == Errc::loop_shutting_down);
  REQUIRE(captured.use_count() == 1);
  in_thread([] {});  // and afterwards the loop is as good as before
}

TEST_CASE_METHOD(support::LoopFixture, "a shutdown cancels threads that wait for a stack") {
  stacks::StackPool small{{.capacity = 1, .stack_size = support::test_stack_size}};
  std::error_code error;
  spawn([] { (void)this_thread::sleep_until(never); }, {.stacks = &small});
  spawn([&] { error = loop->spawn_wait({.stacks = &small}, [] {}).error(); });
  loop->run_once(no_wait);
  REQUIRE(loop->shutdown(1h).empty());
  REQUIRE(error == std::errc::operation_canceled);
}

TEST_CASE_METHOD(support::Application,
                 "shutdown in a callback ends threads that need no I/O for it") {
  int ended = 0;
  bool called = false;
  spawn([&] {
    (void)this_thread::sleep_until(never);
    for (int i = 0; i < 1000; ++i) (void)this_thread::yield();
    ++ended;
  });
  spawn([&] {
    (void)this_thread::sleep_until(never);
    ++ended;
  });
  call_in(1ms, [&] {
    CHECK(loop->shutdown(1h).empty());
    CHECK(ended == 2);
    called = true;
  });
  dispatch();
  REQUIRE(called);
}

TEST_CASE_METHOD(support::Application, "shutdown in a callback returns the threads that go on") {
  Stubborn stubborn;
  bool ended = false;
  bool called = false;
  spawn([&] { stubborn.wait(); }, {.name = "waits"});
  spawn([&] { stubborn.yield(); }, {.name = "yields"});
  spawn(
      [&] {
        (void)this_thread::sleep_until(never);
        this_thread::acknowledge_cancellation();
        ended = !this_thread::sleep_for(2ms);
      },
      {.name = "needs a moment"});
  call_in(1ms, [&] {
    CHECK(loop->shutdown(5ms).size() == 3);
    CHECK(!ended);
    stubborn.quit();
    called = true;
  });
  const std::function<void()> end = [&] {
    if (!ended) return call_in(1ms, end);  // the application's dispatch goes on with it
    CHECK(loop->shutdown(5ms).empty());
  };
  call_in(2ms, end);
  dispatch();
  REQUIRE(called);
  REQUIRE(loop->thread_count() == 0);
}

TEST_CASE_METHOD(support::LoopFixture, "threads in shutdown wait for others, not for each other") {
  int returned = 0;
  const auto shut_down = [&] {
    const auto left = loop->shutdown(never);
    REQUIRE(left.empty());
    ++returned;
  };
  spawn([&] {
    (void)this_thread::sleep_until(never);
    this_thread::acknowledge_cancellation();
    (void)this_thread::sleep_for(5ms);
  });
  for (int i = 0; i < 3; ++i) spawn(shut_down);
  loop->run();
  REQUIRE(returned == 3);
}

TEST_CASE_METHOD(support::LoopFixture,
                 "a thread that ignores its cancellation doesn't hold up a shutdown") {
  bool stop = false;
  auto [socket, peer] = support::connected_pair(*loop);
  spawn([&] {
    while (!stop) (void)this_thread::sleep_for(1h);
  });
  spawn([&, &socket = socket] {
    while (!stop) (void)support::receive(socket);
  });
  REQUIRE(loop->shutdown(5ms).size() == 2);
  stop = true;
  REQUIRE(loop->shutdown(never).empty());
}
