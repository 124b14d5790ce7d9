#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <evcoro/detail/owned_descriptor.hpp>
#include <evcoro/detail/socket_libevent.hpp>
#include <evcoro/loop.hpp>

namespace evcoro {
namespace {

using detail::OwnedDescriptor;
using detail::SocketState;

// Makes a Pair of the two descriptors, which are its own then.
template <class Pair>
Result<Pair> adopt(Loop& loop, const int (&ends)[2]) noexcept {
  OwnedDescriptor first{ends[0]};
  OwnedDescriptor second{ends[1]};
  Result<Socket> one = SocketState::adopt(loop.core(), first.get());
  if (!one) return one.error();
  static_cast<void>(first.release());
  Result<Socket> other = SocketState::adopt(loop.core(), second.get());
  if (!other) return other.error();
  static_cast<void>(second.release());
  return Pair{std::move(*one), std::move(*other)};
}

}  // namespace

Result<SocketPair> socketpair(Loop& loop) noexcept {
  int ends[2];
  constexpr int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  if (::socketpair(AF_UNIX, type, 0, ends) != 0) return detail::system_error();
  return adopt<SocketPair>(loop, ends);
}

Result<Pipe> pipe(Loop& loop) noexcept {
  int ends[2];
  if (::pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) return detail::system_error();
  return adopt<Pipe>(loop, ends);
}

Result<SocketPair> socketpair() noexcept {
  Loop* const loop = Loop::current();
  if (loop == nullptr) return Errc::not_in_a_thread;
  return socketpair(*loop);
}

Result<Pipe> pipe() noexcept {
  Loop* const loop = Loop::current();
  if (loop == nullptr) return Errc::not_in_a_thread;
  return pipe(*loop);
}

}  // namespace evcoro
