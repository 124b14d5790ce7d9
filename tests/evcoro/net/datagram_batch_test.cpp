// Batches of datagrams: recvmmsg(2) and sendmmsg(2).
#include <netinet/udp.h>

#include <string>
#include <vector>

#include <evcoro/net/datagram_socket.hpp>
#include <support/every_park.hpp>
#include <support/loop_fixture.hpp>
#include <support/network.hpp>
#include <support/own_network.hpp>
#include <support/system_calls.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::calls;
using support::long_time;
using support::RawSocket;

namespace {

DatagramSocket bound(const Address& address = Address::loopback(AF_INET, 0)) {
  return DatagramSocket::bound_to(address).value();
}

std::vector<std::string> texts(DatagramBatch& batch) {
  std::vector<std::string> result;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto data = batch[i].data;
    result.emplace_back(reinterpret_cast<const char*>(data.data()), data.size());
  }
  return result;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE_METHOD(support::LoopFixture,
                 "a batch takes all datagrams that are there, and gives them back") {
  in_thread([&] {
    for (const Address& address : {Address::loopback(AF_INET, 0), Address::unix_any()}) {
      DatagramSocket server = bound(address);
      DatagramSocket client = bound(address);
      DatagramBatch requests{8, 100};
      for (const char* each : {"one", "", "three"}) {
        REQUIRE(requests.add(each, server.local_address()));
      }
      REQUIRE(requests.size() == 3);
      const IoResult out = client.send_batch(requests);
      REQUIRE(out);
      REQUIRE(out.count == 3);
      DatagramBatch batch{8, 100};
      const IoResult in = server.recv_batch(batch, long_time);
      REQUIRE(in);
      REQUIRE(in.count == 3);
      REQUIRE(texts(batch) == Texts{"one", "", "three"});
      REQUIRE(batch[2].address == client.local_address());
      REQUIRE(server.send_batch(batch).count == 3);
      batch.clear();
      REQUIRE(batch.size() == 0);
      REQUIRE(client.recv_batch(batch, long_time).count == 3);
      REQUIRE(texts(batch) == Texts{"one", "", "three"});
      REQUIRE(batch[0].address == server.local_address());
    }
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a batch says of each datagram whether it was cut") {
  in_thread([&] {
    DatagramSocket server = bound();
    DatagramSocket client = DatagramSocket::connected_to(server.local_address()).value();
    for (const char* each : {"0123456789", "01234"}) REQUIRE(client.send(each));
    DatagramBatch batch{4, 5};
    REQUIRE(server.recv_batch(batch, long_time).count == 2);
    REQUIRE(texts(batch) == Texts{"01234", "01234"});
    REQUIRE(batch[0].is_truncated());
    REQUIRE(batch[0].size == 10);
    REQUIRE(!batch[1].is_truncated());
    REQUIRE(client.send("0123456789"));
    REQUIRE(server.recv_batch(batch, long_time).count == 1);  // room as ever
    REQUIRE(batch[0].size == 10);
    REQUIRE(batch[0].data.size() == 5);
  });
}

TEST_CASE("a batch takes no more than it has room for") {
  DatagramBatch batch{2, 4};
  REQUIRE(batch.capacity() == 2);
  REQUIRE(!batch.add("12345"));
  REQUIRE(batch.add("1234"));
  REQUIRE(batch.add("", Address::unix_any()));
  REQUIRE(!batch.add("x"));
  REQUIRE(batch.size() == 2);
  DatagramBatch moved = std::move(batch);
  REQUIRE(texts(moved) == Texts{"1234", ""});
}

TEST_CASE_METHOD(support::LoopFixture, "a full batch is followed by what is left, a call later") {
  in_thread([&] {
    DatagramSocket server = bound();
    DatagramSocket client = DatagramSocket::connected_to(server.local_address()).value();
    DatagramBatch batch{3, 10};
    REQUIRE(server.recv_batch(batch, no_wait).error == std::errc::timed_out);
    REQUIRE(batch.size() == 0);
    for (int i = 0; i < 7; ++i) REQUIRE(client.send(std::to_string(i)));
    REQUIRE(server.recv_batch(batch, long_time).count == 3);
    REQUIRE(server.recv_batch(batch, long_time).count == 3);
    REQUIRE(texts(batch) == Texts{"3", "4", "5"});
    REQUIRE(server.recv_batch(batch, long_time).count == 1);
    REQUIRE(server.recv_batch(batch, 1ms).error == std::errc::timed_out);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "batches on connected sockets need no addresses") {
  in_thread([&] {
    DatagramSocket server = bound();
    DatagramSocket client = DatagramSocket::connected_to(server.local_address()).value();
    REQUIRE(!server.connect(client.local_address()));
    DatagramBatch batch{4, 10};
    REQUIRE(batch.add("x"));
    REQUIRE(client.send_batch(batch).count == 1);
    REQUIRE(server.recv_batch(batch, long_time).count == 1);
    REQUIRE(batch[0].address.family() == AF_UNSPEC);
    REQUIRE(server.send_batch(batch).count == 1);
    REQUIRE(client.recv_batch(batch, long_time).count == 1);
    REQUIRE(texts(batch) == Texts{"x"});
    DatagramSocket unconnected = bound();
    REQUIRE(unconnected.send_batch(batch).error == std::errc::destination_address_required);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a batch with one that can't be sent goes on behind it") {
  in_thread([&] {
    DatagramSocket server = bound();
    DatagramSocket client = bound();
    DatagramBatch batch{4, 70'000};
    REQUIRE(batch.add("one", server.local_address()));
    REQUIRE(batch.add(std::string(70'000, 'x'), server.local_address()));
    REQUIRE(batch.add("three", server.local_address()));
    const IoResult out = client.send_batch(batch);
    REQUIRE(out.count == 1);
    REQUIRE(out.error == std::errc::message_size);
    const IoResult rest = client.send_batch(batch, {}, 2);
    REQUIRE(rest.count == 1);
    REQUIRE(rest);
    REQUIRE(client.send_batch(batch, {}, 3).count == 0);
    DatagramBatch received{4, 10};
    REQUIRE(server.recv_batch(received, long_time).count == 2);
    REQUIRE(texts(received) == Texts{"one", "three"});
  });
}

TEST_CASE_METHOD(support::LoopFixture,
                 "a batch to a UNIX socket waits for room, and can be cancelled") {
  in_thread([&] {
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      DatagramSocket receiver = bound(Address::unix_any());
      DatagramSocket sender = DatagramSocket::connected_to(receiver.local_address()).value();
      constexpr std::size_t count = 600;  // more than a queue takes
      DatagramBatch batch{count, 10};
      for (std::size_t i = 0; i < count; ++i) REQUIRE(batch.add(std::to_string(i)));
      std::size_t received = 0;
      Thread reader = loop->spawn([&] {
                            DatagramBatch some{200, 10};
                            while (const IoResult in = receiver.recv_batch(some)) {
                              for (const std::string& each : texts(some)) {
                                CHECK(each == std::to_string(received++));
                              }
                            }
                          })
                          .value();
      const IoResult out = sender.send_batch(batch, never);
      CHECK((out.error == std::errc::operation_canceled) == cancelled);
      CHECK((out.count == count) == !cancelled);
      this_thread::acknowledge_cancellation();
      const auto has_all = [&] { return received == out.count; };
      bool got_all = support::eventually(has_all);
      if (!got_all && cancelled) {  // it was cancelled here
        this_thread::acknowledge_cancellation();
        got_all = support::eventually(has_all);
      }
      CHECK(got_all);
    });
    CHECK(parks >= 1);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a batch costs one system call, and signals don't end it") {
  support::require_interposition();
  in_thread([&] {
    DatagramSocket server = bound();
    DatagramSocket client = DatagramSocket::connected_to(server.local_address()).value();
    DatagramBatch batch{64, 10};
    for (int i = 0; i < 64; ++i) REQUIRE(batch.add("x"));
    calls = {};
    calls.send = {.failures = 1, .error = EINTR};
    calls.receive = {.failures = 1, .error = EINTR};
    REQUIRE(client.send_batch(batch).count == 64);
    REQUIRE(server.recv_batch(batch, long_time).count == 64);
    REQUIRE(calls.send.count == 2);
    REQUIRE(calls.receive.count == 2);
  });
}

namespace {

// What arrives one by one at a socket.
Texts arrived(DatagramSocket& socket, std::size_t count) {
  Texts result;
  std::string buffer(70'000, '\0');
  while (result.size() < count) {
    const auto in = socket.recv(std::as_writable_bytes(std::span{buffer}), long_time);
    REQUIRE(!in.error);
    result.push_back(buffer.substr(0, in.count));
  }
  const auto more = socket.recv(std::as_writable_bytes(std::span{buffer}), no_wait);
  REQUIRE(more.error == std::errc::timed_out);
  return result;
}

Texts of_sizes(std::initializer_list<std::size_t> sizes) {
  Texts result;
  for (const std::size_t size : sizes) {
    result.emplace_back(size, static_cast<char>('a' + result.size() % 26));
  }
  return result;
}

}  // namespace

TEST_CASE_METHOD(support::LoopFixture, "however a batch goes to the kernel, it arrives as it was") {
  const Texts sent =
      GENERATE(of_sizes({5, 5, 5}), of_sizes({5, 5, 3, 5, 5}), of_sizes({5, 5, 6, 6, 2, 1}),
               of_sizes({0, 0, 5, 0, 5, 5, 0}), of_sizes({30'000, 30'000, 30'000}),
               of_sizes({40'000, 40'000, 1}), Texts(100, "x"));
  in_thread([&] {
    DatagramSocket server = bound();
    DatagramSocket client = bound();
    REQUIRE(!client.set_option(option::send_buffer, 1 << 20));
    DatagramBatch batch{100, 40'000};
    for (const std::string& each : sent) REQUIRE(batch.add(each, server.local_address()));
    const IoResult out = client.send_batch(batch);
    REQUIRE(out);
    REQUIRE(out.count == sent.size());
    REQUIRE(arrived(server, sent.size()) == sent);
    REQUIRE(!client.connect(server.local_address()));
    REQUIRE(client.send_batch(batch, {}, 1).count == sent.size() - 1);
    REQUIRE(arrived(server, sent.size() - 1) == Texts(sent.begin() + 1, sent.end()));
  });
}

TEST_CASE_METHOD(support::LoopFixture, "a batch for several is sent to each what is for him") {
  in_thread([&] {
    DatagramSocket one = bound();
    DatagramSocket two = bound();
    DatagramSocket client = bound();
    DatagramBatch batch{16, 10};
    for (const char* each : {"1a", "1b", "2a", "2b", "1c", "2c"}) {
      REQUIRE(batch.add(each, (each[0] == '1' ? one : two).local_address()));
    }
    REQUIRE(client.send_batch(batch).count == 6);
    REQUIRE(arrived(one, 3) == Texts{"1a", "1b", "1c"});
    REQUIRE(arrived(two, 3) == Texts{"2a", "2b", "2c"});
  });
}

TEST_CASE_METHOD(support::LoopFixture, "what is alike goes to the kernel as one message") {
  support::require_interposition();
  int ignored = 0;
  socklen_t length = sizeof ignored;
  const RawSocket socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  if (::getsockopt(socket.get(), SOL_UDP, UDP_SEGMENT, &ignored, &length) != 0) {
    support::skip("the kernel has no UDP_SEGMENT");
  }
  const int family = GENERATE(AF_INET, AF_INET6);
  if (family == AF_INET6 && !support::has_ipv6()) return;
  in_thread([&] {
    DatagramSocket server = bound(Address::loopback(family, 0));
    DatagramSocket client = bound(Address::loopback(family, 0));
    DatagramBatch batch{100, 40'000};
    const auto messages_for = [&](const Texts& texts) {
      batch.clear();
      for (const std::string& each : texts) REQUIRE(batch.add(each, server.local_address()));
      REQUIRE(client.send_batch(batch).count == texts.size());
      REQUIRE(arrived(server, texts.size()) == texts);
      return calls.messages;
    };
    REQUIRE(messages_for(of_sizes({5, 5, 5})) == 1);
    REQUIRE(messages_for(of_sizes({5, 5, 3, 5, 5})) == 2);
    REQUIRE(messages_for(of_sizes({5, 6, 0, 0})) == 4);
    REQUIRE(messages_for(of_sizes({30'000, 30'000, 30'000})) == 2);
    REQUIRE(messages_for(Texts(100, "x")) == 2);
    DatagramSocket cutter = bound(Address::loopback(family, 0));
    const int size = 2;
    REQUIRE(::setsockopt(cutter.native_handle(), SOL_UDP, UDP_SEGMENT, &size, sizeof size) == 0);
    batch.clear();
    for (const char* each : {"abcd", "efgh"}) REQUIRE(batch.add(each, server.local_address()));
    REQUIRE(cutter.send_batch(batch).count == 2);
    REQUIRE(arrived(server, 4) == Texts{"ab", "cd", "ef", "gh"});
  });
}

TEST_CASE_METHOD(support::LoopFixture, "datagrams that can't be sent together go one by one") {
  support::require_interposition();
  in_thread([&] {
    DatagramSocket server = bound();
    DatagramSocket client = bound();
    DatagramBatch batch{3, 10};
    for (const char* each : {"one", "two", "6"}) REQUIRE(batch.add(each, server.local_address()));
    REQUIRE(!client.connect(server.local_address()));
    for (const int error : {EINVAL, EMSGSIZE, EIO}) {
      calls.send = {.failures = 1, .error = error};
      REQUIRE(client.send_batch(batch).count == 3);
      REQUIRE(calls.send.count == 2);
      REQUIRE(calls.messages == 3);
      REQUIRE(arrived(server, 3) == Texts{"one", "two", "6"});
    }
    calls.send = {.failures = 1, .error = EIO};
    const IoResult last = client.send_batch(batch);  // it is known by now that none goes as a run
    REQUIRE(last.count == 0);
    REQUIRE(last.error == std::errc::io_error);
    calls.send = {.failures = 1, .error = ECONNREFUSED};
    REQUIRE(client.send_batch(batch).error == std::errc::connection_refused);
  });
}

TEST_CASE_METHOD(support::LoopFixture, "datagrams beyond the MTU go together as well as alone") {
  const support::OwnNetwork network;
  in_thread([&] {
    DatagramSocket server = bound();
    DatagramSocket client = bound();
    const Texts sent(3, std::string(2000, 'x'));
    DatagramBatch batch{3, 2000};
    for (const std::string& each : sent) REQUIRE(batch.add(each, server.local_address()));
    REQUIRE(client.send_batch(batch).count == 3);
    REQUIRE(arrived(server, 3) == sent);
  });
}

TEST_CASE("a batch can be moved; what it was has no room") {
  static_assert(!std::is_copy_constructible_v<DatagramBatch>);
  DatagramBatch batch{2, 10};
  REQUIRE(batch.add("one"));
  DatagramBatch other = std::move(batch);
  REQUIRE(batch.size() == 0);  // NOLINT: that is the question
  REQUIRE(!batch.add("two"));
  REQUIRE(other.add("two"));
  batch = std::move(other);
  REQUIRE(other.capacity() == 0);  // NOLINT
  REQUIRE(batch.size() == 2);
  REQUIRE(batch[1].data.size() == 3);
}

TEST_CASE_METHOD(support::LoopFixture, "cancelled at each park: batches that are waited for") {
  in_thread([&] {
    DatagramSocket sender = bound();
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      DatagramSocket socket = bound();
      const Thread trickle = loop->spawn([&sender, to = socket.local_address()] {
                                   for (int i = 0; i < 3 && !this_thread::sleep_for(100us); ++i) {
                                     CHECK(sender.send_to("x", to));
                                   }
                                 })
                                 .value();
      DatagramBatch batch{3, 10};
      std::size_t count = 0;
      std::error_code error;
      while (count < 3 && !error) {
        const IoResult in = socket.recv_batch(batch);
        count += in.count;
        error = in.error;
      }
      CHECK((error == std::errc::operation_canceled) == cancelled);
      if (!cancelled) return;
      this_thread::acknowledge_cancellation();
      for (IoResult in; count < 3 && !in.error; count += in.count) {
        in = socket.recv_batch(batch, long_time);  // it is as good as ever
      }
      CHECK(count == 3);
    });
    CHECK(parks >= 1);
  });
}
