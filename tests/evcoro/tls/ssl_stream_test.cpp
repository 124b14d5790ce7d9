// SslStream: an application's own SSL
#include <evcoro/tls/ssl_stream.hpp>

#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <array>
#include <csignal>
#include <memory>

#include <support/every_park.hpp>
#include <support/loop_fixture.hpp>
#include <support/tls.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::long_time;

namespace {

struct FreeSsl {
  void operator()(SSL* it) const { SSL_free(it); }
  void operator()(SSL_CTX* it) const { SSL_CTX_free(it); }
};

// As an application does it: a socket pair, with an SSL of its own at one end.
class SslFixture : public support::LoopFixture {
 public:
  SslFixture() : context_(SSL_CTX_new(TLS_server_method())) {
    const TlsCertificate own = make_self_signed({"a.test"});
    BIO* const chain = BIO_new_mem_buf(own.chain.data(), -1);
    X509* const certificate = PEM_read_bio_X509(chain, nullptr, nullptr, nullptr);
    SSL_CTX_use_certificate(context_.get(), certificate);
    X509_free(certificate);
    BIO_free(chain);
    BIO* const key_bio = BIO_new_mem_buf(own.key.data(), -1);
    EVP_PKEY* const key = PEM_read_bio_PrivateKey(key_bio, nullptr, nullptr, nullptr);
    SSL_CTX_use_PrivateKey(context_.get(), key);
    EVP_PKEY_free(key);
    BIO_free(key_bio);
  }

  struct Ends {
    support::RawSocket descriptor;
    std::unique_ptr<SSL, FreeSsl> ssl;
    TlsSocket client;
  };

  // The descriptor isn't the loop's.
  Ends make_ends() {
    auto [socket, peer] = support::unix_pair(*loop);
    fcntl(peer.get(), F_SETFL, O_NONBLOCK);
    Ends ends{std::move(peer), nullptr, TlsSocket{std::move(socket), client_}};
    ends.ssl.reset(SSL_new(context_.get()));
    SSL_set_fd(ends.ssl.get(), ends.descriptor.get());
    SSL_set_accept_state(ends.ssl.get());
    return ends;
  }

 private:
  std::unique_ptr<SSL_CTX, FreeSsl> context_;
  TlsContext client_{TlsClientOptions{.verify = false}};
};

}  // namespace

TEST_CASE_METHOD(SslFixture, "an application's own SSL is waited for") {
  in_thread([&] {
    Ends ends = make_ends();
    SslStream stream{ends.ssl.get()};
    Thread client = loop->spawn([&] {
                          REQUIRE(ends.client.send("hello", long_time));
                          return support::read_some(ends.client);
                        })
                        .value();
    REQUIRE(!stream.handshake(long_time));
    std::array<std::byte, 16> buffer;
    REQUIRE(stream.recv(buffer, long_time).count == 5);
    REQUIRE(stream.recv(buffer, 1ms).error == std::errc::timed_out);
    REQUIRE(stream.wait_readable(1ms) == std::errc::timed_out);
    REQUIRE(stream.send("bye", long_time).count == 3);
    REQUIRE(client.join().value() == "bye");
    REQUIRE(!stream.shutdown(long_time));
    REQUIRE(support::read_some(ends.client).empty());
    REQUIRE(!ends.client.close_notify(long_time));
    REQUIRE(!stream.wait_readable(long_time));
    const IoResult end = stream.recv(buffer, long_time);
    REQUIRE(!end.error);
    REQUIRE(end.count == 0);
  });
}

TEST_CASE_METHOD(SslFixture, "an own SSL is read by one thread and written by another at once") {
  in_thread([&] {
    Ends ends = make_ends();
    SslStream stream{ends.ssl.get()};
    Thread handshake = loop->spawn([&] { return ends.client.handshake(long_time); }).value();
    REQUIRE(!stream.handshake(long_time));
    REQUIRE(!handshake.join().value());
    const std::string data = support::pattern(3'000'000);
    const auto read_all = [&](auto& from) {
      std::string all;
      std::array<std::byte, 4096> buffer;
      while (all.size() < data.size()) {
        const IoResult in = from.recv(buffer, long_time);
        REQUIRE(in.count != 0);
        all.append(reinterpret_cast<const char*>(buffer.data()), in.count);
      }
      return all == data;
    };
    Thread one = loop->spawn([&] { return stream.send(data, long_time).count; }).value();
    Thread two = loop->spawn([&] { return ends.client.send(data, long_time).count; }).value();
    Thread three = loop->spawn([&] { return read_all(ends.client); }).value();
    REQUIRE(read_all(stream));
    REQUIRE(three.join().value());
    REQUIRE(one.join().value() == data.size());
    REQUIRE(two.join().value() == data.size());
  });
}

TEST_CASE_METHOD(SslFixture, "an own SSL whose stream is cut or broken says so") {
  in_thread([&] {
    Ends ends = make_ends();
    SslStream stream{ends.ssl.get()};
    Thread handshake = loop->spawn([&] { return ends.client.handshake(long_time); }).value();
    REQUIRE(!stream.handshake(long_time));
    REQUIRE(!handshake.join().value());
    Thread reader = loop->spawn([&] {
                          std::array<std::byte, 16> buffer;
                          return stream.recv(buffer, long_time).error;
                        })
                        .value();
    REQUIRE(support::until_parked(reader));
    std::array<std::byte, 16> buffer;
    REQUIRE(stream.recv(buffer, long_time).error == Errc::second_reader);
    REQUIRE(stream.wait_readable(long_time) == Errc::second_reader);
    REQUIRE(stream.handshake(long_time) == Errc::second_reader);
    REQUIRE(!ends.client.socket().shutdown(Socket::Shutdown::write));
    REQUIRE(reader.join().value() == TlsErrc::truncated);
  });
  in_thread([&] {
    Ends ends = make_ends();
    SslStream stream{ends.ssl.get()};
    REQUIRE(ends.client.socket().send("no TLS at all\r\n", long_time));
    REQUIRE(stream.handshake(long_time).category() == tls_category());
  });
}

TEST_CASE_METHOD(SslFixture, "an own SSL whose peer has gone raises no signal") {
  in_thread([&] {
    std::signal(SIGPIPE, SIG_DFL);
    Ends ends = make_ends();
    SslStream stream{ends.ssl.get()};
    Thread handshake = loop->spawn([&] { return ends.client.handshake(long_time); }).value();
    REQUIRE(!stream.handshake(long_time));
    REQUIRE(!handshake.join().value());
    ends.client.socket().close();
    REQUIRE(stream.send("hello", long_time).error == std::errc::broken_pipe);
  });
}

TEST_CASE_METHOD(SslFixture, "cancelled at each park: an own SSL") {
  in_thread([&] {
    const int parks = support::cancel_at_every_park(*loop, [&](bool& cancelled) {
      Ends ends = make_ends();
      SslStream stream{ends.ssl.get()};
      Thread client = loop->spawn([&] { return ends.client.send("hello", long_time); }).value();
      std::array<std::byte, 8> buffer;
      const auto error = stream.handshake(long_time);
      const IoResult in = stream.recv(buffer, long_time);
      CHECK((error == std::errc::operation_canceled || in.error == std::errc::operation_canceled) ==
            cancelled);
      this_thread::acknowledge_cancellation();
      ends.descriptor.close();
      (void)client.join();
    });
    REQUIRE(parks >= 1);
  });
}
