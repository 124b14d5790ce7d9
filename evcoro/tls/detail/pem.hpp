// Certificates and keys, out of files or texts in PEM. All of these throw std::system_error, whose
// what() names the file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <evcoro/tls/detail/openssl.hpp>

namespace evcoro::detail {

// throw_openssl() throws the first error of OpenSSL's queue. what is such as "certificate file
// 'x'".
[[noreturn]] void throw_openssl(const std::string& what);

// Pem is the text of a source, and what to call it: "file 'server.pem'", "given as text".
struct Pem {
  std::string text;
  std::string source;
};
Pem read_pem(const std::string& file_or_text);

// read_file() reads all of a file, of some kilobytes.
std::string read_file(const std::string& path);

// read_chain() reads the certificates of a text, at least one.
std::vector<Openssl<X509>> read_chain(const Pem& pem);
Openssl<EVP_PKEY> read_key(const Pem& pem);

// names_of() are the names that a certificate is for (subjectAltName), sorted; those that are no
// names but IP addresses begin with "IP:".
std::vector<std::string> names_of(X509& certificate);

}  // namespace evcoro::detail
