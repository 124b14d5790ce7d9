// SecureBy: a TlsSocket for who knows no TLS.
#include <openssl/ssl.h>

#include <system_error>
#include <utility>

#include <evcoro/error.hpp>
#include <evcoro/tls/detail/core.hpp>
#include <evcoro/tls/socket.hpp>

namespace evcoro {
namespace {

// What is wrong with a context, if anything is.
std::error_code check(const TlsContext& context, bool has_to_be_server) noexcept {
  if (!context) return TlsErrc::no_context;
  return context.is_server() == has_to_be_server ? std::error_code{} : TlsErrc::wrong_context;
}

std::error_code offer(TlsSocket& tls, const std::string& protocol) {
  if (protocol.empty() || tls.native_handle() == nullptr) return {};
  const std::string wire = detail::TlsRules::to_wire({protocol});
  const auto* const data = reinterpret_cast<const unsigned char*>(wire.data());
  const auto size = static_cast<unsigned>(wire.size());
  const bool is_set = ::SSL_set_alpn_protos(tls.native_handle(), data, size) == 0;
  return is_set ? std::error_code{} : detail::system_error(ENOMEM);
}

}  // namespace

void SecureBy::operator()(Socket& socket,
                          const std::function<void(AnyStream stream)>& serve) const {
  if (const auto error = check(context_, true)) throw std::system_error(error, "secure_by()");
  TlsSocket tls{std::move(socket), context_};
  if (!tls.handshake()) serve(tls);
}

Result<OwnedStream> SecureBy::join(Socket socket, std::string_view host, Timeout timeout) const {
  if (const auto error = check(context_, false)) return error;
  TlsSocket tls{std::move(socket), context_, host};
  if (const auto error = offer(tls, protocol_)) return error;
  if (const auto error = tls.handshake(timeout)) return error;
  return OwnedStream{std::move(tls)};
}

}  // namespace evcoro
