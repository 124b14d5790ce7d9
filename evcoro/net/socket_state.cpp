#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <corothread/detail/sanitizers.hpp>
#include <evcoro/detail/sigpipe.hpp>
#include <evcoro/detail/socket_libevent.hpp>

namespace evcoro::detail {
namespace {

// sendfile(2) is asked for this much at a time: other threads run between.
constexpr std::size_t most_of_a_file = 1 << 20;

// Flags that mean nothing on a pipe. Others are refused, as the kernel refuses all calls that have
// any.
constexpr int harmless_flags = MSG_DONTWAIT | MSG_NOSIGNAL | MSG_WAITALL | MSG_MORE;

constexpr int no_signal = 0x100;  // RWF_NOSIGNAL, which Debian's headers don't have yet

// ThreadSanitizer doesn't know pwritev2(2): to it, who reads the pipe would race with who wrote.
#if defined(EVCORO_TSAN)
constexpr bool may_be_quiet = false;
#else
constexpr bool may_be_quiet = true;
#endif

bool refuses(int flags) noexcept {
  if ((flags & ~harmless_flags) == 0) return false;
  errno = ENOTSOCK;
  return true;
}

}  // namespace

bool is_tcp_socket(int descriptor) noexcept {
  int protocol = 0;
  socklen_t size = sizeof protocol;
  return ::getsockopt(descriptor, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 &&
         protocol == IPPROTO_TCP;
}

SocketState::SocketState(LoopCore& core, int descriptor, bool is_tcp, bool is_socket) noexcept
    : Descriptor(core, descriptor), is_tcp_(is_tcp), is_socket_(is_socket) {}

SocketState* SocketState::make(LoopCore& core, int descriptor, bool is_tcp,
                               bool is_socket) noexcept {
  auto* const state = new (std::nothrow) SocketState(core, descriptor, is_tcp, is_socket);
  if (state == nullptr || state->set_bandwidth(Throttle::loop, core.bandwidth)) return state;
  state->give_up();
  state->drop();
  return nullptr;
}

bool SocketState::set_bandwidth(Throttle::Level level, const Bandwidth& bandwidth) noexcept {
  if (throttle_ == nullptr) {
    if (!bandwidth) return true;
    throttle_.reset(new (std::nothrow) Throttle);
    if (throttle_ == nullptr) return false;
  }
  throttle_->set(level, bandwidth);
  if (throttle_->is_empty()) throttle_ = nullptr;
  wake_waiters();  // they go on by the new limits
  return true;
}

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

// Takes tokens for up to most bytes. Time that goes by meanwhile isn't the peer's: it doesn't count
// as idle.
std::error_code SocketState::take(Allowance& allowance, std::size_t most,
                                  Patience& patience) noexcept {
  const std::error_code error = allowance.take(*this, most, patience);
  if (idle_timeout_.count() != 0) last_progress_ = Clock::now();
  return error;
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
  RetryPause pause;
  do {
    if (const auto error = wait_to_connect(address->sa_family, patience, pause)) return error;
    // Asked again, connect(2) says how its attempt stands.
  } while (::connect(number(), address, size) != 0 && errno != EISCONN);
  return {};
}

// errno is connect(2)'s. Of a UNIX listener whose backlog is full it is EAGAIN, and nothing tells
// when there is room.
std::error_code SocketState::wait_to_connect(int family, Patience& patience,
                                             RetryPause& pause) noexcept {
  if (errno == EINPROGRESS || errno == EALREADY || errno == EINTR) {
    return wait(Direction::write, patience, "connect");
  }
  if (errno != EAGAIN || family != AF_UNIX) return system_error();
  if (!patience.may_wait()) return to_error(corothread::Wake::timed_out);
  return wait_to_retry(Direction::write, patience.deadline(), pause, "connect");
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
  if (!is_socket_) [[unlikely]]
    return refuses(flags) ? -1 : ::read(number(), buffer.data(), buffer.size());
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

IoResult SocketState::receive(std::span<std::byte> buffer, Timeout timeout, int flags) noexcept {
  if (const auto error = admit(Direction::read)) return {0, error};
  if (buffer.empty()) return {};
  if ((flags & (MSG_WAITALL | MSG_PEEK | MSG_DONTWAIT)) == MSG_WAITALL) {
    return receive_all(buffer, timeout, flags & ~MSG_WAITALL);
  }
  const Hold hold{*this};
  Patience patience{(flags & MSG_DONTWAIT) != 0 ? no_wait : timeout};
  const auto attempt = [&](Left& left, std::size_t most) {
    return receive_once(buffer.first(most), flags, left);
  };
  return receive_some(buffer.size(), attempt, patience, (flags & MSG_PEEK) == 0);
}

std::error_code SocketState::wait_readable(Timeout timeout) noexcept {
  if (const auto error = admit(Direction::read)) return error;
  const Hold hold{*this};
  Patience patience{timeout};
  while (number() >= 0) {
    if (may_read && throttle_ == nullptr) [[likely]]
      return no_error;
    if (may_read) {
      Allowance one{throttle_.get(), Direction::read};  // given back
      const auto error = take(one, 1, patience);
      if (error != std::errc::resource_unavailable_try_again) return error;
    } else if (const auto error = wait(Direction::read, patience, "recv")) {
      may_read = patience.may_wait();  // as in receive_some()
      return error;
    }
  }
  return to_error(corothread::Wake::cancelled);  // closed while this thread was away
}

IoResult SocketState::receive_all(std::span<std::byte> buffer, Timeout timeout,
                                  int flags) noexcept {
  if (const auto error = admit(Direction::read)) return {0, error};
  const Hold hold{*this};
  Patience patience{(flags & MSG_DONTWAIT) != 0 ? no_wait : timeout};
  IoResult total;
  while (total.count < buffer.size()) {
    const auto rest = buffer.subspan(total.count);
    const auto attempt = [&](Left& left, std::size_t most) {
      return receive_once(rest.first(most), flags, left);
    };
    const IoResult some = receive_some(rest.size(), attempt, patience);
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
  const auto attempt = [&](std::size_t sent, std::size_t most) -> std::ptrdiff_t {
    const auto rest = data.subspan(sent, most);
    if (is_socket_) [[likely]]
      return ::send(number(), rest.data(), rest.size(), flags | MSG_NOSIGNAL);
    const iovec whole{const_cast<std::byte*>(rest.data()), rest.size()};
    return write_quietly({&whole, 1}, flags);
  };
  return send_all(data.size(), attempt, patience);
}

// --- files, and several buffers ---

IoResult SocketState::send_file(int file, std::uint64_t offset, std::size_t count,
                                Timeout timeout) noexcept {
  const auto attempt = [&](std::size_t sent, std::size_t most) {
    auto position = static_cast<off_t>(offset + sent);
    const SigpipeGuard guard;
    return ::sendfile(number(), file, &position, std::min(most, most_of_a_file));
  };
  IoResult out = send_by(count, attempt, timeout);
  if (!out.error && out.count < count) out.error = Errc::file_too_short;
  return out;
}

namespace {

// Vectors is a window on several buffers, as the system calls want them.
class Vectors {
 public:
  // Those behind the first skipped bytes, as many as fit, of at most most bytes together, empty
  // ones left out.
  template <class Buffers>
  explicit Vectors(const Buffers& buffers, std::size_t skipped = 0,
                   std::size_t most = SIZE_MAX) noexcept {
    for (const auto& each : buffers) {
      if (count_ == std::size(vectors_) || size_ == most) break;
      const std::size_t skip = std::min(skipped, each.size());
      skipped -= skip;
      if (each.size() == skip) continue;
      void* const begin = const_cast<std::byte*>(each.data() + skip);
      const std::size_t size = std::min(each.size() - skip, most - size_);
      vectors_[count_++] = {begin, size};
      size_ += size;
    }
  }

  std::span<iovec> get() noexcept { return {vectors_, count_}; }
  std::size_t size() const noexcept { return size_; }  // in bytes

 private:
  iovec vectors_[16];
  std::size_t count_ = 0;
  std::size_t size_ = 0;
};

msghdr message_of(std::span<iovec> vectors) noexcept {
  msghdr message{};
  message.msg_iov = vectors.data();
  message.msg_iovlen = vectors.size();
  return message;
}

}  // namespace

std::ptrdiff_t SocketState::receive_vectors(std::span<iovec> vectors, int flags) noexcept {
  if (is_socket_) {
    msghdr message = message_of(vectors);
    return ::recvmsg(number(), &message, flags);
  }
  if (refuses(flags)) return -1;
  return ::readv(number(), vectors.data(), static_cast<int>(vectors.size()));
}

std::ptrdiff_t SocketState::send_vectors(std::span<iovec> vectors, int flags) noexcept {
  if (is_socket_) {
    const msghdr message = message_of(vectors);
    return ::sendmsg(number(), &message, flags | MSG_NOSIGNAL);
  }
  return write_quietly(vectors, flags);
}

// Without SIGPIPE: since Linux 6.18 pwritev2(2) can be told so.
std::ptrdiff_t SocketState::write_quietly(std::span<const iovec> vectors, int flags) noexcept {
  if (refuses(flags)) return -1;
  const int count = static_cast<int>(vectors.size());
  if (may_be_quiet && can_be_quiet_) {
    const ssize_t written = ::pwritev2(number(), vectors.data(), count, -1, no_signal);
    const bool is_unknown = errno == EOPNOTSUPP || errno == ENOSYS || errno == EPERM;  // seccomp(2)
    if (written >= 0 || !is_unknown) return written;
    can_be_quiet_ = false;
  }
  const SigpipeGuard guard;
  return ::writev(number(), vectors.data(), count);
}

IoResult SocketState::receive(std::span<const std::span<std::byte>> buffers, Timeout timeout,
                              int flags) noexcept {
  if (const auto error = admit(Direction::read)) return {0, error};
  const std::size_t size = Vectors{buffers}.size();
  if (size == 0) return {};
  if ((flags & MSG_WAITALL) != 0) return {0, system_error(EINVAL)};
  const Hold hold{*this};
  Patience patience{(flags & MSG_DONTWAIT) != 0 ? no_wait : timeout};
  const auto attempt = [&](Left& left, std::size_t most) {
    Vectors vectors{buffers, 0, most};
    const std::ptrdiff_t count = receive_vectors(vectors.get(), flags);
    const bool is_short = count > 0 && static_cast<std::size_t>(count) < vectors.size();
    if (is_short && flags == 0) left = Left::nothing;
    return count;
  };
  return receive_some(size, attempt, patience, (flags & MSG_PEEK) == 0);
}

IoResult SocketState::send(std::span<const std::span<const std::byte>> buffers, Timeout timeout,
                           int flags) noexcept {
  if (const auto error = admit(Direction::write)) return {0, error};
  std::size_t size = 0;
  for (const auto& each : buffers) size += each.size();
  const Hold hold{*this};
  Patience patience{(flags & MSG_DONTWAIT) != 0 ? no_wait : timeout};
  const auto attempt = [&](std::size_t sent, std::size_t most) {
    Vectors vectors{buffers, sent, most};
    return send_vectors(vectors.get(), flags);
  };
  return send_all(size, attempt, patience);
}

}  // namespace evcoro::detail

// --- the handle's operations ---
//
// Each is flattened into one function: after a system call the processor has forgotten where to
// return to, and mispredicts every return on the way up.

namespace evcoro {

using detail::bad_descriptor;

std::error_code Socket::connect(const sockaddr* address, socklen_t size, Timeout timeout) noexcept {
  return state_ == nullptr ? bad_descriptor : state_->connect(address, size, timeout);
}

[[gnu::flatten]] IoResult Socket::recv(std::span<std::byte> buffer, Timeout timeout,
                                       int flags) noexcept {
  return state_ == nullptr ? IoResult{0, bad_descriptor} : state_->receive(buffer, timeout, flags);
}

[[gnu::flatten]] std::error_code Socket::wait_readable(Timeout timeout) noexcept {
  return state_ == nullptr ? bad_descriptor : state_->wait_readable(timeout);
}

std::error_code Socket::admit_recv() const noexcept {
  return state_ == nullptr ? bad_descriptor : state_->admit(detail::Descriptor::Direction::read);
}

std::error_code Socket::admit_send() const noexcept {
  return state_ == nullptr ? bad_descriptor : state_->admit(detail::Descriptor::Direction::write);
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

IoResult Socket::recv_vector(std::span<const std::span<std::byte>> buffers, Timeout timeout,
                             int flags) noexcept {
  if (state_ == nullptr) return {0, bad_descriptor};
  return state_->receive(buffers, timeout, flags);
}

IoResult Socket::send_vector(std::span<const std::span<const std::byte>> buffers, Timeout timeout,
                             int flags) noexcept {
  return state_ == nullptr ? IoResult{0, bad_descriptor} : state_->send(buffers, timeout, flags);
}

IoResult Socket::send_file(int file, std::uint64_t offset, std::size_t count,
                           Timeout timeout) noexcept {
  if (state_ == nullptr) return {0, bad_descriptor};
  return state_->send_file(file, offset, count, timeout);
}

}  // namespace evcoro
