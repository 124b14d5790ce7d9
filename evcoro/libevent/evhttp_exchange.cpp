#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <evcoro/detail/evhttp_libevent.hpp>

namespace evcoro::detail {
namespace {

const auto lost_connection = std::make_error_code(std::errc::broken_pipe);

bool is_one_line(const char* reason) noexcept {
  return reason == nullptr || std::strpbrk(reason, "\r\n") == nullptr;
}

// peer_has_closed() looks for an end behind what has been read.
bool peer_has_closed(int descriptor) noexcept {
  char byte;
  const ssize_t count = ::recv(descriptor, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return count == 0 || (count < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

}  // namespace

EvhttpExchange::EvhttpExchange(LoopCore& core, evhttp_request* request) noexcept
    : core_(core), request_(request), connection_(evhttp_request_get_connection(request)) {
  evhttp_request_own(request_);
  evhttp_connection_set_closecb(connection_, on_close, this);
}

EvhttpExchange::~EvhttpExchange() {
  stop_watching();
  switch (state_) {
    case State::open:
      evhttp_send_reply(give_back(), HTTP_SERVUNAVAIL, nullptr, nullptr);
      break;
    case State::streaming:
      break_off();
      break;
    case State::replied:
      evhttp_request_set_on_complete_cb(request_, nullptr, nullptr);
      evhttp_connection_set_closecb(connection_, nullptr, nullptr);
      break;
    case State::lost:
      if (request_ != nullptr) evhttp_request_free(request_);
      break;
    case State::complete:
      break;
  }
}

// --- what libevent tells ---

// The connection is about to be freed, and so is the request, unless we own it.
void EvhttpExchange::on_close(evhttp_connection*, void* self) noexcept {
  auto& exchange = *static_cast<EvhttpExchange*>(self);
  exchange.stop_watching();
  exchange.connection_ = nullptr;
  if (exchange.state_ == State::replied) {
    exchange.request_ = nullptr;
  } else {
    exchange.request_->evcon = nullptr;  // it would be left dangling
  }
  exchange.state_ = State::lost;
  exchange.waiter_.wake();
}

void EvhttpExchange::on_complete(evhttp_request*, void* self) noexcept {
  auto& exchange = *static_cast<EvhttpExchange*>(self);
  evhttp_connection_set_closecb(std::exchange(exchange.connection_, nullptr), nullptr, nullptr);
  exchange.request_ = nullptr;
  exchange.state_ = State::complete;
  exchange.waiter_.wake();
}

void EvhttpExchange::on_chunk_sent(evhttp_connection*, void* self) noexcept {
  auto& exchange = *static_cast<EvhttpExchange*>(self);
  exchange.chunk_is_under_way_ = false;
  exchange.waiter_.wake();
}

void EvhttpExchange::on_departure(evutil_socket_t descriptor, short what, void* self) noexcept {
  auto& exchange = *static_cast<EvhttpExchange*>(self);
  ThreadTask* const thread = std::exchange(exchange.watching_, nullptr);
  // Without EV_CLOSED: what is to be read may be another request, too.
  if ((what & EV_READ) != 0 && !peer_has_closed(descriptor)) return;
  exchange.departed_ = true;
  thread->request_stop(CancelReason::user);
}

// --- the client ---

int EvhttpExchange::descriptor() const noexcept {
  return bufferevent_getfd(evhttp_connection_get_bufferevent(connection_));
}

bool EvhttpExchange::client_has_left() const noexcept {
  if (departed_ || state_ == State::lost) return true;
  return connection_ != nullptr && peer_has_closed(descriptor());
}

// evhttp itself doesn't read while a request is being handled. An event of our own, beside those of
// its bufferevent, leaves that as it is, and its timeouts, too.
void EvhttpExchange::watch(ThreadTask& thread) noexcept {
  if (state_ != State::open || descriptor() < 0) return;
  const short what = core_.has_edges() ? EV_CLOSED : EV_READ;
  core_.assign(departure_, descriptor(), what, on_departure, this);
  if (event_add(&departure_, nullptr) == 0) watching_ = &thread;
}

void EvhttpExchange::stop_watching() noexcept {
  if (std::exchange(watching_, nullptr) != nullptr) event_del(&departure_);
}

// --- the reply ---

evhttp_request* EvhttpExchange::hand_over() noexcept {
  if (state_ != State::open) return nullptr;
  connection_ = nullptr;  // the other's
  state_ = State::complete;
  return std::exchange(request_, nullptr);
}

// Lets libevent free the request, whatever comes.
evhttp_request* EvhttpExchange::give_back() noexcept {
  evhttp_connection_set_closecb(connection_, nullptr, nullptr);
  request_->flags &= ~EVHTTP_USER_OWNED;
  return request_;
}

std::error_code EvhttpExchange::why_not(State needed) const noexcept {
  if (state_ == needed) return {};
  if (state_ == State::lost) return lost_connection;
  return std::make_error_code(std::errc::connection_already_in_progress);
}

std::error_code EvhttpExchange::reply(int status, const char* reason, evbuffer* body) noexcept {
  if (const auto error = why_not(State::open)) return error;
  if (!is_one_line(reason)) return system_error(EINVAL);
  stop_watching();
  state_ = State::replied;
  request_->flags &= ~EVHTTP_USER_OWNED;
  evhttp_request_set_on_complete_cb(request_, on_complete, this);
  evhttp_send_reply(request_, status, reason, body);
  return {};
}

std::error_code EvhttpExchange::start(int status, const char* reason) noexcept {
  if (const auto error = why_not(State::open)) return error;
  if (!is_one_line(reason)) return system_error(EINVAL);
  stop_watching();  // from here on, evhttp itself sees the client leave
  state_ = State::streaming;
  evhttp_send_reply_start(request_, status, reason);
  return state_ == State::lost ? lost_connection : std::error_code{};
}

std::error_code EvhttpExchange::send_chunk(evbuffer* data, Timeout timeout) noexcept {
  if (const auto error = admit(&core_)) return error;
  Patience patience{timeout};
  while (state_ == State::streaming && chunk_is_under_way_) {
    if (waiter_.is_taken()) return Errc::second_writer;
    if (const auto error = waiter_.wait(patience, "evhttp chunk")) return error;
  }
  if (const auto error = why_not(State::streaming)) return error;
  if (evbuffer_get_length(data) == 0) return {};
  chunk_is_under_way_ = true;
  evhttp_send_reply_chunk_with_cb(request_, data, on_chunk_sent, this);
  return state_ == State::lost ? lost_connection : std::error_code{};
}

std::error_code EvhttpExchange::end() noexcept {
  if (const auto error = why_not(State::streaming)) return error;
  state_ = State::replied;
  request_->flags &= ~EVHTTP_USER_OWNED;
  evhttp_request_set_on_complete_cb(request_, on_complete, this);
  evhttp_send_reply_end(request_);
  return {};
}

std::error_code EvhttpExchange::wait_until_sent(Timeout timeout) noexcept {
  if (const auto error = admit(&core_)) return error;
  Patience patience{timeout};
  while (state_ == State::replied) {
    if (waiter_.is_taken()) return Errc::second_writer;
    if (const auto error = waiter_.wait(patience, "evhttp reply")) return error;
  }
  return why_not(State::complete);
}

// What has begun can't be completed: the client learns it by the end of the connection.
void EvhttpExchange::break_off() noexcept {
  evhttp_connection* const connection = std::exchange(connection_, nullptr);
  evhttp_connection_set_closecb(connection, nullptr, nullptr);
  request_->evcon = nullptr;
  evhttp_connection_free(connection);
  evhttp_request_free(request_);
}

}  // namespace evcoro::detail
