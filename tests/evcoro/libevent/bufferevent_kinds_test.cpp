// Bufferevents of other kinds than on a socket: with OpenSSL, filters; and one that another OS
// thread writes to.
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/thread.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <thread>

#include <evcoro/libevent/fixture.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::LibeventFixture;
using support::receive;

namespace {

struct FreeOpenssl {
  void operator()(SSL_CTX* each) const noexcept { SSL_CTX_free(each); }
  void operator()(EVP_PKEY* each) const noexcept { EVP_PKEY_free(each); }
  void operator()(X509* each) const noexcept { X509_free(each); }
};

// Tls is a context for both ends, with a certificate of its own.
class Tls {
 public:
  Tls() {
    key_.reset(EVP_EC_gen("P-256"));
    X509_gmtime_adj(X509_getm_notBefore(certificate_.get()), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate_.get()), 3600);
    X509_set_pubkey(certificate_.get(), key_.get());
    REQUIRE(X509_sign(certificate_.get(), key_.get(), EVP_sha256()) > 0);
    REQUIRE(SSL_CTX_use_certificate(context_.get(), certificate_.get()) == 1);
    REQUIRE(SSL_CTX_use_PrivateKey(context_.get(), key_.get()) == 1);
  }
  SSL* session() const { return SSL_new(context_.get()); }

 private:
  std::unique_ptr<EVP_PKEY, FreeOpenssl> key_;
  std::unique_ptr<X509, FreeOpenssl> certificate_{X509_new()};
  std::unique_ptr<SSL_CTX, FreeOpenssl> context_{SSL_CTX_new(TLS_method())};
};

// A filter that adds one to each byte, or takes it away.
template <int Step>
bufferevent_filter_result add(evbuffer* from, evbuffer* to, ev_ssize_t most, bufferevent_flush_mode,
                              void*) {
  char buffer[1024];
  bool any = false;
  while (most != 0) {
    const std::size_t room =
        most < 0 ? sizeof buffer : std::min(sizeof buffer, static_cast<std::size_t>(most));
    const int count = evbuffer_remove(from, buffer, room);
    if (count <= 0) break;
    for (int i = 0; i < count; ++i) buffer[i] = static_cast<char>(buffer[i] + Step);
    evbuffer_add(to, buffer, static_cast<std::size_t>(count));
    if (most > 0) most -= count;
    any = true;
  }
  return any ? BEV_OK : BEV_NEED_MORE;
}

// exchange() sends text there and back, by a thread at each end, on stacks of 16 KiB.
void exchange(LibeventFixture& fixture, BuffereventStream& one, BuffereventStream& other,
              const std::string& text, stacks::StackPool& small) {
  auto sending = fixture.loop
                     ->spawn({.name = "send", .stacks = &small},
                             [&] {
                               const IoResult sent = one.send(text);
                               return support::Outcome{sent.error ? sent.error : one.drain()};
                             })
                     .value();
  std::string all;
  auto receiving = fixture.loop
                       ->spawn({.name = "recv", .stacks = &small},
                               [&] {
                                 while (all.size() < text.size()) {
                                   std::array<std::byte, 1024> buffer;
                                   const IoResult in = other.recv(buffer);
                                   if (in.count == 0) break;
                                   all.append(reinterpret_cast<char*>(buffer.data()), in.count);
                                 }
                               })
                       .value();
  REQUIRE(!sending.join().value().error);
  receiving.join().value();
  REQUIRE(all == text);
}

}  // namespace

TEST_CASE_METHOD(LibeventFixture, "bufferevents with OpenSSL, on a socket and on another") {
  const bool stacked = GENERATE(false, true);
  const Tls tls;
  const support::Listener listener;
  stacks::StackPool small{{.capacity = 2, .stack_size = 16 * 1024}};
  in_thread([&] {
    const auto make = [&](int descriptor, bufferevent_ssl_state state) {
      if (!stacked) {
        return bufferevent_openssl_socket_new(base.get(), descriptor, tls.session(), state,
                                              BEV_OPT_CLOSE_ON_FREE);
      }
      bufferevent* const below =
          bufferevent_socket_new(base.get(), descriptor, BEV_OPT_CLOSE_ON_FREE);
      return bufferevent_openssl_filter_new(base.get(), below, tls.session(), state,
                                            BEV_OPT_CLOSE_ON_FREE);
    };
    auto raw = support::RawSocket::connected_to(listener.address());
    evutil_make_socket_nonblocking(raw.get());
    auto client = adopt(make(raw.release(), BUFFEREVENT_SSL_CONNECTING), {4096, 4096});
    auto accepted = listener.accept();
    evutil_make_socket_nonblocking(accepted.get());
    auto server = adopt(make(accepted.release(), BUFFEREVENT_SSL_ACCEPTING), {4096, 4096});
    auto shaking = loop->spawn([&] { return server.wait_until_connected(5s); }).value();
    REQUIRE(!client.wait_until_connected(5s));
    REQUIRE(!shaking.join().value());
    const std::string text = support::pattern(100'000);
    exchange(*this, client, server, text, small);
    exchange(*this, server, client, text, small);
    client.close();  // without close_notify
    REQUIRE(receive(server).error);
  });
  REQUIRE(small.in_use() == 0);
}

TEST_CASE_METHOD(LibeventFixture, "OpenSSL that doesn't like what it gets is an error") {
  const Tls tls;
  auto [socket, peer] = support::connected_pair(*loop);
  const int descriptor = socket.release();
  in_thread([&, &peer = peer] {
    auto server = adopt(bufferevent_openssl_socket_new(
        base.get(), descriptor, tls.session(), BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE));
    auto reader = loop->spawn([&] { return receive(server).error; }).value();
    REQUIRE(support::until_parked(reader));
    peer.send("GET / HTTP/1.1\r\n\r\n");
    const std::error_code error = server.wait_until_connected(5s);
    REQUIRE(error);
    REQUIRE(error != std::errc::timed_out);  // the reader is told, and who shakes hands is, too
    REQUIRE(reader.join().value());
  });
}

TEST_CASE_METHOD(LibeventFixture, "a peer that leaves amid the handshake ends it") {
  const Tls tls;
  auto [socket, peer] = support::connected_pair(*loop);
  const int descriptor = socket.release();
  in_thread([&, &peer = peer] {
    auto server = adopt(bufferevent_openssl_socket_new(
        base.get(), descriptor, tls.session(), BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE));
    auto reader = loop->spawn([&] { return receive(server).error; }).value();
    REQUIRE(support::until_parked(reader));
    peer.close();
    const std::error_code error = server.wait_until_connected(5s);
    REQUIRE(error);
    REQUIRE(error != std::errc::timed_out);
    reader.join().value();
  });
}

TEST_CASE_METHOD(LibeventFixture, "bufferevents with filters, to the socket below") {
  stacks::StackPool small{{.capacity = 2, .stack_size = 16 * 1024}};
  const auto [left, right] = pair();
  const auto filter = [](bufferevent* below) {
    return bufferevent_filter_new(below, add<-1>, add<+1>, BEV_OPT_CLOSE_ON_FREE, nullptr, nullptr);
  };
  auto [below, peer] = socket_bufferevent();
  in_thread([&, left = left, right = right, below = below, &peer = peer] {
    auto one = adopt(filter(left), {4096, 4096});
    auto other = adopt(filter(right), {4096, 4096});
    exchange(*this, one, other, support::pattern(50'000), small);
    auto socket = adopt(filter(below));
    REQUIRE(socket.send("HAL").count == 3);
    REQUIRE(!socket.drain(5s));
    REQUIRE(peer.recv_all(3) == "IBM");
    peer.send("IBM");
    REQUIRE(receive(socket).text == "HAL");
  });
}

TEST_CASE("another OS thread writes to a bufferevent that a thread reads") {
  REQUIRE(evthread_use_pthreads() == 0);
  LibeventFixture fixture;
  auto [bev, peer] = fixture.socket_bufferevent(BEV_OPT_CLOSE_ON_FREE | BEV_OPT_THREADSAFE);
  std::thread other;
  fixture.in_thread([&, bev = bev, &peer = peer] {
    auto stream = fixture.adopt(bev);
    other = std::thread{[&, bev] {
      for (int i = 0; i < 100; ++i) {
        bufferevent_write(bev, "x", 1);
        peer.send("y");
      }
      REQUIRE(peer.recv_all(100).size() == 100);
    }};
    REQUIRE(support::receive_all(stream, 100).size() == 100);
    REQUIRE(!stream.drain());
  });
  other.join();
}

TEST_CASE("another OS thread has a bufferevent freed that a thread reads, by a post") {
  REQUIRE(evthread_use_pthreads() == 0);
  const bool by_stream = GENERATE(false, true);
  LibeventFixture fixture;
  auto [bev, peer] = fixture.socket_bufferevent(BEV_OPT_CLOSE_ON_FREE | BEV_OPT_THREADSAFE);
  std::thread other;
  bool is_freed = false;
  fixture.in_thread([&, bev = bev] {
    auto stream = fixture.adopt(bev);
    auto reader =
        fixture.loop->spawn([&] { return receive(stream, 64, by_stream ? 60s : 300ms).error; })
            .value();
    REQUIRE(support::until_parked(reader));
    other = std::thread{[&] {
      fixture.loop->post([&] {
        by_stream ? stream.close() : bufferevent_free(bev);
        is_freed = true;
      });
    }};
    REQUIRE(support::eventually([&] { return is_freed; }));
    // Of a bufferevent that is freed behind its back it learns at its deadline only.
    REQUIRE(reader.join().value() ==
            (by_stream ? std::errc::operation_canceled : std::errc::timed_out));
    REQUIRE(receive(stream).error ==
            (by_stream ? std::errc::bad_file_descriptor : std::errc::operation_canceled));
    REQUIRE(stream.release() == nullptr);
  });
  other.join();
  REQUIRE(peer.recv().empty());  // it has been closed
}
