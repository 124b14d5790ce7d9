#include <csignal>
#include <vector>

#include <support/loop_fixture.hpp>
#include <support/network.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::connected_pair;
using support::receive;
using support::receive_all;

TEST_CASE_METHOD(support::LoopFixture, "send sends all, through small buffers") {
  in_thread([&] {
    auto [sender, receiver] = support::connected_sockets(*loop, {.send = 4096});
    const std::string sent = support::pattern(2'000'000);
    Thread writer =
        loop->spawn([&, &sender = sender] { return sender.send(sent, support::long_time); })
            .value();
    REQUIRE(receive_all(receiver, sent.size()).text == sent);
    const IoResult result = writer.join().value();
    REQUIRE(result);
    REQUIRE(result.count == sent.size());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "single bytes arrive in order") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    const std::string sent = support::pattern(2000);
    for (const char& each : sent) REQUIRE(socket.send(std::string_view{&each, 1}).count == 1);
    REQUIRE(peer.recv_all(sent.size()) == sent);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "sending nothing returns at once") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    const IoResult result = socket.send("", never);
    REQUIRE(result);
    REQUIRE(result.count == 0);
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "a send that times out says how much it sent, and nothing is lost") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop, {.send = 4096});
    const std::string sent = support::pattern(4'000'000);
    const IoResult first = socket.send(sent, 50ms);
    REQUIRE(first.error == std::errc::timed_out);
    REQUIRE(first.count > 0);
    REQUIRE(first.count < sent.size());
    REQUIRE(peer.recv_all(first.count) == sent.substr(0, first.count));
    REQUIRE(socket.send("and on", support::long_time).count == 6);
    REQUIRE(peer.recv_all(6) == "and on");
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "a send that is reset half way says how much it sent, and why") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop, {.send = 4096});
    const std::string sent(4'000'000, 'x');
    Thread writer =
        loop->spawn([&, &socket = socket] { return socket.send(sent, support::long_time); })
            .value();
    REQUIRE(support::until_parked(writer));
    REQUIRE(writer.info().wait_reason.starts_with("send fd "));
    peer.reset();
    const IoResult result = writer.join().value();
    REQUIRE(result.error == std::errc::connection_reset);
    REQUIRE(result.count > 0);
    REQUIRE(result.count < sent.size());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "shutdown of the writing side is the peer's end of file") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    REQUIRE(socket.send("bye"));
    REQUIRE(!socket.shutdown(Socket::Shutdown::write));
    REQUIRE(peer.recv_all(100) == "bye");
    peer.send("still here");
    REQUIRE(receive(socket).text == "still here");
    REQUIRE(socket.send("x").error == std::errc::broken_pipe);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "shutdown of the reading side ends a recv that waits") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    Thread reader = loop->spawn([&, &socket = socket] { return receive(socket); }).value();
    REQUIRE(support::until_parked(reader));
    REQUIRE(!socket.shutdown(Socket::Shutdown::read));
    REQUIRE(reader.join().value().is_end_of_file());
    REQUIRE(socket.send("writing goes on").count == 15);
    REQUIRE(peer.recv() == "writing goes on");
  });
}

TEST_CASE_METHOD(support::LoopFixture, "shutdown of both sides ends everything") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    REQUIRE(!socket.shutdown(Socket::Shutdown::both));
    REQUIRE(receive(socket).is_end_of_file());
    REQUIRE(socket.send("x").error == std::errc::broken_pipe);
    REQUIRE(peer.recv().empty());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "shutdown of a socket that isn't connected is an error") {
  in_thread([] {
    Socket socket = Socket::open(AF_INET).value();
    REQUIRE(socket.shutdown(Socket::Shutdown::both) == std::errc::not_connected);
  });
}

// All that is sent after the peer has closed its side only must arrive, waiting included.
TEST_CASE_METHOD(support::LoopFixture, "sending goes on after the peer has ended its own side") {
  in_thread([&] {
    auto [one, other] = support::connected_sockets(*loop, {.send = 4096});
    REQUIRE(other.send("request"));
    REQUIRE(!other.shutdown(Socket::Shutdown::write));
    REQUIRE(receive_all(one, 100).text == "request");
    const std::string sent = support::pattern(500'000);
    Thread writer =
        loop->spawn([&, &one = one] { return one.send(sent, support::long_time); }).value();
    REQUIRE(receive_all(other, sent.size()).text == sent);
    REQUIRE(writer.join().value());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "no SIGPIPE is raised, whatever its disposition") {
  std::signal(SIGPIPE, SIG_DFL);
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    peer.reset();
    // The first says why, and later ones that the pipe is broken.
    REQUIRE(support::eventually(
        [&, &socket = socket] { return socket.send("x").error == std::errc::broken_pipe; }));
    REQUIRE(std::signal(SIGPIPE, SIG_DFL) == SIG_DFL);
  });
}
