#include <evcoro/http/request.hpp>

#include <evcoro/http/detail/connection.hpp>
#include <evcoro/http/uri.hpp>

namespace evcoro::http {

Method Request::method() const noexcept { return connection_.head().method; }
std::string_view Request::target() const noexcept { return connection_.head().target; }
std::string_view Request::path() const noexcept { return connection_.head().path; }
std::string_view Request::query() const noexcept { return connection_.head().query; }
std::string_view Request::host() const noexcept { return connection_.head().host; }
int Request::minor_version() const noexcept { return connection_.head().minor; }
const Fields& Request::fields() const noexcept { return connection_.workspace().fields; }
// Before the end of the body, and if that is bad, they are not whole.
const Fields& Request::trailers() const noexcept {
  static const Fields none;
  const detail::Body& body = connection_.body();
  const bool are_whole = body.is_over() && body.failure() == Status::none;
  return are_whole ? connection_.workspace().trailers : none;
}
const Address& Request::peer() const noexcept { return connection_.peer(); }

bool Request::has_body() const noexcept {
  return connection_.head().framing != detail::Framing::none;
}

std::optional<std::uint64_t> Request::content_length() const noexcept {
  const detail::Head& head = connection_.head();
  if (head.framing == detail::Framing::length) return head.length;
  if (head.framing == detail::Framing::none && fields().contains("Content-Length")) return 0;
  return std::nullopt;
}

void Request::set_body_limit(std::uint64_t limit) noexcept { connection_.body().set_limit(limit); }

IoResult Request::recv(std::span<std::byte> buffer, Timeout timeout) {
  return connection_.body().recv(buffer, timeout);
}

Result<std::string> Request::read_body(Timeout timeout) {
  return connection_.body().read_all(timeout);
}

std::optional<std::string> Request::query_parameter(std::string_view name) const {
  return QueryParameters{query()}.get(name);
}

// --- parameters of the path ---

std::string_view Request::parameter(std::string_view name) const noexcept {
  for (const detail::Parameter& each : connection_.workspace().parameters) {
    if (each.name == name) return each.value;
  }
  return {};
}

void Request::set_parameter(std::string_view name, std::string_view value) {
  connection_.workspace().parameters.push_back({name, value});
}

void Request::name_parameter(std::size_t index, std::string_view name) noexcept {
  connection_.workspace().parameters[index].name = name;
}

std::size_t Request::parameter_count() const noexcept {
  return connection_.workspace().parameters.size();
}

void Request::clear_parameters(std::size_t left) noexcept {
  connection_.workspace().parameters.resize(left);
}

}  // namespace evcoro::http
