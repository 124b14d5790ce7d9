#include <evcoro/net/socket.hpp>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cerrno>
#include <new>

#include <evcoro/detail/loop_libevent.hpp>
#include <evcoro/detail/socket_libevent.hpp>
#include <evcoro/loop.hpp>

namespace evcoro {
Result<Socket> Socket::open(int family) noexcept {
  Loop* const loop = Loop::current();
  if (loop == nullptr) return Errc::not_in_a_thread;
  return open(*loop, family);
}

Result<Socket> Socket::open(Loop& loop, int family) noexcept {
  const int descriptor = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return detail::system_error();
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return adopt(loop, descriptor);
}

Result<Socket> detail::SocketState::adopt(LoopCore& core, int descriptor) noexcept {
  const int flags = ::fcntl(descriptor, F_GETFL);
  if (flags < 0) return system_error();
  if ((flags & O_NONBLOCK) == 0 && ::fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) < 0) {
    return system_error();
  }
  errno = 0;
  const bool is_tcp = is_tcp_socket(descriptor);
  const bool is_socket = is_tcp || errno != ENOTSOCK;
  auto* const state = make(core, descriptor, is_tcp, is_socket);
  if (state == nullptr) return system_error(ENOMEM);
  return Socket{*state};
}

Result<Socket> Socket::adopt(Loop& loop, int descriptor) noexcept {
  auto socket = detail::SocketState::adopt(loop.core(), descriptor);
  if (!socket && socket.error() != std::errc::bad_file_descriptor) ::close(descriptor);
  return socket;
}

std::error_code Socket::shutdown(Shutdown how) noexcept {
  if (::shutdown(native_handle(), static_cast<int>(how)) != 0) return detail::system_error();
  return {};
}

void Socket::close() noexcept {
  const int descriptor = release();
  if (descriptor >= 0) ::close(descriptor);  // Linux has closed it even if EINTR is what it says
}

void Socket::reset() noexcept {
  static_cast<void>(set_option(option::linger, std::chrono::seconds{0}));
  close();
}

int Socket::release() noexcept {
  if (state_ == nullptr) return -1;
  const int descriptor = state_->give_up();
  std::exchange(state_, nullptr)->drop();
  return descriptor;
}

int Socket::native_handle() const noexcept { return state_ == nullptr ? -1 : state_->number(); }

void Socket::set_idle_timeout(Timeout timeout) noexcept {
  if (state_ != nullptr) state_->set_idle_timeout(timeout);
}

std::error_code Socket::set_bandwidth(const Bandwidth& bandwidth) noexcept {
  if (state_ == nullptr) return detail::system_error(EBADF);
  const bool is_set = state_->set_bandwidth(detail::Throttle::own, bandwidth);
  return is_set ? std::error_code{} : detail::system_error(ENOMEM);
}

Result<Socket> connect(const Address& address, Timeout timeout) noexcept {
  Result<Socket> socket = Socket::open(address.family());
  if (!socket) return socket;
  if (const auto error = socket->connect(address, timeout)) return error;
  return socket;
}

}  // namespace evcoro
