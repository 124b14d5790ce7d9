#include <evcoro/poller.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <deque>
#include <optional>
#include <vector>

#include <support/application.hpp>
#include <support/every_park.hpp>
#include <support/network.hpp>
#include <support/pipe.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::long_time;
using support::LoopFixture;
using support::Outcome;
using support::OwnedNumber;
using support::RawPipe;

namespace {

pollfd entry(int descriptor, short events) {
  return {.fd = descriptor, .events = events, .revents = 0};
}

}  // namespace

TEST_CASE_METHOD(LoopFixture, "several descriptors are waited for at once, as by poll") {
  in_thread([&] {
    const RawPipe one;
    const RawPipe other;
    std::array entries{entry(one.reader(), POLLIN), entry(-1, POLLIN),
                       entry(other.reader(), POLLIN)};
    REQUIRE(evcoro::poll(entries, no_wait).error() == std::errc::timed_out);
    REQUIRE(evcoro::poll(entries, 2ms).error() == std::errc::timed_out);
    Thread writer = loop->spawn([&] { other.write("x"); }).value();
    const auto count = evcoro::poll(entries, long_time);
    REQUIRE(count.value() == 1);
    REQUIRE(entries[0].revents == 0);
    REQUIRE(entries[1].revents == 0);
    REQUIRE(entries[2].revents == POLLIN);
    one.write("y");
    REQUIRE(evcoro::poll(entries, long_time).value() == 2);
    REQUIRE(evcoro::poll({}, 1ms).error() == std::errc::timed_out);
  });
  REQUIRE(evcoro::poll({}).error() == Errc::not_in_a_thread);
}

TEST_CASE_METHOD(LoopFixture, "poll takes a descriptor twice, files, hang-ups and closed ones") {
  in_thread([&] {
    auto [socket, peer] = support::unix_pair(*loop);
    const support::RawSocket ours{socket.release()};
    while (::send(ours.get(), "0123456789", 10, MSG_DONTWAIT) > 0) {
    }
    std::array twice{entry(ours.get(), POLLIN), entry(ours.get(), POLLOUT)};
    Thread sender = loop->spawn([&, &peer = peer] { peer.send("x"); }).value();
    REQUIRE(evcoro::poll(twice, long_time).value() == 1);
    REQUIRE(twice[0].revents == POLLIN);
    REQUIRE(ours.recv() == "x");

    std::array hang_up{entry(ours.get(), 0)};
    Thread leaver = loop->spawn([&, &peer = peer] { peer.close(); }).value();
    REQUIRE(evcoro::poll(hang_up, long_time).value() == 1);
    REQUIRE((hang_up[0].revents & POLLHUP) != 0);

    const OwnedNumber file{::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)};
    std::array odd{entry(file.get(), POLLIN), entry(1 << 20, POLLIN)};
    REQUIRE(evcoro::poll(odd, long_time).value() == 2);
    REQUIRE(odd[0].revents == POLLIN);
    REQUIRE(odd[1].revents == POLLNVAL);
  });
}

TEST_CASE_METHOD(LoopFixture, "a poller keeps its registrations between waits") {
  in_thread([&] {
    std::deque<RawPipe> pipes(20);
    Poller poller = Poller::open().value();
    for (auto& each : pipes) REQUIRE(!poller.add(each.reader(), EPOLLIN));
    std::array<epoll_event, 8> events;
    REQUIRE(poller.wait(events, no_wait).error() == std::errc::timed_out);
    REQUIRE(poller.wait(events, 2ms).error() == std::errc::timed_out);
    for (auto& each : pipes) {
      Thread writer = loop->spawn([&] { each.write("x"); }).value();
      REQUIRE(poller.wait(events, long_time).value() == 1);
      REQUIRE(events[0].events == EPOLLIN);
      REQUIRE(events[0].data.fd == each.reader());
      REQUIRE(poller.wait(events, no_wait).value() == 1);  // level-triggered
      REQUIRE(each.read() == "x");
    }
    for (auto& each : pipes) each.write("x");
    REQUIRE(poller.wait(events, long_time).value() == events.size());
  });
}

TEST_CASE_METHOD(LoopFixture, "descriptors are added, changed and removed, also during a wait") {
  in_thread([&] {
    const RawPipe one;
    const RawPipe other;
    Poller poller = Poller::open(*loop).value();
    std::array<epoll_event, 4> events{};
    Thread adder = loop->spawn([&] {
                         one.write("x");
                         (void)poller.add(one.reader(), EPOLLIN, {.u64 = 77});
                       })
                       .value();
    REQUIRE(poller.wait(events, long_time).value() == 1);
    const std::uint64_t data = events[0].data.u64;  // the struct is packed
    REQUIRE(data == 77);
    REQUIRE(poller.add(one.reader(), EPOLLIN) == std::errc::file_exists);
    REQUIRE(!poller.modify(one.reader(), EPOLLIN | EPOLLONESHOT));
    REQUIRE(poller.wait(events, long_time).value() == 1);
    REQUIRE(events[0].data.fd == one.reader());
    REQUIRE(poller.wait(events, 1ms).error() == std::errc::timed_out);
    REQUIRE(!poller.modify(one.reader(), EPOLLIN));
    REQUIRE(!poller.add(other.writer(), EPOLLOUT));
    REQUIRE(poller.wait(events, long_time).value() == 2);
    REQUIRE(!poller.remove(other.writer()));
    REQUIRE(poller.wait(events, long_time).value() == 1);
    REQUIRE(poller.remove(other.writer()) == std::errc::no_such_file_or_directory);
    REQUIRE(poller.wait({}, long_time).error() == std::errc::invalid_argument);
  });
}

TEST_CASE_METHOD(LoopFixture, "a poller refuses what can't be waited for") {
  in_thread([&] {
    Poller poller = Poller::open().value();
    const OwnedNumber file{::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)};
    REQUIRE(poller.add(file.get(), EPOLLIN) == Errc::not_pollable);
    REQUIRE(poller.add(1 << 20, EPOLLIN) == std::errc::bad_file_descriptor);
    std::array<epoll_event, 1> events;
    REQUIRE(Poller{}.wait(events).error() == std::errc::bad_file_descriptor);
    REQUIRE(Poller{}.add(0, EPOLLIN) == std::errc::bad_file_descriptor);
  });
  REQUIRE(Poller::open().error() == Errc::not_in_a_thread);
}

TEST_CASE_METHOD(LoopFixture, "a poller doesn't disturb a socket of the loop") {
  in_thread([&] {
    auto [socket, peer] = support::connected_pair(*loop);
    REQUIRE(support::ping_pong(socket, peer));
    Poller poller = Poller::open().value();
    REQUIRE(!poller.add(socket.native_handle(), EPOLLIN));
    std::array<epoll_event, 1> events;
    Thread sender = loop->spawn([&, &peer = peer] { peer.send("x"); }).value();
    REQUIRE(poller.wait(events, long_time).value() == 1);
    REQUIRE(support::receive(socket).text == "x");
    REQUIRE(support::ping_pong(socket, peer));
  });
}

TEST_CASE_METHOD(LoopFixture, "a poller has one waiter, which is cancelled when it is closed") {
  in_thread([&] {
    Poller poller = Poller::open().value();
    const auto wait = [&] {
      std::array<epoll_event, 1> events;
      return Outcome{poller.wait(events).error()};
    };
    Thread waiter = loop->spawn(wait).value();
    REQUIRE(support::until_parked(waiter));
    REQUIRE(wait().error == Errc::second_reader);
    Poller moved{std::move(poller)};
    moved.close();
    REQUIRE(waiter.join().value().error == std::errc::operation_canceled);
    REQUIRE(!moved);
  });
}

TEST_CASE_METHOD(LoopFixture, "polls can be cancelled wherever they park") {
  in_thread([&] {
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      const RawPipe one;
      const RawPipe other;
      Thread writer = loop->spawn([&] {
                            (void)this_thread::yield();
                            one.write("x");
                          })
                          .value();
      std::array entries{entry(one.reader(), POLLIN), entry(other.reader(), POLLIN)};
      const auto polled = evcoro::poll(entries, long_time);
      CHECK((polled.error() == std::errc::operation_canceled) == cancelled);
      if (cancelled) return;
      Poller poller = Poller::open().value();
      CHECK(!poller.add(other.reader(), EPOLLIN));
      Thread second = loop->spawn([&] { other.write("x"); }).value();
      std::array<epoll_event, 1> events;
      const auto waited = poller.wait(events, long_time);
      CHECK((waited.error() == std::errc::operation_canceled) == cancelled);
    });
    REQUIRE(parks >= 2);
  });
}

TEST_CASE_METHOD(LoopFixture, "a poller may outlive its loop, and in a child is the parent's") {
  std::optional<Poller> poller;
  std::array<epoll_event, 1> events;
  in_thread([&] {
    const RawPipe pipe;
    poller = Poller::open().value();
    REQUIRE(!poller->add(pipe.reader(), EPOLLIN));
    REQUIRE(poller->wait(events, 1ms).error() == std::errc::timed_out);
    const auto ended = support::in_child([&] {
      std::puts(poller->wait(events).error() == Errc::parents_loop ? "named" : "not named");
      std::puts(poller->remove(pipe.reader()) == Errc::parents_loop ? "named" : "not named");
      std::puts(Poller::open().error() == Errc::parents_loop ? "named" : "not named");
      poller.reset();
    });
    REQUIRE(ended.output == "named\nnamed\nnamed\n");
    pipe.write("x");
    REQUIRE(poller->wait(events, long_time).value() == 1);
  });
  loop.reset();
  REQUIRE(poller->wait(events).error() == Errc::no_loop);
  poller.reset();
}

TEST_CASE_METHOD(support::Application, "poll works in an application's base") {
  const RawPipe pipe;
  std::size_t count = 0;
  spawn([&] {
    std::array entries{entry(pipe.reader(), POLLIN)};
    count = evcoro::poll(entries, long_time).value();
  });
  call_in(5ms, [&] { pipe.write("x"); });
  dispatch();
  REQUIRE(count == 1);
}
