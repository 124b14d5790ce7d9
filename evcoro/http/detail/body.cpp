#include <evcoro/http/detail/body.hpp>

#include <algorithm>
#include <limits>
#include <utility>

#include <evcoro/error.hpp>
#include <evcoro/http/detail/read_whole.hpp>
#include <evcoro/http/error.hpp>

namespace evcoro::http::detail {
namespace {

using evcoro::detail::Patience;

// Who reads in such pieces, or larger ones, gets them from the stream without a copy.
constexpr std::size_t large = 2 * 1024;

std::string_view text_of(std::span<const std::byte> bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::error_code to_error(Status status) noexcept {
  switch (status) {
    case Status::content_too_large:
      return Errc::body_too_large;
    case Status::request_timeout:
      return Errc::body_too_slow;
    default:
      return Errc::malformed;
  }
}

}  // namespace

void Body::start(const Head& head, Fields& trailers) {
  framing_ = head.framing;
  is_over_ = framing_ == Framing::none;
  is_begun_ = false;
  expects_continue_ = awaits_continue_ = head.expects_continue;
  is_answered_half_read_ = false;
  late_error_ = {};
  failure_ = Status::none;
  limit_ = limits_.body;
  left_ = head.length;
  seen_ = 0;
  received_ = input_.window().size();
  waited_ = idle_ = {};
  is_given_up_ = false;
  trailers.clear();
  if (is_chunked()) parser_.start_body(trailers);
}

std::error_code Body::fail(Status status) noexcept {
  failure_ = status;
  return to_error(status);
}

Status Body::answer() const noexcept {
  return failure_ == Status::none && is_given_up_ ? Status::request_timeout : failure_;
}

// The client is told to go on when the body is first asked for, unless it has done so.
std::error_code Body::begin() {
  if (failure_ != Status::none) return to_error(failure_);
  if (std::exchange(is_begun_, true)) return {};
  if (framing_ == Framing::length && left_ > limit_) return fail(Status::content_too_large);
  if (awaits_continue_ && input_.empty()) {
    output_.buffer() += "HTTP/1.1 100 Continue\r\n\r\n";
    if (const auto error = output_.flush()) return error;
  }
  expects_continue_ = awaits_continue_ = false;
  return {};
}

// --- receiving ---

// How long to wait for the next byte: until the body is idle, or slower than its rate.
std::chrono::nanoseconds Body::own_patience() const noexcept {
  const std::chrono::nanoseconds patience =
      std::max<std::chrono::nanoseconds>(limits_.body_idle - idle_, {});
  if (limits_.body_rate == 0) return patience;
  const auto earned = std::chrono::duration<double>(static_cast<double>(received_) /
                                                    static_cast<double>(limits_.body_rate));
  const std::chrono::duration<double> rest = limits_.body_rate_grace + earned - waited_;
  if (rest >= patience) return patience;
  return std::max(std::chrono::duration_cast<std::chrono::nanoseconds>(rest), {});
}

IoResult Body::receive_in_time(std::span<std::byte> to, Patience& patience) {
  const TimePoint begin = Clock::now();
  const TimePoint own = begin + own_patience();
  IoResult in = stream_.recv(to, std::min(own, patience.deadline()));
  const auto took = Clock::now() - begin;
  waited_ += took;
  idle_ = in.count > 0 ? took.zero() : idle_ + took;
  is_given_up_ = in.error == std::errc::timed_out || in.error == std::errc::operation_canceled;
  if (in.error == std::errc::timed_out && own <= patience.deadline()) {
    in.error = fail(Status::request_timeout);
  }
  return in;
}

IoResult Body::receive(std::span<std::byte> to, Patience& patience) {
  if (const auto error = output_.flush()) return {0, error};
  IoResult in = patience.may_wait() ? receive_in_time(to, patience) : stream_.recv(to, no_wait);
  received_ += in.count;
  if (!in.error && in.count == 0) {
    fail(Status::bad_request);
    in.error = evcoro::Errc::unexpected_end;
  }
  return in;
}

std::error_code Body::receive_more(Patience& patience) {
  const IoResult in = receive(input_.room(), patience);
  input_.added(in.count);
  return in.error;
}

// --- frames ---

// Resource_unavailable_try_again: more has to be received.
std::error_code Body::next_frame() {
  const Parser::Found found = parser_.read_frame(input_.window());
  switch (found.state) {
    case Parser::State::failed:
      return fail(parser_.failure());
    case Parser::State::more:
      return std::make_error_code(std::errc::resource_unavailable_try_again);
    case Parser::State::whole:
      is_over_ = true;
      break;
    case Parser::State::chunk:
      // Neither sum nor difference can overflow: what is seen is never more than the limit.
      if (parser_.chunk_left() > limit_ - std::min(seen_, limit_)) {
        return fail(Status::content_too_large);
      }
      seen_ += parser_.chunk_left();
      break;
  }
  input_.consume(found.size);
  return {};
}

// Reads frames until there is data to be had, or all is over.
std::error_code Body::find_data(Patience& patience) {
  while (!is_over_ && left() == 0) {
    auto error = next_frame();
    if (error == std::errc::resource_unavailable_try_again) error = receive_more(patience);
    if (error) return error;
  }
  return {};
}

// Counts data, which is not beyond what is left.
void Body::pass(std::span<const std::byte> data) noexcept {
  if (is_chunked()) return parser_.pass_data(text_of(data));
  left_ -= data.size();
  is_over_ = left_ == 0;
}

std::size_t Body::take(std::span<std::byte> buffer) noexcept {
  const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), left()));
  const std::size_t count = input_.take(buffer.first(most));
  pass(buffer.first(count));
  return count;
}

// --- reading ---

IoResult Body::recv(std::span<std::byte> buffer, Timeout timeout) {
  if (is_over_ || buffer.empty()) return {};
  const IoResult in = read(buffer, timeout);
  const bool was_given_up = in.error != std::errc::timed_out || timeout.may_wait();
  if (is_answered_half_read_ && was_given_up) late_error_ = in.error;
  return in;
}

IoResult Body::read(std::span<std::byte> buffer, Timeout timeout) {
  if (const auto error = begin()) return {0, error};
  Patience patience{timeout};
  if (const auto error = find_data(patience)) return {0, error};
  if (is_over_) return {};
  if (!input_.empty()) return {take(buffer)};
  if (buffer.size() >= large) {
    const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), left()));
    const IoResult in = receive(buffer.first(most), patience);
    pass(buffer.first(in.count));
    return in;
  }
  if (const auto error = receive_more(patience)) return {0, error};
  return {take(buffer)};
}

Result<std::string> Body::read_all(Timeout timeout) {
  constexpr std::uint64_t no_other_limit = std::numeric_limits<std::uint64_t>::max();
  const auto receive_part = [this](std::span<std::byte> to, Timeout rest) {
    return recv(to, rest);
  };
  return read_whole(*this, receive_part, no_other_limit, timeout);
}

// --- what nobody reads ---

bool Body::can_be_dropped() const noexcept {
  if (is_over_) return true;
  if (failure_ != Status::none) return false;
  if (framing_ == Framing::length && left_ <= input_.window().size()) return true;
  return !expects_continue_ && (is_chunked() || left_ <= limits_.unread_body);
}

bool Body::drop() {
  if (!can_be_dropped()) return false;
  is_begun_ = true;
  Patience patience{Timeout{}};
  std::uint64_t dropped = 0;
  while (!is_over_ && dropped <= limits_.unread_body) {
    if (find_data(patience) || is_over_) break;
    if (input_.empty() && receive_more(patience)) return false;
    const std::span<const std::byte> window = std::as_bytes(std::span{input_.window()});
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(window.size(), left()));
    pass(window.first(count));
    input_.consume(count);
    dropped += count;
  }
  return is_over_;
}

}  // namespace evcoro::http::detail
