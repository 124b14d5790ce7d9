#include <evcoro/net/connection_pool.hpp>

#include <optional>
#include <vector>

#include <support/every_park.hpp>
#include <support/loop_fixture.hpp>
#include <support/network.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::long_time;

namespace {

// PoolFixture: the pool's connections are made to a listener here; made counts them.
class PoolFixture : public support::LoopFixture {
 public:
  ConnectionPool::Factory factory() {
    return [this](Timeout timeout) {
      ++made;
      return connect(listener.address(), timeout);
    };
  }

  // taker() is a thread that takes a connection, gives it back, and notes its number.
  auto taker(ConnectionPool& connections, int number, Timeout timeout = long_time) {
    return loop
        ->spawn([this, &connections, number, timeout] {
          const auto guard = connections.take(timeout);
          if (guard) served.push_back(number);
          return support::Outcome{guard.error()};
        })
        .value();
  }

  support::Listener listener;
  int made = 0;
  std::vector<int> served;
};

}  // namespace

TEST_CASE_METHOD(PoolFixture, "a connection is used again, unless it is discarded") {
  in_thread([&] {
    ConnectionPool connections{*loop, factory()};
    int first = 0;
    {
      auto guard = connections.take(long_time).value();
      first = guard->native_handle();
      REQUIRE(connections.taken() == 1);
      REQUIRE(connections.idle() == 0);
    }
    REQUIRE(connections.taken() == 0);
    REQUIRE(connections.idle() == 1);
    auto again = connections.take(no_wait).value();
    REQUIRE(again->native_handle() == first);
    auto other = connections.take(long_time).value();
    REQUIRE(made == 2);
    other.discard();
    other.discard();  // it is empty
    REQUIRE(connections.idle() == 0);
    again->close();
    again.give_back();
    REQUIRE(connections.idle() == 0);
    REQUIRE(connections.taken() == 0);
    again = connections.take(long_time).value();
    again = connections.take(long_time).value();
    REQUIRE(made == 4);
    REQUIRE(connections.idle() == 1);
  });
  ConnectionPool connections{*loop, factory()};
  REQUIRE(connections.take().error() == Errc::not_in_a_thread);
  REQUIRE_THROWS_AS((ConnectionPool{*loop, {}}), std::system_error);
  REQUIRE_THROWS_AS((ConnectionPool{*loop, factory(), {.capacity = 0}}), std::system_error);
}

TEST_CASE_METHOD(PoolFixture, "the time in the pool is not idle time of the next user") {
  in_thread([&] {
    ConnectionPool connections{*loop, factory()};
    {
      auto guard = connections.take(long_time).value();
      guard->set_idle_timeout(50ms);
    }
    REQUIRE(!this_thread::sleep_for(60ms));
    const auto begin = Clock::now();
    auto guard = connections.take(long_time).value();
    REQUIRE(made == 1);
    std::string text(1, ' ');
    REQUIRE(guard->recv(std::as_writable_bytes(std::span{text})).error == std::errc::timed_out);
    REQUIRE(Clock::now() - begin >= 49ms);
  });
}

TEST_CASE_METHOD(PoolFixture,
                 "a connection that its peer has closed or written to is not used again") {
  in_thread([&] {
    ConnectionPool connections{*loop, factory()};
    connections.take(long_time).value().give_back();
    support::RawSocket peer = listener.accept();
    peer.send("nobody has asked");
    REQUIRE(support::eventually([&] {
      auto guard = connections.take(long_time).value();
      return made == 2;
    }));
    peer = listener.accept();
    peer.close();
    REQUIRE(support::eventually([&] {
      auto guard = connections.take(long_time).value();
      return made == 3;
    }));
    REQUIRE(connections.idle() == 1);
    int checks = 0;
    ConnectionPool picky{*loop, factory(), {.is_healthy = [&](Socket&) { return ++checks == 2; }}};
    for (int i = 0; i < 3; ++i) picky.take(long_time).value().give_back();
    REQUIRE(checks == 2);
    REQUIRE(made == 5);
  });
}

TEST_CASE_METHOD(PoolFixture, "a full pool makes threads wait, first come first served") {
  in_thread([&] {
    ConnectionPool connections{*loop, factory(), {.capacity = 1}};
    std::optional<PoolGuard> guard = connections.take(long_time).value();
    REQUIRE(connections.take(no_wait).error() == std::errc::timed_out);
    REQUIRE(connections.take(1ms).error() == std::errc::timed_out);
    std::vector<Thread<support::Outcome>> threads;
    for (int i = 0; i < 4; ++i) {
      threads.push_back(taker(connections, i));
      REQUIRE(support::until_parked(threads.back()));
    }
    REQUIRE(connections.waiting() == 4);
    threads[1].request_stop();
    REQUIRE(threads[1].join().value().error == std::errc::operation_canceled);
    REQUIRE(connections.waiting() == 3);
    guard.reset();
    guard =
        connections.take(long_time).value();  // behind them, though the pool was free for a moment
    REQUIRE(served == std::vector{0, 2, 3});
    REQUIRE(made == 1);
  });
}

TEST_CASE_METHOD(PoolFixture, "a factory that fails leaves its place to the next") {
  in_thread([&] {
    bool fails = true;
    ConnectionPool connections{*loop,
                               [&](Timeout timeout) -> Result<Socket> {
                                 (void)this_thread::yield();
                                 if (!fails) return connect(listener.address(), timeout);
                                 fails = false;
                                 return std::make_error_code(std::errc::connection_refused);
                               },
                               {.capacity = 1}};
    Thread first = taker(connections, 1);
    Thread second = taker(connections, 2);
    REQUIRE(first.join().value().error == std::errc::connection_refused);
    REQUIRE(!second.join().value().error);
    ConnectionPool throwing{*loop,
                            [](Timeout) -> Result<Socket> { throw std::runtime_error("broken"); }};
    REQUIRE_THROWS_AS(throwing.take(), std::runtime_error);
    REQUIRE(throwing.taken() == 0);
  });
}

TEST_CASE_METHOD(PoolFixture, "idle connections are closed in time") {
  in_thread([&] {
    ConnectionPool connections{*loop, factory(), {.idle_timeout = 20ms}};
    auto guard = connections.take(long_time).value();
    connections.take(long_time).value().give_back();
    REQUIRE(connections.idle() == 1);
    support::RawSocket first = listener.accept();
    support::RawSocket second = listener.accept();
    REQUIRE(support::eventually([&] { return connections.idle() == 0; }));
    REQUIRE(second.recv().empty());
    REQUIRE(guard->send("still here", long_time));
    REQUIRE(first.recv() == "still here");
    ConnectionPool none{*loop, factory(), {.idle_timeout = no_wait}};
    none.take(long_time).value().give_back();
    REQUIRE(none.idle() == 0);
  });
}

TEST_CASE_METHOD(PoolFixture, "a pool may go while connections are out and threads wait") {
  in_thread([&] {
    std::optional<ConnectionPool> connections{std::in_place, *loop, factory(),
                                              ConnectionPoolOptions{.capacity = 2}};
    connections->take(long_time).value().give_back();
    std::optional<PoolGuard> guard = connections->take(long_time).value();
    std::optional<PoolGuard> other = connections->take(long_time).value();
    Thread waiter = taker(*connections, 1);
    REQUIRE(support::until_parked(waiter));
    connections.reset();
    REQUIRE(waiter.join().value().error == std::errc::operation_canceled);
    REQUIRE((*guard)->send("goes on", long_time));
    guard.reset();
    other->discard();
  });
  ConnectionPool connections{*loop, factory(), {.idle_timeout = never}};
  std::optional<PoolGuard> guard;
  in_thread([&] {
    guard.emplace(connections.take(long_time).value());
    connections.take(long_time).value().give_back();
  });
  loop.reset();
  guard.reset();
  REQUIRE(connections.take().error() == Errc::no_loop);
}

TEST_CASE_METHOD(PoolFixture, "cancelled at each park: take, full or not") {
  in_thread([&] {
    ConnectionPool connections{*loop, factory(), {.capacity = 1, .idle_timeout = no_wait}};
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      auto guard = connections.take(long_time);
      CHECK((guard.error() == std::errc::operation_canceled) == cancelled);
    });
    CHECK(parks == 1);  // connect
    CHECK(connections.taken() == 0);
    const auto at_once = [&](Timeout) {
      return Socket::adopt(*loop, support::RawSocket::connected_to(listener.address()).release());
    };
    ConnectionPool full{*loop, at_once, {.capacity = 1}};
    const int waits = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      std::optional<PoolGuard> held = full.take(no_wait).value();
      const Thread giver = loop->spawn([&] {
                                 (void)this_thread::sleep_for(1ms);
                                 held.reset();
                               })
                               .value();
      const auto guard = full.take(long_time);
      CHECK((guard.error() == std::errc::operation_canceled) == cancelled);
    });
    CHECK(waits >= 1);
    CHECK(full.taken() == 0);
    CHECK(full.waiting() == 0);
  });
}

TEST_CASE_METHOD(PoolFixture, "in a process that is forked, a pool is the parent's") {
  in_thread([&] {
    std::optional<ConnectionPool> connections{std::in_place, *loop, factory()};
    std::optional<PoolGuard> guard = connections->take(long_time).value();
    connections->take(long_time).value().give_back();
    const auto ended = support::in_child([&] {
      std::puts(connections->take().error() == Errc::parents_loop ? "named" : "not named");
      guard.reset();
      connections.reset();
    });
    REQUIRE(ended.output == "named\n");
    guard.reset();
    REQUIRE(connections->idle() == 2);
  });
}

TEST_CASE_METHOD(PoolFixture, "cancelled at each park: take, which asks whether it is healthy") {
  in_thread([&] {
    const auto is_healthy = [](Socket&) { return !this_thread::sleep_for(100us); };
    ConnectionPool connections{*loop, factory(), {.capacity = 1, .is_healthy = is_healthy}};
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      std::error_code error = connections.take().error();
      if (!error) error = connections.take().error();
      CHECK((error == std::errc::operation_canceled) == cancelled);
      CHECK(connections.taken() == 0);
      CHECK(connections.idle() == (cancelled ? 0 : 1));
    });
    CHECK(parks == 2);  // connect, and the question
  });
}
