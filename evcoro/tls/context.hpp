// TlsContext: the certificates, keys and rules of TLS connections, those of a server or of a
// client.
//
//   TlsContext server{TlsServerOptions{.certificates = {{"server.pem", "server.key"}}}};
//   TlsContext client{TlsClientOptions{}};                 // verifies by the system's authorities
//
//   TlsSocket tls{std::move(socket), server};              // see socket.hpp
//
// Safe without any option: TLS 1.2 and 1.3; ECDHE and AEAD only; OpenSSL's security level 2; no
// renegotiation, no compression, no early data. Clients verify the server's chain and name.
//
// A TlsContext is a handle: copies are of the same one, which lives as long as any of them and of
// the connections made by it. It may be used by any number of loops and OS threads at once.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <stacks/export.hpp>

namespace evcoro {

namespace detail {
class TlsCore;
}

// TlsCertificate is a certificate and its key, both in PEM: the path of a file, or the text itself
// (which begins with "-----BEGIN").
struct TlsCertificate {
  std::string chain;  // the certificate, followed by those of its issuers, without the root
  std::string key;    // may be in the same file

  // The path of a file with an OCSP response (DER), which is stapled for clients that ask for it.
  std::string ocsp = {};
};

// make_self_signed() makes a certificate for some names or IP addresses, valid for so many days,
// with a key on P-256: for tests, and for a first look. Throws std::system_error.
EVCORO_API TlsCertificate make_self_signed(const std::vector<std::string>& names, int days = 30);

enum class TlsVersion : std::uint8_t { tls12, tls13 };

enum class ClientCertificate : std::uint8_t { ignored, wanted, required };
enum class UnknownName : std::uint8_t { serve_first, refuse };

struct TlsServerOptions {
  // The client names the host that it wants (SNI, RFC 6066), and gets the first certificate that is
  // for that host (subjectAltName); several for the very same names may differ in the kind of their
  // key.
  std::vector<TlsCertificate> certificates = {};

  // For who names no host, or one that no certificate is for: the first certificate, or a fatal
  // alert.
  UnknownName unknown_name = UnknownName::serve_first;

  ClientCertificate client_certificate = ClientCertificate::ignored;
  std::string client_authorities = {};  // PEM, a file or text: who may have issued those

  // Clients may resume their sessions: by tickets (RFC 5077, RFC 8446), whose keys change after
  // this time, and are good for the same time once more; or by the ids of sessions that are kept
  // here. A session is good for the host only that it was made with, and only while client
  // certificates are asked for as they were. 0: no tickets; no sessions.
  std::chrono::seconds ticket_key_lifetime = std::chrono::hours{12};
  std::size_t kept_sessions = 10'000;

  TlsVersion lowest_version = TlsVersion::tls12;
  TlsVersion highest_version = TlsVersion::tls13;

  // What is spoken above TLS (ALPN, RFC 7301), such as "http/1.1", the preferred first. A client
  // that offers some, and none of these, gets a fatal alert; one that offers nothing is served.
  std::vector<std::string> protocols = {};

  // From the first step of the handshake to its last, whatever the timeouts of calls.
  std::chrono::milliseconds handshake_timeout = std::chrono::seconds{10};

  // OpenSSL computes on a stack of this size, of which each loop has one, so that the stacks of
  // connections can be small; see the README. At least 16 KiB, or 0: on the thread's own stack.
  std::size_t openssl_stack_size = 256 * 1024;
};

struct TlsClientOptions {
  bool verify = true;            // the server's chain, and its name
  std::string authorities = {};  // PEM, a file or text; empty: those of the system

  std::vector<TlsCertificate> certificates = {};  // for servers that ask for one: at most one

  // Sessions are kept for resumption, by the server's name and port, the one that was not used
  // for longest is forgotten. 0 keeps none.
  std::size_t kept_sessions = 256;

  // Asks servers to staple an OCSP response; see TlsSocket::ocsp_response().
  bool request_ocsp = false;

  // These are as in TlsServerOptions. protocols is what is offered.
  TlsVersion lowest_version = TlsVersion::tls12;
  TlsVersion highest_version = TlsVersion::tls13;
  std::vector<std::string> protocols = {};
  std::chrono::milliseconds handshake_timeout = std::chrono::seconds{10};
  std::size_t openssl_stack_size = 256 * 1024;
};

class EVCORO_API TlsContext {
 public:
  // An empty handle: handshakes fail with TlsErrc::no_context.
  TlsContext() noexcept = default;

  // Reads the files; a file is read while the OS thread waits. Throws std::system_error, whose
  // what() names the file or the option.
  explicit TlsContext(TlsServerOptions options);
  explicit TlsContext(TlsClientOptions options);

  // reload() reads the files again: handshakes that begin after it use what they have now. If it
  // throws, all stays as it was. Connections go on, and sessions can be resumed.
  void reload();

  // rotate_ticket_keys() makes a new key for tickets, before its time. Tickets of the key before
  // are good still, and those of earlier ones are not: twice, all are void.
  void rotate_ticket_keys();

  // Counters are of all loops together.
  struct Counters {
    std::uint64_t handshakes = 0;  // completed, with those that were resumed
    std::uint64_t resumed = 0;
    std::uint64_t failed = 0;  // handshakes that failed or did not come to their end
  };
  Counters counters() const noexcept;

  bool is_server() const noexcept;
  explicit operator bool() const noexcept { return core_ != nullptr; }

 private:
  friend class TlsSocket;
  std::shared_ptr<detail::TlsCore> core_;
};

}  // namespace evcoro
