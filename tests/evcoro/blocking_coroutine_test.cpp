// Coroutines and generators that block inside a thread: the whole chain parks.
#include <stdexcept>
#include <vector>

#include <corothread/coroutine.hpp>
#include <corothread/generator.hpp>
#include <support/loop_fixture.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using corothread::Coroutine;
using corothread::Generator;

TEST_CASE_METHOD(support::LoopFixture, "a generator may sleep between its elements") {
  std::vector<int> elements;
  int others = 0;
  spawn(
      [&] {
        Generator<int> numbers{pool, [](auto& yield) {
                                 for (int i = 0; i < 3; ++i) {
                                   REQUIRE(!this_thread::sleep_for(2ms));
                                   REQUIRE(this_thread::name() == "consumer");
                                   yield(i);
                                 }
                               }};
        for (const int each : numbers) elements.push_back(each);
      },
      {.name = "consumer"});
  spawn([&] {
    while (elements.size() < 3) {
      REQUIRE(!this_thread::sleep_for(1ms));
      ++others;
    }
  });
  loop->run();
  REQUIRE(elements == std::vector{0, 1, 2});
  REQUIRE(others >= 1);
}

TEST_CASE_METHOD(support::LoopFixture, "a coroutine in a coroutine may join and yield to others") {
  in_thread([&] {
    Coroutine<int(int)> outer{pool, [&](auto& yield, int value) {
                                while (true) {
                                  Coroutine<int(int)> inner{
                                      pool, [&](auto&, int number) {
                                        Thread helper =
                                            loop->spawn([number] { return number * 2; }).value();
                                        REQUIRE(!this_thread::yield());
                                        return helper.join().value();
                                      }};
                                  value = yield(*inner.start(value));
                                }
                              }};
    REQUIRE(outer.start(4) == 8);
    REQUIRE(!this_thread::sleep_for(1ms));
    REQUIRE(outer.resume(21) == 42);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a thread that blocks in a coroutine can be cancelled") {
  in_thread([&] {
    Thread thread =
        loop->spawn([&] {
              std::error_code error;
              Coroutine<void()> body{pool, [&](auto&) { error = this_thread::sleep_until(never); }};
              body.start();
              return error;
            })
            .value();
    REQUIRE(!this_thread::yield());
    REQUIRE(thread.info().wait_reason == "sleep");
    thread.request_stop();
    REQUIRE(thread.join().value() == std::errc::operation_canceled);
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "an exception passes from a coroutine through a thread to join") {
  in_thread([&] {
    Thread thread = loop->spawn([&] {
                          Coroutine<void()> body{pool, [](auto&) {
                                                   REQUIRE(!this_thread::sleep_for(1ms));
                                                   throw std::runtime_error("deep");
                                                 }};
                          body.start();
                        })
                        .value();
    REQUIRE_THROWS_WITH(thread.join(), "deep");
  });
}
