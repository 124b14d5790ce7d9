// TlsSocket: data, its end, and misuse
#include <evcoro/tls/socket.hpp>

#include <array>

#include <evcoro/fork.hpp>
#include <evcoro/io/buffered_reader.hpp>
#include <evcoro/io/stream.hpp>
#include <support/every_park.hpp>
#include <support/loop_fixture.hpp>
#include <support/tls.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using namespace std::string_view_literals;
using support::long_time;
using support::read_some;
using support::TlsPair;

static_assert(WaitingStream<TlsSocket>);

namespace {

class TlsFixture : public support::LoopFixture {
 public:
  support::Authority authority;
  TlsContext server{TlsServerOptions{.certificates = {authority.sign({"a.test"})}}};
  TlsContext client{TlsClientOptions{.authorities = authority.pem()}};
};

// Sends all, and says that this was all.
std::error_code send_all(TlsSocket& tls, std::string_view text) {
  if (const IoResult out = tls.send(text, long_time); out.error) return out.error;
  return tls.close_notify(long_time);
}

std::string read_all(TlsSocket& tls) {
  std::string all;
  while (true) {
    const std::string some = read_some(tls);
    if (some.empty()) return all;
    all += some;
  }
}

}  // namespace

TEST_CASE_METHOD(TlsFixture, "what is sent under TLS arrives and ends with close_notify") {
  in_thread([&] {
    TlsPair pair{*loop, server, client, "a.test"};
    REQUIRE(!pair.handshake());
    REQUIRE(pair.client.version() == "TLSv1.3");
    REQUIRE(pair.server.cipher() == pair.client.cipher());
    REQUIRE(pair.server.server_name() == "a.test");
    REQUIRE(pair.client.send("hello", long_time).count == 5);
    REQUIRE(read_some(pair.server) == "hello");
    REQUIRE(pair.server.send("world", long_time).count == 5);
    REQUIRE(read_some(pair.client, 3) == "wor");
    REQUIRE(read_some(pair.client, 3) == "ld");
    REQUIRE(!pair.client.close_notify(long_time));
    REQUIRE(read_some(pair.server).empty());
    REQUIRE(read_some(pair.server).empty());        // as often as it is asked
    REQUIRE(pair.server.send("still", long_time));  // the other direction goes on
    REQUIRE(read_some(pair.client) == "still");
    REQUIRE(pair.client.send("x", long_time).error == TlsErrc::closed);
  });
}

TEST_CASE_METHOD(TlsFixture, "the first recv or send makes the handshake") {
  in_thread([&] {
    TlsPair pair{*loop, server, client, "a.test"};
    Thread serving = loop->spawn([&] { return read_some(pair.server); }).value();
    REQUIRE(pair.client.send("hello", long_time).count == 5);
    REQUIRE(serving.join().value() == "hello");
    REQUIRE(server.counters().handshakes == 1);
  });
}

TEST_CASE_METHOD(TlsFixture, "one thread reads while another writes the same connection") {
  in_thread([&] {
    TlsPair pair{*loop, server, client, "a.test"};
    REQUIRE(!pair.handshake());
    const std::string to_server = support::pattern(3'000'000);
    const std::string to_client = support::pattern(2'000'001);
    Thread one = loop->spawn([&] { return send_all(pair.client, to_server); }).value();
    Thread two = loop->spawn([&] { return send_all(pair.server, to_client); }).value();
    Thread three = loop->spawn([&] { return read_all(pair.server); }).value();
    REQUIRE(read_all(pair.client) == to_client);
    REQUIRE(three.join().value() == to_server);
    REQUIRE(!one.join().value());
    REQUIRE(!two.join().value());
  });
}

TEST_CASE_METHOD(TlsFixture, "a stream under TLS that ends without close_notify is truncated") {
  in_thread([&] {
    TlsPair pair{*loop, server, client, "a.test"};
    REQUIRE(!pair.handshake());
    REQUIRE(pair.client.send("hello", long_time));
    REQUIRE(!pair.client.socket().shutdown(Socket::Shutdown::write));
    REQUIRE(read_some(pair.server) == "hello");
    std::array<std::byte, 8> buffer;
    REQUIRE(pair.server.recv(buffer, long_time).error == TlsErrc::truncated);
    REQUIRE(pair.server.recv(buffer, long_time).error == std::errc::connection_aborted);
  });
}

TEST_CASE_METHOD(TlsFixture, "close sends close_notify") {
  in_thread([&] {
    TlsPair pair{*loop, server, client, "a.test"};
    REQUIRE(!pair.handshake());
    pair.client.close();
    REQUIRE(read_some(pair.server).empty());
    REQUIRE(!pair.client);
    REQUIRE(pair.client.send("x").error == std::errc::bad_file_descriptor);
  });
}

TEST_CASE_METHOD(TlsFixture, "what times out under TLS can be called again and nothing is lost") {
  in_thread([&] {
    TlsPair pair{*loop, server, client, "a.test"};
    REQUIRE(!pair.handshake());
    std::array<std::byte, 8> buffer;
    REQUIRE(pair.server.recv(buffer, 1ms).error == std::errc::timed_out);
    REQUIRE(pair.server.recv(buffer, no_wait).error == std::errc::timed_out);
    const std::string data = support::pattern(20'000'000);
    std::string received;
    std::size_t sent = 0;
    int timeouts = 0;
    Thread<void> reading;
    while (sent < data.size()) {
      const IoResult out = pair.client.send(std::string_view{data}.substr(sent), 1ms);
      sent += out.count;
      if (!out.error) break;
      REQUIRE(out.error == std::errc::timed_out);
      if (++timeouts == 1) {
        reading = loop->spawn([&] {
                        while (received.size() < data.size()) received += read_some(pair.server);
                      })
                      .value();
      }
    }
    REQUIRE(timeouts > 0);
    while (const auto error = pair.client.close_notify(1ms)) REQUIRE(error == std::errc::timed_out);
    reading.join().value();
    REQUIRE(received == data);
    REQUIRE(read_some(pair.server).empty());
  });
}

TEST_CASE_METHOD(TlsFixture, "a second reader and a second writer under TLS are told so") {
  in_thread([&] {
    TlsPair pair{*loop, server, client, "a.test"};
    REQUIRE(!pair.handshake());
    std::array<std::byte, 8> buffer;
    Thread reader = loop->spawn([&] {
                          std::array<std::byte, 8> others;
                          return pair.server.recv(others, long_time).error;
                        })
                        .value();
    REQUIRE(support::until_parked(reader));
    REQUIRE(pair.server.recv(buffer, long_time).error == Errc::second_reader);
    REQUIRE(pair.server.wait_readable(long_time) == Errc::second_reader);
    Thread writer =
        loop->spawn([&] { return pair.server.send(support::pattern(20'000'000)).error; }).value();
    REQUIRE(support::until_parked(writer));
    REQUIRE(pair.server.send("x", long_time).error == Errc::second_writer);
    REQUIRE(pair.server.close_notify(long_time) == Errc::second_writer);
    pair.server.close();
    REQUIRE(writer.join().value() == std::errc::operation_canceled);
    REQUIRE(reader.join().value() == std::errc::operation_canceled);
  });
}

TEST_CASE_METHOD(TlsFixture, "close under TLS wakes who reads") {
  in_thread([&] {
    TlsPair pair{*loop, server, client, "a.test"};
    REQUIRE(!pair.handshake());
    std::array<std::byte, 8> buffer;
    Thread reader = loop->spawn([&] { return pair.server.recv(buffer, long_time).error; }).value();
    REQUIRE(support::until_parked(reader));
    pair.server.close();
    REQUIRE(reader.join().value() == std::errc::operation_canceled);
  });
}

TEST_CASE_METHOD(TlsFixture, "a wait to read under TLS holds until there is something") {
  in_thread([&] {
    TlsPair pair{*loop, server, client, "a.test"};
    REQUIRE(!pair.handshake());
    std::array<std::byte, 8> buffer;
    REQUIRE(pair.server.recv(buffer, no_wait).error == std::errc::timed_out);
    REQUIRE(pair.server.wait_readable(1ms) == std::errc::timed_out);
    REQUIRE(pair.client.send("hello", long_time));
    REQUIRE(!pair.server.wait_readable(long_time));
    REQUIRE(read_some(pair.server, 2) == "he");
    REQUIRE(!pair.server.wait_readable(no_wait));  // OpenSSL has the rest
    REQUIRE(read_some(pair.server) == "llo");
    REQUIRE(pair.server.recv(buffer, no_wait).error == std::errc::timed_out);
    REQUIRE(pair.server.wait_readable(no_wait) == std::errc::timed_out);
  });
}

TEST_CASE_METHOD(TlsFixture, "cancelled at each park: TLS") {
  in_thread([&] {
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      TlsPair pair{*loop, server, client, "a.test"};
      Thread serving = loop->spawn([&] {
                             std::array<std::byte, 8> buffer;
                             const IoResult in = pair.server.recv(buffer, long_time);
                             return pair.server.send(std::span{buffer}.first(in.count), long_time);
                           })
                           .value();
      const IoResult out = pair.client.send("hello", long_time);
      std::array<std::byte, 8> buffer;
      const IoResult in = pair.client.recv(buffer, long_time);
      CHECK((out.error == std::errc::operation_canceled ||
             in.error == std::errc::operation_canceled) == cancelled);
      pair.client.close();
      this_thread::acknowledge_cancellation();
      (void)serving.join();
    });
    REQUIRE(parks >= 2);
  });
}

TEST_CASE_METHOD(TlsFixture, "a handshake has a deadline of its own and no second chance") {
  in_thread([&] {
    const TlsContext hasty{
        TlsServerOptions{.certificates = {authority.sign({"a.test"})}, .handshake_timeout = 500ms}};
    TlsPair pair{*loop, hasty, client, "a.test"};
    REQUIRE(pair.server.handshake(1ms) == std::errc::timed_out);
    REQUIRE(pair.server.handshake(never) == TlsErrc::handshake_timeout);
    REQUIRE(pair.client.handshake(1ms) == std::errc::timed_out);  // its first step is there now
    REQUIRE(pair.server.handshake(never) == TlsErrc::handshake_timeout);
    REQUIRE(pair.server.handshake(no_wait) == TlsErrc::handshake_timeout);
    std::array<std::byte, 8> buffer;
    REQUIRE(pair.server.recv(buffer, long_time).error == TlsErrc::handshake_timeout);
    REQUIRE(pair.server.recv(buffer, long_time).error == std::errc::stream_timeout);
    REQUIRE(hasty.counters().failed == 1);
    REQUIRE(client.counters().failed == 0);
    pair.client.close();
    REQUIRE(client.counters().failed == 1);  // given up
  });
}

TEST_CASE_METHOD(TlsFixture, "a thread that reads and one that writes share the handshake") {
  in_thread([&] {
    TlsPair pair{*loop, server, client, "a.test"};
    Thread reader = loop->spawn([&] { return read_some(pair.server); }).value();
    Thread writer = loop->spawn([&] { return pair.server.send("from server", long_time); }).value();
    Thread other = loop->spawn([&] { return read_some(pair.client); }).value();
    REQUIRE(pair.client.send("from client", long_time).count == 11);
    REQUIRE(reader.join().value() == "from client");
    REQUIRE(writer.join().value().count == 11);
    REQUIRE(other.join().value() == "from server");
    REQUIRE(server.counters().handshakes == 1);
  });
}

TEST_CASE_METHOD(TlsFixture, "who waits for another's handshake takes over if that gives up") {
  in_thread([&] {
    TlsPair pair{*loop, server, client, "a.test"};
    Thread first = loop->spawn([&] { return pair.server.handshake(long_time); }).value();
    REQUIRE(support::until_parked(first));
    Thread second = loop->spawn([&] { return pair.server.send("hello", long_time); }).value();
    REQUIRE(support::until_parked(second));
    first.request_stop();
    REQUIRE(first.join().value() == std::errc::operation_canceled);
    REQUIRE(read_some(pair.client) == "hello");
    REQUIRE(second.join().value().count == 5);
  });
}

TEST_CASE_METHOD(TlsFixture, "a cancelled thread neither receives nor sends under TLS") {
  in_thread([&] {
    TlsPair pair{*loop, server, client, "a.test"};
    REQUIRE(!pair.handshake());
    REQUIRE(pair.client.send("hello", long_time));
    REQUIRE(read_some(pair.server, 1) == "h");
    Thread thread = loop->spawn([&] {
                          while (!this_thread::yield()) {
                          }
                          std::array<std::byte, 8> buffer;
                          CHECK(pair.server.recv(buffer).error == std::errc::operation_canceled);
                          const IoResult out = pair.server.send("x");
                          CHECK(out.count == 0);
                          CHECK(out.error == std::errc::operation_canceled);
                          CHECK(pair.server.wait_readable() == std::errc::operation_canceled);
                          CHECK(pair.server.close_notify() == std::errc::operation_canceled);
                        })
                        .value();
    thread.request_stop();
    thread.join().value();
    REQUIRE(read_some(pair.server) == "ello");
  });
}

TEST_CASE_METHOD(TlsFixture, "a wait to read under TLS has one timeout and ends with the stream") {
  in_thread([&] {
    TlsPair pair{*loop, server, client, "a.test"};
    const auto begin = Clock::now();
    REQUIRE(pair.server.wait_readable(20ms) == std::errc::timed_out);  // within the handshake
    REQUIRE(Clock::now() - begin >= 20ms);
    REQUIRE(!pair.handshake());
    pair.client.close();
    REQUIRE(read_some(pair.server).empty());
    (void)pair.server.send("x", long_time);
    REQUIRE(!pair.server.wait_readable(never));
  });
}

TEST_CASE_METHOD(TlsFixture, "a connection that was cut off says so ever after") {
  in_thread([&] {
    TlsPair pair{*loop, server, client, "a.test"};
    REQUIRE(!pair.handshake());
    REQUIRE(!pair.client.socket().shutdown(Socket::Shutdown::write));
    std::array<std::byte, 8> buffer;
    REQUIRE(pair.server.recv(buffer, long_time).error == TlsErrc::truncated);
    REQUIRE(pair.server.handshake(long_time) == TlsErrc::truncated);
    REQUIRE(pair.server.wait_readable(long_time) == TlsErrc::truncated);
    REQUIRE(pair.server.close_notify(long_time) == TlsErrc::truncated);
  });
}

TEST_CASE_METHOD(TlsFixture, "a child process leaves its parent's connections alone") {
  in_thread([&] {
    support::skip_without_pidfd();
    TlsPair pair{*loop, server, client, "a.test"};
    REQUIRE(!pair.handshake());
    Child child = fork_process([&] {
                    pair.client.close();
                    return 0;
                  }).value();
    REQUIRE(child.wait(long_time).value().succeeded());
    REQUIRE(pair.client.send("still here", long_time));
    REQUIRE(read_some(pair.server) == "still here");
  });
}

TEST_CASE_METHOD(TlsFixture, "a handshake goes on after a timeout of the call") {
  in_thread([&] {
    TlsPair pair{*loop, server, client, "a.test"};
    REQUIRE(pair.server.handshake(no_wait) == std::errc::timed_out);
    REQUIRE(pair.client.handshake(1ms) == std::errc::timed_out);
    REQUIRE(!pair.handshake());
    REQUIRE(server.counters().failed == 0);
  });
}

TEST_CASE_METHOD(TlsFixture, "what is no TLS is refused") {
  in_thread([&] {
    auto [socket, peer] = support::connected_pair(*loop);
    TlsSocket tls{std::move(socket), server};
    peer.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    const auto error = tls.handshake(long_time);
    REQUIRE(error.message() == "tls: http request");
    REQUIRE(error == std::errc::protocol_error);
    REQUIRE(tls.handshake(long_time) == error);
    std::array<std::byte, 8> buffer;
    REQUIRE(tls.recv(buffer, long_time).error == error);
    REQUIRE(tls.send("x", long_time).error == error);
    REQUIRE(server.counters().failed == 1);
    tls.close();
    REQUIRE(peer.recv().empty());  // to a web browser an alert would say less than nothing
  });
}

TEST_CASE_METHOD(TlsFixture, "an empty TlsSocket or context is told so") {
  in_thread([&] {
    TlsSocket none;
    std::array<std::byte, 8> buffer;
    REQUIRE(none.handshake() == std::errc::bad_file_descriptor);
    REQUIRE(none.recv(buffer).error == std::errc::bad_file_descriptor);
    REQUIRE(none.wait_readable() == std::errc::bad_file_descriptor);
    REQUIRE(none.close_notify() == std::errc::bad_file_descriptor);
    REQUIRE(none.peer_subject().empty());
    REQUIRE(none.protocol().empty());
    REQUIRE(none.native_handle() == nullptr);
    TlsPair pair{*loop, TlsContext{}, client, ""};
    REQUIRE(pair.server.handshake() == TlsErrc::no_context);
    REQUIRE(pair.client.handshake() == TlsErrc::no_server_name);
    for (const std::string_view name :
         {std::string_view{"a\0b", 3}, ".a.test"sv, "."sv, "a..test"sv, "*.a.test"sv, "a test"sv}) {
      TlsPair bad{*loop, server, client, name};
      REQUIRE(bad.client.handshake() == TlsErrc::bad_server_name);
    }
  });
  auto [socket, peer] = support::connected_pair(*loop);
  TlsSocket tls{std::move(socket), client, "a.test"};
  REQUIRE(tls.handshake() == Errc::not_in_a_thread);
}

TEST_CASE_METHOD(TlsFixture,
                 "plaintext that came before the upgrade is not lost and not believed") {
  in_thread([&] {
    auto [plain, other] = support::connected_sockets(*loop);
    BufferedReader reader{plain};
    // The client doesn't wait for the answer.
    Thread asking = loop->spawn([&, &other = other] {
                          REQUIRE(other.send("STARTTLS\r\n", long_time));
                          TlsSocket tls{std::move(other), client, "a.test"};
                          REQUIRE(tls.send("under TLS", long_time));
                          return read_some(tls);
                        })
                        .value();
    REQUIRE(reader.peek(20, long_time));  // some of the ClientHello, too
    REQUIRE(reader.read_line(long_time).value() == "STARTTLS");
    REQUIRE(!reader.buffered().empty());
    TlsSocket tls{std::move(plain), server, {}, reader};
    REQUIRE(reader.buffered().empty());
    REQUIRE(read_some(tls) == "under TLS");
    REQUIRE(tls.send("bye", long_time));
    REQUIRE(asking.join().value() == "bye");
  });
}

TEST_CASE_METHOD(TlsFixture, "plaintext that is injected before the upgrade ends the handshake") {
  in_thread([&] {
    auto [plain, peer] = support::connected_pair(*loop);
    BufferedReader reader{plain};
    peer.send("STARTTLS\r\nMAIL FROM:<mallory>\r\n");
    REQUIRE(reader.read_line(long_time).value() == "STARTTLS");
    TlsSocket tls{std::move(plain), server, {}, reader};
    REQUIRE(tls.handshake(long_time).category() == tls_category());
    REQUIRE(!reader.read_line(no_wait));
  });
}
