// How often a handshake sends. The library's calls arrive here, as this definition is the
// executable's.
#include <openssl/ssl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <evcoro/tls/socket.hpp>
#include <memory>
#include <string>
#include <string_view>

#include <corothread/detail/sanitizers.hpp>
#include <support/loop_fixture.hpp>
#include <support/tls.hpp>

using namespace evcoro;
using support::long_time;

namespace {

int watched = -1;  // the server's descriptor
int sends = 0;     // of it

}  // namespace

#if !defined(EVCORO_SANITIZED)
extern "C" ssize_t send(int descriptor, const void* buffer, std::size_t size, int flags) {
  if (descriptor == watched) ++sends;
  return ::syscall(SYS_sendto, descriptor, buffer, size, flags, nullptr, 0);
}
#endif

namespace {

// Client is one of TLS 1.3 whose bytes go when it flushes, all at once.
class Client {
 public:
  explicit Client(const support::RawSocket& socket)
      : socket_(socket), context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_3_VERSION);
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_connect_state(ssl_.get());
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  }

  SSL* ssl() const { return ssl_.get(); }

  // shake_hands() leaves its last message for the next flush().
  bool shake_hands() {
    return support::eventually([&] {
      receive();
      const bool is_done = SSL_do_handshake(ssl()) == 1;
      if (!is_done) flush();
      return is_done;
    });
  }

  // flush() sends all, or all but a few bytes.
  void flush(std::size_t but = 0) {
    std::string bytes(BIO_ctrl_pending(SSL_get_wbio(ssl())) - but, '\0');
    if (bytes.empty()) return;
    BIO_read(SSL_get_wbio(ssl()), bytes.data(), static_cast<int>(bytes.size()));
    socket_.send(bytes);
  }

  // read() is what comes next; "" at the end.
  std::string read() {
    std::string text(100, '\0');
    int count = 0;
    const bool in_time = support::eventually([&] {
      receive();
      count = SSL_read(ssl(), text.data(), static_cast<int>(text.size()));
      return count > 0 || SSL_get_error(ssl(), count) == SSL_ERROR_ZERO_RETURN;
    });
    text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    return in_time ? text : "nothing in time";
  }

  bool has_ticket() {
    return support::eventually([&] {
      receive();
      char byte;
      SSL_peek(ssl(), &byte, 1);
      return SSL_SESSION_is_resumable(SSL_get0_session(ssl())) == 1;
    });
  }

 private:
  void receive() {
    char buffer[4096];
    const ssize_t count = ::recv(socket_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (count > 0) BIO_write(SSL_get_rbio(ssl()), buffer, static_cast<int>(count));
  }

  const support::RawSocket& socket_;
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_;
  std::unique_ptr<SSL, void (*)(SSL*)> ssl_{nullptr, SSL_free};
};

// A server whose thread echoes, and then closes. Its sends are counted.
class CallsFixture : public support::LoopFixture {
 public:
  support::Authority authority;
  TlsContext context{TlsServerOptions{.certificates = {authority.sign({"a.test"})}}};

  template <class Test>
  void with_client(Test test) {
#if defined(EVCORO_SANITIZED)
    support::skip("a sanitizer intercepts the system calls");
#endif
    in_thread([&] {
      auto [socket, peer] = support::connected_pair(*loop);
      watched = socket.native_handle();
      sends = 0;
      Thread server = loop->spawn([this, &socket = socket] { serve(std::move(socket)); }).value();
      Client client{peer};
      REQUIRE(client.shake_hands());
      REQUIRE(sends == 1);
      test(client, server);
      watched = -1;
      peer.close();
      server.join().value();
    });
  }

 private:
  void serve(Socket socket) const {
    TlsSocket tls{std::move(socket), context};
    std::byte buffer[100];
    while (const IoResult in = tls.recv(buffer, long_time)) {
      if (in.count == 0 || !tls.send(std::span{buffer}.first(in.count), long_time)) break;
    }
  }
};

}  // namespace

TEST_CASE_METHOD(CallsFixture,
                 "tickets go with the answer to what comes with the handshake's end") {
  with_client([](Client& client, Thread<>&) {
    SSL_write(client.ssl(), "hello", 5);
    client.flush();
    REQUIRE(client.read() == "hello");
    REQUIRE(client.has_ticket());
    REQUIRE(sends == 2);
  });
}

TEST_CASE_METHOD(CallsFixture, "tickets go with the goodbye to who leaves at the handshake's end") {
  with_client([](Client& client, Thread<>&) {
    SSL_shutdown(client.ssl());
    client.flush();
    REQUIRE(client.read().empty());
    REQUIRE(client.has_ticket());
    REQUIRE(sends == 2);
  });
}

TEST_CASE_METHOD(CallsFixture, "tickets don't wait for a client that sends nothing") {
  with_client([](Client& client, Thread<>& server) {
    client.flush();
    REQUIRE(client.has_ticket());
    REQUIRE(support::until_parked(server));
    REQUIRE(sends == 2);
    SSL_write(client.ssl(), "hello", 5);
    client.flush();
    REQUIRE(client.read() == "hello");
    REQUIRE(sends == 3);
  });
}

// Half a record says that there is more to come: it is waited for.
TEST_CASE_METHOD(CallsFixture, "tickets don't wait for the rest of a record") {
  with_client([](Client& client, Thread<>&) {
    SSL_write(client.ssl(), "hello", 5);
    client.flush(3);
    REQUIRE(client.has_ticket());
    REQUIRE(sends == 2);
    client.flush();
    REQUIRE(client.read() == "hello");
    REQUIRE(sends == 3);
  });
}
