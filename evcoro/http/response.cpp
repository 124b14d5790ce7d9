#include <evcoro/http/response.hpp>

#include <string>

#include <evcoro/http/body_filter.hpp>
#include <evcoro/http/detail/connection.hpp>
#include <evcoro/http/detail/date.hpp>
#include <evcoro/http/detail/head_writer.hpp>
#include <evcoro/http/detail/message_text.hpp>
#include <evcoro/http/detail/text.hpp>
#include <evcoro/http/error.hpp>

namespace evcoro::http {
namespace {

// A body, or a part of one, that is no larger is sent together with what precedes it.
constexpr std::size_t small = 16 * 1024;

std::string_view text_of(std::span<const std::byte> bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// is_set() says whether fields have one of their own, with a name that is as long as lower.
template <std::size_t Size>
bool is_set(const Fields& fields, const char (&lower)[Size]) noexcept {
  for (const auto [name, value] : fields) {
    if (name.size() == Size - 1 && detail::is_name(name.data(), lower)) return true;
  }
  return false;
}

// offers() says whether fields, of a request, name protocol: in one list, or in several fields.
bool offers(const Fields& fields, std::string_view protocol) {
  bool found = false;
  for (const auto [name, value] : fields) {
    if (!detail::equals_ignoring_case(name, "Upgrade")) continue;
    detail::for_each_element(value, [&](std::string_view offered) {
      if (!offered.empty() && detail::equals_ignoring_case(offered, protocol)) found = true;
    });
  }
  return found;
}

}  // namespace

// --- the head ---

Fields& Response::fields() noexcept { return connection_.workspace().response_fields; }
Fields& Response::trailers() noexcept { return connection_.workspace().response_trailers; }

std::error_code Response::set_status(Status status) noexcept {
  const int number = to_number(status);
  if (number < 200 || number > 999) return Errc::invalid_status;
  if (has_begun()) return Errc::already_sent;
  status_ = status;
  return {};
}

std::error_code Response::set_content_length(std::uint64_t length) noexcept {
  if (has_begun()) return Errc::already_sent;
  has_length_ = true;
  length_ = length;
  return {};
}

bool Response::may_have_body() const noexcept {
  return status_ != Status::no_content && status_ != Status::not_modified;
}

// omits_body() says whether nothing of the body is sent, whatever the head says.
bool Response::omits_body() const noexcept {
  return connection_.head().method == Method::head || !may_have_body();
}

std::error_code Response::check_open() const noexcept {
  if (has_begun()) return Errc::already_sent;
  return connection_.output().error();
}

void Response::append_head(std::optional<std::uint64_t> length) {
  const std::string_view server = connection_.options().server;
  const Fields& own = fields();
  detail::HeadWriter head{
      connection_.output().buffer(),
      detail::HeadWriter::room + detail::HeadWriter::size_of(own) + server.size()};
  head.status_line(status_);
  if (!is_set(own, "date")) head.text(detail::date_line());
  if (!server.empty() && !is_set(own, "server")) head.clean_field("Server", server);
  head.fields(own);
  if (is_chunked_) head.text("Transfer-Encoding: chunked\r\n");
  if (length) head.content_length(*length);
  if (is_set(own, "upgrade")) head.text("Connection: Upgrade\r\n");  // RFC 9110, 7.8
  head.end(closes_, connection_.head().minor == 0);
}

// Without a length the body is chunked, or ends with the connection.
std::error_code Response::begin(std::optional<std::uint64_t> length) try {
  if (const auto error = check_open()) return error;
  connection_.grant_last_word();
  if (filter_ != nullptr && !filter_->begin(*this, length)) filter_ = nullptr;
  const auto announced = filter_ == nullptr ? length : std::nullopt;
  const bool has_framing = may_have_body();
  const bool is_endless = has_framing && !announced;
  is_chunked_ = is_endless && connection_.head().minor == 1;
  if ((is_endless && !is_chunked_) || !connection_.keeps_alive()) closes_ = true;
  connection_.body().begin_response();
  append_head(has_framing ? announced : std::nullopt);
  body_begin_ = connection_.output().position();
  phase_ = Phase::body;
  has_length_ = length.has_value();
  length_ = length.value_or(0);
  return {};
} catch (...) {
  if (std::exchange(filter_, nullptr) != nullptr) fields().clear();  // see send_filtered()
  throw;
}

std::error_code Response::finish() {
  phase_ = Phase::complete;
  return connection_.flush_response();
}

// --- a whole response ---

std::error_code Response::send(std::span<const std::byte> body) {
  if (!may_have_body() && !body.empty()) return Errc::body_not_allowed;
  if (has_length_ && !has_begun() && length_ != body.size()) return Errc::wrong_length;
  if (filter_ != nullptr) return send_filtered(text_of(body));
  if (const auto error = begin(body.size())) return error;
  detail::Output& output = connection_.output();
  if (omits_body()) return finish();
  if (body.size() <= small) {
    output.buffer().append(text_of(body));
    return finish();
  }
  phase_ = Phase::complete;
  return output.send(text_of(body)).error;
}

// --- one in parts ---

// For size bytes, and for what makes them a chunk.
void Response::make_room(std::size_t size) {
  constexpr std::size_t around = 32;
  std::string& out = connection_.output().buffer();
  out.reserve(out.size() + size + around);
}

void Response::begin_chunk(std::uint64_t size) {
  std::string& out = connection_.output().buffer();
  detail::append_number(out, size, 16);
  out.append("\r\n");
}

// Begins the response, if need be, and the chunk, if it is one. Behind that there is room for
// follows bytes: who catches the lack of memory finds all as it was.
std::error_code Response::begin_part(std::uint64_t size, std::size_t follows) {
  if (is_complete()) return Errc::already_sent;
  if (!may_have_body() && size > 0) return Errc::body_not_allowed;
  if (!has_begun()) {
    const auto length = has_length_ ? std::optional{length_} : std::nullopt;
    if (const auto error = begin(length)) return error;
  }
  if (has_length_ && size > length_ - sent_) return Errc::wrong_length;
  const bool is_plain = filter_ == nullptr && !omits_body() && size > 0;
  if (is_plain) make_room(follows);
  sent_ += size;
  if (is_plain && is_chunked_) begin_chunk(size);
  return {};
}

std::error_code Response::write(std::span<const std::byte> data) {
  const bool is_small = data.size() <= small;
  if (const auto error = begin_part(data.size(), is_small ? data.size() : 0)) return error;
  detail::Output& output = connection_.output();
  if (omits_body() || data.empty()) return output.flush();
  if (filter_ != nullptr) return write_filtered(text_of(data), false);
  const std::string_view end = is_chunked_ ? "\r\n" : "";
  if (is_small) {
    output.buffer().append(text_of(data)).append(end);
    return output.flush();
  }
  const IoResult out = output.send(text_of(data));
  output.buffer().append(end);
  return out.error;
}

std::error_code Response::send_file(int file, std::uint64_t offset, std::size_t count) {
  const bool is_whole = !has_begun();
  if (is_whole && !has_length_) {
    if (const auto error = set_content_length(count)) return error;
  }
  if (const auto error = begin_part(count, 0)) return error;
  if (filter_ != nullptr && !omits_body()) {
    if (const auto error = send_file_filtered(file, offset, count)) return error;
  } else if (!omits_body()) {
    detail::Output& output = connection_.output();
    const IoResult out = output.send_file(file, offset, count);
    if (out.error) return out.error;
    if (is_chunked_ && count > 0) output.buffer().append("\r\n");
  }
  return is_whole && sent_ == length_ ? end() : std::error_code{};
}

std::error_code Response::end() {
  if (is_complete()) return {};
  if (!has_begun()) {
    const auto length = has_length_ ? length_ : 0;
    if (const auto error = begin(length)) return error;
  }
  if (has_length_ && sent_ != length_ && !omits_body()) {
    connection_.output().break_off(Errc::wrong_length);
    return Errc::wrong_length;
  }
  if (filter_ != nullptr && !omits_body()) {
    if (const auto error = write_filtered({}, true)) return error;
    filter_ = nullptr;  // which has ended
  }
  if (is_chunked_ && !omits_body()) {
    constexpr std::string_view last = "0\r\n";
    detail::HeadWriter end{connection_.output().buffer(),
                           last.size() + detail::HeadWriter::size_of(trailers()) + 2};
    end.text(last);
    end.fields(trailers());
    end.text("\r\n");
  }
  return finish();
}

// With a length, end() knows whether something is missing.
std::error_code Response::conclude() {
  const std::error_code error = connection_.body().late_error();
  if (!error || is_complete() || has_length_ || omits_body()) return end();
  connection_.output().break_off(error);
  return error;
}

// --- the client ---

bool Response::client_has_left() { return connection_.peer_has_left(); }

std::error_code Response::wait_for_departure(Timeout timeout) {
  return connection_.wait_for_departure(timeout);
}

std::uint64_t Response::body_bytes() const noexcept {
  const std::uint64_t position = connection_.output().position();
  return has_begun() && position > body_begin_ ? position - body_begin_ : 0;
}

// --- another protocol ---

void Response::append_upgrade(std::string_view protocol) {
  fields().erase("Upgrade");
  detail::HeadWriter head{
      connection_.output().buffer(),
      detail::HeadWriter::room + detail::HeadWriter::size_of(fields()) + protocol.size()};
  head.status_line(Status::switching_protocols);
  head.field("Connection", "Upgrade");
  head.field("Upgrade", protocol);
  head.fields(fields());
  head.text("\r\n");
}

Result<Upgraded> Response::upgrade(std::string_view protocol) {
  if (const auto error = check_open()) return error;
  if (!connection_.head().wants_upgrade || !connection_.body().is_over() ||
      !offers(connection_.workspace().fields, protocol)) {
    return Errc::not_an_upgrade;
  }
  append_upgrade(protocol);
  body_begin_ = connection_.output().position();
  phase_ = Phase::complete;
  is_upgraded_ = true;
  if (const auto error = connection_.output().flush()) return error;
  return Upgraded{connection_};
}

IoResult Upgraded::recv(std::span<std::byte> buffer, Timeout timeout) {
  detail::Input& input = connection_->input();
  if (input.empty()) return connection_->stream().recv(buffer, timeout);
  return {input.take(buffer)};
}

IoResult Upgraded::send(std::span<const std::byte> data, Timeout timeout) {
  return connection_->stream().send(data, timeout);
}

std::error_code Upgraded::wait_readable(Timeout timeout) {
  if (!connection_->input().empty()) return {};
  return connection_->stream().wait_readable(timeout);
}

std::error_code Upgraded::wait_for_message(Timeout timeout) {
  return connection_->wait_for_message(timeout);
}

bool Upgraded::is_draining() const noexcept { return connection_->is_draining(); }

}  // namespace evcoro::http
