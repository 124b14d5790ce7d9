#include <evcoro/tls/detail/hosts.hpp>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>

#include <algorithm>
#include <map>
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
  ::ERR_clear_error();  // an application's
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

bool Host::has_key_like(X509& certificate) const noexcept {
  return std::any_of(leaves_.begin(), leaves_.end(), [&](const Leaf& leaf) {
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

// Certificates for the very same names belong to one host, if they differ in the kind of their key.
Hosts::Hosts(const std::vector<TlsCertificate>& certificates, std::string demand,
             const std::function<Openssl<SSL_CTX>()>& make_context)
    : demand_(std::move(demand)) {
  if (certificates.empty()) {
    throw std::system_error(TlsErrc::no_certificate, "TlsServerOptions::certificates");
  }
  std::map<std::vector<std::string>, std::size_t> by_names;
  for (const TlsCertificate& files : certificates) {
    std::vector<Openssl<X509>> chain = read_chain(read_pem(files.chain));
    X509& leaf = *chain.front();
    const std::vector<std::string> names = names_of(leaf);
    const auto known = by_names.find(names);
    const bool is_kin =
        !names.empty() && known != by_names.end() && !hosts_[known->second].has_key_like(leaf);
    const std::size_t index = is_kin ? known->second : hosts_.size();
    if (!is_kin) {
      hosts_.emplace_back(make_context());
      by_names.emplace(names, index);
      for (const auto& name : names) names_.add(name, index);
    }
    hosts_[index].add(files, std::move(chain));
  }
}

const Host* Hosts::find(std::string_view name) const {
  const auto index = names_.find(name);
  return index ? &hosts_[*index] : nullptr;
}

}  // namespace evcoro::detail
