// A loop in an application's base: every way to drive it, priorities, flags, and its end.
#include <event2/thread.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <evcoro/net/tcp_acceptor.hpp>
#include <support/application.hpp>
#include <support/network.hpp>

using namespace evcoro;
using namespace std::chrono_literals;

namespace {

// An echo server and a client on it, which exchange messages, sleep, and post.
class Load {
 public:
  explicit Load(Loop& loop, int rounds = 5) : loop_(loop), rounds_(rounds) {
    loop.spawn({.name = "client"}, [this] { run_client(); }).value().detach();
  }
  bool is_done() const { return done_; }

 private:
  static void echo(Socket& socket) {
    std::array<std::byte, 64> buffer;
    while (const IoResult in = socket.recv(buffer, 5s)) {
      if (in.count == 0 || !socket.send(std::span{buffer}.first(in.count), 5s)) break;
    }
  }

  void run_client() {
    TcpAcceptor acceptor{loop_, Address::loopback(AF_INET, 0), echo};
    auto socket = connect(acceptor.local_address(), 5s).value();
    bool all = true;
    for (int i = 0; i < rounds_; ++i) {
      const std::string message = std::to_string(i);
      all &= socket.send(message, 5s) && support::receive(socket, 64, 5s).text == message;
      all &= !this_thread::sleep_for(200us);
      int posted = 0;
      loop_.post([&] { ++posted; });
      while (posted == 0) all &= !this_thread::yield();
    }
    done_ = all;
  }

  Loop& loop_;
  const int rounds_;
  bool done_ = false;
};

constexpr stacks::StackPool::Options few() {
  return {.capacity = 8, .stack_size = support::test_stack_size};
}

int count_all_events(event_base* base) {
  int count = 0;
  event_base_foreach_event(
      base,
      [](const event_base*, const event*, void* number) { return ++*static_cast<int*>(number), 0; },
      &count);
  return count;
}

}  // namespace

TEST_CASE_METHOD(support::Application, "threads run in every mode of event_base_loop") {
  const int mode = GENERATE(0, EVLOOP_ONCE, EVLOOP_NONBLOCK, EVLOOP_ONCE | EVLOOP_NONBLOCK,
                            EVLOOP_NO_EXIT_ON_EMPTY);
  CAPTURE(mode);
  const Load load{*loop};
  if (mode == EVLOOP_NO_EXIT_ON_EMPTY) {
    spawn([&] {
      while (loop->thread_count() > 1) REQUIRE(!this_thread::sleep_for(1ms));
      event_base_loopexit(base.get(), nullptr);
    });
  }
  int calls = 0;
  do {
    REQUIRE(event_base_loop(base.get(), mode) >= 0);
    ++calls;
  } while (loop->thread_count() != 0 && calls < 1'000'000);
  REQUIRE(load.is_done());
  if (mode == 0 || mode == EVLOOP_NO_EXIT_ON_EMPTY) REQUIRE(calls == 1);
  REQUIRE(event_base_loop(base.get(), EVLOOP_ONCE) == 1);  // nothing keeps the base
}

TEST_CASE("threads run in a base with priorities, theirs and others") {
  const int priorities = GENERATE(1, 3, 8);
  const int ours = GENERATE(-1, 0, 7);
  CAPTURE(priorities, ours);
  const support::Base base = support::make_base();
  REQUIRE(event_base_priority_init(base.get(), priorities) == 0);
  Loop loop{few(), base.get()};
  if (ours >= 0) {
    const auto error = loop.set_event_priority(ours);
    REQUIRE((error == std::errc::invalid_argument) == (ours >= priorities));
  }
  // The application has more to do than anybody, at the first priority, for a while.
  struct Stream {
    event* again;
    int left = 2000;
  } stream{nullptr};
  stream.again = event_new(
      base.get(), -1, EV_TIMEOUT,
      [](evutil_socket_t, short, void* self) {
        auto& s = *static_cast<Stream*>(self);
        if (--s.left > 0) event_active(s.again, EV_TIMEOUT, 1);
      },
      &stream);
  event_priority_set(stream.again, 0);
  event_active(stream.again, EV_TIMEOUT, 1);
  const Load load{loop};
  REQUIRE(event_base_dispatch(base.get()) >= 0);
  REQUIRE(load.is_done());
  REQUIRE(stream.left == 0);
  event_free(stream.again);
}

TEST_CASE_METHOD(support::Application, "a priority can't be changed inside of a callback") {
  std::error_code inside;
  loop->post([&] { inside = loop->set_event_priority(0); });
  spawn([] {});
  dispatch();
  REQUIRE((!inside || inside == std::errc::device_or_resource_busy));
  REQUIRE(loop->set_event_priority(1) == std::errc::invalid_argument);
  REQUIRE(loop->set_event_priority(-1) == std::errc::invalid_argument);
}

TEST_CASE("sockets work in a base with any flags, also with locks") {
  const bool locks = GENERATE(false, true);
  const int flags =
      GENERATE(0, int{EVENT_BASE_FLAG_NO_CACHE_TIME}, int{EVENT_BASE_FLAG_PRECISE_TIMER},
               int{EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST});
  CAPTURE(locks, flags);
  if (locks) REQUIRE(evthread_use_pthreads() == 0);
  const support::Base base = support::make_base(flags);
  Loop loop{few(), base.get()};
  const Load load{loop};
  REQUIRE(event_base_dispatch(base.get()) >= 0);
  REQUIRE(load.is_done());
}

TEST_CASE("other OS threads post, and activate events of a base with locks") {
  REQUIRE(evthread_use_pthreads() == 0);
  const support::Base base = support::make_base();
  Loop loop{few(), base.get()};
  int posted = 0;
  std::atomic<int> activated{0};
  event* const event = event_new(
      base.get(), -1, EV_PERSIST,
      [](evutil_socket_t, short, void* count) { ++*static_cast<std::atomic<int>*>(count); },
      &activated);
  std::vector<std::thread> others;
  for (int i = 0; i < 3; ++i) {
    others.emplace_back([&] {
      for (int n = 0; n < 100; ++n) {
        loop.post([&] { ++posted; });
        event_active(event, EV_TIMEOUT, 1);
      }
    });
  }
  const Load load{loop, 3};
  loop.spawn([&] {
        while (posted < 300) REQUIRE(!this_thread::sleep_for(100us));
      })
      .value()
      .detach();
  REQUIRE(event_base_dispatch(base.get()) >= 0);
  for (auto& each : others) each.join();
  REQUIRE(load.is_done());
  REQUIRE(posted == 300);
  REQUIRE(activated > 0);
  event_free(event);
}

TEST_CASE("a change list holds with descriptors that are duplicated, closed and reused") {
  const support::Base base = support::make_base(EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
  Loop loop{few(), base.get()};
  int rounds = 0;
  loop.spawn([&] {
        for (; rounds < 20; ++rounds) {
          auto [socket, peer] = support::connected_pair(loop);
          REQUIRE(support::ping_pong(socket, peer));  // registered
          const int number = socket.native_handle();
          const support::RawSocket kept{::dup(number)};  // the kernel's registration lives on
          socket.close();
          peer.send("stale");
          auto [next, next_peer] = support::unix_pair(loop, number);
          REQUIRE(support::receive(next, 64, 1ms).error == std::errc::timed_out);
          next_peer.send("fresh");
          REQUIRE(support::receive(next, 64).text == "fresh");
          peer.send("stale");
          REQUIRE(support::receive(next, 64, 1ms).error == std::errc::timed_out);
        }
      })
      .value()
      .detach();
  REQUIRE(event_base_dispatch(base.get()) >= 0);
  REQUIRE(rounds == 20);
}

TEST_CASE_METHOD(support::Application, "the application breaks its dispatch, and goes on") {
  const Load load{*loop, 20};
  int breaks = 0;
  while (loop->thread_count() != 0) {
    switch (breaks++ % 3) {
      case 0:
        call_in(0ms, [&] { event_base_loopbreak(base.get()); });
        break;
      case 1:
        call_in(0ms, [&] { event_base_loopcontinue(base.get()); });
        break;
      default:
        event_base_loopexit(base.get(), nullptr);
        break;
    }
    dispatch();
  }
  REQUIRE(load.is_done());
  REQUIRE(breaks > 1);
}

TEST_CASE_METHOD(support::Application, "a thread breaks the dispatch that runs it, and goes on") {
  int breaks = 0;
  spawn([&] {
    for (; breaks < 3; ++breaks) {
      event_base_loopbreak(base.get());
      REQUIRE(!this_thread::sleep_for(1ms));
    }
  });
  int dispatches = 0;
  for (; loop->thread_count() != 0; ++dispatches) dispatch();
  REQUIRE(breaks == 3);
  REQUIRE(dispatches >= 3);
}

TEST_CASE("a loop that goes leaves nothing in the base, with locks or without") {
  const bool locks = GENERATE(false, true);
  if (locks) REQUIRE(evthread_use_pthreads() == 0);
  support::Application application;
  auto& base = application.base;
  auto& loop = application.loop;
  const int before = count_all_events(support::make_base().get());
  Thread waiting = loop->spawn([] { return this_thread::sleep_for(10s); }).value();
  auto [socket, peer] = support::connected_pair(*loop);
  Thread reading =
      loop->spawn([&socket = socket] { return support::receive(socket).error; }).value();
  bool ticked = false;
  application.call_in(2ms, [&] { loop.reset(); });
  application.call_in(5ms, [&] {
    CHECK(count_all_events(base.get()) == before);
    ticked = true;
  });
  application.dispatch();  // which returns when the application's events have ended
  REQUIRE(ticked);
  REQUIRE(waiting.join().value() == std::errc::operation_canceled);
  REQUIRE(reading.join().value() == std::errc::operation_canceled);
}
