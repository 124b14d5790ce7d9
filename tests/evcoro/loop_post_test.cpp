// Loop::post()

#include <array>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include <support/loop_fixture.hpp>

using namespace evcoro;
using namespace std::chrono_literals;

TEST_CASE_METHOD(support::LoopFixture, "posts of many OS threads all arrive in order of posting") {
  constexpr int posters = 4;
  const int posts = support::running_on_valgrind() ? 200 : 5000;
  std::array<std::vector<int>, posters> arrived;
  int missing = posters * posts;
  const auto loop_thread = std::this_thread::get_id();
  bool elsewhere = false;
  std::vector<std::thread> os_threads;
  for (auto& mine : arrived) {
    os_threads.emplace_back([&] {
      for (int i = 0; i < posts; ++i) {
        loop->post([&, i] {
          mine.push_back(i);
          elsewhere |= std::this_thread::get_id() != loop_thread;
          if (--missing == 0) loop->stop();
        });
      }
    });
  }
  Thread keeper = loop->spawn([] { return this_thread::sleep_until(never); }).value();
  REQUIRE(loop->run() == Loop::End::stopped);
  for (auto& each : os_threads) each.join();
  REQUIRE(!elsewhere);
  for (const auto& each : arrived) {
    REQUIRE(each.size() == static_cast<std::size_t>(posts));
    for (int i = 0; i < posts; ++i) {
      if (each[static_cast<std::size_t>(i)] != i) FAIL("out of order");
    }
  }
  keeper.request_stop();
  loop->run();
  REQUIRE(keeper.join().has_value());
}

TEST_CASE_METHOD(support::LoopFixture, "what a posted function posts runs after what was posted") {
  std::vector<int> order;
  loop->post([&] {
    order.push_back(1);
    loop->post([&] { order.push_back(3); });
  });
  loop->post([&] { order.push_back(2); });
  in_thread([&] {
    while (order.size() < 3) REQUIRE(!this_thread::yield());
  });
  REQUIRE(order == std::vector{1, 2, 3});
}

TEST_CASE_METHOD(support::LoopFixture, "a post that posts itself anew starves nobody") {
  bool done = false;
  std::function<void()> again = [&] {
    if (!done) loop->post(again);
  };
  loop->post(again);
  spawn([&] {
    for (int i = 0; i < 5; ++i) REQUIRE(!this_thread::sleep_for(1ms));
    done = true;
  });
  REQUIRE(loop->run() == Loop::End::idle);
  REQUIRE(done);
}

TEST_CASE_METHOD(support::LoopFixture, "posts alone do not keep run from returning") {
  int calls = 0;
  loop->post([&] { ++calls; });
  REQUIRE(loop->run() == Loop::End::idle);
  REQUIRE(calls == 1);
}

TEST_CASE_METHOD(support::LoopFixture, "a posted function is outside any thread and may spawn") {
  bool ran = false;
  loop->post([&] {
    CHECK(Loop::current() == nullptr);
    CHECK(this_thread::sleep_for(1ms) == Errc::not_in_a_thread);
    spawn([&] { ran = true; });
  });
  REQUIRE(loop->run() == Loop::End::idle);
  REQUIRE(ran);
}

TEST_CASE_METHOD(support::LoopFixture, "a posted function need not be copyable") {
  int value = 0;
  loop->post([&value, owned = std::make_unique<int>(7)] { value = *owned; });
  loop->run();
  REQUIRE(value == 7);
}

TEST_CASE_METHOD(support::LoopFixture,
                 "posted functions that never ran are destroyed with the loop") {
  const auto captured = std::make_shared<int>(1);
  for (int i = 0; i < 3; ++i) loop->post([captured] { FAIL_CHECK("ran"); });
  REQUIRE(captured.use_count() == 4);
  loop.reset();
  REQUIRE(captured.use_count() == 1);
}

TEST_CASE_METHOD(support::LoopFixture,
                 "exceptions of posted functions go to the exception handler") {
  std::vector<std::string> reports;
  loop->set_exception_handler([&](const ThreadInfo& thread, std::exception_ptr exception) {
    try {
      std::rethrow_exception(exception);
    } catch (const std::exception& error) {
      reports.push_back(thread.name + ": " + error.what());
    } catch (int number) {
      reports.push_back(thread.name + ": " + std::to_string(number));
    }
  });
  int calls = 0;
  loop->post([] { throw std::runtime_error("first"); });
  loop->post([] { throw 2; });
  loop->post([&] { ++calls; });
  loop->run();
  REQUIRE(reports == std::vector<std::string>{"post: first", "post: 2"});
  REQUIRE(calls == 1);
}

TEST_CASE_METHOD(support::LoopFixture, "a post wakes a thread that waits for another OS thread") {
  in_thread([&] {
    for (int round = 0; round < 20; ++round) {
      bool answered = false;
      Thread waiter = loop->spawn([&] {
                            const auto error = this_thread::sleep_until(never);
                            return answered ? std::error_code{} : error;
                          })
                          .value();
      std::thread worker{[&] {
        loop->post([&] {
          answered = true;
          waiter.request_stop();
        });
      }};
      REQUIRE(!waiter.join().value());
      worker.join();
    }
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "what is posted while posts are destroyed is destroyed, too") {
  struct PostsAnother {
    explicit PostsAnother(Loop& its_loop, std::shared_ptr<int> its_count)
        : loop(its_loop), count(std::move(its_count)) {}
    ~PostsAnother() {
      loop.post([held = count] {});
    }
    Loop& loop;
    std::shared_ptr<int> count;
  };
  const auto count = std::make_shared<int>();
  loop->post([last = std::make_unique<PostsAnother>(*loop, count)] {});
  loop.reset();
  REQUIRE(count.use_count() == 1);
}
