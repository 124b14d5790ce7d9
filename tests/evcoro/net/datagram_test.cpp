// DatagramSocket: UDP and UNIX datagrams.
#include <sys/un.h>

#include <array>
#include <string>

#include <evcoro/net/datagram_socket.hpp>
#include <support/every_park.hpp>
#include <support/loop_fixture.hpp>
#include <support/network.hpp>
#include <support/system_calls.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::calls;
using support::long_time;

namespace {

Address any_port(int family = AF_INET) { return Address::loopback(family, 0); }

DatagramSocket bound(const Address& address = any_port()) {
  return DatagramSocket::bound_to(address).value();
}

struct Datagram {
  std::string text;
  std::size_t size = 0;
  Address sender = {};
  std::error_code error = {};
};

Datagram receive(DatagramSocket& socket, std::size_t most = 2048, Timeout timeout = long_time) {
  Datagram in;
  in.text.resize(most);
  const auto buffer = std::as_writable_bytes(std::span{in.text});
  const DatagramResult result = socket.recv_from(buffer, in.sender, timeout);
  in.text.resize(result.count);
  in.size = result.size;
  in.error = result.error;
  return in;
}

// Two UNIX sockets, connected with each other.
struct UnixPair {
  UnixPair() : one(bound(Address::unix_any())), other(bound(Address::unix_any())) {
    REQUIRE(!one.connect(other.local_address()));
    REQUIRE(!other.connect(one.local_address()));
  }
  DatagramSocket one;
  DatagramSocket other;
};

void echo_between(DatagramSocket& one, DatagramSocket& other) {
  const IoResult out = one.send_to("ping", other.local_address());
  REQUIRE(out.count == 4);
  REQUIRE(!out.error);
  const Datagram ping = receive(other);
  REQUIRE(ping.text == "ping");
  REQUIRE(ping.sender == one.local_address());
  REQUIRE(other.send_to("pong!", ping.sender));
  const Datagram pong = receive(one);
  REQUIRE(pong.text == "pong!");
  REQUIRE(pong.sender == other.local_address());
}

bool is_canceled(std::error_code error) { return error == std::errc::operation_canceled; }

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "datagrams go there and back, with their senders") {
  in_thread([&] {
    DatagramSocket one = bound();
    DatagramSocket other = bound();
    echo_between(one, other);
    DatagramSocket first = bound(Address::unix_any());
    DatagramSocket second = bound(Address::unix_any());
    echo_between(first, second);
    if (!support::has_ipv6()) return;
    DatagramSocket left = bound(any_port(AF_INET6));
    DatagramSocket right = bound(any_port(AF_INET6));
    echo_between(left, right);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "datagram: UNIX paths, as long as they may be") {
  in_thread([&] {
    std::string directory = "/tmp/evcoro-XXXXXX";
    REQUIRE(::mkdtemp(directory.data()) != nullptr);
    const std::string one_path = directory + "/one";
    std::string other_path = directory + "/";
    other_path.resize(Address::max_path, 'x');
    {
      DatagramSocket one = bound(Address::unix_path(one_path).value());
      DatagramSocket other = bound(Address::unix_path(other_path).value());
      echo_between(one, other);
      const auto again = DatagramSocket::bound_to(Address::unix_path(one_path).value()).error();
      CHECK(again == std::errc::address_in_use);
    }
    ::unlink(one_path.c_str());
    ::unlink(other_path.c_str());
    ::rmdir(directory.c_str());
    DatagramSocket lonely = DatagramSocket::open(AF_UNIX).value();
    const IoResult out = lonely.send_to("x", Address::unix_path(one_path).value());
    REQUIRE(out.error == std::errc::no_such_file_or_directory);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "datagram: the sender of one without a name has no family") {
  in_thread([&] {
    DatagramSocket socket = bound(Address::unix_any());
    DatagramSocket nameless = DatagramSocket::open(AF_UNIX).value();
    REQUIRE(nameless.send_to("x", socket.local_address()));
    const Datagram in = receive(socket);
    REQUIRE(in.text == "x");
    REQUIRE(in.sender.family() == AF_UNSPEC);
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "datagram: a thread waits for one, and others run meanwhile") {
  in_thread([&] {
    DatagramSocket socket = bound();
    Thread waiter = loop->spawn([&] { return receive(socket).text; }).value();
    REQUIRE(support::until_parked(waiter));
    DatagramSocket sender = bound();
    REQUIRE(sender.send_to("late", socket.local_address()));
    const std::string text = waiter.join().value();
    REQUIRE(text == "late");
  });
}

TEST_CASE_METHOD(support::LoopFixture, "datagram: what doesn't fit is cut, and that is said") {
  in_thread([&] {
    DatagramSocket socket = bound();
    DatagramSocket local = bound(Address::unix_any());
    for (DatagramSocket* each : {&socket, &local}) {
      DatagramSocket sender = bound(each == &socket ? any_port() : Address::unix_any());
      REQUIRE(sender.send_to("0123456789", each->local_address()));
      REQUIRE(sender.send_to("next", each->local_address()));
      const Datagram cut = receive(*each, 4);
      REQUIRE(cut.text == "0123");
      REQUIRE(cut.size == 10);
      const Datagram next = receive(*each, 4);
      REQUIRE(next.text == "next");
      REQUIRE(next.size == 4);
      REQUIRE(sender.send_to("gone", each->local_address()));
      const DatagramResult nothing = each->recv({}, long_time);
      REQUIRE(nothing);
      REQUIRE(nothing.is_truncated());
    }
  });
}

TEST_CASE_METHOD(support::LoopFixture, "datagram: an empty one is no end of file") {
  in_thread([&] {
    DatagramSocket socket = bound();
    DatagramSocket sender = DatagramSocket::connected_to(socket.local_address()).value();
    for (const std::string_view text : {"", "x", ""}) {
      const IoResult out = sender.send(text);
      REQUIRE(!out.error);
      const Datagram in = receive(socket);
      REQUIRE(!in.error);
      REQUIRE(in.text == text);
    }
    std::array<std::byte, 4> buffer;
    const DatagramResult none = socket.recv(buffer, no_wait);
    REQUIRE(none.error == std::errc::timed_out);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "datagram: one that is too long is an error") {
  in_thread([&] {
    DatagramSocket socket = bound();
    DatagramSocket sender = bound();
    const IoResult out = sender.send_to(std::string(70'000, 'x'), socket.local_address());
    REQUIRE(out.error == std::errc::message_size);
    REQUIRE(out.count == 0);
    echo_between(sender, socket);
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "datagram: an ICMP error of a connected socket is its next call's") {
  in_thread([&] {
    Address nobody;
    {
      const DatagramSocket gone = bound(support::own_address());
      nobody = gone.local_address();
    }
    DatagramSocket socket = DatagramSocket::connected_to(nobody).value();
    REQUIRE(socket.peer_address() == nobody);
    const Datagram quiet = receive(socket, 10, 1ms);
    REQUIRE(quiet.error == std::errc::timed_out);
    Thread waiter = loop->spawn([&] { return receive(socket).error; }).value();
    REQUIRE(support::until_parked(waiter));
    REQUIRE(socket.send("anybody?"));
    const auto refused = waiter.join().value();
    REQUIRE(refused == std::errc::connection_refused);
    const Datagram again = receive(socket, 10, 10ms);  // said once, and the loop doesn't spin
    REQUIRE(again.error == std::errc::timed_out);
    REQUIRE(socket.send("anybody?"));
    std::error_code error;
    REQUIRE(
        support::eventually([&] { return (error = socket.send("?").error) != std::error_code{}; }));
    REQUIRE(error == std::errc::connection_refused);
    const auto disconnected = socket.disconnect();
    REQUIRE(!disconnected);
    DatagramSocket other = bound();
    REQUIRE(socket.send_to("still good", other.local_address()));
    REQUIRE(receive(other).text == "still good");
  });
}

TEST_CASE_METHOD(support::LoopFixture, "datagram: a connected socket hears its peer alone") {
  in_thread([&] {
    DatagramSocket socket = bound();
    DatagramSocket peer = bound();
    DatagramSocket stranger = bound();
    REQUIRE(!socket.connect(peer.local_address()));
    REQUIRE(stranger.send_to("stranger", socket.local_address()));
    REQUIRE(peer.send_to("peer", socket.local_address()));
    REQUIRE(receive(socket).text == "peer");
    const DatagramSocket unconnected = bound();
    REQUIRE(stranger.send("x").error == std::errc::destination_address_required);
    const auto unspecified = socket.connect(Address{});
    REQUIRE(unspecified == std::errc::address_family_not_supported);
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "datagram: timeouts, and what is there is had without waiting") {
  in_thread([&] {
    DatagramSocket socket = bound();
    DatagramSocket sender = bound();
    REQUIRE(receive(socket, 10, no_wait).error == std::errc::timed_out);
    const auto begin = Clock::now();
    REQUIRE(receive(socket, 10, 20ms).error == std::errc::timed_out);
    REQUIRE(Clock::now() - begin >= 20ms);
    // One by one, so that the socket has come to wait for an event first.
    for (int i = 0; i < 100; ++i) {
      REQUIRE(sender.send_to("x", socket.local_address()));
      REQUIRE(receive(socket, 10).text == "x");
    }
    REQUIRE(sender.send_to("now", socket.local_address()));
    REQUIRE(receive(socket, 10, no_wait).text == "now");
    REQUIRE(sender.send_to("over", socket.local_address()));
    REQUIRE(receive(socket, 10, Clock::now() - 1s).text == "over");
  });
}

TEST_CASE_METHOD(support::LoopFixture, "datagram: the second reader is refused") {
  in_thread([&] {
    DatagramSocket socket = bound();
    Thread reader = loop->spawn([&] { return receive(socket).error; }).value();
    REQUIRE(support::until_parked(reader));
    REQUIRE(receive(socket).error == Errc::second_reader);
    DatagramBatch batch{4, 100};
    REQUIRE(socket.recv_batch(batch).error == Errc::second_reader);
    socket.close();
    const auto error = reader.join().value();
    REQUIRE(is_canceled(error));
    REQUIRE(receive(socket).error == std::errc::bad_file_descriptor);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "datagram: misuse is an error that names it") {
  auto outside = DatagramSocket::open(AF_INET);
  REQUIRE(outside.error() == Errc::not_in_a_thread);
  DatagramSocket socket = DatagramSocket::open(*loop, AF_INET).value();
  REQUIRE(receive(socket).error == Errc::not_in_a_thread);
  REQUIRE(socket.send_to("x", any_port()).error == Errc::not_in_a_thread);
  DatagramSocket empty;
  DatagramBatch none{0, 10};
  REQUIRE(empty.send("x").error == std::errc::bad_file_descriptor);
  REQUIRE(empty.recv_batch(none).error == std::errc::bad_file_descriptor);
  REQUIRE(empty.bind(any_port()) == std::errc::bad_file_descriptor);
  REQUIRE(empty.connect(any_port()) == std::errc::bad_file_descriptor);
  REQUIRE(empty.release() == -1);
  const int stream = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(DatagramSocket::adopt(*loop, stream).error() == std::errc::wrong_protocol_type);
  REQUIRE(DatagramSocket::adopt(*loop, -1).error() == std::errc::bad_file_descriptor);
  in_thread([&] { REQUIRE(socket.recv_batch(none).error == std::errc::invalid_argument); });
}

TEST_CASE_METHOD(support::LoopFixture, "datagram: a descriptor is adopted, and released") {
  in_thread([&] {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) == 0);
    DatagramSocket one = DatagramSocket::adopt(*loop, ends[0]).value();
    DatagramSocket other = DatagramSocket::adopt(*loop, ends[1]).value();
    REQUIRE(one.send("x"));
    REQUIRE(receive(other).text == "x");
    Thread reader = loop->spawn([&] { return receive(other).error; }).value();
    REQUIRE(support::until_parked(reader));
    const int descriptor = other.release();
    REQUIRE(descriptor == ends[1]);
    REQUIRE(is_canceled(reader.join().value()));
    ::close(descriptor);
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "datagram: a UNIX sender waits for room in another's queue") {
  in_thread([&] {
    DatagramSocket receiver = bound(Address::unix_any());
    DatagramSocket connected = DatagramSocket::connected_to(receiver.local_address()).value();
    DatagramSocket free = DatagramSocket::open(AF_UNIX).value();
    for (DatagramSocket* sender : {&connected, &free}) {
      const auto send = [&](Timeout timeout) {
        return sender == &free ? sender->send_to("x", receiver.local_address(), timeout).error
                               : sender->send("x", timeout).error;
      };
      int sent = 0;
      while (!send(no_wait)) ++sent;
      REQUIRE(send(no_wait) == std::errc::timed_out);
      REQUIRE(send(20ms) == std::errc::timed_out);
      Thread waiting = loop->spawn([&] { return send(long_time); }).value();
      REQUIRE(support::until_parked(waiting));
      for (int i = 0; i < sent; ++i) REQUIRE(receive(receiver).text == "x");
      const auto error = waiting.join().value();
      REQUIRE(!error);
      REQUIRE(receive(receiver).text == "x");
    }
  });
}

TEST_CASE_METHOD(support::LoopFixture, "datagram: close and cancellation end a wait for room") {
  in_thread([&] {
    DatagramSocket receiver = bound(Address::unix_any());
    DatagramSocket sender = DatagramSocket::open(AF_UNIX).value();
    const auto fill = [&](Timeout timeout) {
      std::error_code error;
      while (!error) error = sender.send_to("x", receiver.local_address(), timeout).error;
      return error;
    };
    Thread cancelled = loop->spawn([&] { return fill(never); }).value();
    REQUIRE(support::until_parked(cancelled));
    cancelled.request_stop();
    REQUIRE(is_canceled(cancelled.join().value()));
    Thread closed = loop->spawn([&] { return fill(never); }).value();
    REQUIRE(support::until_parked(closed));
    const IoResult second = sender.send_to("x", receiver.local_address());
    REQUIRE(second.error == Errc::second_writer);
    sender.close();
    REQUIRE(is_canceled(closed.join().value()));
  });
}

TEST_CASE_METHOD(support::LoopFixture, "datagram: signals that interrupt its calls go unnoticed") {
  support::require_interposition();
  in_thread([&] {
    DatagramSocket socket = bound();
    DatagramSocket sender = bound();
    calls.send = {.failures = 2, .error = EINTR};
    REQUIRE(sender.send_to("x", socket.local_address()));
    calls.receive = {.failures = 2, .error = EINTR};
    REQUIRE(receive(socket).text == "x");
    REQUIRE(calls.receive.count == 3);
    REQUIRE(calls.send.count == 3);
    calls.send = {.failures = 1, .error = ENOBUFS};
    REQUIRE(sender.send_to("x", socket.local_address()).error == std::errc::no_buffer_space);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "datagram: a quiet ping-pong hardly ever asks in vain") {
  support::require_interposition();
  in_thread([&] {
    DatagramSocket one = bound();
    DatagramSocket other = bound();
    Thread echo = loop->spawn([&] {
                        while (true) {
                          const Datagram in = receive(other, 64);
                          if (in.error || !other.send_to(in.text, in.sender)) return;
                        }
                      })
                      .value();
    const auto ping_pong = [&] {
      REQUIRE(one.send_to("x", other.local_address()));
      REQUIRE(receive(one).text == "x");
    };
    for (int i = 0; i < 20; ++i) ping_pong();
    calls = {};
    for (int i = 0; i < 1000; ++i) ping_pong();
    REQUIRE(calls.send.count == 2000);
    REQUIRE(calls.receive.count <= 2000 + 2000 / 8);
    REQUIRE(calls.control.count == 0);
    other.close();
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "datagram: a thread that never has to wait lets others run") {
  in_thread([&] {
    DatagramSocket socket = bound();
    const Address self = socket.local_address();
    bool ran = false;
    Thread other = loop->spawn([&] {
                         (void)this_thread::sleep_for(1us);
                         ran = true;
                       })
                       .value();
    int rounds = 0;
    for (; !ran && rounds < 1'000'000; ++rounds) {
      REQUIRE(socket.send_to("x", self));
      REQUIRE(receive(socket).text == "x");
    }
    REQUIRE(ran);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "cancelled at each park: datagrams that are waited for") {
  in_thread([&] {
    DatagramSocket sender = bound();
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      DatagramSocket socket = bound();
      Thread trickle = loop->spawn([&] {
                             for (int i = 0; i < 3 && !this_thread::sleep_for(100us); ++i) {
                               if (socket) (void)sender.send_to("x", socket.local_address());
                             }
                           })
                           .value();
      std::error_code error;
      for (int i = 0; i < 3 && !error; ++i) error = receive(socket, 10, never).error;
      CHECK(is_canceled(error) == cancelled);
      this_thread::acknowledge_cancellation();
      CHECK(!sender.send_to("last", socket.local_address()).error);
      Datagram in;
      while (in.text != "last" && (!in.error || cancelled)) {  // it is as good as ever
        this_thread::acknowledge_cancellation();               // which may come here, too
        in = receive(socket);
      }
      CHECK(in.text == "last");
    });
    CHECK(parks >= 3);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "cancelled at each park: a UNIX datagram that needs room") {
  in_thread([&] {
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      UnixPair pair;
      DatagramSocket sender = DatagramSocket::open(AF_UNIX).value();
      DatagramSocket receiver = bound(Address::unix_any());
      while (sender.send_to("x", receiver.local_address(), no_wait)) {
      }
      Thread drain = loop->spawn([&] {
                           (void)this_thread::sleep_for(100us);
                           (void)receive(receiver);
                         })
                         .value();
      const IoResult out = sender.send_to("x", receiver.local_address(), never);
      CHECK(is_canceled(out.error) == cancelled);
      this_thread::acknowledge_cancellation();
      CHECK(pair.one.send("x", long_time));
      CHECK(receive(pair.other).text == "x");
    });
    CHECK(parks >= 1);
  });
}
