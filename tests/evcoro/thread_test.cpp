// Threads: what they run, what join() gives, and what they are called.
#include <evcoro/thread.hpp>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <support/loop_fixture.hpp>

using namespace evcoro;
using namespace std::chrono_literals;

namespace {

int forty_two() { return 42; }

struct Counter {
  int count = 0;
  int operator()() { return ++count; }
};

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "join returns what the function returns") {
  in_thread([&] {
    REQUIRE(loop->spawn({.name = "adder"}, [] { return 1 + 2; }).value().join().value() == 3);
    REQUIRE(loop->spawn(forty_two).value().join().value() == 42);
    REQUIRE(loop->spawn(Counter{}).value().join().value() == 1);
    Thread text = loop->spawn([owned = std::make_unique<int>(7)]() mutable {
                        return std::make_unique<std::string>(std::to_string(++*owned));
                      })
                      .value();
    REQUIRE(*text.join().value() == "8");
    REQUIRE(loop->spawn([] {}).value().join().has_value());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "join returns an error_code that is the function's result") {
  in_thread([&] {
    Thread fails = loop->spawn([] { return std::make_error_code(std::errc::io_error); }).value();
    const Result early = fails.join(no_wait);
    REQUIRE(!early.has_value());
    REQUIRE(early.error() == std::errc::timed_out);
    REQUIRE(fails.join().value() == std::errc::io_error);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "an object that is given to spawn by reference is copied") {
  Counter counter;
  in_thread([&] {
    REQUIRE(loop->spawn(counter).value().join().value() == 1);
    REQUIRE(loop->spawn(std::ref(counter)).value().join().value() == 1);
  });
  REQUIRE(counter.count == 1);
}

TEST_CASE_METHOD(support::LoopFixture, "join throws what leaves the function") {
  in_thread([&] {
    Thread standard = loop->spawn([]() -> int { throw std::runtime_error("broken"); }).value();
    REQUIRE_THROWS_WITH(standard.join(), "broken");
    REQUIRE(!standard.joinable());
    Thread number = loop->spawn([] { throw 3; }).value();
    REQUIRE_THROWS_AS(number.join(), int);
    REQUIRE(pool.in_use() == 1);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a join that times out leaves the handle as it was") {
  in_thread([&] {
    Thread thread = loop->spawn([] { return this_thread::sleep_until(never) ? 5 : 0; }).value();
    REQUIRE(thread.join(no_wait).error() == std::errc::timed_out);
    REQUIRE(thread.join(2ms).error() == std::errc::timed_out);
    REQUIRE(thread.join(Clock::now() - 1s).error() == std::errc::timed_out);
    REQUIRE(thread.joinable());
    REQUIRE(!thread.has_ended());
    thread.request_stop();
    REQUIRE(thread.join().value() == 5);
    REQUIRE(!thread.joinable());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a thread that has ended can be joined from anywhere") {
  Thread thread = loop->spawn([] { return 1; }).value();
  REQUIRE(thread.join().error() == Errc::not_in_a_thread);
  REQUIRE(thread.joinable());
  loop->run();
  REQUIRE(thread.has_ended());
  REQUIRE(thread.info().state == TaskState::ended);
  REQUIRE(thread.join(no_wait).value() == 1);
}

TEST_CASE_METHOD(support::LoopFixture, "join works in the threads of its own loop only") {
  stacks::StackPool other_pool{{.capacity = 2, .stack_size = support::test_stack_size}};
  Loop other{other_pool};
  Thread thread = other.spawn([] { return 1; }).value();
  in_thread([&] { REQUIRE(thread.join().error() == Errc::wrong_loop); });
  other.run();
  in_thread([&] { REQUIRE(thread.join().value() == 1); });
}

TEST_CASE_METHOD(support::LoopFixture, "an ended thread can be joined after its loop is gone") {
  Thread result = loop->spawn([] { return std::string("kept"); }).value();
  Thread dropped = loop->spawn([] { return 1; }).value();
  loop->run();
  loop.reset();
  REQUIRE(result.join().value() == "kept");
}

TEST_CASE_METHOD(support::LoopFixture, "threads run in the order in which they were spawned") {
  std::vector<int> order;
  in_thread([&] {
    for (int i = 0; i < 5; ++i) {
      spawn([&order, i] {
        order.push_back(i);
        REQUIRE(!this_thread::yield());
        order.push_back(i + 10);
      });
    }
    REQUIRE(order.empty());  // spawn() queues
  });
  REQUIRE(order == std::vector{0, 1, 2, 3, 4, 10, 11, 12, 13, 14});
}

TEST_CASE_METHOD(support::LoopFixture, "a thread knows its id and its name") {
  REQUIRE(this_thread::id() == 0);
  REQUIRE(this_thread::name().empty());
  in_thread([&] {
    REQUIRE(this_thread::name() == "test");
    const std::string longest(31, 'x');
    std::string name = longest + "yz";
    Thread thread =
        loop->spawn({.name = name},
                    [] {
                      return std::pair{this_thread::id(), std::string(this_thread::name())};
                    })
            .value();
    name.assign(name.size(), '-');  // it was copied
    REQUIRE(thread.name() == longest);
    REQUIRE(thread.id() != this_thread::id());
    const auto id = thread.id();
    REQUIRE(thread.join().value() == std::pair{id, longest});
    Thread unnamed = loop->spawn([] {}).value();
    REQUIRE(unnamed.name().empty());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "the loop lists its threads with what they wait for") {
  const SpawnOptions options{.name = "sleeper"};
  const std::string here = __FILE__ + (":" + std::to_string(__LINE__ - 1));
  Thread sleeper = loop->spawn(options, [] { return this_thread::sleep_for(1h); }).value();
  Thread joiner = loop->spawn({.name = "joiner"}, [&] { return sleeper.join().value(); }).value();
  in_thread([&] {
    REQUIRE(!this_thread::yield());
    const std::vector<ThreadInfo> list = loop->threads();
    REQUIRE(list.size() == 3);
    REQUIRE(loop->thread_count() == 3);
    REQUIRE(list[0].id == sleeper.id());
    REQUIRE(list[0].name == "sleeper");
    REQUIRE(list[0].state == TaskState::parked);
    REQUIRE(list[0].wait_reason == "sleep");
    REQUIRE(list[0].cancel_reason == CancelReason::none);
    REQUIRE(list[0].spawned_at == here);
    REQUIRE(list[1].wait_reason == "join");
    REQUIRE(list[2].name == "test");
    REQUIRE(list[2].state == TaskState::running);
    REQUIRE(list[2].wait_reason.empty());
    sleeper.request_stop();
    REQUIRE(sleeper.info().state == TaskState::ready);
    REQUIRE(sleeper.info().cancel_reason == CancelReason::user);
  });
  REQUIRE(joiner.join().value() == std::errc::operation_canceled);
}

TEST_CASE_METHOD(support::LoopFixture, "errno is each thread's own") {
  spawn([] {
    errno = 11;
    REQUIRE(!this_thread::sleep_for(1ms));
    REQUIRE(errno == 11);
  });
  spawn([] {
    errno = 22;
    REQUIRE(!this_thread::yield());
    REQUIRE(errno == 22);
  });
  errno = 33;
  loop->run();
}

TEST_CASE_METHOD(support::LoopFixture, "threads may block while they handle exceptions") {
  std::vector<std::string> caught;
  for (const char* const what : {"one", "two", "three"}) {
    spawn([&caught, what] {
      try {
        throw std::runtime_error(what);
      } catch (const std::exception&) {
        REQUIRE(!this_thread::sleep_for(1ms));
        try {
          throw;
        } catch (const std::exception& again) {
          REQUIRE(!this_thread::yield());
          caught.emplace_back(again.what());
        }
      }
      REQUIRE(std::current_exception() == nullptr);
    });
  }
  loop->run();
  REQUIRE(caught.size() == 3);
  std::sort(caught.begin(), caught.end());
  REQUIRE(caught == std::vector<std::string>{"one", "three", "two"});
}

TEST_CASE_METHOD(support::LoopFixture, "how much of its stack a thread has used can be asked") {
  using stacks::StackPool;
  in_thread([&] {
    Thread thread = loop->spawn([&] {
                          volatile char deep[32 * 1024];
                          for (volatile char& each : deep) each = 1;
                          REQUIRE(StackPool::watermark(this_thread::stack()) >= sizeof deep);
                          (void)this_thread::sleep_until(never);
                        })
                        .value();
    REQUIRE(!this_thread::yield());
    REQUIRE(thread.stack().size() >= support::test_stack_size);
    REQUIRE(StackPool::watermark(thread.stack()) >= 32 * 1024);
    REQUIRE(StackPool::watermark(thread.stack()) < support::test_stack_size);
    thread.request_stop();
    REQUIRE(thread.join().has_value());
  });
}
