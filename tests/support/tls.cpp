#include <support/tls.hpp>

#include <arpa/inet.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <memory>
#include <stdexcept>

namespace support {
namespace {

struct Free {
  void operator()(BIO* it) const { BIO_free_all(it); }
  void operator()(EVP_PKEY* it) const { EVP_PKEY_free(it); }
  void operator()(X509* it) const { X509_free(it); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

void check(bool all_right) {
  if (!all_right) throw std::runtime_error("OpenSSL, in the tests");
}

Owned<BIO> bio_of(const std::string& text) {
  return Owned<BIO>{BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
}

std::string text_of(BIO* bio) {
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);
  return {text, static_cast<std::size_t>(size)};
}

std::string to_pem(X509* certificate) {
  const Owned<BIO> bio{BIO_new(BIO_s_mem())};
  check(PEM_write_bio_X509(bio.get(), certificate) == 1);
  return text_of(bio.get());
}

std::string to_pem(EVP_PKEY* key) {
  const Owned<BIO> bio{BIO_new(BIO_s_mem())};
  check(PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return text_of(bio.get());
}

void add_extension(X509* certificate, int kind, const std::string& value) {
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
  check(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

std::string alternatives(const std::vector<std::string>& names) {
  std::string all;
  for (const auto& name : names) {
    unsigned char buffer[16];
    const bool is_address = inet_pton(AF_INET, name.c_str(), buffer) == 1 ||
                            inet_pton(AF_INET6, name.c_str(), buffer) == 1;
    all += (all.empty() ? "" : ",") + std::string{is_address ? "IP:" : "DNS:"} + name;
  }
  return all;
}

Owned<EVP_PKEY> make_key(bool is_rsa) {
  return Owned<EVP_PKEY>{is_rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256")};
}

// Signed by issuer with its key, or by itself.
Owned<X509> make_certificate(const Signing& signing, EVP_PKEY* key, X509* issuer,
                             EVP_PKEY* issuers_key) {
  static std::atomic<long> serial{1};
  Owned<X509> made{X509_new()};
  X509* const it = made.get();
  X509_set_version(it, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(it), ++serial);
  X509_time_adj_ex(X509_getm_notBefore(it), signing.begins_in_days, 0, nullptr);
  X509_time_adj_ex(X509_getm_notAfter(it), signing.ends_in_days, 0, nullptr);
  X509_set_pubkey(it, key);
  const auto* const name = reinterpret_cast<const unsigned char*>(signing.names.front().c_str());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(it), "CN", MBSTRING_UTF8, name, -1, -1, 0);
  X509_set_issuer_name(it, X509_get_subject_name(issuer == nullptr ? it : issuer));
  if (signing.is_authority) {
    add_extension(it, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(it, NID_key_usage, "critical,keyCertSign,cRLSign");
  } else if (!signing.has_no_names) {
    add_extension(it, NID_subject_alt_name, alternatives(signing.names));
  }
  check(X509_sign(it, issuers_key, EVP_sha256()) != 0);
  return made;
}

}  // namespace

Authority::Authority(std::string name) {
  const auto key = make_key(false);
  const auto made = make_certificate({.names = {std::move(name)}, .is_authority = true}, key.get(),
                                     nullptr, key.get());
  certificate_ = to_pem(made.get());
  key_ = to_pem(key.get());
}

evcoro::TlsCertificate Authority::sign(const Signing& signing) const {
  const auto certificate_bio = bio_of(certificate_);
  const auto key_bio = bio_of(key_);
  const Owned<X509> issuer{PEM_read_bio_X509(certificate_bio.get(), nullptr, nullptr, nullptr)};
  const Owned<EVP_PKEY> issuers_key{
      PEM_read_bio_PrivateKey(key_bio.get(), nullptr, nullptr, nullptr)};
  const auto key = make_key(signing.is_rsa);
  const auto made = make_certificate(signing, key.get(), issuer.get(), issuers_key.get());
  return {to_pem(made.get()) + chain_, to_pem(key.get())};
}

Authority Authority::intermediate(std::string name) const {
  const evcoro::TlsCertificate signed_by_us =
      sign({.names = {std::move(name)}, .is_authority = true});
  return {signed_by_us.chain, signed_by_us.key, signed_by_us.chain};
}

}  // namespace support
