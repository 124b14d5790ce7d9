#include <evcoro/tls/socket.hpp>

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cerrno>

#include <evcoro/detail/patience.hpp>
#include <evcoro/io/buffered_reader.hpp>
#include <evcoro/io/stream.hpp>
#include <evcoro/net/happy_eyeballs.hpp>
#include <evcoro/tls/detail/state.hpp>

namespace evcoro {

static_assert(WaitingStream<TlsSocket>);

namespace {

std::string_view to_view(const char* text) noexcept {
  return text == nullptr ? std::string_view{} : std::string_view{text};
}

detail::Openssl<X509> peer_certificate(SSL* ssl) noexcept {
  return detail::Openssl<X509>{ssl == nullptr ? nullptr : ::SSL_get1_peer_certificate(ssl)};
}

}  // namespace

TlsSocket::TlsSocket(Socket&& socket, const TlsContext& context, std::string_view server_name,
                     std::span<const std::byte> received) noexcept {
  if (!socket) return;
  if (context.core_ == nullptr) {
    error_ = TlsErrc::no_context;
  } else {
    state_ = detail::TlsState::make(socket, context.core_, server_name, received);
    if (state_ == nullptr) error_ = detail::system_error(ENOMEM);
  }
  if (state_ == nullptr) socket.close();
}

TlsSocket::TlsSocket(Socket&& socket, const TlsContext& context, std::string_view server_name,
                     detail::Reader& reader) noexcept
    : TlsSocket(std::move(socket), context, server_name, reader.buffered()) {
  reader.consume(reader.buffered().size());
}

std::error_code TlsSocket::handshake(Timeout timeout) noexcept {
  return state_ == nullptr ? error_ : state_->handshake(timeout);
}

IoResult TlsSocket::recv(std::span<std::byte> buffer, Timeout timeout) noexcept {
  return state_ == nullptr ? IoResult{0, error_} : state_->recv(buffer, timeout);
}

IoResult TlsSocket::send(std::span<const std::byte> data, Timeout timeout) noexcept {
  return state_ == nullptr ? IoResult{0, error_} : state_->send(data, timeout);
}

std::error_code TlsSocket::wait_readable(Timeout timeout) noexcept {
  return state_ == nullptr ? error_ : state_->wait_readable(timeout);
}

std::error_code TlsSocket::close_notify(Timeout timeout) noexcept {
  return state_ == nullptr ? error_ : state_->close_notify(timeout);
}

void TlsSocket::close() noexcept {
  if (state_ == nullptr) return;
  std::exchange(state_, nullptr)->close();
  error_ = detail::system_error(EBADF);
}

Socket& TlsSocket::socket() noexcept {
  static thread_local Socket none;
  return state_ == nullptr ? none : state_->socket();
}

ssl_st* TlsSocket::native_handle() const noexcept {
  return state_ == nullptr ? nullptr : state_->ssl();
}

// --- what was agreed on ---

bool TlsSocket::is_resumed() const noexcept {
  return state_ != nullptr && ::SSL_session_reused(state_->ssl()) == 1;
}

std::string_view TlsSocket::protocol() const noexcept {
  const unsigned char* data = nullptr;
  unsigned size = 0;
  if (state_ != nullptr) ::SSL_get0_alpn_selected(state_->ssl(), &data, &size);
  return {reinterpret_cast<const char*>(data), size};
}

std::string_view TlsSocket::version() const noexcept {
  if (state_ == nullptr || !state_->is_ready()) return {};
  return to_view(::SSL_get_version(state_->ssl()));
}

std::string_view TlsSocket::cipher() const noexcept {
  if (state_ == nullptr || !state_->is_ready()) return {};
  return to_view(SSL_get_cipher_name(state_->ssl()));
}

std::string_view TlsSocket::server_name() const noexcept {
  if (state_ == nullptr) return {};
  return to_view(::SSL_get_servername(state_->ssl(), TLSEXT_NAMETYPE_host_name));
}

std::string TlsSocket::peer_subject() const {
  const auto certificate = peer_certificate(native_handle());
  if (certificate == nullptr) return {};
  const detail::Openssl<BIO> bio{::BIO_new(::BIO_s_mem())};
  if (bio == nullptr) throw std::bad_alloc{};
  ::X509_NAME_print_ex(bio.get(), ::X509_get_subject_name(certificate.get()), 0, XN_FLAG_RFC2253);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

Result<std::array<std::uint8_t, 32>> TlsSocket::peer_fingerprint() const noexcept {
  const auto certificate = peer_certificate(native_handle());
  if (certificate == nullptr) return detail::system_error(ENODATA);
  std::array<std::uint8_t, 32> fingerprint;
  unsigned size = 0;
  if (::X509_digest(certificate.get(), ::EVP_sha256(), fingerprint.data(), &size) != 1) {
    return detail::take_openssl_error();
  }
  return fingerprint;
}

std::span<const std::byte> TlsSocket::ocsp_response() const noexcept {
  if (state_ == nullptr) return {};
  const unsigned char* data = nullptr;
  const long size = SSL_get_tlsext_status_ocsp_resp(state_->ssl(), &data);
  if (data == nullptr || size <= 0) return {};
  return std::as_bytes(std::span{data, static_cast<std::size_t>(size)});
}

Result<TlsSocket> connect_tls(std::string_view host, std::uint16_t port, const TlsContext& context,
                              Timeout timeout) {
  detail::Patience patience{timeout};
  Result<Socket> socket = connect(host, port, patience.rest());
  if (!socket) return socket.error();
  TlsSocket tls{std::move(*socket), context, host};
  if (const auto error = tls.handshake(patience.rest())) return error;
  return tls;
}

}  // namespace evcoro
