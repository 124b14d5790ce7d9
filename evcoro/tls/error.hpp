// Errors of TLS, as std::error_codes: what the other end, or a certificate, did wrong.
//
//   if (const auto error = tls.handshake(5s)) {
//     if (error == TlsErrc::truncated) ...            // hung up without close_notify
//     if (is_certificate_error(error)) ...            // "certificate: self-signed certificate"
//     report(error.message());                        // else what OpenSSL says: "tls: no shared
//     cipher"
//   }
//
// Beside these, the calls of a TlsSocket fail with what those of a Socket do.
#pragma once

#include <system_error>
#include <type_traits>

#include <stacks/export.hpp>

namespace evcoro {

// Each is equivalent to the errno in brackets, which is what the C face sets; those of certificates
// to EACCES, and those of OpenSSL to EPROTO.
enum class TlsErrc {
  truncated = 1,    // [ECONNABORTED] the stream has ended without close_notify: data may be missing
  closed,           // [EPIPE] close_notify() was called: nothing can be sent any more
  no_server_name,   // [EINVAL] a client that verifies has to be given the server's name
  bad_server_name,  // [EINVAL] what was given as the server's name is none, nor an IP address
  no_certificate,   // [EINVAL] a server needs one at least
  not_reading,      // [ENOBUFS] the peer asks again and again, and does not read the answers
  no_context,       // [EINVAL] the TlsSocket, or its TlsContext, is an empty handle
  handshake_timeout,  // [ETIME] the context's handshake_timeout is over: the end, unlike timed_out
  wrong_context,      // [EINVAL] a server's context was given to a client, or the other way round
};
EVCORO_API const std::error_category& tls_category() noexcept;
inline std::error_code make_error_code(TlsErrc error) noexcept {
  return {static_cast<int>(error), tls_category()};
}

// is_certificate_error() says whether the peer's certificate was not accepted: its chain, its time,
// its name.
EVCORO_API bool is_certificate_error(std::error_code error) noexcept;

}  // namespace evcoro

template <>
struct std::is_error_code_enum<evcoro::TlsErrc> : std::true_type {};
