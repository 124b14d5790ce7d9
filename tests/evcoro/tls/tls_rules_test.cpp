// What is agreed on: versions, ciphers, protocols; and what is not done.
#include <openssl/ssl.h>

#include <array>

#include <evcoro/tls/socket.hpp>
#include <support/contains.hpp>
#include <support/loop_fixture.hpp>
#include <support/tls.hpp>

using namespace evcoro;
using namespace std::chrono_literals;
using support::read_some;
using support::TlsPair;

namespace {

class RulesFixture : public support::LoopFixture {
 public:
  TlsServerOptions server_options{.certificates = {authority().sign({"a.test"})}};
  TlsClientOptions client_options{.authorities = authority().pem()};

  std::error_code try_handshake() {
    std::error_code error;
    in_thread([&] {
      TlsPair pair{*loop, TlsContext{server_options}, TlsContext{client_options}, "a.test"};
      error = pair.handshake();
      version = pair.client.version();
      cipher = pair.client.cipher();
      protocol = pair.client.protocol();
      CHECK((error || pair.server.protocol() == protocol));
    });
    return error;
  }

  std::string version;
  std::string cipher;
  std::string protocol;

 private:
  static const support::Authority& authority() {
    static const support::Authority made;
    return made;
  }
};

}  // namespace

TEST_CASE_METHOD(RulesFixture, "TLS 1.2 and 1.3 are spoken and nothing that is older") {
  REQUIRE(!try_handshake());
  REQUIRE(version == "TLSv1.3");
  client_options.highest_version = TlsVersion::tls12;
  REQUIRE(!try_handshake());
  REQUIRE(version == "TLSv1.2");
  REQUIRE_THAT(cipher, support::contains("ECDHE-ECDSA-") &&
                           (support::contains("GCM") || support::contains("CHACHA20")));
  server_options.lowest_version = TlsVersion::tls13;
  REQUIRE_THAT(try_handshake().message(), support::contains("alert protocol version"));
  client_options.lowest_version = TlsVersion::tls13;
  REQUIRE_THROWS_AS(TlsContext{client_options}, std::system_error);
}

TEST_CASE_METHOD(RulesFixture, "the protocol above TLS is the server's first that the client has") {
  server_options.protocols = {"h2", "http/1.1"};
  client_options.protocols = {"http/1.0", "http/1.1", "h2"};
  REQUIRE(!try_handshake());
  REQUIRE(protocol == "h2");
  client_options.protocols = {"http/1.1"};
  REQUIRE(!try_handshake());
  REQUIRE(protocol == "http/1.1");
  client_options.protocols = {};
  REQUIRE(!try_handshake());
  REQUIRE(protocol.empty());
  client_options.protocols = {"http/1.1"};
  server_options.protocols = {};
  REQUIRE(!try_handshake());
  REQUIRE(protocol.empty());
}

TEST_CASE_METHOD(RulesFixture, "protocols without overlap are a fatal alert") {
  server_options.protocols = {"h2", "http/1.1"};
  client_options.protocols = {"http/1", "h2c"};
  REQUIRE_THAT(try_handshake().message(), support::contains("alert no application protocol"));
}

TEST_CASE_METHOD(RulesFixture, "what is not safe is switched off") {
  client_options.highest_version = TlsVersion::tls12;
  in_thread([&] {
    TlsPair pair{*loop, TlsContext{server_options}, TlsContext{client_options}, "a.test"};
    REQUIRE(!pair.handshake());
    for (SSL* const ssl : {pair.client.native_handle(), pair.server.native_handle()}) {
      REQUIRE((SSL_get_options(ssl) & SSL_OP_NO_RENEGOTIATION) != 0);
      REQUIRE((SSL_get_options(ssl) & SSL_OP_NO_COMPRESSION) != 0);
      REQUIRE(SSL_get_security_level(ssl) == 2);
      REQUIRE(SSL_get_max_early_data(ssl) == 0);
    }
  });
}

TEST_CASE("a handshake has ten seconds unless it is told otherwise") {
  REQUIRE(TlsServerOptions{}.handshake_timeout == 10s);
  REQUIRE(TlsClientOptions{}.handshake_timeout == 10s);
}

TEST_CASE_METHOD(RulesFixture, "a client that asks to renegotiate is told no") {
  client_options.highest_version = TlsVersion::tls12;
  in_thread([&] {
    TlsPair pair{*loop, TlsContext{server_options}, TlsContext{client_options}, "a.test"};
    REQUIRE(!pair.handshake());
    SSL_clear_options(pair.client.native_handle(), SSL_OP_NO_RENEGOTIATION);
    REQUIRE(SSL_renegotiate(pair.client.native_handle()) == 1);
    Thread serving = loop->spawn([&] {
                           std::array<std::byte, 8> buffer;
                           return pair.server.recv(buffer, support::long_time).error;
                         })
                         .value();
    // OpenSSL's client takes the refusal for the end.
    const IoResult out = pair.client.send("hello", support::long_time);
    REQUIRE_THAT(out.error.message(), support::contains("no renegotiation"));
    pair.client.close();
    REQUIRE(serving.join().value());
  });
}

TEST_CASE_METHOD(RulesFixture, "keys of TLS 1.3 are updated while data goes both ways") {
  in_thread([&] {
    TlsPair pair{*loop, TlsContext{server_options}, TlsContext{client_options}, "a.test"};
    REQUIRE(!pair.handshake());
    for (int i = 0; i < 10; ++i) {
      REQUIRE(SSL_key_update(pair.client.native_handle(), SSL_KEY_UPDATE_REQUESTED) == 1);
      REQUIRE(pair.client.send("ping", support::long_time));
      REQUIRE(read_some(pair.server) == "ping");
      REQUIRE(pair.server.send("pong", support::long_time));
      REQUIRE(read_some(pair.client) == "pong");
    }
  });
}

TEST_CASE_METHOD(RulesFixture,
                 "OpenSSL can compute on the thread's own stack and on stacks of several sizes") {
  server_options.openssl_stack_size = 0;
  client_options.openssl_stack_size = 0;
  REQUIRE(!try_handshake());
  server_options.openssl_stack_size = 64 * 1024;
  client_options.openssl_stack_size = 256 * 1024;
  REQUIRE(!try_handshake());
  server_options.openssl_stack_size = 8 * 1024;
  REQUIRE_THROWS_AS(TlsContext{server_options}, std::system_error);
}
