#include <evcoro/tls/error.hpp>

#include <openssl/err.h>
#include <openssl/x509.h>

#include <cerrno>
#include <string>

#include <evcoro/error.hpp>
#include <evcoro/tls/detail/openssl.hpp>

namespace evcoro {
namespace {

// Values: TlsErrc from 1 on; X509_V_ERR_* behind certificate_errors; OpenSSL's packed errors, all
// of which are higher, since they have the number of a library in their upper half.
constexpr int certificate_errors = 0x1000;
constexpr int openssl_errors = 0x10000;

bool is_of_certificate(int value) noexcept {
  return value >= certificate_errors && value < openssl_errors;
}

const char* own_message(TlsErrc error) noexcept {
  switch (error) {
    case TlsErrc::truncated:
      return "the stream has ended without close_notify; data may be missing";
    case TlsErrc::closed:
      return "close_notify was sent; nothing can be sent any more";
    case TlsErrc::no_server_name:
      return "a client that verifies needs the server's name; give it to the TlsSocket";
    case TlsErrc::bad_server_name:
      return "not a server's name, nor an IP address";
    case TlsErrc::no_certificate:
      return "a server needs a certificate; give TlsServerOptions one";
    case TlsErrc::not_reading:
      return "the peer asks again and again and does not read the answers";
    case TlsErrc::no_context:
      return "an empty TlsSocket or TlsContext was used";
    case TlsErrc::handshake_timeout:
      return "the handshake has not come to its end in time";
    case TlsErrc::wrong_context:
      return "a client's TlsContext is made of TlsClientOptions, a server's of TlsServerOptions; "
             "this is the other one's";
  }
  return "unknown error";
}

int own_errno(TlsErrc error) noexcept {
  switch (error) {
    case TlsErrc::truncated:
      return ECONNABORTED;
    case TlsErrc::closed:
      return EPIPE;
    case TlsErrc::not_reading:
      return ENOBUFS;
    case TlsErrc::handshake_timeout:
      return ETIME;
    default:
      return EINVAL;
  }
}

class TlsCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "tls"; }

  std::string message(int value) const override {
    if (is_of_certificate(value)) {
      return std::string{"certificate: "} +
             ::X509_verify_cert_error_string(value - certificate_errors);
    }
    if (value < certificate_errors) return own_message(static_cast<TlsErrc>(value));
    const char* const reason = ::ERR_reason_error_string(static_cast<unsigned>(value));
    return std::string{"tls: "} + (reason != nullptr ? reason : "unknown error of OpenSSL");
  }

  std::error_condition default_error_condition(int value) const noexcept override {
    const int number = is_of_certificate(value)  ? EACCES
                       : value >= openssl_errors ? EPROTO
                                                 : own_errno(static_cast<TlsErrc>(value));
    return {number, std::generic_category()};
  }
};

}  // namespace

const std::error_category& tls_category() noexcept {
  static const TlsCategory category;
  return category;
}

bool is_certificate_error(std::error_code error) noexcept {
  return error.category() == tls_category() && is_of_certificate(error.value());
}

namespace detail {

std::error_code certificate_error(long verify_result) noexcept {
  return {certificate_errors + static_cast<int>(verify_result), tls_category()};
}

namespace {

bool is_of_ssl(unsigned long error, int reason) noexcept {
  return ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == reason;
}

std::error_code to_error(unsigned long packed) noexcept {
  if (packed == 0) return system_error(EPROTO);
  if (ERR_SYSTEM_ERROR(packed)) return system_error(ERR_GET_REASON(packed));
  if (ERR_GET_REASON(packed) == ERR_R_MALLOC_FAILURE) return system_error(ENOMEM);
  return {static_cast<int>(packed), tls_category()};
}

// Queue is what this OS thread's queue of errors had, which is empty now.
struct Queue {
  Queue() noexcept {
    while (const unsigned long error = ::ERR_get_error()) {
      if (first == 0) first = error;
      if (ERR_GET_LIB(error) == ERR_LIB_SSL) last_of_ssl = error;
      has_bad_certificate |= is_of_ssl(error, SSL_R_CERTIFICATE_VERIFY_FAILED);
      is_truncated |= is_of_ssl(error, SSL_R_UNEXPECTED_EOF_WHILE_READING);
    }
  }
  std::error_code error() const noexcept {
    return to_error(last_of_ssl != 0 ? last_of_ssl : first);
  }

  unsigned long first = 0;
  unsigned long last_of_ssl = 0;
  bool has_bad_certificate = false;
  bool is_truncated = false;
};

}  // namespace

std::error_code take_openssl_error() noexcept { return Queue{}.error(); }

std::error_code reason_of_failure(SSL& ssl, int ssl_error) noexcept {
  const int number = errno;
  const Queue queue;
  if (queue.first == 0 && ssl_error == SSL_ERROR_SYSCALL) {
    return number != 0 ? system_error(number) : make_error_code(TlsErrc::truncated);
  }
  if (queue.first == 0 && ssl_error != SSL_ERROR_SSL) return system_error(ENOTSUP);
  if (queue.is_truncated) return TlsErrc::truncated;
  const long verified = ::SSL_get_verify_result(&ssl);
  if (queue.has_bad_certificate && verified != X509_V_OK) return certificate_error(verified);
  return queue.error();
}

}  // namespace detail
}  // namespace evcoro
