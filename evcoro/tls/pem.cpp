#include <evcoro/tls/detail/pem.hpp>

#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <system_error>

#include <evcoro/error.hpp>

namespace evcoro::detail {
namespace {

// OpenSSL would ask the terminal.
int no_password(char*, int, int, void*) noexcept { return -1; }

Openssl<BIO> bio_of(const std::string& text) {
  Openssl<BIO> bio{::BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
  if (bio == nullptr) throw std::bad_alloc{};
  return bio;
}

// The end of a text is reported as the lack of a line to begin the next.
bool is_end_of_text() noexcept {
  const unsigned long error = ::ERR_peek_last_error();
  return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

std::string to_text(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(::ASN1_STRING_get0_data(string)),
          static_cast<std::size_t>(::ASN1_STRING_length(string))};
}

}  // namespace

void throw_openssl(const std::string& what) { throw std::system_error(take_openssl_error(), what); }

std::string read_file(const std::string& path) {
  errno = 0;
  std::ifstream file{path, std::ios::binary};
  std::string text{std::istreambuf_iterator<char>{file}, {}};
  if (!file.is_open() || file.bad()) {
    throw std::system_error(system_error(errno != 0 ? errno : EIO), "file '" + path + "'");
  }
  return text;
}

Pem read_pem(const std::string& file_or_text) {
  if (file_or_text.starts_with("-----BEGIN")) return {file_or_text, "given as text"};
  return {read_file(file_or_text), "file '" + file_or_text + "'"};
}

std::vector<Openssl<X509>> read_chain(const Pem& pem) {
  const Openssl<BIO> bio = bio_of(pem.text);
  std::vector<Openssl<X509>> chain;
  ::ERR_clear_error();
  while (auto* const certificate = ::PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr)) {
    chain.emplace_back(certificate);
  }
  if (chain.empty() || !is_end_of_text()) throw_openssl("certificate " + pem.source);
  ::ERR_clear_error();
  return chain;
}

Openssl<EVP_PKEY> read_key(const Pem& pem) {
  const Openssl<BIO> bio = bio_of(pem.text);
  ::ERR_clear_error();  // an application's
  Openssl<EVP_PKEY> key{::PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr)};
  if (key == nullptr) throw_openssl("private key " + pem.source);
  return key;
}

std::vector<std::string> names_of(X509& certificate) {
  std::vector<std::string> names;
  const Openssl<GENERAL_NAMES> alternatives{static_cast<GENERAL_NAMES*>(
      ::X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr))};
  for (int i = 0; i < sk_GENERAL_NAME_num(alternatives.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(alternatives.get(), i);
    if (name->type == GEN_DNS) names.push_back(to_text(name->d.dNSName));
    if (name->type == GEN_IPADD) names.push_back("IP:" + to_text(name->d.iPAddress));
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace evcoro::detail
