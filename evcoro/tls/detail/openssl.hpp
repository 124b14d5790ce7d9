// What the files of this layer share of OpenSSL: owners of its objects, and its errors as ours.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <system_error>

namespace evcoro::detail {

struct FreeOpenssl {
  void operator()(BIGNUM* object) const noexcept { ::BN_free(object); }
  void operator()(BIO* object) const noexcept { ::BIO_free_all(object); }
  void operator()(BIO_METHOD* object) const noexcept { ::BIO_meth_free(object); }
  void operator()(EVP_CIPHER* object) const noexcept { ::EVP_CIPHER_free(object); }
  void operator()(EVP_PKEY* object) const noexcept { ::EVP_PKEY_free(object); }
  void operator()(EVP_PKEY_CTX* object) const noexcept { ::EVP_PKEY_CTX_free(object); }
  void operator()(GENERAL_NAMES* object) const noexcept { ::GENERAL_NAMES_free(object); }
  void operator()(SSL* object) const noexcept { ::SSL_free(object); }
  void operator()(SSL_CTX* object) const noexcept { ::SSL_CTX_free(object); }
  void operator()(SSL_SESSION* object) const noexcept { ::SSL_SESSION_free(object); }
  void operator()(X509* object) const noexcept { ::X509_free(object); }
  void operator()(X509_EXTENSION* object) const noexcept { ::X509_EXTENSION_free(object); }
};

// Openssl<SSL> frees it.
template <class T>
using Openssl = std::unique_ptr<T, FreeOpenssl>;

// take_openssl_error() is the one of this OS thread's queue of errors that says most, TLS's last
// one or else the first; the queue is empty afterwards. To be called before any other coroutine
// runs.
std::error_code take_openssl_error() noexcept;

// reason_of_failure() is why a call of ssl's has failed, ssl_error being SSL_get_error()'s; empties
// the queue, too.
std::error_code reason_of_failure(SSL& ssl, int ssl_error) noexcept;

// certificate_error() is SSL_get_verify_result()'s, which is not X509_V_OK.
std::error_code certificate_error(long verify_result) noexcept;

}  // namespace evcoro::detail
