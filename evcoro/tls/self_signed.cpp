#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <cerrno>
#include <string>
#include <system_error>

#include <evcoro/error.hpp>
#include <evcoro/tls/context.hpp>
#include <evcoro/tls/detail/names.hpp>
#include <evcoro/tls/detail/pem.hpp>

namespace evcoro {
namespace {

using detail::Openssl;

void check(bool all_right) {
  if (!all_right) detail::throw_openssl("make_self_signed()");
}

bool is_name(std::string_view text) noexcept {
  return detail::is_host_name(text.starts_with("*.") ? text.substr(2) : text);
}

// Such as "DNS:localhost,IP:127.0.0.1".
std::string alternatives(const std::vector<std::string>& names) {
  std::string all;
  for (const auto& name : names) {
    if (!detail::is_ip_address(name) && !is_name(name)) {
      throw std::system_error(detail::system_error(EINVAL),
                              "make_self_signed(): '" + name + "' is no host name");
    }
    if (!all.empty()) all += ',';
    all += (detail::is_ip_address(name) ? "IP:" : "DNS:") + name;
  }
  return all;
}

void add_extension(X509& certificate, int kind, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  ::X509V3_set_ctx(&context, &certificate, &certificate, nullptr, nullptr, 0);
  const Openssl<X509_EXTENSION> extension{::X509V3_EXT_conf_nid(nullptr, &context, kind, value)};
  check(extension != nullptr && ::X509_add_ext(&certificate, extension.get(), -1) == 1);
}

void set_serial(X509& certificate) {
  unsigned char bytes[16];
  check(::RAND_bytes(bytes, sizeof bytes) == 1);
  bytes[0] &= 0x7f;
  const Openssl<BIGNUM> number{::BN_bin2bn(bytes, sizeof bytes, nullptr)};
  check(number != nullptr &&
        ::BN_to_ASN1_INTEGER(number.get(), ::X509_get_serialNumber(&certificate)) != nullptr);
}

template <class Write>
std::string to_pem(Write write) {
  const Openssl<BIO> bio{::BIO_new(::BIO_s_mem())};
  check(bio != nullptr && write(bio.get()) == 1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

}  // namespace

TlsCertificate make_self_signed(const std::vector<std::string>& names, int days) {
  if (names.empty() || days <= 0) {
    throw std::system_error(detail::system_error(EINVAL), "make_self_signed(): names and days");
  }
  const std::string all = alternatives(names);
  ::ERR_clear_error();  // an application's
  const Openssl<EVP_PKEY> key{::EVP_EC_gen("P-256")};
  const Openssl<X509> certificate{::X509_new()};
  check(key != nullptr && certificate != nullptr);
  X509& it = *certificate;
  check(::X509_set_version(&it, 2) == 1);
  set_serial(it);
  // An hour ago: clocks differ.
  check(::X509_gmtime_adj(X509_getm_notBefore(&it), -3600) != nullptr);
  check(::X509_time_adj_ex(X509_getm_notAfter(&it), days, 0, nullptr) != nullptr);
  check(::X509_set_pubkey(&it, key.get()) == 1);
  const std::string common_name = names.front().substr(0, 64);
  X509_NAME* const subject = ::X509_get_subject_name(&it);
  check(::X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                     reinterpret_cast<const unsigned char*>(common_name.data()),
                                     static_cast<int>(common_name.size()), -1, 0) == 1);
  check(::X509_set_issuer_name(&it, subject) == 1);
  add_extension(it, NID_subject_alt_name, all.c_str());
  add_extension(it, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
  add_extension(it, NID_key_usage, "critical,digitalSignature,keyCertSign");
  add_extension(it, NID_ext_key_usage, "serverAuth,clientAuth");
  add_extension(it, NID_subject_key_identifier, "hash");
  check(::X509_sign(&it, key.get(), ::EVP_sha256()) != 0);
  const auto write_key = [&](BIO* bio) {
    return ::PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  };
  return {to_pem([&](BIO* bio) { return ::PEM_write_bio_X509(bio, &it); }), to_pem(write_key)};
}

}  // namespace evcoro
