#include <evcoro/http/client_response.hpp>

#include <utility>

#include <evcoro/http/detail/client_exchange.hpp>

namespace evcoro::http {

ClientResponse::ClientResponse(std::unique_ptr<detail::ClientExchange> exchange, Url url) noexcept
    : exchange_(std::move(exchange)), url_(std::move(url)) {}
ClientResponse::ClientResponse(ClientResponse&&) noexcept = default;
ClientResponse& ClientResponse::operator=(ClientResponse&&) noexcept = default;
ClientResponse::~ClientResponse() = default;

Status ClientResponse::status() const noexcept { return exchange_->head().status; }
std::string_view ClientResponse::reason() const noexcept { return exchange_->head().reason; }
int ClientResponse::minor_version() const noexcept { return exchange_->head().minor; }
const Fields& ClientResponse::fields() const noexcept { return exchange_->workspace().fields; }
const Url& ClientResponse::url() const noexcept { return url_; }

// Before the end they are half read.
const Fields& ClientResponse::trailers() const noexcept {
  static const Fields none;
  return is_complete() ? exchange_->workspace().trailers : none;
}

bool ClientResponse::has_body() const noexcept {
  const detail::Head& head = exchange_->head();
  return head.framing != detail::Framing::none &&
         !(head.framing == detail::Framing::length && head.length == 0);
}

std::optional<std::uint64_t> ClientResponse::content_length() const noexcept {
  const detail::Head& head = exchange_->head();
  if (!fields().contains("Content-Length")) return std::nullopt;
  return head.length;
}

IoResult ClientResponse::recv(std::span<std::byte> buffer, Timeout timeout) {
  return exchange_->recv(buffer, timeout);
}
Result<std::string> ClientResponse::read_body(Timeout timeout) {
  return exchange_->read_all(exchange_->body_limit(), timeout);
}
Result<std::string> ClientResponse::read_body(std::uint64_t limit, Timeout timeout) {
  return exchange_->read_all(limit, timeout);
}

bool ClientResponse::is_complete() const noexcept { return exchange_->is_complete(); }
Result<OwnedStream> ClientResponse::upgrade() { return exchange_->upgrade(); }
void ClientResponse::close() noexcept { exchange_->close(); }

}  // namespace evcoro::http
