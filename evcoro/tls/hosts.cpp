#include <evcoro/tls/detail/hosts.hpp>

#include <openssl/crypto.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <system_error>
#include <utility>

#include <evcoro/tls/detail/pem.hpp>
#include <evcoro/tls/error.hpp>

namespace evcoro::detail {
namespace {

int key_kind(X509& certificate) noexcept {
  EVP_PKEY* const key = ::X509_get0_pubkey(&certificate);
  return key == nullptr ? 0 : ::EVP_PKEY_get_base_id(key);
}

// The response as it is, if it is one.
std::string read_ocsp(const std::string& path) {
  if (path.empty()) return {};
  std::string text = read_file(path);
  const auto* begin = reinterpret_cast<const unsigned char*>(text.data());
  OCSP_RESPONSE* const response =
      ::d2i_OCSP_RESPONSE(nullptr, &begin, static_cast<long>(text.size()));
  if (response == nullptr) throw_openssl("OCSP response file '" + path + "'");
  ::OCSP_RESPONSE_free(response);
  return text;
}

}  // namespace

void Host::add(const TlsCertificate& files, std::vector<Openssl<X509>> chain) {
  const Pem key_pem = read_pem(files.key.empty() ? files.chain : files.key);
  const Openssl<EVP_PKEY> key = read_key(key_pem);
  if (::SSL_CTX_use_certificate(context_.get(), chain.front().get()) != 1) {
    throw_openssl("certificate " + read_pem(files.chain).source);
  }
  for (std::size_t i = 1; i < chain.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context_.get(), chain[i].get()) != 1) {
      throw_openssl("certificate " + read_pem(files.chain).source);
    }
  }
  if (::SSL_CTX_use_PrivateKey(context_.get(), key.get()) != 1) {
    throw_openssl("private key " + key_pem.source);
  }
  leaves_.push_back({std::move(chain.front()), read_ocsp(files.ocsp)});
}

bool Host::is_for(std::string_view name) const noexcept {
  return ::X509_check_host(leaves_.front().certificate.get(), name.data(), name.size(),
                           X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, nullptr) == 1;
}

bool Host::is_kin(X509& certificate) const {
  return dns_names(*leaves_.front().certificate) == dns_names(certificate) &&
         std::none_of(leaves_.begin(), leaves_.end(), [&](const Leaf& leaf) {
           return key_kind(*leaf.certificate) == key_kind(certificate);
         });
}

int Host::staple(SSL& ssl) const noexcept {
  const X509* const used = ::SSL_get_certificate(&ssl);
  for (const Leaf& leaf : leaves_) {
    if (leaf.ocsp.empty() || used == nullptr || ::X509_cmp(leaf.certificate.get(), used) != 0) {
      continue;
    }
    void* const copy = ::OPENSSL_memdup(leaf.ocsp.data(), leaf.ocsp.size());
    if (copy == nullptr) return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(&ssl, copy, static_cast<long>(leaf.ocsp.size()));
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_NOACK;
}

Hosts::Hosts(const std::vector<TlsCertificate>& certificates,
             const std::function<Openssl<SSL_CTX>()>& make_context) {
  if (certificates.empty()) {
    throw std::system_error(TlsErrc::no_certificate, "TlsServerOptions::certificates");
  }
  for (const TlsCertificate& files : certificates) {
    std::vector<Openssl<X509>> chain = read_chain(read_pem(files.chain));
    const auto kin = std::find_if(hosts_.begin(), hosts_.end(),
                                  [&](const Host& host) { return host.is_kin(*chain.front()); });
    if (kin != hosts_.end()) {
      kin->add(files, std::move(chain));
      continue;
    }
    Host host{make_context()};
    host.add(files, std::move(chain));
    hosts_.push_back(std::move(host));
  }
}

const Host* Hosts::find(std::string_view name) const noexcept {
  for (const Host& host : hosts_) {
    if (host.is_for(name)) return &host;
  }
  return nullptr;
}

}  // namespace evcoro::detail
