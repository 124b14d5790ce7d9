// Threads that never wait leave room for everything else.
#include <array>
#include <string>
#include <thread>
#include <vector>

#include <evcoro/net/socket.hpp>
#include <evcoro/timer.hpp>
#include <support/application.hpp>

using namespace evcoro;
using namespace std::chrono_literals;

TEST_CASE_METHOD(support::LoopFixture, "sleepers are served beside threads that only yield") {
  bool done = false;
  for (int i = 0; i < 3; ++i) {
    spawn([&] {
      while (!done) REQUIRE(!this_thread::yield());
    });
  }
  spawn([&] {
    for (int i = 0; i < 10; ++i) REQUIRE(!this_thread::sleep_for(1ms));
    Timer timer;
    timer.start_periodic(1ms);
    for (int i = 0; i < 3; ++i) REQUIRE(timer.wait().has_value());
    done = true;
  });
  REQUIRE(loop->run() == Loop::End::idle);
  REQUIRE(done);
}

TEST_CASE_METHOD(support::LoopFixture, "sockets are served beside a thread that only yields") {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  bool done = false;
  spawn([&] {
    while (!done) REQUIRE(!this_thread::yield());
  });
  spawn([&] {
    Socket socket = Socket::adopt(*loop, ends[0]).value();
    std::array<std::byte, 1> byte;
    for (int i = 0; i < 10; ++i) REQUIRE(socket.recv(byte).count == 1);
    done = true;
  });
  spawn([&] {
    Socket socket = Socket::adopt(*loop, ends[1]).value();
    for (int i = 0; i < 10; ++i) {
      REQUIRE(!this_thread::sleep_for(100us));
      REQUIRE(socket.send("x").count == 1);
    }
  });
  REQUIRE(loop->run() == Loop::End::idle);
  REQUIRE(done);
}

TEST_CASE_METHOD(support::LoopFixture, "posts and stop arrive beside a thread that only yields") {
  bool done = false;
  spawn([&] {
    while (!done) REQUIRE(!this_thread::yield());
  });
  std::thread other{[&] { loop->post([&] { loop->stop(); }); }};
  REQUIRE(loop->run() == Loop::End::stopped);
  other.join();
  done = true;
  REQUIRE(loop->run() == Loop::End::idle);
}

TEST_CASE_METHOD(support::Application,
                 "the application's events are served beside yielding threads") {
  bool done = false;
  spawn([&] {
    while (!done) REQUIRE(!this_thread::yield());
  });
  call_in(5ms, [&] { done = true; });
  dispatch();
  REQUIRE(done);
}

TEST_CASE_METHOD(support::LoopFixture, "run_once returns beside a thread that only yields") {
  bool done = false;
  spawn([&] {
    while (!done) REQUIRE(!this_thread::yield());
  });
  loop->run_once(no_wait);
  loop->run_once(1h);
  done = true;
  REQUIRE(loop->run() == Loop::End::idle);
}

TEST_CASE_METHOD(support::LoopFixture, "two threads that wake each other leave room for timers") {
  bool done = false;
  spawn([&] {
    while (!done) {
      Thread short_lived = loop->spawn([] {}).value();
      REQUIRE(short_lived.join().has_value());
    }
  });
  spawn([&] {
    REQUIRE(!this_thread::sleep_for(5ms));
    done = true;
  });
  REQUIRE(loop->run() == Loop::End::idle);
  REQUIRE(done);
}

TEST_CASE_METHOD(support::LoopFixture,
                 "an urgent thread goes before others that were woken earlier") {
  std::string order;
  const auto spawn_waiter = [&](char name, Priority priority) {
    return loop
        ->spawn({.priority = priority},
                [&order, name] {
                  while (!detail::current_thread()->wait_for_wake(never)) order += name;
                })
        .value();
  };
  in_thread([&] {
    std::array<Thread<>, 4> threads{
        spawn_waiter('a', Priority::normal), spawn_waiter('u', Priority::urgent),
        spawn_waiter('b', Priority::normal), spawn_waiter('v', Priority::urgent)};
    for (const Thread<>& each : threads) REQUIRE(support::until_parked(each));
    const auto wake_all = [&] {
      for (const Thread<>& each : threads) {
        static_cast<detail::ThreadTask*>(ThreadRef{each}.task())->wake_up();
      }
      order.clear();
      REQUIRE(support::eventually([&] { return order.size() == threads.size(); }));
    };
    wake_all();
    REQUIRE(order == "uvab");
    threads[0].set_priority(Priority::urgent);
    threads[1].set_priority(Priority::normal);
    wake_all();
    REQUIRE(order == "avub");
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "urgent threads that wake each other leave the others turns") {
  bool done = false;
  std::array<detail::ThreadTask*, 2> players{};
  for (std::size_t i = 0; i < 2; ++i) {
    spawn(
        [&, i] {
          players[i] = detail::current_thread();
          while (!done) {
            if (players[1 - i] != nullptr) players[1 - i]->wake_up();
            REQUIRE(!detail::current_thread()->wait_for_wake(never));
          }
          players[i] = nullptr;
          if (players[1 - i] != nullptr) players[1 - i]->wake_up();
        },
        {.priority = Priority::urgent});
  }
  spawn([&] {
    for (int i = 0; i < 100; ++i) REQUIRE(!this_thread::yield());
    for (int i = 0; i < 5; ++i) REQUIRE(!this_thread::sleep_for(100us));
    done = true;
  });
  REQUIRE(loop->run() == Loop::End::idle);
  REQUIRE(done);
}
