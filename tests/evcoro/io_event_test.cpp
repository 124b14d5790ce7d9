#include <evcoro/io_event.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <optional>

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

// What a thread that waits for event gets.
Thread<Outcome> start_to_wait(Loop& loop, IoEvent& event, Readiness wanted) {
  return loop.spawn([&, wanted] { return Outcome{event.wait(wanted, long_time).error()}; }).value();
}

}  // namespace

TEST_CASE_METHOD(LoopFixture, "a pipe is waited for until it is readable") {
  in_thread([&] {
    const RawPipe pipe;
    IoEvent event{pipe.reader()};
    REQUIRE(event.descriptor() == pipe.reader());
    for (int i = 0; i < 300; ++i) {  // more often than waits go without a question
      Thread writer = loop->spawn([&] { pipe.write("x"); }).value();
      const auto error = event.wait_readable(long_time);
      REQUIRE(!error);
      REQUIRE(pipe.read() == "x");
      REQUIRE(event.wait_readable(no_wait) == std::errc::timed_out);
    }
    REQUIRE(event.wait_readable(2ms) == std::errc::timed_out);
  });
}

TEST_CASE_METHOD(LoopFixture, "a wait whose condition holds returns at once, again and again") {
  in_thread([&] {
    const RawPipe pipe;
    IoEvent event{pipe.reader()};
    pipe.write("two");
    for (int i = 0; i < 10; ++i) {
      const auto error = event.wait_readable(no_wait);
      REQUIRE(!error);
    }
    REQUIRE(pipe.read(1) == "t");
    REQUIRE(!event.wait_readable(long_time));  // something is left
    REQUIRE(pipe.read() == "wo");
    REQUIRE(event.wait_readable(1ms) == std::errc::timed_out);
    pipe.write("x");
    for (int i = 0; i < 300; ++i) REQUIRE(!event.wait_readable(long_time));
  });
}

TEST_CASE_METHOD(LoopFixture, "a pipe is waited for until it is writable") {
  in_thread([&] {
    const RawPipe pipe;
    IoEvent event{pipe.writer()};
    REQUIRE(!event.wait_writable(no_wait));
    pipe.fill();
    REQUIRE(event.wait_writable(1ms) == std::errc::timed_out);
    Thread reader = loop->spawn([&] { pipe.empty(); }).value();
    REQUIRE(!event.wait_writable(long_time));
    REQUIRE(pipe.write("x") == 1);
  });
}

TEST_CASE_METHOD(LoopFixture, "a wait for both says which") {
  in_thread([&] {
    auto [socket, peer] = support::unix_pair(*loop);
    const support::RawSocket ours{socket.release()};
    IoEvent event{ours.get()};
    REQUIRE(event.wait(Readiness::both, long_time).value() == Readiness::writable);
    peer.send("x");
    REQUIRE(event.wait(Readiness::both, long_time).value() == Readiness::both);
    REQUIRE(ours.recv() == "x");
    while (::send(ours.get(), "0123456789", 10, MSG_DONTWAIT) > 0) {
    }
    REQUIRE(event.wait(Readiness::both, 1ms).error() == std::errc::timed_out);
    Thread sender = loop->spawn([&, &peer = peer] { peer.send("y"); }).value();
    REQUIRE(event.wait(Readiness::both, long_time).value() == Readiness::readable);
    REQUIRE(event.wait(Readiness::none).error() == std::errc::invalid_argument);
  });
}

TEST_CASE_METHOD(LoopFixture, "one thread waits to read while another waits to write") {
  in_thread([&] {
    auto [socket, peer] = support::unix_pair(*loop);
    const support::RawSocket ours{socket.release()};
    while (::send(ours.get(), "0123456789", 10, MSG_DONTWAIT) > 0) {
    }
    IoEvent event{ours.get()};
    Thread reader = start_to_wait(*loop, event, Readiness::readable);
    REQUIRE(support::until_parked(reader));
    Thread writer = start_to_wait(*loop, event, Readiness::writable);
    REQUIRE(support::until_parked(writer));
    REQUIRE(event.wait_readable(long_time) == Errc::second_reader);
    REQUIRE(event.wait_writable(long_time) == Errc::second_writer);
    REQUIRE(event.wait(Readiness::both, long_time).error() == Errc::second_reader);
    peer.send("x");
    REQUIRE(!reader.join().value().error);
    REQUIRE(!writer.has_ended());
    while (::recv(peer.get(), std::string(65536, ' ').data(), 65536, MSG_DONTWAIT) > 0) {
    }
    REQUIRE(!writer.join().value().error);
  });
}

TEST_CASE_METHOD(LoopFixture, "a hang-up makes both directions ready") {
  in_thread([&] {
    RawPipe pipe;
    IoEvent reads{pipe.reader()};
    Thread reader = start_to_wait(*loop, reads, Readiness::readable);
    REQUIRE(support::until_parked(reader));
    pipe.close_writer();
    REQUIRE(!reader.join().value().error);
    RawPipe other;
    other.fill();
    IoEvent writes{other.writer()};
    Thread writer = start_to_wait(*loop, writes, Readiness::writable);
    REQUIRE(support::until_parked(writer));
    other.close_reader();
    REQUIRE(!writer.join().value().error);
  });
}

TEST_CASE_METHOD(LoopFixture, "one call waits once, and leaves no registration") {
  in_thread([&] {
    const RawPipe pipe;
    REQUIRE(wait_readable(pipe.reader(), 1ms) == std::errc::timed_out);
    REQUIRE(!wait_writable(pipe.writer(), long_time));
    Thread writer = loop->spawn([&] { pipe.write("x"); }).value();
    REQUIRE(wait_both(pipe.reader(), long_time).value() == Readiness::readable);
    const auto visit = [](const event_base*, const event* each, void* descriptor) {
      return event_get_fd(each) == *static_cast<const int*>(descriptor) ? 1 : 0;
    };
    int reader = pipe.reader();
    REQUIRE(event_base_foreach_event(loop->base(), visit, &reader) == 0);
  });
  REQUIRE(wait_readable(0, long_time) == Errc::not_in_a_thread);
}

TEST_CASE_METHOD(LoopFixture, "a closed descriptor is an error, also one that was registered") {
  in_thread([&] {
    REQUIRE(wait_readable(-1, long_time) == std::errc::bad_file_descriptor);
    REQUIRE(IoEvent{}.wait_readable(long_time) == std::errc::bad_file_descriptor);
    RawPipe pipe;
    const int number = ::fcntl(pipe.reader(), F_DUPFD_CLOEXEC, 100);
    IoEvent event{number};
    REQUIRE(event.wait_readable(1ms) == std::errc::timed_out);
    ::close(number);
    REQUIRE(event.wait_readable(long_time) == std::errc::bad_file_descriptor);
    REQUIRE(event.wait_readable(long_time) == std::errc::bad_file_descriptor);
  });
}

TEST_CASE_METHOD(LoopFixture, "a descriptor that was closed and is another now is waited for") {
  in_thread([&] {
    const RawPipe one;
    const RawPipe other;
    const OwnedNumber number{::fcntl(one.reader(), F_DUPFD_CLOEXEC, 100)};
    IoEvent event{number.get()};
    REQUIRE(event.wait_readable(1ms) == std::errc::timed_out);
    REQUIRE(::dup3(other.reader(), number.get(), O_CLOEXEC) == number.get());
    Thread waiter = start_to_wait(*loop, event, Readiness::readable);
    REQUIRE(support::until_parked(waiter));
    other.write("x");
    REQUIRE(!waiter.join().value().error);
  });
}

TEST_CASE_METHOD(LoopFixture, "files can't be waited for") {
  in_thread([&] {
    const OwnedNumber directory{::open("/", O_RDONLY | O_CLOEXEC)};
    const OwnedNumber file{::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)};
    const auto error = wait_readable(file.get(), long_time);
    const auto other = wait_both(directory.get(), long_time).error();
    REQUIRE(error == Errc::not_pollable);
    REQUIRE(error == std::errc::operation_not_permitted);
    REQUIRE(other == Errc::not_pollable);
  });
}

TEST_CASE_METHOD(LoopFixture, "an event of the other kind on the descriptor is named") {
  if (!support::has_edges(*loop)) support::skip("this back end knows one kind only");
  in_thread([&] {
    auto [socket, peer] = support::connected_pair(*loop);
    REQUIRE(support::ping_pong(socket, peer));
    IoEvent event{socket.native_handle()};
    REQUIRE(event.wait_readable(long_time) == Errc::mixed_registration);
    REQUIRE(support::ping_pong(socket, peer));  // the socket is as it was
    socket.close();

    const RawPipe pipe;
    const auto nothing = [](evutil_socket_t, short, void*) {};
    event_base* const base = loop->base();
    ::event* const edges =
        event_new(base, pipe.reader(), EV_READ | EV_ET | EV_PERSIST, nothing, nullptr);
    event_add(edges, nullptr);
    IoEvent other{pipe.reader()};
    const auto mixed = other.wait_readable(long_time);
    event_free(edges);
    REQUIRE(mixed == Errc::mixed_registration);
    REQUIRE(other.wait_readable(1ms) == std::errc::timed_out);  // it has gone
  });
}

TEST_CASE_METHOD(LoopFixture, "a level-triggered event of the application goes on beside it") {
  in_thread([&] {
    const RawPipe pipe;
    int fired = 0;
    const auto count = [](evutil_socket_t, short, void* times) { ++*static_cast<int*>(times); };
    ::event* const level = event_new(loop->base(), pipe.reader(), EV_READ, count, &fired);
    event_add(level, nullptr);
    IoEvent event{pipe.reader()};
    IoEvent second{pipe.reader()};
    Thread waiter = start_to_wait(*loop, event, Readiness::readable);
    Thread other = start_to_wait(*loop, second, Readiness::readable);
    REQUIRE(support::until_parked(waiter));
    REQUIRE(support::until_parked(other));
    pipe.write("x");
    const auto first_error = waiter.join().value().error;
    const auto second_error = other.join().value().error;
    event_free(level);
    REQUIRE(!first_error);
    REQUIRE(!second_error);
    REQUIRE(fired == 1);
  });
}

TEST_CASE_METHOD(LoopFixture, "who waits for an event that is closed is cancelled") {
  in_thread([&] {
    const RawPipe pipe;
    std::optional<IoEvent> event{pipe.reader()};
    Thread waiter = loop->spawn([&] { return Outcome{event->wait_readable()}; }).value();
    REQUIRE(support::until_parked(waiter));
    IoEvent moved{std::move(*event)};
    event.reset();
    REQUIRE(!waiter.has_ended());
    moved.close();
    REQUIRE(moved.descriptor() == -1);
    REQUIRE(waiter.join().value().error == std::errc::operation_canceled);
    pipe.write("x");
    REQUIRE(pipe.read() == "x");  // it is open
  });
}

TEST_CASE_METHOD(LoopFixture, "waits for descriptors can be cancelled wherever they park") {
  in_thread([&] {
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      const RawPipe pipe;
      IoEvent event{pipe.reader()};
      Thread writer = loop->spawn([&] {
                            (void)this_thread::yield();
                            pipe.write("x");
                          })
                          .value();
      const auto first = event.wait_readable(long_time);
      CHECK((first == std::errc::operation_canceled) == cancelled);
      if (cancelled) return;
      pipe.empty();
      const auto second = event.wait_readable(2ms);
      CHECK(second == (cancelled ? std::errc::operation_canceled : std::errc::timed_out));
      if (cancelled) return;
      pipe.fill();
      Thread reader = loop->spawn([&] { pipe.empty(); }).value();
      const auto third = wait_both(pipe.writer(), long_time);
      CHECK((third.error() == std::errc::operation_canceled) == cancelled);
    });
    REQUIRE(parks >= 3);
  });
}

TEST_CASE_METHOD(LoopFixture, "a thread that never has to wait lets others run") {
  in_thread([&] {
    const RawPipe pipe;
    pipe.write("x");
    bool stops = false;
    Thread other = loop->spawn([&] { stops = !this_thread::sleep_for(1ms); }).value();
    const auto deadline = Clock::now() + long_time;
    while (!stops && Clock::now() < deadline) REQUIRE(!wait_readable(pipe.reader()));
    REQUIRE(stops);
  });
}

TEST_CASE_METHOD(LoopFixture, "an event may outlive its loop, and belongs to one") {
  const RawPipe pipe;
  std::optional<IoEvent> event;
  in_thread([&] {
    event.emplace(pipe.reader());
    REQUIRE(event->wait_readable(1ms) == std::errc::timed_out);
  });
  REQUIRE(event->wait_readable() == Errc::not_in_a_thread);
  Loop other{{.capacity = 1, .stack_size = support::test_stack_size}};
  Thread stranger = other.spawn([&] { return Outcome{event->wait_readable()}; }).value();
  other.run();
  REQUIRE(stranger.join().value().error == Errc::wrong_loop);
  loop.reset();
  REQUIRE(event->wait_readable() == Errc::no_loop);
}

TEST_CASE_METHOD(LoopFixture, "in a process that is forked, an IoEvent is the parent's") {
  in_thread([&] {
    const RawPipe pipe;
    IoEvent event{pipe.reader()};
    REQUIRE(event.wait_readable(1ms) == std::errc::timed_out);
    const auto ended = support::in_child([&] {
      std::puts(event.wait_readable(no_wait) == Errc::parents_loop ? "named" : "not named");
      std::puts(wait_readable(0) == Errc::parents_loop ? "named" : "not named");
      event.close();
    });
    REQUIRE(ended.output == "named\nnamed\n");
    Thread writer = loop->spawn([&] { pipe.write("x"); }).value();
    REQUIRE(!event.wait_readable(long_time));
  });
}

TEST_CASE_METHOD(support::Application,
                 "a wait for a descriptor keeps an application's base alive, its event does not") {
  const RawPipe pipe;
  std::optional<IoEvent> event;
  bool is_readable = false;
  spawn([&] {
    event.emplace(pipe.reader());
    is_readable = !event->wait_readable(long_time);
    pipe.empty();
    (void)event->wait_readable(1ms);
  });
  call_in(5ms, [&] { pipe.write("x"); });
  dispatch();
  REQUIRE(is_readable);
  event.reset();
}
