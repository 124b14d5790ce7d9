// TLS for tests: an authority that signs certificates, and connections with both ends here.
//
//   support::Authority authority;
//   const TlsContext server{TlsServerOptions{.certificates = {authority.sign({"a.test"})}}};
//   const TlsContext client{TlsClientOptions{.authorities = authority.pem()}};
//   support::TlsPair pair{*loop, server, client, "a.test"};
//   REQUIRE(!pair.handshake());
#pragma once

#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <evcoro/loop.hpp>
#include <evcoro/net/socket.hpp>
#include <evcoro/tls/context.hpp>
#include <evcoro/tls/socket.hpp>
#include <support/catch.hpp>
#include <support/network.hpp>

namespace support {

// What to sign.
struct Signing {
  std::vector<std::string> names;
  bool is_rsa = false;
  int begins_in_days = -1;
  int ends_in_days = 1;
  bool is_authority = false;
  bool has_no_names = false;  // but for the one in its subject
};

class Authority {
 public:
  explicit Authority(std::string name = "test authority");

  // sign() is a certificate, with its key, for some names.
  evcoro::TlsCertificate sign(const Signing& signing) const;
  evcoro::TlsCertificate sign(std::vector<std::string> names) const {
    return sign(Signing{std::move(names)});
  }

  // intermediate() is another authority, which this one has signed; its chains have itself in them.
  Authority intermediate(std::string name) const;

  const std::string& pem() const noexcept { return certificate_; }

 private:
  Authority(std::string certificate, std::string key, std::string chain)
      : certificate_(std::move(certificate)), key_(std::move(key)), chain_(std::move(chain)) {}

  std::string certificate_;
  std::string key_;
  std::string chain_;  // what follows the certificates that it signs
};

// A connection, and the handshakes of its two ends, each in a thread. Over a UNIX socket: so all
// servers have the same port, 0, by which clients keep sessions.
class TlsPair {
 public:
  TlsPair(evcoro::Loop& loop, const evcoro::TlsContext& server_context,
          const evcoro::TlsContext& client_context, std::string_view name = {})
      : loop_(loop) {
    auto [one, other] = evcoro::socketpair(loop).value();
    server = evcoro::TlsSocket{std::move(one), server_context};
    client = evcoro::TlsSocket{std::move(other), client_context, name};
  }

  // handshake() returns the client's error, or else the server's.
  std::error_code handshake() {
    evcoro::Thread<std::error_code> serving =
        loop_.spawn([&] { return server.handshake(long_time); }).value();
    client_error = client.handshake(long_time);
    if (client_error) client.close();
    server_error = serving.join().value();
    return client_error ? client_error : server_error;
  }

  evcoro::TlsSocket server;
  evcoro::TlsSocket client;
  std::error_code server_error;
  std::error_code client_error;

 private:
  evcoro::Loop& loop_;
};

// read_some() is what one recv() gives, as text.
inline std::string read_some(evcoro::TlsSocket& tls, std::size_t most = 65536) {
  std::string text(most, '\0');
  const evcoro::IoResult in = tls.recv(std::as_writable_bytes(std::span{text}), long_time);
  REQUIRE(!in.error);
  text.resize(in.count);
  return text;
}

}  // namespace support
