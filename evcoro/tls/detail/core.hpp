// TlsCore: what a TlsContext refers to. One SSL_CTX has the rules, the tickets and the sessions; a
// server's certificates are in others, one of which each connection is given when it has said whom
// it means. So they can be replaced while connections and sessions go on.
//
//   TlsCore -- main_: SSL_CTX, rules, sessions     SSL of a connection: begins with main_,
//      |                                             goes on with the SSL_CTX of a Host
//      +-- hosts_ -> Hosts -> Host: names, SSL_CTX with certificates
//      +-- tickets_, sessions_ (a client's)
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <evcoro/tls/context.hpp>
#include <evcoro/tls/detail/hosts.hpp>
#include <evcoro/tls/detail/openssl.hpp>
#include <evcoro/tls/detail/session_cache.hpp>
#include <evcoro/tls/detail/ticket_keys.hpp>

namespace evcoro::detail {

// TlsRules are the options that servers and clients share.
struct TlsRules {
  template <class Options>
  explicit TlsRules(const Options& options)
      : lowest_version(options.lowest_version),
        highest_version(options.highest_version),
        protocols(to_wire(options.protocols)),
        handshake_timeout(options.handshake_timeout),
        stack_size(options.openssl_stack_size) {}

  // to_wire() is a list of protocols as RFC 7301 has it. Throws std::system_error.
  static std::string to_wire(const std::vector<std::string>& protocols);

  TlsVersion lowest_version;
  TlsVersion highest_version;
  std::string protocols;
  std::chrono::milliseconds handshake_timeout;
  std::size_t stack_size;
};

struct Pem;

class TlsCore {
 public:
  explicit TlsCore(TlsServerOptions options);
  explicit TlsCore(TlsClientOptions options);
  TlsCore(const TlsCore&) = delete;
  TlsCore& operator=(const TlsCore&) = delete;

  bool is_server() const noexcept { return server_.has_value(); }
  bool verifies_server() const noexcept { return client_.has_value() && client_->verify; }
  const TlsRules& rules() const noexcept { return rules_; }

  // make_ssl() is a new connection's, in the right role; nullptr without memory.
  Openssl<SSL> make_ssl() noexcept;

  void reload();
  void rotate_ticket_keys();

  // sessions() are a client's. keep_session() keeps one for the next connection to the same server,
  // unless what is trusted has changed since this one was made.
  SessionCache& sessions() noexcept { return sessions_; }
  void keep_session(SSL& ssl, Openssl<SSL_SESSION> session) noexcept;

  // count_handshake() is about one that has ended.
  void count_handshake(bool succeeded, bool resumed) noexcept;
  TlsContext::Counters counters() const noexcept;

 private:
  Openssl<SSL_CTX> make_context() const;
  Openssl<SSL_CTX> make_server_context() const;
  Openssl<SSL_CTX> make_host_context(const Pem* authorities) const;
  Openssl<SSL_CTX> make_client_context() const;
  std::shared_ptr<const Hosts> make_hosts() const;
  std::shared_ptr<const Hosts> hosts() noexcept;

  // These are called by OpenSSL.
  static int on_client_hello(SSL* ssl, int* alert, void* core) noexcept;
  static int on_server_name(SSL* ssl, int* alert, void* core) noexcept;
  static int on_protocols(SSL* ssl, const unsigned char** chosen, unsigned char* size,
                          const unsigned char* offered, unsigned offered_size, void* core) noexcept;
  static int on_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                       EVP_MAC_CTX* mac, int encrypts) noexcept;
  static int on_status_request(SSL* ssl, void*) noexcept;
  static int on_new_session(SSL* ssl, SSL_SESSION* session) noexcept;
  static bool bind_sessions(SSL& ssl, std::string_view name, const Hosts& hosts);

  const std::optional<TlsServerOptions> server_;  // one of both
  const std::optional<TlsClientOptions> client_;
  const TlsRules rules_;
  std::optional<TicketKeys> tickets_;
  SessionCache sessions_;

  std::mutex mutex_;
  Openssl<SSL_CTX> main_;               // a client's is replaced by a reload: under the mutex
  std::shared_ptr<const Hosts> hosts_;  // a server's; under the mutex

  std::atomic<std::uint64_t> handshakes_{0};
  std::atomic<std::uint64_t> resumed_{0};
  std::atomic<std::uint64_t> failed_{0};
};

}  // namespace evcoro::detail
