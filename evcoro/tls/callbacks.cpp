// What OpenSSL asks a TlsCore during handshakes.
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <array>
#include <new>
#include <string>
#include <string_view>

#include <evcoro/tls/detail/core.hpp>
#include <evcoro/tls/detail/names.hpp>
#include <evcoro/tls/detail/state.hpp>

namespace evcoro::detail {
namespace {

// The name in a server_name extension (RFC 6066, 3); "" if there is none, or it is malformed, which
// OpenSSL then finds, too.
std::string_view requested_name(SSL& ssl) noexcept {
  const unsigned char* data = nullptr;
  std::size_t size = 0;
  if (::SSL_client_hello_get0_ext(&ssl, TLSEXT_TYPE_server_name, &data, &size) != 1) return {};
  constexpr std::size_t header = 5;  // sizes of the list and the name, and in between its type
  if (size < header || data[2] != TLSEXT_NAMETYPE_host_name) return {};
  const std::size_t length = static_cast<std::size_t>(data[3]) << 8 | data[4];
  if (length > size - header || length > TLSEXT_MAXLEN_host_name) return {};
  return {reinterpret_cast<const char*>(data) + header, length};
}

TlsCore& core_of(SSL& ssl) noexcept {
  return *static_cast<TlsCore*>(SSL_CTX_get_app_data(::SSL_get_SSL_CTX(&ssl)));
}

}  // namespace

// Before anything else of the ClientHello is looked at, sessions in particular.
int TlsCore::on_client_hello(SSL* ssl, int* alert, void* core) noexcept {
  auto& self = *static_cast<TlsCore*>(core);
  try {
    const std::string name = to_lower(requested_name(*ssl));
    auto hosts = self.hosts();
    const Host* host = hosts->find(name);
    if (host == nullptr && self.server_->unknown_name == UnknownName::refuse) {
      *alert = SSL_AD_UNRECOGNIZED_NAME;
      return SSL_CLIENT_HELLO_ERROR;
    }
    if (host == nullptr) host = &hosts->first();
    if (::SSL_set_SSL_CTX(ssl, &host->context()) != nullptr && bind_sessions(*ssl, name, *hosts)) {
      TlsState::of(*ssl).set_host(*host, std::move(hosts), name);
      return SSL_CLIENT_HELLO_SUCCESS;
    }
  } catch (const std::bad_alloc&) {
  }
  *alert = SSL_AD_INTERNAL_ERROR;
  return SSL_CLIENT_HELLO_ERROR;
}

// A session is good for the same name, and the same demand for a client's certificate.
bool TlsCore::bind_sessions(SSL& ssl, std::string_view name, const Hosts& hosts) {
  std::string text{name};
  text += '\0';
  text += hosts.demand();
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  return ::EVP_Digest(text.data(), text.size(), digest.data(), &size, ::EVP_sha256(), nullptr) ==
             1 &&
         ::SSL_set_session_id_context(&ssl, digest.data(), size) == 1;
}

// A ClientHello that is repeated (RFC 8446, 4.1.4) must mean the same server.
int TlsCore::on_server_name(SSL* ssl, int* alert, void*) noexcept {
  const char* const name = ::SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  const std::string& first = TlsState::of(*ssl).requested_name();
  if (name == nullptr) return SSL_TLSEXT_ERR_NOACK;
  if (::OPENSSL_strcasecmp(name, first.c_str()) == 0) return SSL_TLSEXT_ERR_OK;
  *alert = SSL_AD_ILLEGAL_PARAMETER;
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

// OpenSSL has made sure that the offer is a list of names that aren't empty.
int TlsCore::on_protocols(SSL*, const unsigned char** chosen, unsigned char* size,
                          const unsigned char* offered, unsigned offered_size,
                          void* core) noexcept {
  const std::string& known = static_cast<TlsCore*>(core)->rules_.protocols;
  if (known.empty()) return SSL_TLSEXT_ERR_NOACK;
  const auto length_at = [](std::string_view list) {
    return std::size_t{1} + static_cast<unsigned char>(list.front());
  };
  const std::string_view offer{reinterpret_cast<const char*>(offered), offered_size};
  for (std::string_view ours = known; !ours.empty(); ours.remove_prefix(length_at(ours))) {
    std::string_view theirs = offer;
    while (!theirs.empty() && length_at(theirs) <= theirs.size()) {
      if (theirs.substr(0, length_at(theirs)) == ours.substr(0, length_at(ours))) {
        *chosen = reinterpret_cast<const unsigned char*>(theirs.data()) + 1;
        *size = static_cast<unsigned char>(theirs.front());
        return SSL_TLSEXT_ERR_OK;
      }
      theirs.remove_prefix(length_at(theirs));
    }
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

// 2 says that the client gets another: with TLS 1.3 it always does, since it uses each once only.
int TlsCore::on_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                       EVP_MAC_CTX* mac, int encrypts) noexcept {
  const int result = core_of(*ssl).tickets_->use(name, iv, cipher, mac, encrypts == 1);
  const bool is_for_once = encrypts == 0 && ::SSL_version(ssl) >= TLS1_3_VERSION;
  return result == 1 && is_for_once ? 2 : result;
}

int TlsCore::on_status_request(SSL* ssl, void*) noexcept {
  const Host* const host = TlsState::of(*ssl).host();
  return host == nullptr ? SSL_TLSEXT_ERR_NOACK : host->staple(*ssl);
}

// 1: the session is ours.
int TlsCore::on_new_session(SSL* ssl, SSL_SESSION* session) noexcept {
  core_of(*ssl).keep_session(*ssl, Openssl<SSL_SESSION>{session});
  return 1;
}

}  // namespace evcoro::detail
