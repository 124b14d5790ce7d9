#include <algorithm>
#include <climits>
#include <new>
#include <span>

#include <evcoro/libevent/bufferevent.h>
#include <evcoro/capi/bytes.hpp>
#include <evcoro/capi/objects.hpp>
#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/libevent/bufferevent.hpp>

using namespace evcoro::capi;
using evcoro::Address;
using evcoro::BuffereventOptions;
using evcoro::BuffereventStream;

struct tagEVBUFFEREVENT final : Object {
  explicit tagEVBUFFEREVENT(BuffereventStream its_stream) noexcept
      : stream(std::move(its_stream)) {}
  BuffereventStream stream;
};

evcoro::AnyStream evcoro::capi::to_stream(EVBUFFEREVENT& stream) noexcept { return stream.stream; }

namespace {

EVBUFFEREVENT* make(EVTHREAD* thread, bufferevent* bev, BuffereventOptions options) noexcept {
  if (thread == nullptr) return refuse(EINVAL);
  auto* const result = give_to(*thread, new (std::nothrow) EVBUFFEREVENT(BuffereventStream{}));
  if (result == nullptr) return nullptr;
  auto stream = BuffereventStream::adopt(thread->task.core().loop(), bev, options);
  if (!stream) {
    result->dispose();
    return refuse(stream.error());
  }
  result->stream = std::move(*stream);
  return result;
}

}  // namespace

EVBUFFEREVENT* EVBUFFEREVENT_init(EVTHREAD* thread, struct bufferevent* bev) noexcept {
  return make(thread, bev, {});
}

EVBUFFEREVENT* EVBUFFEREVENT_init_limits(EVTHREAD* thread, struct bufferevent* bev,
                                         size_t input_limit, size_t output_limit) noexcept {
  return make(thread, bev, {input_limit, output_limit});
}

struct bufferevent* EVBUFFEREVENT_release(EVBUFFEREVENT* stream) noexcept {
  if (stream == nullptr) return refuse(EINVAL);
  bufferevent* const bev = stream->stream.release();
  stream->dispose();
  return bev != nullptr ? bev : refuse(ECANCELED);
}

int EVBUFFEREVENT_free(EVBUFFEREVENT* stream) noexcept {
  if (stream == nullptr) return fail(EINVAL);
  stream->dispose();
  return 0;
}

struct bufferevent* EVBUFFEREVENT_get(EVBUFFEREVENT* stream) noexcept {
  if (stream == nullptr) return refuse(EINVAL);
  return stream->stream.get();
}

int EVBUFFEREVENT_connect(EVBUFFEREVENT* stream, const struct sockaddr* address, socklen_t length,
                          struct timeval timeout) noexcept {
  if (stream == nullptr || address == nullptr || length < sizeof address->sa_family) {
    return fail(EINVAL);
  }
  return finish(stream->stream.connect(Address{address, length}, to_timeout(timeout)));
}

int EVBUFFEREVENT_connect_hostname(EVBUFFEREVENT* stream, struct evdns_base* dns, int family,
                                   const char* host, uint16_t port,
                                   struct timeval timeout) noexcept {
  if (stream == nullptr) return fail(EINVAL);
  return finish(stream->stream.connect(dns, host, port, to_timeout(timeout), family));
}

int EVBUFFEREVENT_wait_connected(EVBUFFEREVENT* stream, struct timeval timeout) noexcept {
  if (stream == nullptr) return fail(EINVAL);
  return finish(stream->stream.wait_until_connected(to_timeout(timeout)));
}

int EVBUFFEREVENT_recv(EVBUFFEREVENT* stream, void* buf, size_t size,
                       struct timeval timeout) noexcept {
  if (stream == nullptr || (buf == nullptr && size != 0) || size > INT_MAX) return fail(EINVAL);
  const std::span<std::byte> buffer{static_cast<std::byte*>(buf), size};
  return to_int(stream->stream.recv(buffer, to_timeout(timeout)));
}

int EVBUFFEREVENT_send(EVBUFFEREVENT* stream, const void* buf, size_t size,
                       struct timeval timeout) noexcept {
  if (stream == nullptr || (buf == nullptr && size != 0) || size > INT_MAX) return fail(EINVAL);
  const std::span<const std::byte> data{static_cast<const std::byte*>(buf), size};
  return to_int(stream->stream.send(data, to_timeout(timeout)));
}

int EVBUFFEREVENT_drain(EVBUFFEREVENT* stream, struct timeval timeout) noexcept {
  if (stream == nullptr) return fail(EINVAL);
  return finish(stream->stream.drain(to_timeout(timeout)));
}

int EVBUFFEREVENT_wait_input(EVBUFFEREVENT* stream, size_t size, struct timeval timeout) noexcept {
  if (stream == nullptr || size > INT_MAX) return fail(EINVAL);
  const auto length = stream->stream.wait_for_input(size, to_timeout(timeout));
  return length ? static_cast<int>(std::min<size_t>(*length, INT_MAX)) : fail(length.error());
}
