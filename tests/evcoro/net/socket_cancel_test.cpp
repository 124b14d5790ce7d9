#include <support/loop_fixture.hpp>
#include <support/network.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::connected_pair;
using support::receive;

TEST_CASE_METHOD(support::LoopFixture, "cancellation ends a recv and leaves the socket open") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    Thread reader = loop->spawn([&, &socket = socket] { return receive(socket); }).value();
    REQUIRE(support::until_parked(reader));
    reader.request_stop();
    REQUIRE(reader.join().value().error == std::errc::operation_canceled);
    peer.send("for whoever reads next");
    REQUIRE(receive(socket).text == "for whoever reads next");
  });
}

TEST_CASE_METHOD(support::LoopFixture, "cancellation ends a send half way") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop, {.send = 4096});
    const std::string sent = support::pattern(4'000'000);
    Thread writer = loop->spawn([&, &socket = socket] { return socket.send(sent); }).value();
    REQUIRE(support::until_parked(writer));
    writer.request_stop();
    const IoResult result = writer.join().value();
    REQUIRE(result.error == std::errc::operation_canceled);
    REQUIRE(result.count > 0);
    REQUIRE(peer.recv_all(result.count) == sent.substr(0, result.count));
  });
}

// However much could be done at once: a cancelled thread is not to go on.
TEST_CASE_METHOD(support::LoopFixture, "in a cancelled thread every blocking call fails") {
  in_thread([&] {
    const support::Listener listener;
    auto [socket, peer] = connected_pair(*loop);
    peer.send("data");
    Thread thread = loop->spawn([&, &socket = socket] {
                          const auto canceled = std::errc::operation_canceled;
                          REQUIRE(this_thread::sleep_for(1h) == canceled);
                          for (int i = 0; i < 3; ++i) {
                            REQUIRE(receive(socket).error == canceled);
                            REQUIRE(receive(socket, 10, no_wait).error == canceled);
                            REQUIRE(support::receive_all(socket, 1).error == canceled);
                            REQUIRE(socket.send("x").error == canceled);
                            REQUIRE(connect(listener.address()).error() == canceled);
                          }
                          REQUIRE(this_thread::cancel_reason() == CancelReason::deadline);
                          this_thread::acknowledge_cancellation();
                          REQUIRE(receive(socket).text == "data");
                          REQUIRE(socket.send("x").count == 1);
                          REQUIRE(connect(listener.address(), support::long_time));
                        })
                        .value();
    REQUIRE(support::until_parked(thread));
    thread.request_stop(CancelReason::deadline);
    thread.join().value();
  });
}

TEST_CASE_METHOD(support::LoopFixture, "cancelling the reader leaves the writer alone") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    const std::size_t filled = support::fill(socket);
    Thread reader = loop->spawn([&, &socket = socket] { return receive(socket); }).value();
    Thread writer = loop->spawn([&, &socket = socket] { return socket.send("x"); }).value();
    REQUIRE(support::until_parked(reader));
    REQUIRE(support::until_parked(writer));
    reader.request_stop();
    REQUIRE(reader.join().value().error == std::errc::operation_canceled);
    REQUIRE(!writer.has_ended());
    REQUIRE(peer.recv_all(filled).size() == filled);
    REQUIRE(writer.join().value().count == 1);
    REQUIRE(peer.recv() == "x");
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "cancellation and data in the same pass wake a reader once") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    for (int i = 0; i < 50; ++i) {
      Thread reader = loop->spawn([&, &socket = socket] { return receive(socket); }).value();
      REQUIRE(support::until_parked(reader));
      peer.send("x");
      if (i % 2 == 0)
        loop->post([&] {
          if (!reader.has_ended()) reader.request_stop();
        });
      if (i % 2 != 0) reader.request_stop();
      REQUIRE(support::eventually([&] { return reader.has_ended(); }));
      auto in = reader.join().value();
      if (in.error) {
        REQUIRE(in.error == std::errc::operation_canceled);
        in = receive(socket);
      }
      REQUIRE(in.text == "x");
    }
  });
}

TEST_CASE_METHOD(support::LoopFixture, "shutdown of the loop ends threads that wait for sockets") {
  auto [socket, peer] = connected_pair(*loop);
  auto thread = loop->spawn([&socket = socket] {
                      const auto in = receive(socket, 10, never);
                      CHECK(in.error == std::errc::operation_canceled);
                      CHECK(this_thread::cancel_reason() == CancelReason::shutdown);
                    })
                    .value();
  loop->run_once(no_wait);
  REQUIRE(loop->shutdown(support::long_time).empty());
  REQUIRE(thread.has_ended());
}
