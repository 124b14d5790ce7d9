#include <evcoro/http/detail/request_writer.hpp>

#include <algorithm>
#include <chrono>

#include <evcoro/http/detail/message_text.hpp>
#include <evcoro/http/detail/text.hpp>
#include <evcoro/http/error.hpp>

namespace evcoro::http {
namespace detail {
namespace {

// A piece that is no larger is sent together with what precedes it; larger ones in such slices.
constexpr std::size_t small_piece = 16 * 1024;
constexpr std::size_t slice = 64 * 1024;

// How long a server may take nothing until it is looked whether it has answered.
constexpr std::chrono::milliseconds look_interval{500};

// How long pieces that are small, also taken together, may be sent without a look.
constexpr std::chrono::milliseconds small_piece_interval{10};

// These methods say how long their body is though there is none (RFC 9110, 8.6).
bool has_body_as_a_rule(Method method) noexcept {
  return method == Method::post || method == Method::put || method == Method::patch;
}

}  // namespace

// --- the head ---

void RequestWriter::append_body_fields(const RequestPlan& plan) {
  is_chunked_ = plan.is_produced() && !plan.request.content_length;
  has_length_ = plan.is_produced() && plan.request.content_length;
  left_ = has_length_ ? *plan.request.content_length : 0;
  if (is_chunked_) return append_field(out_, "Transfer-Encoding", "chunked");
  const std::size_t size = plan.has_body ? plan.request.body.size() : 0;
  if (!has_length_ && size == 0 && !has_body_as_a_rule(plan.method)) return;
  out_.append("Content-Length: ");
  append_number(out_, has_length_ ? left_ : size);
  out_.append("\r\n");
}

// The caller's. What authorizes at the proxy is told nobody else: of a tunnel CONNECT has it.
void RequestWriter::append_fields(const RequestPlan& plan) {
  constexpr std::string_view for_proxy = "Proxy-Authorization";
  for (const auto [name, value] : plan.fields) {
    if (equals_ignoring_case(name, "Host") || equals_ignoring_case(name, for_proxy)) continue;
    append_field(out_, name, value);
  }
  if (!plan.is_proxied || plan.proxy_authorization.empty()) return;
  append_field(out_, for_proxy, plan.proxy_authorization);
}

void RequestWriter::append_head(const RequestPlan& plan) {
  out_.clear();
  out_.append(to_string(plan.method)).append(" ");
  if (plan.is_proxied) out_.append("http://").append(plan.url.authority());
  out_.append(plan.url.target).append(" HTTP/1.1\r\n");
  const auto host = plan.fields.get("Host");
  append_field(out_, "Host", host ? *host : plan.url.authority());
  if (!plan.user_agent.empty() && !plan.fields.contains("User-Agent")) {
    append_field(out_, "User-Agent", plan.user_agent);
  }
  append_fields(plan);
  if (!plan.request.upgrade.empty()) {
    append_field(out_, "Connection", "Upgrade");
    append_field(out_, "Upgrade", plan.request.upgrade);
  }
  append_body_fields(plan);
  if (plan.awaits_continue()) append_field(out_, "Expect", "100-continue");
  out_.append("\r\n");
}

// --- sending ---

// An answer of success may have begun before the server has read everything, which it goes on to.
bool RequestWriter::is_answered() {
  if (!reader_.look_for_head()) return false;
  const int status = to_number(reader_.head().status);
  return status < 200 || status > 299 || reader_.is_all_there();
}

std::error_code RequestWriter::send(std::string_view data) {
  while (!stream_error_ && !data.empty()) {
    const TimePoint pause = Timeout{look_interval}.deadline();
    const IoResult out = stream_.send(std::as_bytes(std::span{data}), std::min(pause, deadline_));
    data.remove_prefix(out.count);
    const bool was_pause =
        out.error == std::errc::timed_out && pause < deadline_ && Clock::now() >= pause;
    stream_error_ = was_pause ? std::error_code{} : out.error;
    if (was_pause && is_answered()) stream_error_ = Errc::connection_lost;
  }
  return stream_error_;
}

std::error_code RequestWriter::flush() {
  if (out_.empty()) return stream_error_;
  const auto error = send(out_);
  out_.clear();
  return error;
}

std::error_code RequestWriter::send_in_slices(std::string_view data) {
  if (data.size() <= small_piece) {
    out_.append(data);
    return flush();
  }
  if (const auto error = flush()) return error;
  for (; !data.empty(); data.remove_prefix(std::min(slice, data.size()))) {
    if (is_answered()) return stream_error_ = Errc::connection_lost;
    if (const auto error = send(data.substr(0, slice))) return error;
  }
  return {};
}

// --- the body ---

std::error_code RequestWriter::check_length(std::size_t size) const noexcept {
  return has_length_ && size > left_ ? Errc::wrong_length : std::error_code{};
}

// A look is a system call, as a send is.
bool RequestWriter::is_time_to_look(std::size_t size) noexcept {
  since_look_ += size;
  const TimePoint now = Clock::now();
  if (since_look_ <= small_piece && now < next_look_) return false;
  since_look_ = 0;
  next_look_ = now + small_piece_interval;
  return true;
}

// A small part, behind what is in the buffer.
void RequestWriter::put_part(std::string_view data) {
  if (has_length_) left_ -= data.size();
  if (is_chunked_) append_number(out_, data.size(), 16);
  if (is_chunked_) out_.append("\r\n");
  out_.append(data);
  if (is_chunked_) out_.append("\r\n");
}

std::error_code RequestWriter::send_part(std::string_view data) {
  if (stream_error_) return stream_error_;
  if (const auto error = check_length(data.size())) return error;
  if (is_time_to_look(data.size()) && is_answered()) return stream_error_ = Errc::connection_lost;
  if (data.empty()) return flush();
  if (data.size() <= small_piece) {
    put_part(data);
    return flush();
  }
  if (has_length_) left_ -= data.size();
  if (!is_chunked_) return send_in_slices(data);
  append_number(out_, data.size(), 16);
  out_.append("\r\n");
  const auto error = send_in_slices(data);
  out_.append("\r\n");
  return error;
}

std::error_code RequestWriter::flush_appended() {
  const auto error = send_part(appended_);
  appended_.clear();
  return error;
}

std::error_code RequestWriter::append(std::string_view data) {
  if (stream_error_) return stream_error_;
  if (const auto error = check_length(appended_.size() + data.size())) return error;
  if (appended_.size() + data.size() > small_piece) {
    if (const auto error = flush_appended()) return error;
    if (data.size() > small_piece) return send_part(data);
  }
  appended_.append(data);
  return {};
}

std::error_code RequestWriter::write(std::string_view data) {
  if (appended_.empty()) return send_part(data);
  if (const auto error = append(data)) return error;
  return appended_.empty() ? std::error_code{} : flush_appended();
}

std::error_code RequestWriter::produce(const RequestPlan& plan) {
  BodyWriter writer{*this};
  if (const auto error = plan.request.produce(writer)) return error;
  if (stream_error_) return stream_error_;
  if (!appended_.empty()) put_part(appended_);
  if (has_length_ && left_ > 0) return Errc::wrong_length;
  if (is_chunked_) out_.append("0\r\n\r\n");
  return flush();
}

std::error_code RequestWriter::send_body(const RequestPlan& plan) {
  if (plan.is_produced()) return produce(plan);
  return send_in_slices(plan.has_body ? std::string_view{plan.request.body} : std::string_view{});
}

}  // namespace detail

std::error_code BodyWriter::write(std::span<const std::byte> data) {
  return writer_.write({reinterpret_cast<const char*>(data.data()), data.size()});
}

std::error_code BodyWriter::append(std::span<const std::byte> data) {
  return writer_.append({reinterpret_cast<const char*>(data.data()), data.size()});
}

std::error_code BodyWriter::flush() { return writer_.flush_appended(); }

}  // namespace evcoro::http
