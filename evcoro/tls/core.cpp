#include <evcoro/tls/detail/core.hpp>

#include <openssl/err.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <system_error>

#include <evcoro/error.hpp>
#include <evcoro/tls/detail/pem.hpp>
#include <evcoro/tls/detail/state.hpp>
#include <evcoro/tls/error.hpp>

namespace evcoro::detail {
namespace {

// ECDHE and AEAD; those of TLS 1.3 are no others.
constexpr const char* ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr const char* groups = "X25519:P-256:X448:P-384:P-521";

// Of tickets in TLS 1.3 (RFC 8446, 4.6.1), two lifetimes of a key.
constexpr std::chrono::hours longest_lifetime{84};

// OpenSSL's calls take 14 KiB.
constexpr std::size_t smallest_stack = 16 * 1024;

[[noreturn]] void refuse_option(const char* option) {
  throw std::system_error(system_error(EINVAL), option);
}

int number_of(TlsVersion version) noexcept {
  return version == TlsVersion::tls12 ? TLS1_2_VERSION : TLS1_3_VERSION;
}

void trust(SSL_CTX& context, const Pem& authorities, bool says_so_to_clients) {
  X509_STORE* const store = ::SSL_CTX_get_cert_store(&context);
  for (const auto& authority : read_chain(authorities)) {
    const bool added =
        ::X509_STORE_add_cert(store, authority.get()) == 1 &&
        (!says_so_to_clients || ::SSL_CTX_add_client_CA(&context, authority.get()) == 1);
    if (!added) throw_openssl("authorities " + authorities.source);
  }
}

}  // namespace

std::string TlsRules::to_wire(const std::vector<std::string>& protocols) {
  std::string wire;
  for (const auto& protocol : protocols) {
    if (protocol.empty() || protocol.size() > 255) refuse_option("protocols: 1 to 255 bytes each");
    wire += static_cast<char>(protocol.size());
    wire += protocol;
  }
  return wire;
}

TlsCore::TlsCore(TlsServerOptions options)
    : server_(std::move(options)), rules_(*server_), sessions_(0) {
  if (server_->ticket_key_lifetime.count() > 0) {
    tickets_.emplace(
        std::min<std::chrono::seconds>(server_->ticket_key_lifetime, longest_lifetime));
  }
  hosts_ = make_hosts();
  main_ = make_server_context();
}

TlsCore::TlsCore(TlsClientOptions options)
    : client_(std::move(options)), rules_(*client_), sessions_(client_->kept_sessions) {
  if (client_->certificates.size() > 1) refuse_option("a client has one certificate at most");
  main_ = make_client_context();
}

// --- the SSL_CTXs ---

Openssl<SSL_CTX> TlsCore::make_context() const {
  ::ERR_clear_error();  // an application's
  Openssl<SSL_CTX> made{::SSL_CTX_new(is_server() ? ::TLS_server_method() : ::TLS_client_method())};
  if (made == nullptr) throw_openssl("SSL_CTX_new()");
  SSL_CTX* const context = made.get();
  if (rules_.lowest_version > rules_.highest_version) refuse_option("lowest_version");
  if (rules_.stack_size != 0 && rules_.stack_size < smallest_stack) {
    refuse_option("openssl_stack_size: 0, or at least 16 KiB");
  }
  if (SSL_CTX_set_app_data(context, const_cast<TlsCore*>(this)) != 1) throw std::bad_alloc{};
  if (SSL_CTX_set_min_proto_version(context, number_of(rules_.lowest_version)) != 1 ||
      SSL_CTX_set_max_proto_version(context, number_of(rules_.highest_version)) != 1) {
    throw_openssl("versions");
  }
  ::SSL_CTX_set_security_level(context, 2);
  if (::SSL_CTX_set_cipher_list(context, ciphers) != 1) throw_openssl("cipher list");
  if (SSL_CTX_set1_groups_list(context, groups) != 1) throw_openssl("groups");
  ::SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_read_ahead(context, 1);
  return made;
}

Openssl<SSL_CTX> TlsCore::make_host_context(const Pem* authorities) const {
  Openssl<SSL_CTX> made = make_context();
  SSL_CTX* const context = made.get();
  auto* const self = const_cast<TlsCore*>(this);
  ::SSL_CTX_set_alpn_select_cb(context, on_protocols, self);
  SSL_CTX_set_tlsext_servername_callback(context, on_server_name);
  SSL_CTX_set_tlsext_status_cb(context, on_status_request);
  if (authorities != nullptr) trust(*context, *authorities, true);
  return made;
}

// What it has is asked for before, or beside, what the host's has.
Openssl<SSL_CTX> TlsCore::make_server_context() const {
  Openssl<SSL_CTX> made = make_context();
  SSL_CTX* const context = made.get();
  ::SSL_CTX_set_client_hello_cb(context, on_client_hello, const_cast<TlsCore*>(this));
  SSL_CTX_set_tlsext_servername_callback(context, on_server_name);
  const auto kept = static_cast<long>(std::min<std::size_t>(server_->kept_sessions, LONG_MAX));
  SSL_CTX_set_session_cache_mode(context, kept == 0 ? SSL_SESS_CACHE_OFF : SSL_SESS_CACHE_SERVER);
  SSL_CTX_sess_set_cache_size(context, kept);  // 0 would be no limit
  if (tickets_) {
    ::SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket);
    const auto lifetime =
        2 * std::min<std::chrono::seconds>(server_->ticket_key_lifetime, std::chrono::hours{24});
    ::SSL_CTX_set_timeout(context, static_cast<long>(lifetime.count()));
  } else {
    ::SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    if (kept == 0) ::SSL_CTX_set_num_tickets(context, 0);
  }
  const int verify_mode = server_->client_certificate == ClientCertificate::ignored
                              ? SSL_VERIFY_NONE
                          : server_->client_certificate == ClientCertificate::wanted
                              ? SSL_VERIFY_PEER
                              : SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  ::SSL_CTX_set_verify(context, verify_mode, nullptr);
  return made;
}

Openssl<SSL_CTX> TlsCore::make_client_context() const {
  Openssl<SSL_CTX> made = make_context();
  SSL_CTX* const context = made.get();
  if (client_->verify) {
    ::SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    if (!client_->authorities.empty()) {
      trust(*context, read_pem(client_->authorities), false);
    } else if (::SSL_CTX_set_default_verify_paths(context) != 1) {
      throw_openssl("the authorities of the system");
    }
  }
  const auto* const protocols = reinterpret_cast<const unsigned char*>(rules_.protocols.data());
  const auto size = static_cast<unsigned>(rules_.protocols.size());
  if (size != 0 && ::SSL_CTX_set_alpn_protos(context, protocols, size) != 0) {
    throw std::bad_alloc{};
  }
  if (client_->request_ocsp) SSL_CTX_set_tlsext_status_type(context, TLSEXT_STATUSTYPE_ocsp);
  if (!sessions_.is_off()) {
    SSL_CTX_set_session_cache_mode(context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    ::SSL_CTX_sess_set_new_cb(context, on_new_session);
  }
  for (const TlsCertificate& files : client_->certificates) {
    Host host{std::move(made)};
    host.add(files, read_chain(read_pem(files.chain)));
    ::SSL_CTX_up_ref(&host.context());
    made.reset(&host.context());
  }
  return made;
}

std::shared_ptr<const Hosts> TlsCore::make_hosts() const {
  const bool asks = server_->client_certificate != ClientCertificate::ignored;
  Pem authorities;
  if (asks && server_->client_authorities.empty()) refuse_option("client_authorities are missing");
  if (asks) authorities = read_pem(server_->client_authorities);
  std::string demand{static_cast<char>(server_->client_certificate)};
  demand += authorities.text;
  return std::make_shared<const Hosts>(server_->certificates, std::move(demand), [&] {
    return make_host_context(asks ? &authorities : nullptr);
  });
}

std::shared_ptr<const Hosts> TlsCore::hosts() noexcept {
  const std::lock_guard lock{mutex_};
  return hosts_;
}

// --- what changes ---

void TlsCore::reload() {
  if (is_server()) {
    auto fresh = make_hosts();
    const std::lock_guard lock{mutex_};
    hosts_.swap(fresh);
    return;
  }
  auto fresh = make_client_context();
  const std::lock_guard lock{mutex_};
  main_.swap(fresh);
  sessions_.clear();  // of servers that may not be trusted any more
}

void TlsCore::keep_session(SSL& ssl, Openssl<SSL_SESSION> session) noexcept {
  const std::string& key = TlsState::of(ssl).session_key();
  const std::lock_guard lock{mutex_};
  const bool is_current = ::SSL_get_SSL_CTX(&ssl) == main_.get();  // no reload has come between
  if (is_current && !key.empty() && ::SSL_SESSION_is_resumable(session.get()) == 1) {
    sessions_.put(key, std::move(session));
  }
}

void TlsCore::rotate_ticket_keys() {
  if (tickets_ && !tickets_->rotate()) throw_openssl("keys for tickets");
}

Openssl<SSL> TlsCore::make_ssl() noexcept {
  Openssl<SSL> ssl;
  {
    const std::lock_guard lock{mutex_};
    ssl.reset(::SSL_new(main_.get()));
  }
  if (ssl == nullptr) return nullptr;
  if (is_server()) {
    ::SSL_set_accept_state(ssl.get());
  } else {
    ::SSL_set_connect_state(ssl.get());
  }
  return ssl;
}

void TlsCore::count_handshake(bool succeeded, bool resumed) noexcept {
  auto& counter = succeeded ? handshakes_ : failed_;
  counter.fetch_add(1, std::memory_order_relaxed);
  if (succeeded && resumed) resumed_.fetch_add(1, std::memory_order_relaxed);
}

TlsContext::Counters TlsCore::counters() const noexcept {
  return {handshakes_.load(std::memory_order_relaxed), resumed_.load(std::memory_order_relaxed),
          failed_.load(std::memory_order_relaxed)};
}

}  // namespace evcoro::detail

namespace evcoro {

TlsContext::TlsContext(TlsServerOptions options)
    : core_(std::make_shared<detail::TlsCore>(std::move(options))) {}

TlsContext::TlsContext(TlsClientOptions options)
    : core_(std::make_shared<detail::TlsCore>(std::move(options))) {}

void TlsContext::reload() {
  if (core_ == nullptr) throw std::system_error(TlsErrc::no_context, "TlsContext::reload()");
  core_->reload();
}

void TlsContext::rotate_ticket_keys() {
  if (core_ == nullptr) {
    throw std::system_error(TlsErrc::no_context, "TlsContext::rotate_ticket_keys()");
  }
  core_->rotate_ticket_keys();
}

TlsContext::Counters TlsContext::counters() const noexcept {
  return core_ == nullptr ? Counters{} : core_->counters();
}

bool TlsContext::is_server() const noexcept { return core_ != nullptr && core_->is_server(); }

}  // namespace evcoro
