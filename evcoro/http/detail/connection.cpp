#include <evcoro/http/detail/connection.hpp>

#include <algorithm>
#include <utility>

#include <evcoro/http/detail/date.hpp>
#include <evcoro/http/detail/fields_access.hpp>
#include <evcoro/http/detail/head_writer.hpp>
#include <evcoro/thread.hpp>

namespace evcoro::http::detail {
namespace {

constexpr std::size_t most_looked_ahead = 64 * 1024;

}  // namespace

bool Connection::keeps_alive() const noexcept {
  return head_.keeps_alive && count_ < options_.limits.requests && !is_draining() &&
         body_.failure() == Status::none && body_.can_be_dropped();
}

// --- waiting ---

void Connection::take_memory() {
  workspace_ = take_workspace();
  FieldsAccess::guard(workspace_->response_fields, Guard::response);
  FieldsAccess::guard(workspace_->response_trailers, Guard::all);
  input_.use(*workspace_);
  output_.use(workspace_->out);
}

void Connection::leave_memory() noexcept {
  if (workspace_ && !workspace_->is_small()) workspace_.discard();
  workspace_.reset();
}

// False at the end of the connection.
bool Connection::wait_for_request() {
  if (workspace_ && !input_.empty()) return true;
  if (count_ > 0 && (output_.flush() || is_draining())) return false;
  if (stream_.can_wait()) return wait_without_memory();
  if (!workspace_) take_memory();
  return true;
}

// Waits for a request, and in between can be ended without loss. One that comes at that moment is
// served.
template <class Wait>
std::error_code Connection::wait_idly(bool is_idle, Wait wait) {
  if (entry_ == nullptr) return wait();
  entry_->set_idle(is_idle);
  const std::error_code error = wait();
  entry_->set_idle(false);
  const bool was_ended = entry_->take_ended_idle();
  if (!error && was_ended) this_thread::acknowledge_cancellation();
  return error;
}

bool Connection::wait_without_memory() {
  const auto& limits = options_.limits;
  const TimePoint deadline = Timeout{count_ == 0 ? limits.head : limits.keep_alive}.deadline();
  while (true) {
    leave_memory();
    if (wait_idly(count_ > 0, [&] { return stream_.wait_readable(deadline); })) return false;
    take_memory();
    const IoResult in = stream_.recv(input_.room(), no_wait);
    input_.added(in.count);
    if (in.error != std::errc::timed_out) return !in.error && in.count > 0;
    if (count_ > 0 && is_draining()) return false;
  }
}

// --- the head ---

// A line without anything before the request is passed over, once (RFC 9112, 2.2). False if it
// takes more to know whether there is one.
bool Connection::skip_empty_line() noexcept {
  if (has_skipped_line_ || !input_.window().starts_with('\r')) return !input_.empty();
  if (input_.window().size() == 1) return false;
  has_skipped_line_ = true;
  if (input_.window().starts_with("\r\n")) input_.consume(2);
  return !input_.empty();
}

// The deadline begins when something of the head is there, but not all.
bool Connection::receive_head(bool has_begun, TimePoint& deadline) {
  if (output_.flush()) return false;
  const auto& limits = options_.limits;
  if (has_begun && deadline == never) deadline = Clock::now() + limits.head;
  const bool waits_here = !has_begun && !stream_.can_wait() && count_ > 0;
  const Timeout timeout = has_begun    ? Timeout{deadline}
                          : waits_here ? Timeout{limits.keep_alive}
                                       : Timeout{limits.head};
  IoResult in;
  wait_idly(waits_here, [&] { return (in = stream_.recv(input_.room(), timeout)).error; });
  if (in.error == std::errc::timed_out && has_begun) {
    answer(Status::request_timeout);
    has_unread_ = false;  // nothing has come in time
  }
  input_.added(in.count);
  return !in.error && in.count > 0;
}

// False at the end of the connection; if that is for a reason, the client has been told.
bool Connection::read_head() {
  parser_.start(options_.limits, workspace_->fields);
  has_skipped_line_ = false;
  head_ = {};
  TimePoint deadline = never;
  while (true) {
    const bool has_text = skip_empty_line();
    const Parser::Found found =
        has_text ? parser_.read_head(input_.window(), head_) : Parser::Found{};
    if (found.state == Parser::State::whole) {
      input_.pin(found.size);
      return true;
    }
    if (found.state == Parser::State::failed) {
      head_ = {};  // what was asked isn't known: a body is right
      answer(parser_.failure());
      return false;
    }
    const bool has_begun = has_skipped_line_ || !input_.empty();
    if (!receive_head(has_begun, deadline)) return false;
  }
}

// --- the exchange ---

bool Connection::exchange() {
  workspace_->response_fields.clear();
  workspace_->response_trailers.clear();
  workspace_->parameters.clear();
  body_.start(head_, workspace_->trailers);
  Request request{*this};
  Response response{*this};
  const TimePoint begun = options_.observers.empty() ? never : Clock::now();
  try {
    handler_(request, response);
  } catch (...) {
    exception_ = std::current_exception();
  }
  const bool goes_on = settle(response);
  if (options_.observers.empty()) return goes_on;
  const bool is_own = answered_ != Status::none;
  const Status status = response.is_upgraded_ ? Status::switching_protocols
                        : is_own              ? answered_
                                              : response.status();
  report(&request, status, is_own ? answer_bytes() : response.body_bytes(), begun);
  return goes_on;
}

void Connection::report(const Request* request, Status status, std::uint64_t bytes,
                        TimePoint begun) const {
  const auto duration = begun == never ? Clock::duration{} : Clock::now() - begun;
  const Exchange exchange{.peer = peer_,
                          .request = request,
                          .status = status,
                          .bytes = bytes,
                          .duration = duration,
                          .error = output_.error()};
  for (const auto& observer : options_.observers) observer(exchange);
}

// Of what was refused before it could be a request.
void Connection::report_answer() const {
  if (answered_ == Status::none || options_.observers.empty()) return;
  report(nullptr, answered_, answer_bytes(), never);
}

// The position goes back if the buffer couldn't be sent.
std::uint64_t Connection::answer_bytes() const noexcept {
  const std::uint64_t position = output_.position();
  return position > answer_begin_ ? position - answer_begin_ : 0;
}

// What is answered in place of a handler that has left without a word; none if it has not, or if
// what it has set is an answer.
Status Connection::own_answer(const Response& response) const noexcept {
  if (response.has_begun()) return Status::none;
  const bool has_thrown = exception_ != nullptr;
  const bool was_cut_short =
      entry_ != nullptr && entry_->is_cancelled() && this_thread::stop_requested();
  if (was_cut_short && (has_thrown || response.status() == Status::ok)) {
    return Status::service_unavailable;
  }
  return has_thrown ? Status::internal_server_error : body_.answer();
}

// False if the connection ends here.
bool Connection::settle(Response& response) {
  if (response.is_upgraded_) return false;
  const bool has_thrown = exception_ != nullptr;
  if (const Status status = own_answer(response); status != Status::none) {
    answer(status);
    return false;
  }
  if (has_thrown && !response.is_complete()) {  // a filter may have gone with the handler
    output_.break_off(std::make_error_code(std::errc::operation_canceled));
    return false;
  }
  if (response.conclude() || output_.error()) return false;
  if (has_thrown || response.closes_ || !body_.drop()) {
    has_unread_ = !body_.is_over() || has_more();
    return false;
  }
  if (flush_response()) return false;
  input_.unpin();
  return true;
}

std::error_code Connection::flush_response() {
  const bool may_wait =
      !input_.empty() && body_.is_over() && output_.buffer().size() < options_.gather;
  return may_wait ? output_.error() : output_.flush();
}

// --- answers of the library's own ---

void Connection::append_answer(Status status) {
  const std::string_view reason = reason_phrase(status);
  {
    HeadWriter head{output_.buffer(), HeadWriter::room};
    head.status_line(status);
    head.text(date_line());
    head.text("Content-Type: text/plain\r\n");
    head.content_length(reason.size() + 1);
    head.end(true, false);
  }
  answer_begin_ = output_.position();
  if (head_.method == Method::head) return;
  output_.buffer().append(reason).append("\n");
}

void Connection::answer(Status status) {
  grant_last_word();
  append_answer(status);
  answered_ = status;
  output_.flush();
  has_unread_ = true;
}

// --- whether the peer is there ---

// What is received could take the place of trailers.
bool Connection::can_look_ahead() const noexcept {
  return workspace_->trailers.empty() && input_.window().size() < most_looked_ahead;
}

IoResult Connection::look_ahead() {
  const IoResult in = stream_.recv(input_.room(), no_wait);
  input_.added(in.count);
  body_.count_received(in.count);
  return in;
}

bool Connection::peer_has_left() {
  while (!has_left_ && can_look_ahead()) {
    const IoResult in = look_ahead();
    if (in.error == std::errc::timed_out || in.error == std::errc::operation_canceled) return false;
    has_left_ = in.error || in.count == 0;
  }
  return has_left_;
}

bool Connection::has_more() {
  return !input_.empty() || !can_look_ahead() || look_ahead().count > 0;
}

std::error_code Connection::wait_for_departure(Timeout timeout) {
  const TimePoint deadline = timeout.deadline();
  if (output_.flush()) return {};  // earlier responses don't wait as long
  while (!peer_has_left()) {
    if (is_draining()) return std::make_error_code(std::errc::operation_canceled);
    const bool can_know = stream_.can_wait() && can_look_ahead();
    if (const auto error = wait_as_idle(deadline, can_know)) return error;
    if (!can_know) return std::make_error_code(std::errc::timed_out);
  }
  return {};
}

std::error_code Connection::wait_for_message(Timeout timeout) {
  if (is_draining()) return std::make_error_code(std::errc::operation_canceled);
  return input_.empty() ? wait_as_idle(timeout.deadline(), true) : std::error_code{};
}

// The server may end this wait, when it drains: then the response can still be ended.
std::error_code Connection::wait_as_idle(TimePoint deadline, bool for_input) {
  if (entry_ != nullptr) entry_->set_idle(true);
  const auto error =
      for_input ? stream_.wait_readable(deadline) : this_thread::sleep_until(deadline);
  if (entry_ == nullptr) return error;
  entry_->set_idle(false);
  if (!entry_->take_ended_idle()) return error;
  this_thread::acknowledge_cancellation();
  return std::make_error_code(std::errc::operation_canceled);
}

// --- the whole ---

// If a connection is closed with something unread, the kernel resets it, and the peer may lose the
// last response. So what it still sends is dropped, until it closes its end. One that reads to the
// end of file gets that before.
void Connection::linger() {
  if (output_.error() || !has_unread_) return;
  const bool is_cancelled = entry_ != nullptr && entry_->is_cancelled();
  const LastWord last_word{is_cancelled};
  if (is_cancelled && body_.is_over() && !has_more()) return;  // a drain waits for the end
  if (entry_ != nullptr) entry_->end_output();
  const auto& limits = options_.limits;
  TimePoint now = Clock::now();
  const TimePoint last =
      is_cancelled ? std::min(now + limits.linger, entry_->last_word()) : now + limits.linger;
  input_.use(*workspace_);
  IoResult in;
  do {  // who always has more is not waited for
    in = stream_.recv(input_.room(), std::min(now + limits.linger_idle, last));
    now = Clock::now();
  } while (in && in.count > 0 && now < last);
}

void Connection::run() {
  while (wait_for_request()) {
    if (!read_head()) {
      report_answer();
      break;
    }
    ++count_;
    if (!exchange()) break;
  }
  if (workspace_ && !output_.flush()) linger();
  if (exception_ != nullptr) std::rethrow_exception(exception_);
}

}  // namespace evcoro::http::detail
