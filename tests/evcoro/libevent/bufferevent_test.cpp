// A bufferevent that a thread reads and writes.
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>

#include <unistd.h>

#include <cstdio>
#include <optional>

#include <evcoro/libevent/fixture.hpp>
#include <support/every_park.hpp>
#include <support/ports.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::LibeventFixture;
using support::receive;

TEST_CASE_METHOD(LibeventFixture, "a thread echoes through a bufferevent, until the peer closes") {
  auto [bev, peer] = socket_bufferevent();
  in_thread([&, bev = bev, &peer = peer] {
    auto stream = adopt(bev);
    REQUIRE(receive(stream, 64, 1ms).error == std::errc::timed_out);
    peer.send("hello");
    REQUIRE(receive(stream).text == "hello");
    REQUIRE(stream.send("answer").count == 6);
    REQUIRE(!stream.drain(1s));
    REQUIRE(peer.recv_all(6) == "answer");
    peer.send("last words");
    peer.shutdown(SHUT_WR);
    REQUIRE(receive(stream, 4).text == "last");
    REQUIRE(!this_thread::sleep_for(1ms));  // the end is known by now
    REQUIRE(receive(stream).text == " words");
    REQUIRE(receive(stream).is_end_of_file());
    REQUIRE(receive(stream).is_end_of_file());
    REQUIRE(stream.send("bye").count == 3);
    REQUIRE(!stream.drain(1s));
    REQUIRE(peer.recv_all(3) == "bye");
  });
}

TEST_CASE_METHOD(LibeventFixture, "a bufferevent holds no more than the limits") {
  constexpr std::size_t limit = 4096;
  const auto [one_end, other_end] = pair();
  const std::string text = support::pattern(200'000);
  in_thread([&, one_end = one_end, other_end = other_end] {
    auto writer = adopt(one_end, {limit, limit});
    auto reader = adopt(other_end, {limit, limit});
    auto sending = loop->spawn([&] { return writer.send(text); }).value();
    REQUIRE(support::until_parked(sending));
    REQUIRE(evbuffer_get_length(bufferevent_get_output(writer.get())) <= limit);
    std::string all;
    while (all.size() < text.size()) {
      REQUIRE(evbuffer_get_length(bufferevent_get_input(reader.get())) <= limit);
      REQUIRE(evbuffer_get_length(bufferevent_get_output(writer.get())) <= limit);
      all += receive(reader, 1000).text;
    }
    REQUIRE(all == text);
    REQUIRE(sending.join().value().count == text.size());
  });
}

TEST_CASE_METHOD(LibeventFixture, "more than the socket takes is sent to a slow reader") {
  auto [bev, peer] = socket_bufferevent();
  const std::string text = support::pattern(3'000'000);
  in_thread([&, bev = bev, &peer = peer] {
    auto stream = adopt(bev);
    auto sending = loop->spawn([&] {
                         const IoResult sent = stream.send(text);
                         return sent && !stream.drain() ? sent.count : 0;
                       })
                       .value();
    REQUIRE(support::until_parked(sending));
    std::string all;
    while (all.size() < text.size()) {
      all += peer.recv();
      REQUIRE(!this_thread::yield());
      if (!sending.has_ended()) REQUIRE(!this_thread::sleep_for(10us));
    }
    REQUIRE(all == text);
    REQUIRE(sending.join().value() == text.size());
  });
}

TEST_CASE_METHOD(LibeventFixture, "wait_for_input serves evbuffer_readln, up to the end") {
  auto [bev, peer] = socket_bufferevent();
  in_thread([&, bev = bev, &peer = peer] {
    auto stream = adopt(bev, {.input_limit = 16});
    evbuffer* const input = bufferevent_get_input(stream.get());
    peer.send("one\ntw");
    REQUIRE(stream.wait_for_input(4, 1s).value() >= 4);
    const std::unique_ptr<char, void (*)(void*)> line{
        evbuffer_readln(input, nullptr, EVBUFFER_EOL_LF), std::free};
    REQUIRE(std::string{line.get()} == "one");
    REQUIRE(evbuffer_search_eol(input, nullptr, nullptr, EVBUFFER_EOL_LF).pos == -1);
    REQUIRE(stream.wait_for_input(1000, 1ms).error() == std::errc::timed_out);
    peer.send(std::string(98, 'x'));  // more than the limit
    REQUIRE(stream.wait_for_input(100, 1s).value() == 100);
    peer.shutdown(SHUT_WR);
    REQUIRE(stream.wait_for_input(101, 1s).value() == 100);
  });
}

TEST_CASE_METHOD(LibeventFixture, "errors of a bufferevent: a reset, a timeout, misuse") {
  auto [bev, peer] = socket_bufferevent();
  in_thread([&, bev = bev, &peer = peer] {
    auto stream = adopt(bev);
    const timeval soon{.tv_sec = 0, .tv_usec = 1000};
    bufferevent_set_timeouts(stream.get(), &soon, nullptr);  // not a good idea, but possible
    REQUIRE(receive(stream).error == std::errc::timed_out);
    bufferevent_set_timeouts(stream.get(), nullptr, nullptr);
    peer.send("x");
    REQUIRE(receive(stream).text == "x");
    auto reader = loop->spawn([&] { return receive(stream).error; }).value();
    REQUIRE(support::until_parked(reader));
    REQUIRE(receive(stream).error == Errc::second_reader);
    REQUIRE(stream.wait_for_input(1).error() == Errc::second_reader);
    peer.reset();
    REQUIRE(reader.join().value() == std::errc::connection_reset);
    REQUIRE(receive(stream).error == std::errc::connection_reset);
    static_cast<void>(stream.send("x"));  // into the buffer, where it stays
    REQUIRE(stream.drain(1s));
    BuffereventStream empty;
    REQUIRE(receive(empty).error == std::errc::bad_file_descriptor);
    REQUIRE(empty.drain() == std::errc::bad_file_descriptor);
    REQUIRE(empty.release() == nullptr);
  });
  auto outside = adopt(bufferevent_socket_new(base.get(), -1, 0));
  REQUIRE(receive(outside).error == Errc::not_in_a_thread);
  REQUIRE(outside.drain() == Errc::not_in_a_thread);
  REQUIRE(BuffereventStream::adopt(*loop, nullptr).error() == std::errc::invalid_argument);
  const support::Base other = support::make_base();
  const support::Bufferevent foreign{bufferevent_socket_new(other.get(), -1, 0)};
  REQUIRE(BuffereventStream::adopt(*loop, foreign.get()).error() == Errc::wrong_loop);
}

TEST_CASE_METHOD(LibeventFixture, "connecting a bufferevent: accepted, refused, to a name") {
  const support::Listener listener;
  const Address address = listener.address();
  in_thread([&] {
    auto stream = adopt(bufferevent_socket_new(base.get(), -1, BEV_OPT_CLOSE_ON_FREE));
    REQUIRE(stream.send("queued").count == 6);
    REQUIRE(!stream.connect(address, 5s));
    const auto peer = listener.accept();
    REQUIRE(peer.recv_all(6) == "queued");
    peer.send("hello");
    REQUIRE(receive(stream).text == "hello");
  });
  in_thread([&] {
    const support::ClosedPort port;
    const Address nobody = port.address();
    auto stream = adopt(bufferevent_socket_new(base.get(), -1, BEV_OPT_CLOSE_ON_FREE));
    REQUIRE(stream.connect(nobody, 5s) == std::errc::connection_refused);
    REQUIRE(receive(stream).error == std::errc::connection_refused);
    REQUIRE(stream.connect(nullptr, "localhost", 80) == std::errc::invalid_argument);
  });
}

namespace {

struct Told {
  std::string input;
  short events = 0;

  static void on_read(bufferevent* bev, void* self) {
    char buffer[256];
    const std::size_t count = bufferevent_read(bev, buffer, sizeof buffer);
    static_cast<Told*>(self)->input.append(buffer, count);
  }
  static void on_event(bufferevent*, short what, void* self) {
    static_cast<Told*>(self)->events |= what;
  }
};

}  // namespace

TEST_CASE_METHOD(LibeventFixture, "a bufferevent is given back as it was, with what is in it") {
  auto [raw, peer] = socket_bufferevent();
  const support::Bufferevent bev{raw};
  Told told;
  const timeval minute{.tv_sec = 60, .tv_usec = 0};
  bufferevent_setcb(raw, Told::on_read, nullptr, Told::on_event, &told);
  bufferevent_setwatermark(raw, EV_READ, 2, 100);
  bufferevent_set_timeouts(raw, &minute, &minute);
  bufferevent_enable(raw, EV_READ);
  bool released = false;
  spawn([&, &peer = peer] {
    auto stream = adopt(bev.get());
    peer.send("hello world");
    REQUIRE(receive(stream, 6).text == "hello ");
    REQUIRE(stream.send("from a thread").count == 13);
    REQUIRE(stream.release() == bev.get());
    released = told.input.empty();  // callbacks are called later
  });
  call_when([&] { return told.input == "world"; }, [&, &peer = peer] { peer.send("more"); });
  call_when([&] { return told.input == "worldmore"; }, [&] { event_base_loopbreak(base.get()); });
  dispatch();
  REQUIRE(released);
  REQUIRE(told.input == "worldmore");
  REQUIRE(told.events == 0);
  REQUIRE(peer.recv_all(13) == "from a thread");
  std::size_t low = 0;
  std::size_t high = 0;
  bufferevent_getwatermark(raw, EV_READ, &low, &high);
  REQUIRE((low == 2 && high == 100));
  REQUIRE(raw->timeout_read.tv_sec == 60);
  REQUIRE(raw->timeout_write.tv_sec == 60);
  REQUIRE(bufferevent_get_enabled(raw) == (EV_READ | EV_WRITE));
}

TEST_CASE_METHOD(LibeventFixture,
                 "of an end that a thread has seen, the application is told, once") {
  auto [raw, peer] = socket_bufferevent();
  const support::Bufferevent bev{raw};
  Told told;
  bufferevent_setcb(raw, Told::on_read, nullptr, Told::on_event, &told);
  bufferevent_enable(raw, EV_READ);
  in_thread([&, &peer = peer] {
    auto stream = adopt(bev.get());
    peer.send("rest");
    peer.shutdown(SHUT_WR);
    REQUIRE(stream.wait_for_input(100, 1s).value() == 4);
    REQUIRE(stream.release() == bev.get());
  });
  REQUIRE(told.input == "rest");
  REQUIRE(told.events == (BEV_EVENT_READING | BEV_EVENT_EOF));
}

TEST_CASE_METHOD(LibeventFixture, "a bufferevent goes to and fro between callbacks and threads") {
  auto [raw, peer] = socket_bufferevent();
  const support::Bufferevent bev{raw};
  Told told;
  bufferevent_setcb(raw, Told::on_read, nullptr, Told::on_event, &told);
  in_thread([&, &peer = peer] {
    for (int i = 0; i < 10; ++i) {
      auto stream = adopt(bev.get());
      peer.send("ping");
      REQUIRE(receive(stream).text == "ping");
      REQUIRE(stream.release() == bev.get());
      REQUIRE(!this_thread::yield());
    }
  });
  REQUIRE(bufferevent_get_enabled(raw) == EV_WRITE);  // as it was
  REQUIRE(told.input.empty());
}

TEST_CASE_METHOD(LibeventFixture, "a bufferevent that others free while a thread waits") {
  auto [bev, peer] = socket_bufferevent();
  const bool freed = GENERATE(true, false);
  in_thread([&, bev = bev] {
    auto stream = adopt(bev);
    auto reader = loop->spawn([&] { return receive(stream, 64, 300ms).error; }).value();
    auto writer = loop->spawn([&] {
                        const std::string much(5'000'000, 'x');
                        return stream.send(much, 300ms).error;
                      })
                      .value();
    REQUIRE(support::until_parked(reader));
    REQUIRE(support::until_parked(writer));
    freed ? bufferevent_free(bev) : bufferevent_setcb(bev, nullptr, nullptr, nullptr, nullptr);
    REQUIRE(reader.join().value() == std::errc::timed_out);  // nothing tells it
    REQUIRE(writer.join().value());                          // it may see its output shrink
    REQUIRE(receive(stream).error == std::errc::operation_canceled);
    REQUIRE(stream.send("x").error == std::errc::operation_canceled);
    REQUIRE(stream.release() == nullptr);
    if (!freed) bufferevent_free(bev);
  });
}

TEST_CASE_METHOD(LibeventFixture, "a stream that goes while threads wait ends their waits") {
  auto [bev, peer] = socket_bufferevent();
  const bool closed = GENERATE(true, false);
  in_thread([&, bev = bev] {
    auto stream = adopt(bev);
    auto reader = loop->spawn([&] { return receive(stream).error; }).value();
    auto writer = loop->spawn([&] {
                        const std::string much(5'000'000, 'x');
                        return stream.send(much).error;
                      })
                      .value();
    REQUIRE(support::until_parked(reader));
    REQUIRE(support::until_parked(writer));
    if (closed) {
      stream = {};
    } else {
      REQUIRE(stream.release() == bev);
    }
    REQUIRE(reader.join().value() == std::errc::operation_canceled);
    REQUIRE(writer.join().value() == std::errc::operation_canceled);
    if (!closed) bufferevent_free(bev);
  });
}

TEST_CASE_METHOD(LibeventFixture, "a loop goes before a stream, and the base lives on") {
  auto [bev, peer] = socket_bufferevent();
  auto stream = adopt(bev);
  Thread reader = loop->spawn([&] { return receive(stream).error; }).value();
  call_in(1ms, [&] { loop.reset(); });
  dispatch();
  REQUIRE(reader.join().value() == std::errc::operation_canceled);
  REQUIRE(receive(stream).error == Errc::no_loop);
  peer.send("later");
  REQUIRE(stream.release() == bev);
  const support::Bufferevent owned{bev};
  Told told;
  bufferevent_setcb(bev, Told::on_read, nullptr, Told::on_event, &told);
  bufferevent_enable(bev, EV_READ);
  event_base_loop(base.get(), EVLOOP_ONCE);
  REQUIRE(told.input == "later");
}

TEST_CASE_METHOD(LibeventFixture, "a child process can't harm the parent's bufferevent") {
  const bool closes = GENERATE(true, false);
  auto [bev, peer] = socket_bufferevent();
  in_thread([&, bev = bev, &peer = peer] {
    auto stream = adopt(bev);
    REQUIRE(receive(stream, 64, 1ms).error == std::errc::timed_out);  // it is registered
    const auto ended = support::in_child([&] {
      const bool refused = receive(stream).error == Errc::parents_loop &&
                           BuffereventStream::adopt(*loop, bev).error() == Errc::parents_loop;
      closes ? stream.close() : static_cast<void>(stream.release());
      std::puts(refused ? "refused" : "not refused");
      std::fflush(stdout);
      ::_exit(0);
    });
    REQUIRE(ended.output == "refused\n");
    peer.send("hello");
    REQUIRE(receive(stream).text == "hello");
  });
}

TEST_CASE("a loop that owns the base frees the bufferevents of its streams") {
  std::optional<Loop> loop{std::in_place, stacks::StackPool::Options{.capacity = 1}};
  auto stream = BuffereventStream::adopt(
                    *loop, bufferevent_socket_new(loop->base(), -1, BEV_OPT_CLOSE_ON_FREE))
                    .value();
  loop.reset();
  REQUIRE(stream.get() == nullptr);
  REQUIRE(stream.release() == nullptr);
}

TEST_CASE_METHOD(LibeventFixture, "operations on a bufferevent are cancelled at every wait") {
  const support::Listener listener;
  in_thread([&] {
    auto [bev, peer] = socket_bufferevent();
    auto stream = adopt(bev);
    const std::string text = support::pattern(300'000);
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      const auto [left, right] = pair();
      auto writer = adopt(left, {4096, 4096});
      auto reader = adopt(right, {4096, 4096});
      Thread reading = loop->spawn([&] { support::receive_all(reader, 20'000); }).value();
      const IoResult sent = writer.send(std::string_view{text}.substr(0, 20'000));
      const auto drained = writer.drain();
      const auto waited = reader.wait_for_input(1, 0ms);
      CHECK(((sent.error == std::errc::operation_canceled) ||
             (drained == std::errc::operation_canceled)) == cancelled);
      CHECK(waited.error() == (cancelled ? std::errc::operation_canceled : std::errc::timed_out));
    });
    REQUIRE(parks >= 2);
    REQUIRE(support::cancel_at_every_park(*loop, [&](bool& cancelled) {
              auto socket = adopt(bufferevent_socket_new(base.get(), -1, BEV_OPT_CLOSE_ON_FREE));
              const auto error = socket.connect(listener.address());
              CHECK((error == std::errc::operation_canceled) == cancelled);
            }) == 1);
  });
}

TEST_CASE_METHOD(LibeventFixture,
                 "input of a bufferevent: cancelled at every wait, it stays there") {
  in_thread([&] {
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      auto [bev, peer] = socket_bufferevent();
      auto stream = adopt(bev);
      const Thread sender = loop->spawn([&peer = peer] {
                                  for (int i = 0; i < 5 && !this_thread::sleep_for(100us); ++i)
                                    peer.send("x");
                                })
                                .value();
      std::size_t count = 0;
      std::error_code error;
      while (count < 2 && !error) {
        const auto in = receive(stream, 2 - count, never);
        count += in.text.size();
        error = in.error;
      }
      if (!error) error = stream.wait_for_input(5 - count).error();
      CHECK((error == std::errc::operation_canceled) == cancelled);
      if (!cancelled) return;
      this_thread::acknowledge_cancellation();
      CHECK(support::receive_all(stream, 5 - count).size() == 5 - count);
    });
    REQUIRE(parks >= 2);
  });
}

TEST_CASE_METHOD(LibeventFixture, "a bufferevent that connects: cancelled, it goes on connecting") {
  const support::Listener listener;
  const Address address = listener.address();
  in_thread([&] {
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      bufferevent* const bev = bufferevent_socket_new(base.get(), -1, BEV_OPT_CLOSE_ON_FREE);
      auto stream = adopt(bev);
      CHECK(bufferevent_socket_connect(bev, address.data(), static_cast<int>(address.size())) == 0);
      const auto error = stream.wait_until_connected();
      CHECK((error == std::errc::operation_canceled) == cancelled);
      if (!cancelled) return;
      this_thread::acknowledge_cancellation();
      CHECK(!stream.wait_until_connected(support::long_time));
      listener.accept().send("x");
      CHECK(receive(stream).text == "x");
    });
    REQUIRE(parks == 1);
  });
}
