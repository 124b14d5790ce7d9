#include <vector>

#include <support/loop_fixture.hpp>
#include <support/network.hpp>

using namespace evcoro;
using namespace std::chrono_literals;

namespace {

// Sends and receives size bytes at once at one end of a connection; false if anything is wrong.
bool exchange(Loop& loop, Socket& socket, std::uint32_t sent_seed, std::uint32_t received_seed,
              std::size_t size) {
  const std::string sent = support::pattern(size, sent_seed);
  Thread writer = loop.spawn([&] { return socket.send(sent, support::long_time); }).value();
  const auto in = support::receive_all(socket, size);
  const IoResult out = writer.join().value();
  return out && out.count == size && !in.error && in.text == support::pattern(size, received_seed);
}

void exchange_both_ways(Loop& loop, Socket& one, Socket& other, std::size_t size) {
  Thread far_end = loop.spawn([&] { return exchange(loop, other, 2, 1, size); }).value();
  REQUIRE(exchange(loop, one, 1, 2, size));
  REQUIRE(far_end.join().value());
}

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "a reader and a writer work at once, megabytes both ways") {
  in_thread([&] {
    auto [one, other] = support::connected_sockets(*loop, {.send = 8192});
    exchange_both_ways(*loop, one, other, 3'000'000);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a reader and a writer work at once on a local socket") {
  in_thread([&] {
    auto pair = support::unix_pair(*loop);
    Socket other = Socket::adopt(*loop, pair.peer.release()).value();
    exchange_both_ways(*loop, pair.socket, other, 3'000'000);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "many connections are busy both ways") {
  in_thread([&] {
    std::vector<Thread<>> threads;
    for (int i = 0; i < 10; ++i) {
      threads.push_back(loop->spawn([&] {
                              auto [one, other] = support::connected_sockets(*loop, {.send = 4096});
                              exchange_both_ways(*loop, one, other, 100'000);
                            })
                            .value());
    }
    for (auto& each : threads) each.join().value();
  });
}

// The writer's success proves to the reader that there was no reset; it must not prove more.
TEST_CASE_METHOD(support::LoopFixture,
                 "a writer that never stops doesn't hide data from the reader") {
  in_thread([&] {
    auto [socket, peer] = support::connected_pair(*loop);
    bool done = false;
    Thread writer = loop->spawn([&, &socket = socket] {
                          while (!done && socket.send(".", support::long_time))
                            this_thread::sleep_for(10us);
                        })
                        .value();
    for (std::uint32_t i = 0; i < 500; ++i) {
      const std::string sent = support::pattern(1 + i % 40, i);
      peer.send(sent.substr(0, 1));
      peer.send(sent.substr(1));
      REQUIRE(support::receive_all(socket, sent.size()).text == sent);
    }
    done = true;
    writer.join().value();
  });
}

// The kernel reports a reset once, to whoever asks first, and says end of file from then on.
TEST_CASE_METHOD(support::LoopFixture,
                 "a reset that the writer learns of first is no end of file for the reader") {
  in_thread([&] {
    for (int i = 0; i < 20; ++i) {
      auto [socket, peer] = support::connected_pair(*loop);
      Thread reader =
          loop->spawn([&, &socket = socket] { return support::receive(socket); }).value();
      REQUIRE(support::until_parked(reader));
      peer.reset();
      const IoResult out = socket.send("x", no_wait);  // before the loop polls
      if (out.error) REQUIRE(out.error == std::errc::connection_reset);
      REQUIRE(reader.join().value().error == std::errc::connection_reset);
    }
  });
}
