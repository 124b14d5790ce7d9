#include <evcoro/net/datagram_socket.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <new>

#include <evcoro/detail/datagram_libevent.hpp>
#include <evcoro/loop.hpp>

namespace evcoro {
namespace {

int option_of(int descriptor, int name) noexcept {
  int value = -1;
  socklen_t size = sizeof value;
  return ::getsockopt(descriptor, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

}  // namespace

Result<DatagramSocket> detail::DatagramState::adopt(LoopCore& core, int descriptor) noexcept {
  const int flags = ::fcntl(descriptor, F_GETFL);
  if (flags < 0) return system_error();
  const int type = option_of(descriptor, SO_TYPE);
  if (type < 0) return system_error();
  if (type != SOCK_DGRAM && type != SOCK_RAW) return system_error(EPROTOTYPE);
  if ((flags & O_NONBLOCK) == 0 && ::fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) < 0) {
    return system_error();
  }
  const bool is_unix = option_of(descriptor, SO_DOMAIN) == AF_UNIX;
  sockaddr_storage peer;
  socklen_t size = sizeof peer;
  const bool is_connected =
      ::getpeername(descriptor, reinterpret_cast<sockaddr*>(&peer), &size) == 0;
  auto* const state = new (std::nothrow) DatagramState(core, descriptor, is_unix, is_connected);
  if (state == nullptr) return system_error(ENOMEM);
  return DatagramSocket{*state};
}

std::error_code detail::DatagramState::connect(const Address& address) noexcept {
  while (::connect(number(), address.data(), address.size()) != 0) {
    if (errno != EINTR) return system_error();
  }
  is_connected_ = address.family() != AF_UNSPEC;
  can_segment_.reset();  // it may depend on the route
  return {};
}

Result<DatagramSocket> DatagramSocket::open(int family) noexcept {
  Loop* const loop = Loop::current();
  if (loop == nullptr) return Errc::not_in_a_thread;
  return open(*loop, family);
}

Result<DatagramSocket> DatagramSocket::open(Loop& loop, int family) noexcept {
  const int descriptor = ::socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return detail::system_error();
  return adopt(loop, descriptor);
}

Result<DatagramSocket> DatagramSocket::bound_to(const Address& address) noexcept {
  Result<DatagramSocket> socket = open(address.family());
  if (!socket) return socket;
  if (const auto error = socket->bind(address)) return error;
  return socket;
}

Result<DatagramSocket> DatagramSocket::connected_to(const Address& address) noexcept {
  Result<DatagramSocket> socket = open(address.family());
  if (!socket) return socket;
  if (const auto error = socket->connect(address)) return error;
  return socket;
}

Result<DatagramSocket> DatagramSocket::adopt(Loop& loop, int descriptor) noexcept {
  auto socket = detail::DatagramState::adopt(loop.core(), descriptor);
  if (!socket && socket.error() != std::errc::bad_file_descriptor) ::close(descriptor);
  return socket;
}

std::error_code DatagramSocket::bind(const Address& address) noexcept {
  if (::bind(native_handle(), address.data(), address.size()) != 0) return detail::system_error();
  return {};
}

std::error_code DatagramSocket::connect(const Address& address) noexcept {
  if (address.family() == AF_UNSPEC) return detail::system_error(EAFNOSUPPORT);
  return state_ == nullptr ? detail::system_error(EBADF) : state_->connect(address);
}

std::error_code DatagramSocket::disconnect() noexcept {
  const sockaddr nobody{.sa_family = AF_UNSPEC, .sa_data = {}};
  if (state_ == nullptr) return detail::system_error(EBADF);
  return state_->connect(Address{&nobody, sizeof nobody});
}

std::error_code DatagramSocket::join(const Address& group, unsigned interface) noexcept {
  return detail::change_membership(native_handle(), true, group, interface);
}

std::error_code DatagramSocket::leave(const Address& group, unsigned interface) noexcept {
  return detail::change_membership(native_handle(), false, group, interface);
}

std::error_code DatagramSocket::set_multicast_interface(unsigned interface) noexcept {
  return detail::set_multicast_interface(native_handle(), interface);
}

void DatagramSocket::close() noexcept {
  const int descriptor = release();
  if (descriptor >= 0) ::close(descriptor);
}

int DatagramSocket::release() noexcept {
  if (state_ == nullptr) return -1;
  const int descriptor = state_->give_up();
  std::exchange(state_, nullptr)->drop();
  return descriptor;
}

int DatagramSocket::native_handle() const noexcept {
  return state_ == nullptr ? -1 : state_->number();
}

}  // namespace evcoro
