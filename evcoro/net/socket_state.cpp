#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <evcoro/detail/socket_libevent.hpp>

namespace evcoro::detail {
namespace {

// A thread that never has to wait lets the loop poll after so many operations on one socket.
constexpr int longest_streak = 128;

bool would_block(int error) noexcept { return error == EAGAIN || error == EWOULDBLOCK; }

// The kernel reports the loss of a connection once, to whoever asks first.
bool is_loss(int error) noexcept {
  return error == ECONNRESET || error == ETIMEDOUT || error == EHOSTUNREACH || error == ENETUNREACH;
}

}  // namespace

bool is_tcp_socket(int descriptor) noexcept {
  int protocol = 0;
  socklen_t size = sizeof protocol;
  return ::getsockopt(descriptor, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 &&
         protocol == IPPROTO_TCP;
}

SocketState::SocketState(LoopCore& core, int descriptor, bool is_tcp) noexcept
    : Descriptor(core, descriptor), is_tcp_(is_tcp) {}

// --- waiting ---

std::error_code SocketState::wait(Direction direction, Patience& patience,
                                  const char* what) noexcept {
  if (!patience.may_wait()) return to_error(corothread::Wake::timed_out);
  streak_ = 0;
  while (true) {
    const TimePoint idle = idle_deadline();
    const auto error = Descriptor::wait(direction, std::min(patience.deadline(), idle), what);
    if (!error) [[likely]]
      return error;
    // Progress in the other direction meanwhile puts the idle deadline off.
    const bool put_off = idle_deadline() > idle && patience.deadline() > idle;
    if (error != std::errc::timed_out || !put_off) return error;
  }
}

void SocketState::note_progress() noexcept {
  if (idle_timeout_.count() != 0) last_progress_ = Clock::now();
  if (++streak_ < longest_streak) return;
  streak_ = 0;
  corothread::Scheduler::yield_to_loop();
}

void SocketState::set_idle_timeout(Timeout timeout) noexcept {
  last_progress_ = Clock::now();
  const TimePoint deadline = timeout.deadline();
  idle_timeout_ = deadline == never ? std::chrono::nanoseconds{0}
                                    : std::max<std::chrono::nanoseconds>(
                                          deadline - last_progress_, std::chrono::nanoseconds{1});
  wake_waiters();  // they go on to wait by the new one
}

// --- connect ---

std::error_code SocketState::connect(const sockaddr* address, socklen_t size,
                                     Timeout timeout) noexcept {
  if (const auto error = admit(Direction::write)) return error;
  // Given an address of no family, connect(2) would disconnect, and call that a success.
  if (address->sa_family == AF_UNSPEC) return system_error(EAFNOSUPPORT);
  if (::connect(number(), address, size) == 0) return {};
  const Hold hold{*this};
  Patience patience{timeout};
  while (errno == EINPROGRESS || errno == EALREADY || errno == EINTR) {
    if (const auto error = wait(Direction::write, patience, "connect")) return error;
    // Asked again, connect(2) says how its attempt stands.
    if (::connect(number(), address, size) == 0 || errno == EISCONN) return {};
  }
  return system_error();
}

// --- receiving ---

std::ptrdiff_t SocketState::receive_with_inq(std::span<std::byte> buffer, Left& left) noexcept {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  iovec vector{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const std::ptrdiff_t count = ::recvmsg(number(), &message, 0);
  const cmsghdr* const header = count > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (header != nullptr && header->cmsg_level == SOL_TCP && header->cmsg_type == TCP_CM_INQ) {
    int queued = 0;
    std::memcpy(&queued, CMSG_DATA(header), sizeof queued);
    left = queued == 0 ? Left::nothing : Left::something;
  }
  return count;
}

std::ptrdiff_t SocketState::receive_once(std::span<std::byte> buffer, int flags,
                                         Left& left) noexcept {
  left = Left::unknown;
  if (knows_inq_ && flags == 0) return receive_with_inq(buffer, left);
  const std::ptrdiff_t count = ::recv(number(), buffer.data(), buffer.size(), flags);
  const bool is_short = count > 0 && static_cast<std::size_t>(count) < buffer.size();
  if (is_short && flags == 0) left = Left::nothing;
  return count;
}

void SocketState::note_received(Left left) noexcept {
  just_filled_ = left == Left::unknown;
  emptied_ = left == Left::nothing && is_tcp_ && is_registered() && !peer_has_closed();
}

// A recv after one that filled its buffer was in vain: from now on the kernel is asked to say so.
void SocketState::note_vain_attempt() noexcept {
  may_read = false;
  if (!just_filled_ || !is_tcp_ || knows_inq_) return;
  const int on = 1;
  knows_inq_ = ::setsockopt(number(), SOL_TCP, TCP_INQ, &on, sizeof on) == 0;
  just_filled_ = false;
}

IoResult SocketState::receive_some(std::span<std::byte> buffer, Patience& patience,
                                   int flags) noexcept {
  while (number() >= 0) {
    if (may_read || !patience.may_wait()) {
      Left left;
      const std::ptrdiff_t count = receive_once(buffer, flags, left);
      if (count == 0 && loss_ != 0) return {0, system_error(loss_)};
      if (count >= 0) {
        note_received(left);
        note_progress();
        return {static_cast<std::size_t>(count)};
      }
      if (errno == EINTR) continue;
      if (!would_block(errno)) return {0, system_error()};
      note_vain_attempt();
    }
    if (const auto error = wait(Direction::read, patience, "recv")) {
      may_read = true;  // the next call asks: what is behind urgent data makes no event
      return {0, error};
    }
  }
  return {0, to_error(corothread::Wake::cancelled)};  // closed while this thread was away
}

IoResult SocketState::receive(std::span<std::byte> buffer, Timeout timeout, int flags) noexcept {
  if (const auto error = admit(Direction::read)) return {0, error};
  if (buffer.empty()) return {};
  if ((flags & (MSG_WAITALL | MSG_PEEK | MSG_DONTWAIT)) == MSG_WAITALL) {
    return receive_all(buffer, timeout, flags & ~MSG_WAITALL);
  }
  const Hold hold{*this};
  Patience patience{(flags & MSG_DONTWAIT) != 0 ? no_wait : timeout};
  return receive_some(buffer, patience, flags);
}

IoResult SocketState::receive_all(std::span<std::byte> buffer, Timeout timeout,
                                  int flags) noexcept {
  if (const auto error = admit(Direction::read)) return {0, error};
  const Hold hold{*this};
  Patience patience{(flags & MSG_DONTWAIT) != 0 ? no_wait : timeout};
  IoResult total;
  while (total.count < buffer.size()) {
    const IoResult some = receive_some(buffer.subspan(total.count), patience, flags);
    total.count += some.count;
    total.error = some.error;
    if (some.error || some.count == 0) break;
  }
  return total;
}

// --- sending ---

// That a send succeeds proves that no reset came with the data that was last received.
void SocketState::note_sent() noexcept {
  if (emptied_) may_read = false;
  emptied_ = false;
  note_progress();
}

IoResult SocketState::send(std::span<const std::byte> data, Timeout timeout, int flags) noexcept {
  if (const auto error = admit(Direction::write)) return {0, error};
  const Hold hold{*this};
  Patience patience{(flags & MSG_DONTWAIT) != 0 ? no_wait : timeout};
  IoResult total;
  while (total.count < data.size()) {
    if (number() < 0) return {total.count, to_error(corothread::Wake::cancelled)};
    if (may_write || !patience.may_wait()) {
      const auto rest = data.subspan(total.count);
      const std::ptrdiff_t count = ::send(number(), rest.data(), rest.size(), flags | MSG_NOSIGNAL);
      if (count >= 0) {
        total.count += static_cast<std::size_t>(count);
        note_sent();
        continue;
      }
      if (errno == EINTR) continue;
      if (!would_block(errno)) {
        if (is_loss(errno)) loss_ = errno;
        return {total.count, system_error()};
      }
      may_write = false;
    }
    if (const auto error = wait(Direction::write, patience, "send")) return {total.count, error};
  }
  return total;
}

}  // namespace evcoro::detail

// --- the handle's operations ---
//
// Each is flattened into one function: after a system call the processor has forgotten where to
// return to, and mispredicts every return on the way up.

namespace evcoro {
namespace {

const std::error_code bad_descriptor = detail::system_error(EBADF);

}  // namespace

std::error_code Socket::connect(const sockaddr* address, socklen_t size, Timeout timeout) noexcept {
  return state_ == nullptr ? bad_descriptor : state_->connect(address, size, timeout);
}

[[gnu::flatten]] IoResult Socket::recv(std::span<std::byte> buffer, Timeout timeout,
                                       int flags) noexcept {
  return state_ == nullptr ? IoResult{0, bad_descriptor} : state_->receive(buffer, timeout, flags);
}

[[gnu::flatten]] IoResult Socket::recv_all(std::span<std::byte> buffer, Timeout timeout,
                                           int flags) noexcept {
  if (state_ == nullptr) return {0, bad_descriptor};
  if ((flags & MSG_PEEK) != 0) return {0, detail::system_error(EINVAL)};
  return state_->receive_all(buffer, timeout, flags & ~MSG_WAITALL);
}

[[gnu::flatten]] IoResult Socket::send(std::span<const std::byte> data, Timeout timeout,
                                       int flags) noexcept {
  return state_ == nullptr ? IoResult{0, bad_descriptor} : state_->send(data, timeout, flags);
}

}  // namespace evcoro
