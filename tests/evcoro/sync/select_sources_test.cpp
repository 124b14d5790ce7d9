// select(): events, descriptors, timers, beside channels; and who may wait for what.
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <vector>

#include <evcoro/scope.hpp>
#include <evcoro/sync/select.hpp>
#include <support/failing_new.hpp>
#include <support/pipe.hpp>
#include <support/sync.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::is_canceled;
using support::long_time;
using support::OsThread;
using support::OwnedNumber;
using support::RawPipe;

namespace {

class SelectFixture : public support::LoopFixture {
 public:
  // until_it_selects() lets the loop run until thread waits in a select(); false if it has ended.
  template <class T>
  static bool until_it_selects(const Thread<T>& thread) {
    return support::until_parked(thread) && thread.info().wait_reason == "select";
  }

  Channel<int> a;
  Channel<int> b;
  Channel<int> roomy{8};
};

}  // namespace

TEST_CASE_METHOD(SelectFixture, "an automatic event lets one select pass") {
  Event event;
  in_thread([&] {
    int calls = 0;
    const auto wait = [&] { return select(on_event(event, [&] { ++calls; }), on_receive(a)); };
    event.set();
    REQUIRE(wait().value() == 0);
    REQUIRE(!event.is_set());
    Thread first = loop->spawn(wait).value();
    Thread second = loop->spawn(wait).value();
    REQUIRE(until_it_selects(second));
    event.set();
    REQUIRE(first.join()->value() == 0);
    REQUIRE(!event.is_set());
    REQUIRE(calls == 2);
    REQUIRE(!second.has_ended());
    REQUIRE(!a.send(1));
    REQUIRE(second.join()->value() == 1);
    event.set();  // nobody is left who would take it
    REQUIRE(event.is_set());
  });
}

TEST_CASE_METHOD(SelectFixture, "a manual event lets all selects pass") {
  Event event{Event::Reset::manual};
  in_thread([&] {
    const auto wait = [&] { return select(on_receive(a), on_event(event)); };
    std::vector<Thread<Result<std::size_t>>> waiters;
    for (int i = 0; i < 3; ++i) waiters.push_back(loop->spawn(wait).value());
    REQUIRE(until_it_selects(waiters.back()));
    event.set();
    for (auto& each : waiters) REQUIRE(each.join()->value() == 1);
    REQUIRE(event.is_set());
    REQUIRE(wait().value() == 1);
  });
}

TEST_CASE_METHOD(SelectFixture, "select waits until a pipe can be read or written") {
  const RawPipe pipe;
  in_thread([&] {
    int reads = 0;
    const auto wait = [&] {
      return select(on_receive(a), on_readable(pipe.reader(), [&] { ++reads; }));
    };
    Thread reader = loop->spawn(wait).value();
    REQUIRE(until_it_selects(reader));
    REQUIRE(pipe.write("x") == 1);
    REQUIRE(reader.join()->value() == 1);
    REQUIRE(wait().value() == 1);  // it is readable yet
    REQUIRE(reads == 2);
    pipe.fill();
    Thread writer =
        loop->spawn([&] { return select(on_writable(pipe.writer()), on_receive(a)); }).value();
    REQUIRE(until_it_selects(writer));
    pipe.empty();
    REQUIRE(writer.join()->value() == 0);
    REQUIRE(select(on_writable(pipe.writer())).value() == 0);
  });
}

TEST_CASE_METHOD(SelectFixture, "the end of a pipe is something to be read") {
  RawPipe pipe;
  in_thread([&] {
    Thread reader =
        loop->spawn([&] { return select(on_readable(pipe.reader()), on_timeout(1h)); }).value();
    REQUIRE(until_it_selects(reader));
    pipe.close_writer();
    REQUIRE(reader.join()->value() == 0);
  });
}

TEST_CASE_METHOD(SelectFixture, "both directions of a descriptor may be in one select") {
  in_thread([&] {
    auto [socket, peer] = support::unix_pair(*loop);
    const int descriptor = socket.native_handle();
    REQUIRE(select(on_readable(descriptor), on_writable(descriptor)).value() == 1);
    support::fill(socket);
    Thread waiter =
        loop->spawn([&] { return select(on_readable(descriptor), on_writable(descriptor)); })
            .value();
    REQUIRE(until_it_selects(waiter));
    peer.send("x");
    REQUIRE(waiter.join()->value() == 0);
  });
}

TEST_CASE_METHOD(SelectFixture, "select leaves a socket that is registered as it was") {
  in_thread([&] {
    auto [socket, peer] = support::connected_pair(*loop);
    REQUIRE(support::ping_pong(socket, peer));
    const int descriptor = socket.native_handle();
    Thread waiter =
        loop->spawn([&] { return select(on_readable(descriptor), on_receive(a)); }).value();
    REQUIRE(until_it_selects(waiter));
    peer.send("data");
    REQUIRE(waiter.join()->value() == 0);
    REQUIRE(support::receive(socket).text == "data");
    waiter = loop->spawn([&] { return select(on_readable(descriptor), on_receive(a)); }).value();
    REQUIRE(until_it_selects(waiter));
    REQUIRE(!a.send(1));  // the case doesn't happen
    REQUIRE(waiter.join()->value() == 1);
    REQUIRE(support::ping_pong(socket, peer));
    Thread reader =
        loop->spawn([&socket = socket] { return support::receive(socket).text; }).value();
    REQUIRE(support::until_parked(reader));
    REQUIRE(select(on_writable(descriptor), on_receive(a)).value() == 0);
    peer.send("late");
    REQUIRE(reader.join().value() == "late");
  });
}

TEST_CASE_METHOD(SelectFixture, "descriptors that can't be waited for are errors") {
  in_thread([&] {
    const auto error_of = [&](int descriptor) {
      return select(on_receive(a), on_readable(descriptor)).error();
    };
    REQUIRE(error_of(-1) == std::errc::bad_file_descriptor);
    const int number = ::dup(0);
    ::close(number);
    REQUIRE(error_of(number) == std::errc::bad_file_descriptor);
    REQUIRE(select(on_writable(number), on_timeout(1ms)).error() == std::errc::bad_file_descriptor);
    REQUIRE(a.try_send(1) == std::errc::operation_would_block);  // nothing of it is left
    REQUIRE(!roomy.send(1));
    REQUIRE(select(on_readable(number), on_receive(roomy)).value() == 1);  // what can happen does
  });
}

TEST_CASE_METHOD(SelectFixture, "a regular file always is readable and writable") {
  const OwnedNumber file{::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)};
  in_thread([&] {
    REQUIRE(select(on_readable(file.get()), on_receive(a)).value() == 0);
    REQUIRE(select(on_receive(a), on_writable(file.get())).value() == 1);
  });
}

TEST_CASE_METHOD(SelectFixture, "select waits for a timer") {
  in_thread([&] {
    Timer timer;
    timer.start(2ms);
    const auto began = Clock::now();
    std::uint64_t count = 0;
    const auto note = [&](std::uint64_t expirations) { count = expirations; };
    REQUIRE(select(on_receive(a), on_timer(timer, note), on_timeout(1h)).value() == 1);
    REQUIRE(Clock::now() - began >= 1900us);
    REQUIRE(count == 1);
    REQUIRE(!timer.has_expired());
    timer.start(1h);
    REQUIRE(select(on_timer(timer), on_timeout(1ms)).value() == 1);
    REQUIRE(timer.is_running());
    Timer idle;
    REQUIRE(select(on_timer(idle), on_timeout(1ms)).value() == 1);
  });
}

TEST_CASE_METHOD(SelectFixture, "select counts the expirations of a periodic timer") {
  in_thread([&] {
    Timer timer;
    std::uint64_t count = 0;
    const auto add = [&](std::uint64_t expirations) { count += expirations; };
    const auto began = Clock::now();
    timer.start_periodic(1ms);
    while (count < 5) REQUIRE(select(on_timer(timer, add), on_receive(a)).value() == 0);
    REQUIRE(Clock::now() - began >= 4900us);
    count = 0;
    REQUIRE(!this_thread::sleep_for(10ms));
    REQUIRE(select(on_receive(a), on_timer(timer, add)).value() == 1);
    REQUIRE(count >= 5);  // those that it slept through, at once
  });
}

TEST_CASE_METHOD(SelectFixture, "several timers may be in one select") {
  in_thread([&] {
    Timer slow;
    Timer fast;
    slow.start(1h);
    fast.start(1ms);
    REQUIRE(select(on_timer(slow), on_timer(fast)).value() == 1);
    REQUIRE(slow.is_running());
    fast.start(1ms);
    REQUIRE(fast.wait().value() == 1);  // its own wait works as ever
  });
}

TEST_CASE_METHOD(SelectFixture, "a timer of another thread can't be waited for") {
  in_thread([&] {
    Timer timer;
    timer.start(1h);
    Thread other = loop->spawn([&] { return select(on_timer(timer), on_receive(a)); }).value();
    REQUIRE(other.join()->error() == Errc::not_the_owner);
    REQUIRE(a.try_send(1) == std::errc::operation_would_block);
  });
}

TEST_CASE_METHOD(SelectFixture, "cancellation ends a select for descriptors, events and timers") {
  const RawPipe pipe;
  Event event;
  in_thread([&] {
    const auto wait = [&] {
      Timer timer;
      timer.start(1h);
      return select(on_readable(pipe.reader()), on_event(event), on_timer(timer), on_receive(a));
    };
    Thread waiter = loop->spawn(wait).value();
    REQUIRE(until_it_selects(waiter));
    waiter.request_stop();
    REQUIRE(is_canceled(waiter.join()->error()));
    event.set();
    REQUIRE(event.try_wait());  // nobody else has taken it
    const Scope scope{1ms};
    REQUIRE(is_canceled(wait().error()));
  });
}

TEST_CASE_METHOD(SelectFixture, "what only threads can wait for is refused elsewhere") {
  const RawPipe pipe;
  std::error_code there;
  OsThread{[&] { there = select(on_readable(pipe.reader()), on_receive(a)).error(); }}.join();
  REQUIRE(there == Errc::not_in_a_thread);
  REQUIRE(a.try_send(1) == std::errc::operation_would_block);
  bool was_called = false;
  in_thread([&] {
    loop->post([&] {
      CHECK(select(on_readable(pipe.reader())).error() == Errc::not_in_a_thread);
      was_called = true;
    });
    REQUIRE(support::eventually([&] { return was_called; }));
  });
  REQUIRE(pipe.write("x") == 1);
  OsThread{[&] { there = select(on_readable(pipe.reader()), on_receive(a)).error(); }}.join();
  REQUIRE(!there);  // without waiting it can be had
}

TEST_CASE_METHOD(SelectFixture, "a loop whose thread selects has no descriptor more afterwards") {
  const RawPipe pipe;
  in_thread([&] {
    const auto before = support::open_descriptors();
    for (int i = 0; i < 20; ++i) {
      REQUIRE(select(on_readable(pipe.reader()), on_timeout(100us)).value() == 1);
    }
    REQUIRE(support::open_descriptors() == before);
  });
}

TEST_CASE_METHOD(SelectFixture, "a loop that goes ends a select") {
  const RawPipe pipe;
  Event event;
  std::error_code error;
  spawn(
      [&] { error = select(on_event(event), on_readable(pipe.reader()), on_send(a, 1)).error(); });
  loop->run_once(no_wait);
  loop.reset();
  REQUIRE(is_canceled(error));
}

TEST_CASE_METHOD(SelectFixture, "a callback of a loop selects what is there, and must not wait") {
  bool was_called = false;
  in_thread([&] {
    REQUIRE(!roomy.send(1));
    loop->post([&] {
      CHECK(select(on_receive(a), on_timeout(1h)).error() == Errc::not_in_a_thread);
      CHECK(select(on_receive(a), on_timeout(no_wait)).value() == 1);
      CHECK(select(on_receive(a), on_receive(roomy)).value() == 1);
      was_called = true;
    });
    REQUIRE(support::eventually([&] { return was_called; }));
    REQUIRE(a.try_send(1) == std::errc::operation_would_block);
  });
}

TEST_CASE_METHOD(SelectFixture, "an OS thread selects") {
  std::vector<std::size_t> chosen;
  int got = 0;
  Event begins;
  OsThread other{[&] {
    const auto note = [&](auto&&... cases) {
      chosen.push_back(select(std::move(cases)...).value());
    };
    note(on_receive(a), on_timeout(1ms));
    note(on_receive(a), on_timeout(no_wait));
    begins.set();
    note(on_receive(b), on_receive(a, [&](Result<int> value) { got = *value; }));
    note(on_receive(a), on_send(b, 9));
  }};
  in_thread([&] {
    REQUIRE(!begins.wait(long_time));
    REQUIRE(!a.send(6, long_time));
    REQUIRE(b.receive(long_time).value() == 9);
  });
  other.join();
  REQUIRE(chosen == std::vector<std::size_t>{1, 1, 1, 1});
  REQUIRE(got == 6);
}

TEST_CASE_METHOD(SelectFixture, "select allocates nothing") {
  const RawPipe pipe;
  Event event;
  in_thread([&] {
    const int failed = support::fail_each_new([&](support::FailingNew& failing) {
      REQUIRE(failing.run([&] {
        (void)select(on_send(roomy, 1), on_receive(a));
        (void)select(on_receive(roomy), on_send(b, 1));
        (void)select(on_receive(roomy), on_send(b, 1), on_timeout(10us));
        (void)select(on_event(event), on_readable(pipe.reader()), on_timeout(10us));
      }));
    });
    REQUIRE(failed == 0);
  });
}
