#include <evcoro/libevent/evhttp.hpp>

#include <event2/buffer.h>
#include <event2/http.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <evcoro/detail/evhttp_libevent.hpp>
#include <evcoro/loop.hpp>

namespace evcoro {
namespace {

// OwnBuffer is an evbuffer for the time of a call.
class OwnBuffer {
 public:
  explicit OwnBuffer(std::string_view text) noexcept : buffer_(evbuffer_new()) {
    if (buffer_ == nullptr || evbuffer_add(buffer_, text.data(), text.size()) == 0) return;
    evbuffer_free(std::exchange(buffer_, nullptr));
  }
  ~OwnBuffer() {
    if (buffer_ != nullptr) evbuffer_free(buffer_);
  }
  OwnBuffer(const OwnBuffer&) = delete;
  OwnBuffer& operator=(const OwnBuffer&) = delete;

  evbuffer* get() const noexcept { return buffer_; }

 private:
  evbuffer* buffer_;
};

const auto no_memory = std::make_error_code(std::errc::not_enough_memory);

}  // namespace

evhttp_request* EvhttpRequest::get() const noexcept { return exchange_.request(); }

std::error_code EvhttpRequest::reply(int status, std::string_view body,
                                     const char* reason) noexcept {
  const OwnBuffer buffer{body};
  return buffer.get() == nullptr ? no_memory : exchange_.reply(status, reason, buffer.get());
}

std::error_code EvhttpRequest::reply(int status, evbuffer* body, const char* reason) noexcept {
  return exchange_.reply(status, reason, body);
}

std::error_code EvhttpRequest::start_reply(int status, const char* reason) noexcept {
  return exchange_.start(status, reason);
}

std::error_code EvhttpRequest::send_chunk(std::string_view data, Timeout timeout) noexcept {
  const OwnBuffer buffer{data};
  return buffer.get() == nullptr ? no_memory : exchange_.send_chunk(buffer.get(), timeout);
}

std::error_code EvhttpRequest::send_chunk(evbuffer* data, Timeout timeout) noexcept {
  return exchange_.send_chunk(data, timeout);
}

std::error_code EvhttpRequest::end_reply() noexcept { return exchange_.end(); }

std::error_code EvhttpRequest::wait_until_sent(Timeout timeout) noexcept {
  return exchange_.wait_until_sent(timeout);
}

bool EvhttpRequest::client_has_left() const noexcept { return exchange_.client_has_left(); }

EvhttpHandler::EvhttpHandler(Loop& loop, evhttp* http, const std::string& path, Handler handler,
                             Options options)
    : core_(std::make_shared<detail::EvhttpHandlerCore>(loop.core(), http, path, std::move(handler),
                                                        std::move(options))) {
  core_->open();
}

EvhttpHandler& EvhttpHandler::operator=(EvhttpHandler&& other) noexcept {
  if (this == &other) return *this;
  if (core_ != nullptr) core_->close();
  core_ = std::move(other.core_);
  return *this;
}

EvhttpHandler::~EvhttpHandler() {
  if (core_ != nullptr) core_->close();
}

std::error_code EvhttpHandler::drain(Timeout timeout) noexcept {
  return core_ == nullptr ? detail::system_error(EBADF) : core_->drain(timeout);
}

EvhttpHandler::Counters EvhttpHandler::counters() const noexcept {
  return core_ == nullptr ? Counters{} : core_->counters();
}

}  // namespace evcoro
