#include <sys/socket.h>

#include <climits>
#include <new>

#include <evcoro/capi/socket_more.hpp>
#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/detail/socket_libevent.hpp>

using namespace evcoro::capi;
using evcoro::Result;
using evcoro::Socket;

namespace {

// Makes an EVSOCKET of thread around what make() returns. It comes first: if there is no memory for
// it, nothing has happened to the caller's descriptor.
template <class Make>
EVSOCKET* make_socket(EVTHREAD* thread, Make make) noexcept {
  if (thread == nullptr) return refuse(EINVAL);
  auto* const result = new (std::nothrow) EVSOCKET(Socket{});
  if (result == nullptr) return refuse(ENOMEM);
  Result<Socket> socket = make();
  if (!socket) {
    delete result;
    return refuse(socket.error());
  }
  result->socket = std::move(*socket);
  thread->objects.push_back(*result);
  return result;
}

}  // namespace

Socket evcoro::capi::take_socket(EVSOCKET& socket) noexcept {
  Socket taken = std::move(socket.socket);
  socket.dispose();
  return taken;
}

EVSOCKET* EVSOCKET_init(EVTHREAD* thread, int fd, int) noexcept {
  return make_socket(thread,
                     [&] { return evcoro::detail::SocketState::adopt(thread->task.core(), fd); });
}

EVSOCKET* EVSOCKET_open(EVTHREAD* thread, int family) noexcept {
  return make_socket(thread, [&] { return Socket::open(thread->task.core().loop(), family); });
}

int EVSOCKET_close(EVSOCKET* socket) noexcept {
  if (socket == nullptr) return fail(EINVAL);
  socket->dispose();
  return 0;
}

int EVSOCKET_release(EVSOCKET* socket) noexcept {
  if (socket == nullptr) return fail(EINVAL);
  const int descriptor = socket->socket.release();
  socket->dispose();
  return descriptor >= 0 ? descriptor : fail(EBADF);
}

int EVSOCKET_fd(EVSOCKET* socket) noexcept {
  if (socket == nullptr) return fail(EINVAL);
  const int descriptor = socket->socket.native_handle();
  return descriptor >= 0 ? descriptor : fail(EBADF);
}

int EVSOCKET_connect(EVSOCKET* socket, const struct sockaddr* address, socklen_t length,
                     struct timeval timeout) noexcept {
  if (socket == nullptr || address == nullptr || length < sizeof address->sa_family) {
    return fail(EINVAL);
  }
  return finish(socket->socket.connect(address, length, to_timeout(timeout)));
}

int EVSOCKET_recv(EVSOCKET* socket, void* buf, size_t size, int flags,
                  struct timeval timeout) noexcept {
  if (!is_usable(socket, buf, size) || size > INT_MAX) return fail(EINVAL);
  return to_int(socket->socket.recv(bytes(buf, size), to_timeout(timeout), flags));
}

int EVSOCKET_recv_all(EVSOCKET* socket, void* buf, size_t size, int flags,
                      struct timeval timeout) noexcept {
  if (!is_usable(socket, buf, size) || size > INT_MAX) return fail(EINVAL);
  return to_int(socket->socket.recv_all(bytes(buf, size), to_timeout(timeout), flags));
}

int EVSOCKET_send(EVSOCKET* socket, const void* buf, size_t size, int flags,
                  struct timeval timeout) noexcept {
  if (!is_usable(socket, buf, size) || size > INT_MAX) return fail(EINVAL);
  return to_int(socket->socket.send(bytes(buf, size), to_timeout(timeout), flags));
}

int EVSOCKET_recv_all_ex(EVSOCKET* socket, void* buf, size_t size, int flags,
                         struct timeval timeout, size_t* count) noexcept {
  if (!is_usable(socket, buf, size) || count == nullptr) return fail(EINVAL);
  return to_int(socket->socket.recv_all(bytes(buf, size), to_timeout(timeout), flags), *count);
}

int EVSOCKET_send_ex(EVSOCKET* socket, const void* buf, size_t size, int flags,
                     struct timeval timeout, size_t* count) noexcept {
  if (!is_usable(socket, buf, size) || count == nullptr) return fail(EINVAL);
  return to_int(socket->socket.send(bytes(buf, size), to_timeout(timeout), flags), *count);
}

int EVSOCKET_shutdown(EVSOCKET* socket, int how) noexcept {
  if (socket == nullptr) return fail(EINVAL);
  return finish(socket->socket.shutdown(static_cast<Socket::Shutdown>(how)));
}

void EVSOCKET_set_idle_timeout(EVSOCKET* socket, struct timeval timeout) noexcept {
  if (socket != nullptr) socket->socket.set_idle_timeout(to_timeout(timeout));
}

int EVSOCKET_local_address(EVSOCKET* socket, SOCKADDR* address) noexcept {
  if (socket == nullptr || address == nullptr) return fail(EINVAL);
  return store(socket->socket.local_address(), *address);
}

int EVSOCKET_peer_address(EVSOCKET* socket, SOCKADDR* address) noexcept {
  if (socket == nullptr || address == nullptr) return fail(EINVAL);
  return store(socket->socket.peer_address(), *address);
}
