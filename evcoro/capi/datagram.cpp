#include <evcoro/net/datagram.h>

#include <climits>
#include <cstring>
#include <memory>
#include <new>

#include <evcoro/capi/socket_more.hpp>
#include <evcoro/detail/datagram_libevent.hpp>

using namespace evcoro::capi;
using evcoro::Address;
using evcoro::DatagramBatch;
using evcoro::DatagramResult;
using evcoro::DatagramSocket;
using evcoro::Result;

struct tagEVDATAGRAM final : Object {
  DatagramSocket socket;
};

struct tagEVDATAGRAM_BATCH final {
  DatagramBatch batch;
};

namespace {

EVDATAGRAM* make_datagram(EVTHREAD* thread, Result<DatagramSocket> socket) noexcept {
  if (!socket) return refuse(socket.error());
  auto* const result = give_to(*thread, new (std::nothrow) EVDATAGRAM);
  if (result != nullptr) result->socket = std::move(*socket);
  return result;
}

bool is_address(const sockaddr* address, socklen_t length) noexcept {
  return address != nullptr && length >= sizeof address->sa_family;
}

// As store(), but an address of no family is one of AF_UNSPEC.
int store_sender(const Address& from, SOCKADDR& to) noexcept {
  if (from.family() != AF_UNSPEC) return evcoro::capi::store(from, to);
  std::memset(&to, 0, sizeof to);
  return 0;
}

}  // namespace

EVDATAGRAM* EVDATAGRAM_open(EVTHREAD* thread, int family) noexcept {
  if (thread == nullptr) return refuse(EINVAL);
  return make_datagram(thread, DatagramSocket::open(thread->task.core().loop(), family));
}

EVDATAGRAM* EVDATAGRAM_init(EVTHREAD* thread, int fd) noexcept {
  if (thread == nullptr) return refuse(EINVAL);
  std::unique_ptr<EVDATAGRAM> result{new (std::nothrow) EVDATAGRAM};
  if (result == nullptr) return refuse(ENOMEM);
  auto socket = evcoro::detail::DatagramState::adopt(thread->task.core(), fd);
  if (!socket) return refuse(socket.error());
  result->socket = std::move(*socket);
  return give_to(*thread, result.release());
}

int EVDATAGRAM_close(EVDATAGRAM* socket) noexcept {
  if (socket == nullptr) return fail(EINVAL);
  socket->dispose();
  return 0;
}

int EVDATAGRAM_release(EVDATAGRAM* socket) noexcept {
  if (socket == nullptr) return fail(EINVAL);
  const int descriptor = socket->socket.release();
  socket->dispose();
  return descriptor >= 0 ? descriptor : fail(EBADF);
}

int EVDATAGRAM_fd(EVDATAGRAM* socket) noexcept {
  if (socket == nullptr) return fail(EINVAL);
  const int descriptor = socket->socket.native_handle();
  return descriptor >= 0 ? descriptor : fail(EBADF);
}

int EVDATAGRAM_bind(EVDATAGRAM* socket, const struct sockaddr* address, socklen_t length) noexcept {
  if (socket == nullptr || !is_address(address, length)) return fail(EINVAL);
  return finish(socket->socket.bind(Address{address, length}));
}

int EVDATAGRAM_connect(EVDATAGRAM* socket, const struct sockaddr* address,
                       socklen_t length) noexcept {
  if (socket == nullptr || !is_address(address, length)) return fail(EINVAL);
  return finish(socket->socket.connect(Address{address, length}));
}

int EVDATAGRAM_disconnect(EVDATAGRAM* socket) noexcept {
  if (socket == nullptr) return fail(EINVAL);
  return finish(socket->socket.disconnect());
}

int EVDATAGRAM_recv_from(EVDATAGRAM* socket, void* buf, size_t size, int flags, SOCKADDR* sender,
                         size_t* whole, struct timeval timeout) noexcept {
  if (!is_usable(socket, buf, size) || size > INT_MAX) return fail(EINVAL);
  Address from;
  const DatagramResult in =
      sender != nullptr
          ? socket->socket.recv_from(bytes(buf, size), from, to_timeout(timeout), flags)
          : socket->socket.recv(bytes(buf, size), to_timeout(timeout), flags);
  if (in.error) return fail(in.error);
  if (whole != nullptr) *whole = in.size;
  if (sender != nullptr && store_sender(from, *sender) != 0) return -1;
  return static_cast<int>(in.count);
}

int EVDATAGRAM_send_to(EVDATAGRAM* socket, const void* buf, size_t size, int flags,
                       const struct sockaddr* address, socklen_t length,
                       struct timeval timeout) noexcept {
  if (!is_usable(socket, buf, size) || size > INT_MAX) return fail(EINVAL);
  if (address == nullptr) {
    return to_int(socket->socket.send(bytes(buf, size), to_timeout(timeout), flags));
  }
  if (!is_address(address, length)) return fail(EINVAL);
  return to_int(socket->socket.send_to(bytes(buf, size), Address{address, length},
                                       to_timeout(timeout), flags));
}

int EVDATAGRAM_join(EVDATAGRAM* socket, const SOCKADDR* group, unsigned interface_index) noexcept {
  if (socket == nullptr || group == nullptr) return fail(EINVAL);
  return finish(socket->socket.join(to_address(*group), interface_index));
}

int EVDATAGRAM_leave(EVDATAGRAM* socket, const SOCKADDR* group, unsigned interface_index) noexcept {
  if (socket == nullptr || group == nullptr) return fail(EINVAL);
  return finish(socket->socket.leave(to_address(*group), interface_index));
}

int EVDATAGRAM_set_multicast_interface(EVDATAGRAM* socket, unsigned interface_index) noexcept {
  if (socket == nullptr) return fail(EINVAL);
  return finish(socket->socket.set_multicast_interface(interface_index));
}

int EVDATAGRAM_set_option(EVDATAGRAM* socket, EVOPTION option, int value) noexcept {
  return socket == nullptr ? fail(EINVAL) : set_option(socket->socket, option, value);
}

int EVDATAGRAM_get_option(EVDATAGRAM* socket, EVOPTION option, int* value) noexcept {
  return socket == nullptr ? fail(EINVAL) : get_option(socket->socket, option, value);
}

int EVDATAGRAM_local_address(EVDATAGRAM* socket, SOCKADDR* address) noexcept {
  if (socket == nullptr || address == nullptr) return fail(EINVAL);
  return store(socket->socket.local_address(), *address);
}

int EVDATAGRAM_peer_address(EVDATAGRAM* socket, SOCKADDR* address) noexcept {
  if (socket == nullptr || address == nullptr) return fail(EINVAL);
  return store(socket->socket.peer_address(), *address);
}

// --- batches ---

EVDATAGRAM_BATCH* EVDATAGRAM_BATCH_init(size_t capacity, size_t datagram_size) noexcept try {
  if (capacity == 0) return refuse(EINVAL);
  return new EVDATAGRAM_BATCH{DatagramBatch{capacity, datagram_size}};
} catch (...) {
  return refuse(ENOMEM);
}

int EVDATAGRAM_BATCH_free(EVDATAGRAM_BATCH* batch) noexcept {
  if (batch == nullptr) return fail(EINVAL);
  delete batch;
  return 0;
}

int EVDATAGRAM_BATCH_add(EVDATAGRAM_BATCH* batch, const void* data, size_t size,
                         const SOCKADDR* address) noexcept {
  if (!is_usable(batch, data, size)) return fail(EINVAL);
  const Address to = address != nullptr ? to_address(*address) : Address{};
  if (batch->batch.add(bytes(data, size), to)) return 0;
  return fail(batch->batch.size() == batch->batch.capacity() ? ENOBUFS : EMSGSIZE);
}

int EVDATAGRAM_BATCH_clear(EVDATAGRAM_BATCH* batch) noexcept {
  if (batch == nullptr) return fail(EINVAL);
  batch->batch.clear();
  return 0;
}

int EVDATAGRAM_BATCH_get(EVDATAGRAM_BATCH* batch, size_t index, void** data, size_t* whole,
                         SOCKADDR* address) noexcept {
  if (batch == nullptr || data == nullptr || index >= batch->batch.size()) return fail(EINVAL);
  const auto datagram = batch->batch[index];
  *data = datagram.data.data();
  if (whole != nullptr) *whole = datagram.size;
  if (address != nullptr && store_sender(datagram.address, *address) != 0) return -1;
  return static_cast<int>(datagram.data.size());
}

int EVDATAGRAM_recv_batch(EVDATAGRAM* socket, EVDATAGRAM_BATCH* batch,
                          struct timeval timeout) noexcept {
  if (socket == nullptr || batch == nullptr) return fail(EINVAL);
  return to_int(socket->socket.recv_batch(batch->batch, to_timeout(timeout)));
}

int EVDATAGRAM_send_batch(EVDATAGRAM* socket, EVDATAGRAM_BATCH* batch, size_t first,
                          struct timeval timeout, size_t* sent) noexcept {
  if (socket == nullptr || batch == nullptr || sent == nullptr) return fail(EINVAL);
  return to_int(socket->socket.send_batch(batch->batch, to_timeout(timeout), first), *sent);
}
