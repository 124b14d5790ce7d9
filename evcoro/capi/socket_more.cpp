#include <evcoro/net/socket.h>

#include <climits>
#include <memory>
#include <new>
#include <vector>

#include <evcoro/capi/socket_more.hpp>
#include <evcoro/detail/loop_libevent.hpp>

using namespace evcoro::capi;
using evcoro::IoResult;
using evcoro::Loop;
using evcoro::Socket;
namespace option = evcoro::option;

const evcoro::detail::OptionKey* evcoro::capi::find_option(EVOPTION option) noexcept {
  static constexpr detail::OptionKey keys[] = {
      option::reuse_address.key,   option::reuse_port.key,     option::broadcast.key,
      option::send_buffer.key,     option::receive_buffer.key, option::linger.key,
      option::keepalive.key,       option::keepalive_idle.key, option::keepalive_interval.key,
      option::keepalive_count.key, option::nodelay.key,        option::quick_ack.key,
      option::user_timeout.key,    option::hop_limit.key,      option::traffic_class.key,
      option::multicast_hops.key,  option::multicast_loop.key, option::ipv6_only.key};
  static_assert(std::size(keys) == EVOPTION_IPV6_ONLY + 1);
  return option >= 0 && option <= EVOPTION_IPV6_ONLY ? &keys[option] : nullptr;
}

namespace {

// Makes two EVSOCKETs of thread of the pair of Sockets that make(loop) returns.
template <class Make>
int make_pair(EVTHREAD* thread, EVSOCKET** ends, Make make) noexcept {
  std::unique_ptr<EVSOCKET> one{new (std::nothrow) EVSOCKET(Socket{})};
  std::unique_ptr<EVSOCKET> other{new (std::nothrow) EVSOCKET(Socket{})};
  if (one == nullptr || other == nullptr) return fail(ENOMEM);
  auto pair = make(thread->task.core().loop());
  if (!pair) return fail(pair.error());
  auto& [first, second] = *pair;
  one->socket = std::move(first);
  other->socket = std::move(second);
  thread->objects.push_back(*one);
  thread->objects.push_back(*other);
  ends[0] = one.release();
  ends[1] = other.release();
  return 0;
}

bool are_usable(const iovec* buffers, size_t count) noexcept {
  if (buffers == nullptr) return count == 0;
  size_t size = 0;
  for (size_t i = 0; i < count; ++i) {
    if (!is_usable(buffers, buffers[i].iov_base, buffers[i].iov_len)) return false;
    if (buffers[i].iov_len > INT_MAX - size) return false;
    size += buffers[i].iov_len;
  }
  return true;
}

// The buffers as C++ has them.
template <class Byte>
std::vector<std::span<Byte>> to_spans(const iovec* buffers, size_t count) {
  std::vector<std::span<Byte>> result;
  result.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    result.emplace_back(static_cast<Byte*>(buffers[i].iov_base), buffers[i].iov_len);
  }
  return result;
}

}  // namespace

int EVSOCKET_pair(EVTHREAD* thread, EVSOCKET** ends) noexcept {
  if (thread == nullptr || ends == nullptr) return fail(EINVAL);
  return make_pair(thread, ends, [](Loop& loop) { return evcoro::socketpair(loop); });
}

int EVSOCKET_pipe(EVTHREAD* thread, EVSOCKET** ends) noexcept {
  if (thread == nullptr || ends == nullptr) return fail(EINVAL);
  return make_pair(thread, ends, [](Loop& loop) { return evcoro::pipe(loop); });
}

int EVSOCKET_recv_vector(EVSOCKET* socket, const struct iovec* buffers, size_t count, int flags,
                         struct timeval timeout) noexcept try {
  if (socket == nullptr || !are_usable(buffers, count)) return fail(EINVAL);
  const auto spans = to_spans<std::byte>(buffers, count);
  return to_int(socket->socket.recv_vector(spans, to_timeout(timeout), flags));
} catch (...) {
  return fail_as_caught();
}

int EVSOCKET_send_vector(EVSOCKET* socket, const struct iovec* buffers, size_t count, int flags,
                         struct timeval timeout, size_t* sent) noexcept try {
  if (socket == nullptr || sent == nullptr || !are_usable(buffers, count)) return fail(EINVAL);
  *sent = 0;
  const auto spans = to_spans<const std::byte>(buffers, count);
  return to_int(socket->socket.send_vector(spans, to_timeout(timeout), flags), *sent);
} catch (...) {
  return fail_as_caught();
}

int EVSOCKET_peek(EVSOCKET* socket, void* buf, size_t size, struct timeval timeout) noexcept {
  if (!is_usable(socket, buf, size) || size > INT_MAX) return fail(EINVAL);
  return to_int(socket->socket.peek(bytes(buf, size), to_timeout(timeout)));
}

int EVSOCKET_send_file(EVSOCKET* socket, int file, uint64_t offset, size_t size,
                       struct timeval timeout, size_t* sent) noexcept {
  if (socket == nullptr || sent == nullptr) return fail(EINVAL);
  return to_int(socket->socket.send_file(file, offset, size, to_timeout(timeout)), *sent);
}

int EVSOCKET_send_descriptors(EVSOCKET* socket, const void* data, size_t size,
                              const int* descriptors, size_t count,
                              struct timeval timeout) noexcept {
  if (!is_usable(socket, data, size) || !is_usable(socket, descriptors, count)) return fail(EINVAL);
  return finish(
      socket->socket.send_descriptors(bytes(data, size), {descriptors, count}, to_timeout(timeout))
          .error);
}

int EVSOCKET_recv_descriptors(EVSOCKET* socket, void* buf, size_t size, int* descriptors,
                              size_t* count, struct timeval timeout) noexcept {
  if (!is_usable(socket, buf, size) || size > INT_MAX || count == nullptr ||
      !is_usable(socket, descriptors, *count)) {
    return fail(EINVAL);
  }
  const auto in =
      socket->socket.recv_descriptors(bytes(buf, size), {descriptors, *count}, to_timeout(timeout));
  *count = in.descriptor_count;
  return in.error ? fail(in.error) : static_cast<int>(in.count);
}

int EVSOCKET_reset(EVSOCKET* socket) noexcept {
  if (socket == nullptr) return fail(EINVAL);
  socket->socket.reset();
  socket->dispose();
  return 0;
}

int EVSOCKET_set_option(EVSOCKET* socket, EVOPTION option, int value) noexcept {
  return socket == nullptr ? fail(EINVAL) : set_option(socket->socket, option, value);
}

int EVSOCKET_get_option(EVSOCKET* socket, EVOPTION option, int* value) noexcept {
  return socket == nullptr ? fail(EINVAL) : get_option(socket->socket, option, value);
}
