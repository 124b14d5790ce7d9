// Socket pairs, pipes, several buffers at once, peeking, and resets.
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include <support/every_park.hpp>
#include <support/loop_fixture.hpp>
#include <support/network.hpp>
#include <support/system_calls.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::calls;
using support::long_time;
using support::receive;
using support::receive_all;

namespace {

bool is_canceled(std::error_code error) { return error == std::errc::operation_canceled; }

std::span<std::byte> bytes(std::string& text) { return std::as_writable_bytes(std::span{text}); }

// Both kinds of pairs that data goes through, from writer to reader.
std::vector<Pipe> pairs() {
  std::vector<Pipe> result;
  result.push_back(pipe().value());
  SocketPair pair = evcoro::socketpair().value();
  result.push_back({std::move(pair.one), std::move(pair.other)});
  return result;
}

// Sends the parts as one, and returns the text that arrives.
std::string send_parts(Loop& loop, Pipe& ends, std::span<const std::string> parts) {
  std::vector<std::span<const std::byte>> buffers;
  std::size_t size = 0;
  for (const std::string& each : parts) {
    buffers.push_back(as_bytes(each));
    size += each.size();
  }
  Thread reader = loop.spawn([&, size] { return receive_all(ends.reader, size).text; }).value();
  const IoResult out = ends.writer.send_vector(buffers, long_time);
  CHECK(!out.error);
  CHECK(out.count == size);
  return reader.join().value();
}

int sigpipes = 0;

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "a socket pair goes both ways") {
  in_thread([&] {
    SocketPair pair = evcoro::socketpair().value();
    REQUIRE(pair.one.send("to other"));
    REQUIRE(receive(pair.other).text == "to other");
    Thread reader = loop->spawn([&] { return receive(pair.one).text; }).value();
    REQUIRE(support::until_parked(reader));
    REQUIRE(pair.other.send("to one"));
    REQUIRE(reader.join().value() == "to one");
    pair.one.close();
    REQUIRE(receive(pair.other).is_end_of_file());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a pipe goes one way, and ends") {
  in_thread([&] {
    Pipe ends = pipe().value();
    REQUIRE(receive(ends.reader, 10, 10ms).error == std::errc::timed_out);
    Thread reader = loop->spawn([&] { return receive(ends.reader).text; }).value();
    REQUIRE(support::until_parked(reader));
    REQUIRE(ends.writer.send("hello"));
    REQUIRE(reader.join().value() == "hello");
    Thread last = loop->spawn([&] { return receive(ends.reader).is_end_of_file(); }).value();
    REQUIRE(support::until_parked(last));
    ends.writer.close();
    REQUIRE(last.join().value());
    REQUIRE(receive(ends.reader).is_end_of_file());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a pipe that is full is waited for") {
  in_thread([&] {
    Pipe ends = pipe().value();
    const std::string data = support::pattern(1'000'000);
    Thread writer = loop->spawn([&] { return ends.writer.send(data, long_time).count; }).value();
    REQUIRE(receive_all(ends.reader, data.size()).text == data);
    REQUIRE(writer.join().value() == data.size());
    REQUIRE(support::fill(ends.writer) > 0);
    Thread blocked = loop->spawn([&] { return ends.writer.send("x", never).error; }).value();
    REQUIRE(support::until_parked(blocked));
    REQUIRE(ends.writer.send("x").error == Errc::second_writer);
    ends.writer.close();
    REQUIRE(is_canceled(blocked.join().value()));
  });
}

// ThreadSanitizer has to see that the one hands over to the other.
TEST_CASE_METHOD(support::LoopFixture, "what precedes a byte in a pipe is seen by its reader") {
  in_thread([&] {
    Pipe ends = pipe().value();
    int handed_over = 0;
    int seen = 0;
    std::thread reader{[&, descriptor = ends.reader.native_handle()] {
      pollfd readable{.fd = descriptor, .events = POLLIN, .revents = 0};
      char byte;
      while (::poll(&readable, 1, -1) < 0 || ::read(descriptor, &byte, 1) != 1) {
      }
      seen = handed_over;
    }};
    handed_over = 42;
    const IoResult out = ends.writer.send("x");
    reader.join();
    REQUIRE(out);
    REQUIRE(seen == 42);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a pipe whose reader has gone is an error, and no SIGPIPE") {
  sigpipes = 0;
  struct sigaction before {};
  struct sigaction count {};
  count.sa_handler = [](int) { ++sigpipes; };
  REQUIRE(::sigaction(SIGPIPE, &count, &before) == 0);
  in_thread([&] {
    for (Pipe& ends : pairs()) {
      REQUIRE(support::fill(ends.writer) > 0);
      Thread blocked = loop->spawn([&] { return ends.writer.send("x", never).error; }).value();
      REQUIRE(support::until_parked(blocked));
      ends.reader.close();
      REQUIRE(blocked.join().value() == std::errc::broken_pipe);
      const std::string text = "more";
      const std::array<std::span<const std::byte>, 2> both{as_bytes(text), as_bytes(text)};
      REQUIRE(ends.writer.send(text).error == std::errc::broken_pipe);
      REQUIRE(ends.writer.send_vector(both).error == std::errc::broken_pipe);
    }
    // One of the application's own, which it has blocked, stays.
    sigset_t sigpipe;
    sigset_t pending;
    sigemptyset(&sigpipe);
    sigaddset(&sigpipe, SIGPIPE);
    REQUIRE(::pthread_sigmask(SIG_BLOCK, &sigpipe, nullptr) == 0);
    for (const bool has_own : {false, true}) {
      if (has_own) ::raise(SIGPIPE);
      Pipe ends = pipe().value();
      ends.reader.close();
      REQUIRE(ends.writer.send("x").error == std::errc::broken_pipe);
      REQUIRE(::sigpending(&pending) == 0);
      REQUIRE((sigismember(&pending, SIGPIPE) == 1) == has_own);
    }
    REQUIRE(sigpipes == 0);
    REQUIRE(::pthread_sigmask(SIG_UNBLOCK, &sigpipe, nullptr) == 0);
    REQUIRE(sigpipes == 1);
  });
  REQUIRE(::sigaction(SIGPIPE, &before, nullptr) == 0);
}

TEST_CASE_METHOD(support::LoopFixture, "what only a socket can do fails on a pipe") {
  in_thread([&] {
    Pipe ends = pipe().value();
    std::string buffer(4, ' ');
    REQUIRE(ends.writer.send("abcd"));
    REQUIRE(ends.reader.peek(bytes(buffer)).error == std::errc::not_a_socket);
    REQUIRE(ends.writer.send("x", long_time, MSG_OOB).error == std::errc::not_a_socket);
    REQUIRE(ends.writer.shutdown(Socket::Shutdown::write) == std::errc::not_a_socket);
    REQUIRE(ends.writer.set_option(option::keepalive, true) == std::errc::not_a_socket);
    REQUIRE(ends.reader.local_address().family() == AF_UNSPEC);
    REQUIRE(ends.reader.send("x").error == std::errc::bad_file_descriptor);
    REQUIRE(ends.reader.recv(bytes(buffer), long_time, MSG_WAITALL).count == 4);
    REQUIRE(ends.reader.recv(bytes(buffer), long_time, MSG_DONTWAIT).error == std::errc::timed_out);
  });
  REQUIRE(evcoro::pipe().error() == Errc::not_in_a_thread);
  REQUIRE(evcoro::socketpair().error() == Errc::not_in_a_thread);
  REQUIRE(evcoro::pipe(*loop));
  REQUIRE(evcoro::socketpair(*loop));
}

TEST_CASE_METHOD(support::LoopFixture, "several buffers are sent as one") {
  in_thread([&] {
    for (Pipe& ends : pairs()) {
      const std::vector<std::string> few{"one, ", "", "two, ", "three"};
      REQUIRE(send_parts(*loop, ends, few) == "one, two, three");
      // More than go at once, and more than is taken at once.
      std::vector<std::string> many;
      std::string all;
      for (std::uint32_t i = 0; i < 100; ++i) {
        many.push_back(support::pattern(i * 137 % 9001, i));
        all += many.back();
      }
      REQUIRE(send_parts(*loop, ends, many) == all);
      REQUIRE(ends.writer.send_vector({}).count == 0);
    }
  });
}

TEST_CASE_METHOD(support::LoopFixture, "several buffers are filled one after the other") {
  in_thread([&] {
    for (Pipe& ends : pairs()) {
      std::string head(3, ' ');
      std::string none;
      std::string body(10, ' ');
      const std::array<std::span<std::byte>, 3> buffers{bytes(head), bytes(none), bytes(body)};
      REQUIRE(ends.reader.recv_vector(buffers, 1ms).error == std::errc::timed_out);
      Thread reader =
          loop->spawn([&] { return ends.reader.recv_vector(buffers, long_time).count; }).value();
      REQUIRE(support::until_parked(reader));
      REQUIRE(ends.writer.send("abcdefgh"));
      REQUIRE(reader.join().value() == 8);
      REQUIRE(head == "abc");
      REQUIRE(body.substr(0, 5) == "defgh");
      const std::vector<std::span<std::byte>> nothing(3);
      REQUIRE(ends.reader.recv_vector(nothing).count == 0);
      REQUIRE(ends.reader.recv_vector(buffers, long_time, MSG_WAITALL).error ==
              std::errc::invalid_argument);
      std::vector<std::string> many(40, " ");
      std::vector<std::span<std::byte>> windows;
      for (std::string& each : many) windows.push_back(bytes(each));
      REQUIRE(ends.writer.send(std::string(40, 'x')));
      REQUIRE(ends.reader.recv_vector(windows, long_time).count == 16);
      REQUIRE(receive_all(ends.reader, 24).text == std::string(24, 'x'));
    }
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "several buffers over TCP, where the kernel tells what is left") {
  in_thread([&] {
    auto [one, other] = support::connected_sockets(*loop);
    std::string a(2, ' ');
    std::string b(2, ' ');
    const std::array<std::span<std::byte>, 2> buffers{bytes(a), bytes(b)};
    for (int i = 0; i < 10; ++i) {
      REQUIRE(other.send("abcd"));
      REQUIRE(one.recv_vector(buffers, long_time).count == 4);
      REQUIRE(a + b == "abcd");
      REQUIRE(one.send("x"));
      REQUIRE(receive(other, 1).text == "x");
    }
  });
}

TEST_CASE_METHOD(support::LoopFixture, "peek leaves the data there") {
  in_thread([&] {
    SocketPair local = evcoro::socketpair().value();
    auto tcp = support::connected_sockets(*loop);
    for (auto [reader, writer] : {std::pair{&local.one, &local.other}, {&tcp.one, &tcp.other}}) {
      std::string buffer(4, ' ');
      REQUIRE(reader->peek(bytes(buffer), 1ms).error == std::errc::timed_out);
      REQUIRE(writer->send("abcdef"));
      for (int i = 0; i < 3; ++i) {
        REQUIRE(reader->peek(bytes(buffer), long_time).count == 4);
        REQUIRE(buffer == "abcd");
      }
      REQUIRE(receive(*reader).text == "abcdef");
      REQUIRE(reader->peek(bytes(buffer), 1ms).error == std::errc::timed_out);
    }
  });
}

TEST_CASE_METHOD(support::LoopFixture, "reset() lets the peer know at once") {
  in_thread([&] {
    auto [one, other] = support::connected_sockets(*loop);
    Thread reader = loop->spawn([&, &one = one] { return receive(one).error; }).value();
    Thread peer = loop->spawn([&, &other = other] { return receive(other).error; }).value();
    REQUIRE(support::until_parked(reader));
    REQUIRE(support::until_parked(peer));
    one.reset();
    REQUIRE(is_canceled(reader.join().value()));
    REQUIRE(peer.join().value() == std::errc::connection_reset);
    REQUIRE(one.native_handle() == -1);
    one.reset();
    SocketPair local = evcoro::socketpair().value();
    local.one.reset();
    REQUIRE(receive(local.other).is_end_of_file());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "pipes and buffers: signals that interrupt go unnoticed") {
  support::require_interposition();
  in_thread([&] {
    SocketPair pair = evcoro::socketpair().value();
    std::string text(4, ' ');
    const std::array<std::span<std::byte>, 1> buffers{bytes(text)};
    const std::array<std::span<const std::byte>, 1> data{as_bytes("abcd")};
    calls.send = {.failures = 2, .error = EINTR};
    REQUIRE(pair.one.send_vector(data).count == 4);
    calls.receive = {.failures = 2, .error = EINTR};
    REQUIRE(pair.other.recv_vector(buffers).count == 4);
    REQUIRE(calls.send.count == 3);
    REQUIRE(calls.receive.count == 3);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "cancelled at each park: several buffers through pipes") {
  in_thread([&] {
    const std::string data = support::pattern(300'000);
    const std::string_view view = data;
    const std::array<std::span<const std::byte>, 2> parts{as_bytes(view.substr(0, 100'001)),
                                                          as_bytes(view.substr(100'001))};
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      Pipe ends = pipe().value();
      std::string all;
      Thread reader =
          loop->spawn([&] {
                std::string one(30'000, ' ');
                std::string other(30'000, ' ');
                const std::array<std::span<std::byte>, 2> both{bytes(one), bytes(other)};
                while (true) {
                  const std::size_t count = ends.reader.recv_vector(both).count;
                  if (count == 0) return;
                  all += (one + other).substr(0, count);
                }
              })
              .value();
      const IoResult out = ends.writer.send_vector(parts);
      CHECK(is_canceled(out.error) == cancelled);
      CHECK((out.count == data.size()) == !cancelled);
      this_thread::acknowledge_cancellation();
      ends.writer.close();
      if (is_canceled(reader.join(long_time).error())) {
        this_thread::acknowledge_cancellation();
        CHECK(reader.join());
      }
      CHECK(all == data.substr(0, out.count));
    });
    CHECK(parks >= 2);
  });
}
