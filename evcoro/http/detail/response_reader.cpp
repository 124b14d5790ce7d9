#include <evcoro/http/detail/response_reader.hpp>

#include <algorithm>

#include <evcoro/error.hpp>
#include <evcoro/http/error.hpp>

namespace evcoro::http::detail {
namespace {

using evcoro::detail::Patience;

constexpr int most_interims = 32;  // heads before the final one

// Who reads in larger pieces gets them from the stream without a copy.
constexpr std::size_t most_copied = 2 * 1024;

std::string_view as_text(std::span<const std::byte> bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

void ResponseReader::start(OwnedStream& stream, Workspace& workspace, Method answers) {
  stream_ = &stream;
  workspace_ = &workspace;
  answers_ = answers;
  workspace.trailers.clear();
  input_.use(workspace);
}

// --- heads ---

std::error_code ResponseReader::receive_more(Timeout timeout) {
  return add(stream_->recv(input_.room(), timeout));
}

std::error_code ResponseReader::add(IoResult in) noexcept {
  input_.added(in.count);
  if (in.count > 0) has_received_ = true;
  if (!in.error && in.count == 0) return evcoro::Errc::unexpected_end;
  return in.error;
}

// Reads what is there of a head.
std::error_code ResponseReader::parse_head(bool& is_whole) {
  is_whole = false;
  if (!is_in_head_) parser_.start(limits_, workspace_->fields, answers_);
  is_in_head_ = true;
  if (input_.empty()) return {};
  const Parser::Found found = parser_.read_head(input_.window(), head_);
  if (found.state == Parser::State::failed) return Errc::malformed;
  is_whole = found.state == Parser::State::whole;
  return is_whole ? accept_head(found.size) : std::error_code{};
}

std::error_code ResponseReader::accept_head(std::size_t size) {
  is_in_head_ = false;
  has_final_head_ = to_number(head_.status) >= 200 || head_.status == Status::switching_protocols;
  if (!has_final_head_) {
    input_.consume(size);
    return ++interims_ > most_interims ? Errc::malformed : std::error_code{};
  }
  input_.pin(size);
  start_body();
  return {};
}

std::error_code ResponseReader::receive_head(Timeout timeout) {
  Patience patience{timeout};
  while (true) {
    bool is_whole = false;
    const auto error = parse_head(is_whole);
    if (error || is_whole) return error;
    if (const auto lost = receive_more(patience.rest())) return lost;
  }
}

// An end of the stream, and an error, are found again when there is nothing else.
bool ResponseReader::look_for_head() {
  if (has_final_head_) return true;
  if (add(stream_->recv_if_there(input_.room()))) return false;
  bool is_whole = true;
  while (is_whole && !has_final_head_) {
    if (parse_head(is_whole)) return false;
  }
  return has_final_head_;
}

// --- the body ---

void ResponseReader::start_body() {
  is_over_ =
      head_.framing == Framing::none || (head_.framing == Framing::length && head_.length == 0);
  left_ = head_.length;
  if (head_.framing == Framing::chunked) parser_.start_body(workspace_->trailers);
}

std::error_code ResponseReader::next_frame(bool& needs_more) noexcept {
  const Parser::Found found = parser_.read_frame(input_.window());
  if (found.state == Parser::State::failed) return Errc::malformed;
  needs_more = found.state == Parser::State::more;
  is_over_ = found.state == Parser::State::whole;
  input_.consume(found.size);
  return {};
}

// Reads frames until there is data to be had, or all is over.
std::error_code ResponseReader::find_data(Patience& patience) {
  if (head_.framing != Framing::chunked) return {};
  while (!is_over_ && left() == 0) {
    bool needs_more = false;
    if (const auto error = next_frame(needs_more)) return error;
    if (!needs_more) continue;
    if (const auto error = receive_more(patience.rest())) return error;
  }
  return {};
}

// Counts data, which is not beyond what is left.
void ResponseReader::pass(std::span<const std::byte> data) noexcept {
  if (head_.framing == Framing::chunked) return parser_.pass_data(as_text(data));
  if (head_.framing != Framing::length) return;
  left_ -= data.size();
  is_over_ = left_ == 0;
}

// How much of size bytes can be of the body.
std::size_t ResponseReader::most(std::size_t size) const noexcept {
  if (head_.framing == Framing::until_close) return size;
  return static_cast<std::size_t>(std::min<std::uint64_t>(size, left()));
}

std::size_t ResponseReader::take(std::span<std::byte> buffer) noexcept {
  const std::size_t count = input_.take(buffer.first(most(buffer.size())));
  pass(buffer.first(count));
  return count;
}

IoResult ResponseReader::receive_into(std::span<std::byte> buffer, Timeout timeout) {
  const IoResult in = stream_->recv(buffer.first(most(buffer.size())), timeout);
  pass(buffer.first(in.count));
  if (in.error || in.count > 0) return in;
  if (head_.framing != Framing::until_close) return {0, evcoro::Errc::unexpected_end};
  is_over_ = true;
  return {};
}

IoResult ResponseReader::recv(std::span<std::byte> buffer, Timeout timeout) {
  if (is_over_ || buffer.empty()) return {};
  Patience patience{timeout};
  if (const auto error = find_data(patience)) return {0, error};
  if (is_over_) return {};
  if (!input_.empty()) return {take(buffer)};
  const bool goes_direct = buffer.size() > most_copied || head_.framing == Framing::until_close;
  if (goes_direct) return receive_into(buffer, patience.rest());
  if (const auto error = receive_more(patience.rest())) return {0, error};
  return {take(buffer)};
}

}  // namespace evcoro::http::detail
