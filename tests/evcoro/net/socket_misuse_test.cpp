#include <event2/event.h>

#include <memory>
#include <string>

#include <support/loop_fixture.hpp>
#include <support/network.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::connected_pair;
using support::receive;

namespace {

struct EventFree {
  void operator()(event* each) const { event_free(each); }
};
using Event = std::unique_ptr<event, EventFree>;

Event add_event(event_base* base, int descriptor, short what) {
  Event result{event_new(
      base, descriptor, what, [](evutil_socket_t, short, void*) {}, nullptr)};
  if (event_add(result.get(), nullptr) != 0) support::throw_errno("event_add");
  return result;
}

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "blocking calls outside a thread are named") {
  auto [socket, peer] = connected_pair(*loop);
  peer.send("there is data, but nobody to wait for it");
  REQUIRE(receive(socket).error == Errc::not_in_a_thread);
  REQUIRE(support::receive_all(socket, 1).error == Errc::not_in_a_thread);
  REQUIRE(socket.send("x").error == Errc::not_in_a_thread);
  REQUIRE(socket.connect(Address::loopback(AF_INET, 1)) == Errc::not_in_a_thread);
  REQUIRE(connect(Address::loopback(AF_INET, 1)).error() == Errc::not_in_a_thread);
  REQUIRE(Socket::open(AF_INET).error() == Errc::not_in_a_thread);
  REQUIRE(receive(socket).error.message().find("Loop::spawn()") != std::string::npos);
  REQUIRE(receive(socket).error == std::errc::operation_not_permitted);
}

TEST_CASE_METHOD(support::LoopFixture, "blocking calls in a thread of another loop are named") {
  auto [socket, peer] = connected_pair(*loop);
  stacks::StackPool other_pool{{.capacity = 1, .stack_size = support::test_stack_size}};
  Loop other{other_pool};
  auto thread = other
                    .spawn([&socket = socket] {
                      REQUIRE(receive(socket).error == Errc::wrong_loop);
                      REQUIRE(socket.send("x").error == Errc::wrong_loop);
                      REQUIRE(socket.connect(Address::loopback(AF_INET, 1)) == Errc::wrong_loop);
                    })
                    .value();
  other.run();
  thread.join().value();
}

TEST_CASE_METHOD(support::LoopFixture, "a second reader gets an error, and the first its data") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    Thread first = loop->spawn([&, &socket = socket] { return receive(socket); }).value();
    REQUIRE(support::until_parked(first));
    REQUIRE(receive(socket).error == Errc::second_reader);
    REQUIRE(receive(socket, 1, no_wait).error == Errc::second_reader);
    REQUIRE(support::receive_all(socket, 1).error == Errc::second_reader);
    REQUIRE(socket.send("a writer is welcome").count == 19);
    peer.send("x");
    REQUIRE(first.join().value().text == "x");
    peer.send("y");
    REQUIRE(receive(socket).text == "y");
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a second writer gets an error, and the first goes on") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    const std::size_t filled = support::fill(socket);
    Thread first = loop->spawn([&, &socket = socket] { return socket.send("first"); }).value();
    REQUIRE(support::until_parked(first));
    REQUIRE(socket.send("second").error == Errc::second_writer);
    REQUIRE(socket.connect(Address::loopback(AF_INET, 1)) == Errc::second_writer);
    peer.send("a reader is welcome");
    REQUIRE(receive(socket).text == "a reader is welcome");
    REQUIRE(peer.recv_all(filled).size() == filled);
    REQUIRE(first.join().value().count == 5);
    REQUIRE(peer.recv_all(5) == "first");
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a socket outlives its loop and says so") {
  auto [socket, peer] = connected_pair(*loop);
  in_thread([&, &socket = socket, &peer = peer] { REQUIRE(support::ping_pong(socket, peer)); });
  loop.reset();
  loop.emplace(pool);
  in_thread([&, &socket = socket] {
    REQUIRE(receive(socket).error == Errc::no_loop);
    REQUIRE(socket.send("x").error == Errc::no_loop);
  });
  REQUIRE(!socket.set_option(SOL_SOCKET, SO_KEEPALIVE, 1));
  // The descriptor is as good as ever.
  Socket adopted = Socket::adopt(*loop, socket.release()).value();
  in_thread([&, &peer = peer] { REQUIRE(support::ping_pong(adopted, peer)); });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "a level-triggered event of the application on the descriptor is named") {
  if (!support::has_edges(*loop)) support::skip("without edge-triggered events any mix is fine");
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    Event event = add_event(loop->base(), socket.native_handle(), EV_READ);
    const auto in = receive(socket);
    REQUIRE(in.error == Errc::mixed_registration);
    REQUIRE(in.error == std::errc::file_exists);
    event.reset();
    peer.send("now it works");
    REQUIRE(receive(socket).text == "now it works");
    REQUIRE(support::ping_pong(socket, peer));
  });
}

// Each time, one byte is taken: as long as there is more, a level-triggered event fires again.
TEST_CASE_METHOD(support::LoopFixture,
                 "a level-triggered event that was in the way of a socket is as good as before") {
  if (!support::has_edges(*loop)) support::skip("without edge-triggered events any mix is fine");
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    std::string taken;
    const auto take_one = [](evutil_socket_t descriptor, short, void* argument) {
      char byte;
      if (::read(descriptor, &byte, 1) == 1) static_cast<std::string*>(argument)->push_back(byte);
    };
    const Event event{
        event_new(loop->base(), socket.native_handle(), EV_READ | EV_PERSIST, take_one, &taken)};
    REQUIRE(event_add(event.get(), nullptr) == 0);
    for (const char* const expected : {"abc", "abcdef"}) {
      REQUIRE(receive(socket).error == Errc::mixed_registration);
      peer.send(std::string{expected}.substr(taken.size()));
      REQUIRE(support::eventually([&] { return taken == expected; }));
    }
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "an edge-triggered event of the application on the descriptor is no trouble") {
  if (!support::has_edges(*loop)) support::skip("there are no edge-triggered events");
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    Event event = add_event(loop->base(), socket.native_handle(), EV_READ | EV_ET | EV_PERSIST);
    REQUIRE(support::ping_pong(socket, peer));
    event.reset();  // libevent used to forget then that the other one is edge-triggered: issue 636
    for (int i = 0; i < 3; ++i) REQUIRE(support::ping_pong(socket, peer));
  });
}
