// Throttled sockets: by their own buckets, their listener's, their loop's. Times have lower limits
// only; where a bucket gets nothing after its burst, what goes through is exact.
#include <fcntl.h>

#include <array>
#include <span>

#include <support/acceptor.hpp>
#include <support/every_park.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::connected_pair;
using support::long_time;
using support::RawSocket;

namespace {

std::shared_ptr<TokenBucket> bucket(double per_second, double burst) {
  return std::make_shared<TokenBucket>(Rate{per_second, burst});
}

// Only so many bytes, and no more.
std::shared_ptr<TokenBucket> only(double burst) { return bucket(0, burst); }

// Fills the bucket whenever it is empty. So who takes more than it holds has to wait, however slow
// he is.
Thread<void> keep_filling(Loop& loop, const std::shared_ptr<TokenBucket>& tokens) {
  return loop
      .spawn([tokens] {
        while (!this_thread::sleep_for(100us)) {
          if (tokens->available() == 0) tokens->give_back(1000);
        }
      })
      .value();
}

bool is_canceled(std::error_code error) { return error == std::errc::operation_canceled; }

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "a throttled send sends what there are tokens for") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    REQUIRE(!socket.set_bandwidth({.send = only(100)}));
    const std::string data = support::pattern(1000);
    const IoResult out = socket.send(data, 20ms);
    REQUIRE(out.count == 100);
    REQUIRE(out.error == std::errc::timed_out);
    REQUIRE(peer.recv_all(100) == data.substr(0, 100));
    REQUIRE(socket.send(data, no_wait).error == std::errc::timed_out);
    peer.send("free");  // the other direction has no limit
    REQUIRE(support::receive(socket).text == "free");
    REQUIRE(!socket.set_bandwidth({}));
    REQUIRE(socket.send(data, long_time).count == 1000);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a bandwidth is for the calls under way, too") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    Socket& limited = socket;
    RawSocket& reader = peer;
    const std::string data = support::pattern(16 << 20);
    Thread sending = loop->spawn([&] { return limited.send(data, long_time); }).value();
    std::string buffer(200, ' ');
    Thread receiving =
        loop->spawn(
                [&] { return limited.recv_all(std::as_writable_bytes(std::span{buffer}), 50ms); })
            .value();
    REQUIRE(support::until_parked(sending));
    REQUIRE(support::until_parked(receiving));
    const auto tokens = only(1000);
    REQUIRE(!limited.set_bandwidth({.receive = only(100), .send = tokens}));
    peer.send(std::string(200, 'x'));
    REQUIRE(receiving.join().value().count == 100);
    REQUIRE(support::eventually([&] {
      support::arrived(reader, 1 << 20);
      return tokens->available() == 0 && sending.info().wait_reason.starts_with("bandwidth");
    }));
    sending.request_stop();
    REQUIRE(sending.join().value().count < data.size());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a throttled recv receives what there are tokens for") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    const auto tokens = only(10);
    REQUIRE(!socket.set_bandwidth({.receive = tokens}));
    peer.send("0123456789abcdef");
    REQUIRE(support::receive(socket, 4).text == "0123");
    REQUIRE(support::receive(socket, 100).text == "456789");
    REQUIRE(support::receive(socket, 100, 10ms).error == std::errc::timed_out);
    REQUIRE(support::receive(socket, 100, no_wait).error == std::errc::timed_out);
    REQUIRE(socket.send("free", long_time).count == 4);
    tokens->give_back(1);
    const auto in = support::receive_all(socket, 2, 10ms);
    REQUIRE(in.text == "a");
    REQUIRE(in.error == std::errc::timed_out);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a throttled transfer takes its time") {
  in_thread([&] {
    auto [sender, receiver] = support::connected_sockets(*loop);
    REQUIRE(!sender.set_bandwidth({.send = bucket(200'000, 1000)}));
    const std::string data = support::pattern(21'000);
    const auto begin = Clock::now();
    Thread sending =
        loop->spawn([&, &sender = sender] { return sender.send(data, long_time).error; }).value();
    const auto in = support::receive_all(receiver, data.size());
    REQUIRE(in.text == data);
    REQUIRE(Clock::now() - begin >= 99ms);
    REQUIRE(!sending.join().value());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "waiting for bytes, a throttled recv keeps no tokens") {
  in_thread([&] {
    const auto tokens = only(10);
    auto [idle, silent_peer] = connected_pair(*loop);
    auto [busy, peer] = connected_pair(*loop);
    REQUIRE(!idle.set_bandwidth({.receive = tokens}));
    REQUIRE(!busy.set_bandwidth({.receive = tokens}));
    Thread waiting = loop->spawn([&, &idle = idle] { return support::receive(idle).text; }).value();
    REQUIRE(support::until_parked(waiting));
    peer.send("0123456789");
    REQUIRE(support::receive(busy).text == "0123456789");
    silent_peer.close();
    tokens->give_back(10);
    REQUIRE(waiting.join().value().empty());
  });
}

TEST_CASE_METHOD(support::LoopFixture, "peeking takes no tokens") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    REQUIRE(!socket.set_bandwidth({.receive = only(4)}));
    peer.send("ping");
    std::array<std::byte, 4> seen;
    for (int i = 0; i < 3; ++i) REQUIRE(socket.recv(seen, long_time, MSG_PEEK).count == 4);
    REQUIRE(support::receive(socket).text == "ping");
  });
}

TEST_CASE_METHOD(support::LoopFixture, "several buffers, and files, are throttled, too") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    const auto tokens = only(5);
    REQUIRE(!socket.set_bandwidth({tokens, tokens}));
    const std::span<const std::byte> parts[] = {as_bytes("abc"), as_bytes("def")};
    REQUIRE(socket.send_vector(std::span{parts}, 10ms).count == 5);
    REQUIRE(peer.recv_all(5) == "abcde");
    peer.send("0123456789");
    tokens->give_back(3);
    std::array<std::byte, 2> first;
    std::array<std::byte, 4> second;
    const std::span<std::byte> places[] = {first, second};
    REQUIRE(socket.recv_vector(std::span{places}, long_time).count == 3);
    tokens->give_back(4);
    const int file = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    const IoResult out = socket.send_file(file, 1, 100, 10ms);
    ::close(file);
    REQUIRE(out.count == 4);
    REQUIRE(peer.recv_all(3) == "ELF");
  });
}

TEST_CASE_METHOD(support::LoopFixture, "both directions may share a bucket") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    const auto both = only(6);
    REQUIRE(!socket.set_bandwidth({both, both}));
    peer.send("ping");
    REQUIRE(support::receive(socket).text == "ping");
    REQUIRE(socket.send("pong", 10ms).count == 2);
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "the tightest of the levels holds, the others lose nothing") {
  in_thread([&] {
    const auto of_loop = only(50);
    const auto of_listener = only(30);
    const auto own = only(40);
    loop->set_bandwidth({.send = of_loop});
    IoResult out;
    AcceptorOptions options;
    options.bandwidth.send = of_listener;
    TcpAcceptor acceptor{*loop, support::loopback(),
                         [&](Socket& socket) {
                           if (socket.set_bandwidth({.send = own})) return;
                           out = socket.send(support::pattern(100), 10ms);
                         },
                         options};
    const RawSocket client = RawSocket::connected_to(acceptor.local_address());
    REQUIRE(support::reply(client, 100).size() == 30);
    REQUIRE(out.count == 30);
    REQUIRE(of_listener->available() == 0);
    REQUIRE(own->available() == 10);
    REQUIRE(of_loop->available() == 20);
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "a throttled wait to read waits for a token and takes none") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    const auto tokens = only(4);
    REQUIRE(!socket.set_bandwidth({.receive = tokens}));
    peer.send("hello");
    REQUIRE(!socket.wait_readable(long_time));
    REQUIRE(tokens->available() == 4);
    REQUIRE(support::receive(socket).text == "hell");
    REQUIRE(socket.wait_readable(20ms) == std::errc::timed_out);
    Thread waiter =
        loop->spawn([&, &socket = socket] { return socket.wait_readable(long_time); }).value();
    REQUIRE(support::until_parked(waiter));
    tokens->give_back(4);
    REQUIRE(!waiter.join().value());
    REQUIRE(support::receive(socket).text == "o");
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a loop's bandwidth is for all of its sockets together") {
  in_thread([&] {
    auto [before, other_peer] = connected_pair(*loop);
    loop->set_bandwidth({.send = only(5)});
    auto [one, one_peer] = connected_pair(*loop);
    auto [two, two_peer] = connected_pair(*loop);
    REQUIRE(one.send("123", no_wait).count == 3);
    REQUIRE(two.send("456", no_wait).count == 2);
    REQUIRE(before.send("789", no_wait).count == 3);  // was made before
    loop->set_bandwidth({});
    auto [after, after_peer] = connected_pair(*loop);
    REQUIRE(after.send("789", no_wait).count == 3);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "an acceptor gives each connection a bandwidth of its own") {
  in_thread([&] {
    AcceptorOptions options;
    options.send_rate = Rate{.per_second = 0, .burst = 5};
    options.receive_rate = Rate{.per_second = 0, .burst = 3};
    TcpAcceptor acceptor{*loop, support::loopback(),
                         [](Socket& socket) {
                           const auto in = support::receive_all(socket, 4, 20ms);
                           (void)socket.send(in.text + "++++++", 20ms);
                         },
                         options};
    for (int i = 0; i < 2; ++i) {
      const RawSocket client = RawSocket::connected_to(acceptor.local_address());
      client.send("abc");
      client.send("d");
      REQUIRE(support::reply(client, 10).substr(0, 5) == "abc++");
    }
  });
}

TEST_CASE_METHOD(support::LoopFixture, "two that share a bandwidth both get on") {
  in_thread([&] {
    const auto shared = bucket(100'000, 2000);
    auto [greedy, sink] = support::connected_sockets(*loop);
    auto [modest, peer] = connected_pair(*loop);
    REQUIRE(!greedy.set_bandwidth({.send = shared}));
    REQUIRE(!modest.set_bandwidth({.send = shared}));
    const std::string data = support::pattern(500'000);
    spawn([&, &sink = sink] {
      while (!support::receive(sink, 65536).text.empty()) {
      }
    });
    Thread sending = loop->spawn([&, &greedy = greedy] { return greedy.send(data).error; }).value();
    REQUIRE(support::until_parked(sending));
    for (int i = 0; i < 5; ++i) REQUIRE(modest.send("x", long_time).count == 1);
    REQUIRE(!sending.has_ended());
    greedy.close();
    REQUIRE(is_canceled(sending.join().value()));
  });
}

TEST_CASE_METHOD(support::LoopFixture, "close wakes who waits for tokens, and so do other limits") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    REQUIRE(!socket.set_bandwidth({only(1), only(1)}));
    peer.send("abc");
    Thread reader =
        loop->spawn([&, &socket = socket] { return support::receive_all(socket, 3).text; }).value();
    REQUIRE(support::until_parked(reader));
    REQUIRE(reader.info().wait_reason.starts_with("bandwidth"));
    REQUIRE(support::receive(socket).error == Errc::second_reader);
    REQUIRE(!socket.set_bandwidth({only(1), only(1)}));
    REQUIRE(support::eventually([&] { return support::until_parked(reader); }));
    REQUIRE(!socket.set_bandwidth({.send = only(1)}));
    REQUIRE(reader.join().value() == "abc");
    Thread writer = loop->spawn([&, &socket = socket] { return socket.send("abc").error; }).value();
    REQUIRE(support::until_parked(writer));
    socket.close();
    REQUIRE(is_canceled(writer.join().value()));
  });
}

TEST_CASE_METHOD(support::LoopFixture, "the wait for tokens is no idle time") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    socket.set_idle_timeout(20ms);
    REQUIRE(!socket.set_bandwidth({.receive = bucket(20, 1)}));
    peer.send("abc");
    const auto in = support::receive_all(socket, 3);
    REQUIRE(in.text == "abc");
  });
}

TEST_CASE_METHOD(support::LoopFixture, "waiting for tokens, a loop does nothing else") {
  in_thread([&] {
    auto [socket, peer] = connected_pair(*loop);
    REQUIRE(support::ping_pong(socket, peer));  // is registered
    REQUIRE(!socket.set_bandwidth({.receive = only(1)}));
    peer.send("abc");  // stays readable
    Thread reader =
        loop->spawn([&, &socket = socket] { return support::receive_all(socket, 3, 300ms); })
            .value();
    REQUIRE(support::until_parked(reader));
    const std::uint64_t before = reader.info().parks;
    REQUIRE(!this_thread::sleep_for(100ms));
    REQUIRE(reader.info().parks <= before + 2);  // level-triggered, it would spin
    const auto in = reader.join().value();
    REQUIRE(in.text == "a");
  });
}

TEST_CASE_METHOD(support::LoopFixture, "cancelled at each park: throttled send") {
  in_thread([&] {
    const std::string data = support::pattern(3000);
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      auto [socket, peer] = connected_pair(*loop);
      const auto tokens = only(1000);
      const Thread filler = keep_filling(*loop, tokens);
      CHECK(!socket.set_bandwidth({.send = tokens}));
      const IoResult out = socket.send(data);
      CHECK(is_canceled(out.error) == cancelled);
      CHECK((out.count == data.size()) == !cancelled);
      CHECK(peer.recv_all(out.count) == data.substr(0, out.count));
    });
    CHECK(parks >= 2);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "cancelled at each park: throttled recv, no byte is lost") {
  in_thread([&] {
    const std::string data = support::pattern(3000);
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      auto [socket, peer] = connected_pair(*loop);
      const auto tokens = only(1000);
      const Thread filler = keep_filling(*loop, tokens);
      CHECK(!socket.set_bandwidth({.receive = tokens}));
      peer.send(data);
      const auto in = support::receive_all(socket, data.size(), never);
      CHECK(is_canceled(in.error) == cancelled);
      this_thread::acknowledge_cancellation();
      const auto rest = support::receive_all(socket, data.size() - in.text.size());
      CHECK(in.text + rest.text == data);
    });
    CHECK(parks >= 2);
  });
}
