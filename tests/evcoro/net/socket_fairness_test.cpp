#include <algorithm>

#include <support/loop_fixture.hpp>
#include <support/network.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::connected_pair;
using support::receive;

// All is there already: no operation ever has to wait.
TEST_CASE_METHOD(support::LoopFixture,
                 "a reader that never has to wait lets the loop serve others") {
  in_thread([&] {
    auto [busy, busy_peer] = support::unix_pair(*loop);
    auto [quiet, quiet_peer] = connected_pair(*loop);
    Thread other = loop->spawn([&, &quiet = quiet] { return receive(quiet).text; }).value();
    REQUIRE(support::until_parked(other));
    busy_peer.send(std::string(20'000, 'x'));
    quiet_peer.send("among so many");
    int before = 0;
    for (int i = 0; i < 20'000; ++i) {
      REQUIRE(receive(busy, 1).text == "x");
      if (!other.has_ended()) ++before;
    }
    REQUIRE(before < 20'000);
    REQUIRE(other.join().value() == "among so many");
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "a writer that never has to wait lets the loop serve others") {
  in_thread([&] {
    auto [busy, busy_peer] = connected_pair(*loop);
    auto [quiet, quiet_peer] = connected_pair(*loop);
    Thread other = loop->spawn([&, &quiet = quiet] { return receive(quiet).text; }).value();
    REQUIRE(support::until_parked(other));
    quiet_peer.send("among so many");
    int before = 0;
    for (int i = 0; i < 20'000; ++i) {
      REQUIRE(busy.send("x", support::long_time));
      if (i % 1000 == 0) static_cast<void>(busy_peer.recv());
      if (!other.has_ended()) ++before;
    }
    REQUIRE(before < 20'000);
    REQUIRE(other.join().value() == "among so many");
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a stream that never ends delays no deadline for long") {
  in_thread([&] {
    auto [one, other] = support::connected_sockets(*loop);
    bool done = false;
    Thread source = loop->spawn([&, &one = one] {
                          const std::string block(1000, 'x');
                          while (!done && one.send(block, support::long_time)) continue;
                          one.close();
                        })
                        .value();
    Thread sink = loop->spawn([&, &other = other] {
                        while (!receive(other, 100'000).text.empty()) continue;
                      })
                      .value();
    for (int i = 0; i < 10; ++i) REQUIRE(!this_thread::sleep_for(2ms));
    done = true;
    source.join().value();
    sink.join().value();
  });
}
