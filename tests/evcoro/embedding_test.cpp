// A loop in an event_base that belongs to the application.

#include <event2/thread.h>

#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <support/application.hpp>
#include <support/network.hpp>

using namespace evcoro;
using namespace std::chrono_literals;

TEST_CASE_METHOD(support::Application,
                 "the application's dispatch drives the threads to their end") {
  int ended = 0;
  for (int i = 0; i < 5; ++i) {
    spawn([&] {
      for (int step = 0; step < 3; ++step) REQUIRE(!this_thread::sleep_for(1ms));
      REQUIRE(!this_thread::yield());
      ++ended;
    });
  }
  dispatch();
  REQUIRE(ended == 5);
  REQUIRE(loop->thread_count() == 0);
}

TEST_CASE_METHOD(support::Application, "dispatch goes on while a thread waits without a timeout") {
  Thread thread = loop->spawn([] { return this_thread::sleep_until(never); }).value();
  bool called = false;
  call_in(2ms, [&] { call_in(2ms, [&] { called = true, thread.request_stop(); }); });
  dispatch();
  REQUIRE(called);
  REQUIRE(thread.join().value() == std::errc::operation_canceled);
}

TEST_CASE_METHOD(support::Application, "the application's own events outlive the threads") {
  bool called = false;
  spawn([&] { REQUIRE(!called); });
  call_in(5ms, [&] {
    called = true;
    CHECK(loop->thread_count() == 0);
  });
  dispatch();
  REQUIRE(called);
}

TEST_CASE_METHOD(support::Application, "threads can be spawned in the application's callbacks") {
  int ended = 0;
  call_in(1ms, [&] {
    spawn([&] {
      ++ended;
      REQUIRE(!this_thread::sleep_for(1ms));
      ++ended;
    });
  });
  dispatch();
  REQUIRE(ended == 2);
}

TEST_CASE_METHOD(support::Application, "a base outlives its loop and can have another") {
  spawn([] { REQUIRE(!this_thread::sleep_for(1ms)); });
  dispatch();
  loop.reset();
  REQUIRE(support::count_events(base.get()) == 0);
  bool called = false;
  call_in(1ms, [&] { called = true; });
  dispatch();
  REQUIRE(called);
  loop.emplace(pool, base.get());
  bool ran = false;
  spawn([&] { ran = true; });
  dispatch();
  REQUIRE(ran);
}

TEST_CASE_METHOD(support::Application,
                 "a post is handled by a dispatch though there is no thread") {
  bool called = false;
  std::thread other;
  call_in(0ms, [&] {
    other =
        std::thread{[&] { loop->post([&] { called = true, event_base_loopbreak(base.get()); }); }};
  });
  std::function<void()> tick = [&] { call_in(10ms, tick); };  // an application with work of its own
  tick();
  dispatch();
  other.join();
  REQUIRE(called);
  tick = [] {};
  dispatch();
}

TEST_CASE_METHOD(support::Application, "run drives a base of the application too") {
  bool called = false;
  bool ran = false;
  call_in(5ms, [&] { called = true; });
  spawn([&] { ran = true; });
  REQUIRE(loop->run() == Loop::End::idle);
  REQUIRE(ran);
  REQUIRE(called);
  call_in(1ms, [&] { event_base_loopbreak(base.get()); });
  call_in(2ms, [] {});
  REQUIRE(loop->run() == Loop::End::stopped);
  dispatch();
}

TEST_CASE_METHOD(support::Application, "stop breaks the application's dispatch") {
  Thread thread = loop->spawn([] { return this_thread::sleep_until(never); }).value();
  std::thread other{[&] { loop->stop(); }};
  dispatch();
  other.join();
  REQUIRE(event_base_got_break(base.get()) != 0);
  REQUIRE(!thread.has_ended());
  thread.request_stop();
  dispatch();
  REQUIRE(thread.join().has_value());
}

TEST_CASE_METHOD(support::Application, "threads advance when the application polls") {
  int steps = 0;
  spawn([&] {
    for (; steps < 3; ++steps) REQUIRE(!this_thread::sleep_for(1ms));
  });
  const int flag = GENERATE(EVLOOP_NONBLOCK, EVLOOP_ONCE);
  while (loop->thread_count() != 0) REQUIRE(event_base_loop(base.get(), flag) >= 0);
  REQUIRE(steps == 3);
}

TEST_CASE("a loop lives in a base whatever the flags of that are") {
  const int flags =
      GENERATE(0, int{EVENT_BASE_FLAG_NOLOCK}, int{EVENT_BASE_FLAG_NO_CACHE_TIME},
               int{EVENT_BASE_FLAG_PRECISE_TIMER}, int{EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST});
  CAPTURE(flags);
  const support::Base base = support::make_base(flags);
  Loop loop{{.capacity = 4, .stack_size = support::test_stack_size}, base.get()};
  int ended = 0;
  for (int i = 0; i < 4; ++i) {
    loop.spawn([&] { ended += this_thread::sleep_for(1ms) ? 0 : 1; }).value().detach();
  }
  bool refused = false;
  support::call_in(base.get(), 1ms, [&] {
    try {
      loop.run_once(no_wait);
    } catch (const std::logic_error&) {
      refused = true;
    }
  });
  REQUIRE(event_base_dispatch(base.get()) >= 0);
  REQUIRE(ended == 4);
  REQUIRE(refused);
}

TEST_CASE("a loop lives in a base with priorities") {
  const support::Base base = support::make_base();
  REQUIRE(event_base_priority_init(base.get(), 3) == 0);
  Loop loop{{.capacity = 4, .stack_size = support::test_stack_size}, base.get()};
  int ended = 0;
  for (int i = 0; i < 4; ++i) {
    loop.spawn([&] {
          if (!this_thread::sleep_for(1ms) && !this_thread::yield()) ++ended;
        })
        .value()
        .detach();
  }
  loop.post([&] { ++ended; });
  REQUIRE(event_base_dispatch(base.get()) >= 0);
  REQUIRE(ended >= 4);
  loop.run();
  REQUIRE(ended == 5);
}

TEST_CASE("two loops live in one base") {
  const support::Base base = support::make_base();
  Loop one{{.capacity = 2, .stack_size = support::test_stack_size}, base.get()};
  Loop two{{.capacity = 2, .stack_size = support::test_stack_size}, base.get()};
  int ended = 0;
  for (Loop* loop : {&one, &two}) {
    loop->spawn([&ended, loop] {
          if (!this_thread::sleep_for(1ms) && Loop::current() == loop) ++ended;
        })
        .value()
        .detach();
  }
  REQUIRE(event_base_dispatch(base.get()) >= 0);
  REQUIRE(ended == 2);
}

TEST_CASE_METHOD(support::Application, "a loop cannot be run in a callback of the application") {
  int refusals = 0;
  call_in(1ms, [&] {
    CHECK_THROWS_AS(loop->run(), std::logic_error);
    CHECK_THROWS_AS(loop->run_once(1ms), std::logic_error);
    ++refusals;
  });
  dispatch();
  REQUIRE(refusals == 1);
}

TEST_CASE_METHOD(support::Application, "a descriptor goes from an event to a thread, and back") {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
  const support::RawSocket owned{ends[0]};
  const support::RawSocket peer{ends[1]};
  struct Reader {
    static void read(evutil_socket_t descriptor, short, void* self) {
      char buffer[64];
      const auto count = ::read(descriptor, buffer, sizeof buffer);
      if (count > 0) static_cast<Reader*>(self)->input.append(buffer, std::size_t(count));
    }
    std::string input;
  } reader;
  event* const readable =
      event_new(base.get(), owned.get(), EV_READ | EV_PERSIST, Reader::read, &reader);
  event_add(readable, nullptr);
  std::string expected;
  const auto borrow = [&] {
    Socket socket = Socket::adopt(*loop, owned.get()).value();
    REQUIRE(support::receive(socket, 64, 1ms).error == std::errc::timed_out);
    peer.send("to the thread");
    REQUIRE(support::receive(socket).text == "to the thread");
    REQUIRE(socket.send("answer"));
    REQUIRE(socket.release() == owned.get());
  };
  spawn([&] {
    for (int i = 0; i < 3; ++i) {
      peer.send("event.");
      expected += "event.";
      REQUIRE(support::eventually([&] { return reader.input == expected; }));
      event_del(readable);
      borrow();
      event_add(readable, nullptr);
    }
    peer.send("end");
    REQUIRE(support::eventually([&] { return reader.input == expected + "end"; }));
    event_del(readable);
  });
  dispatch();
  event_free(readable);
  REQUIRE(reader.input == "event.event.event.end");
  REQUIRE(peer.recv_all(18) == "answeransweranswer");
}
