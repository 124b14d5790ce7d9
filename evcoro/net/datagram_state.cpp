#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include <evcoro/detail/address_buffer.hpp>
#include <evcoro/detail/datagram_libevent.hpp>

namespace evcoro::detail {
namespace {

// After so many datagrams that came one by one, it is asked whether they come in bunches now.
constexpr int probe_interval = 16;

// It is no checksum in hardware, a size beyond the MTU, or SO_NO_CHECK: one by one they may go.
bool may_be_of_a_run(std::error_code error) noexcept {
  return error == std::errc::io_error || error == std::errc::invalid_argument ||
         error == std::errc::message_size;
}

bool is_writable(int descriptor) noexcept {
  pollfd poll{.fd = descriptor, .events = POLLOUT, .revents = 0};
  return ::poll(&poll, 1, 0) > 0;
}

}  // namespace

void DatagramState::note_progress() noexcept {
  if (++streak_ < longest_streak) return;
  streak_ = 0;
  corothread::Scheduler::yield_to_loop();
}

// --- receiving ---

void DatagramState::note_received(bool was_awaited) noexcept {
  run_ = was_awaited ? 0 : run_ + 1;
  if (was_awaited) awaited_ = (awaited_ + 1) % probe_interval;
  may_read = expects_more_ || run_ > 0 || awaited_ == 0;
  note_progress();
}

// attempt() returns what the system call does.
template <class Attempt>
IoResult DatagramState::receive_by(Attempt&& attempt, Patience& patience) noexcept {
  bool was_awaited = false;
  bool is_last_look = !patience.may_wait();
  while (number() >= 0) {
    if (may_read || is_last_look) {
      const std::ptrdiff_t count = attempt();
      if (count >= 0) {
        note_received(was_awaited);
        return {static_cast<std::size_t>(count)};
      }
      if (errno == EINTR) continue;
      if (!would_block(errno)) return {0, system_error()};
      may_read = false;
      if (!was_awaited) expects_more_ = run_ > 0;
      if (is_last_look) return {0, to_error(corothread::Wake::timed_out)};
    }
    streak_ = 0;
    if (const auto error = wait(Direction::read, patience.deadline(), "recv")) {
      if (error != std::errc::timed_out) return {0, error};
      is_last_look = true;  // it may have come since the loop polled
    }
    was_awaited = true;
  }
  return {0, to_error(corothread::Wake::cancelled)};  // closed while this thread was away
}

DatagramResult DatagramState::receive(std::span<std::byte> buffer, Address* sender, Timeout timeout,
                                      int flags) noexcept {
  if (const auto error = admit(Direction::read)) return {0, 0, error};
  const Hold hold{*this};
  Patience patience{(flags & MSG_DONTWAIT) != 0 ? no_wait : timeout};
  Address unused;
  AddressBuffer address{sender != nullptr ? *sender : unused};
  socklen_t size = 0;
  const auto attempt = [&] {
    size = AddressBuffer::capacity();
    // With MSG_TRUNC it returns the size of the whole datagram.
    return ::recvfrom(number(), buffer.data(), buffer.size(), flags | MSG_TRUNC,
                      sender != nullptr ? address.data() : nullptr,
                      sender != nullptr ? &size : nullptr);
  };
  const IoResult whole = receive_by(attempt, patience);
  if (whole.error) return {0, 0, whole.error};
  if (sender != nullptr) address.settle(size);
  return {std::min(whole.count, buffer.size()), whole.count};
}

IoResult DatagramState::receive(DatagramBatch& batch, Timeout timeout) noexcept {
  if (const auto error = admit(Direction::read)) return {0, error};
  if (batch.capacity() == 0) return {0, system_error(EINVAL)};
  const Hold hold{*this};
  Patience patience{timeout};
  batch.prepare_to_receive(!is_connected_);
  const auto attempt = [&] {
    return ::recvmmsg(number(), batch.headers_.data(), static_cast<unsigned>(batch.capacity()),
                      MSG_TRUNC, nullptr);
  };
  const IoResult in = receive_by(attempt, patience);
  batch.settle_received(in.count, !is_connected_);
  if (!in.error) may_read = in.count == batch.capacity();  // else there is nothing more
  return in;
}

// --- sending ---

// A UNIX socket that is not connected can't be asked whether another has room for a datagram: it
// says that it is writable as long as it has room itself.
std::error_code DatagramState::wait_for_room(Patience& patience, RetryPause& pause) noexcept {
  streak_ = 0;
  if (!is_unix_ || !is_writable(number())) {
    return wait(Direction::write, patience.deadline(), "send");
  }
  return wait_to_retry(Direction::write, patience.deadline(), pause, "send");
}

template <class Attempt>
IoResult DatagramState::send_by(Attempt&& attempt, Patience& patience) noexcept {
  RetryPause pause;
  while (number() >= 0) {
    const std::ptrdiff_t count = attempt();
    if (count >= 0) {
      note_progress();
      return {static_cast<std::size_t>(count)};
    }
    if (errno == EINTR) continue;
    if (!would_block(errno)) return {0, system_error()};
    if (!patience.may_wait()) return {0, to_error(corothread::Wake::timed_out)};
    if (const auto error = wait_for_room(patience, pause)) return {0, error};
  }
  return {0, to_error(corothread::Wake::cancelled)};
}

IoResult DatagramState::send(std::span<const std::byte> data, const Address* address,
                             Timeout timeout, int flags) noexcept {
  if (const auto error = admit(Direction::write)) return {0, error};
  const Hold hold{*this};
  Patience patience{(flags & MSG_DONTWAIT) != 0 ? no_wait : timeout};
  const sockaddr* const to = address != nullptr ? address->data() : nullptr;
  const socklen_t size = address != nullptr ? address->size() : 0;
  const auto attempt = [&] {
    return ::sendto(number(), data.data(), data.size(), flags | MSG_NOSIGNAL, to, size);
  };
  return send_by(attempt, patience);
}

IoResult DatagramState::send(DatagramBatch& batch, std::size_t first, Timeout timeout) noexcept {
  if (const auto error = admit(Direction::write)) return {0, error};
  const Hold hold{*this};
  Patience patience{timeout};
  bool may_join = can_segment();
  IoResult total;
  std::span<mmsghdr> messages;
  while (first + total.count < batch.size()) {
    if (messages.empty()) {
      messages = batch.prepare_to_send(first + total.count, !is_connected_, may_join);
    }
    const auto attempt = [&] {
      return ::sendmmsg(number(), messages.data(), static_cast<unsigned>(messages.size()),
                        MSG_NOSIGNAL);
    };
    const IoResult some = send_by(attempt, patience);
    for (const mmsghdr& each : messages.first(some.count)) total.count += each.msg_hdr.msg_iovlen;
    messages = messages.subspan(some.count);
    if (!some.error) continue;
    const bool was_run = messages.front().msg_hdr.msg_iovlen > 1;
    if (!was_run || !may_be_of_a_run(some.error)) return {total.count, some.error};
    may_join = false;
    messages = {};
    if (is_connected_ && some.error == std::errc::io_error)
      can_segment_ = false;  // its route can't
  }
  return total;
}

// A socket that isn't one of UDP, or an old kernel, would take the control message for nothing, and
// the run for one datagram; and one that cuts or joins datagrams itself is not to be disturbed.
bool DatagramState::can_segment() noexcept {
  const auto is_off = [this](int option) {
    int value = 0;
    socklen_t size = sizeof value;
    return ::getsockopt(number(), SOL_UDP, option, &value, &size) == 0 && value == 0;
  };
  if (!can_segment_) can_segment_ = is_off(UDP_SEGMENT) && is_off(UDP_CORK);
  return *can_segment_;
}

}  // namespace evcoro::detail

// --- the handle's operations, each flattened as those of Socket are ---

namespace evcoro {

using detail::bad_descriptor;

[[gnu::flatten]] DatagramResult DatagramSocket::recv_from(std::span<std::byte> buffer,
                                                          Address& sender, Timeout timeout,
                                                          int flags) noexcept {
  if (state_ == nullptr) return {0, 0, bad_descriptor};
  return state_->receive(buffer, &sender, timeout, flags);
}

[[gnu::flatten]] DatagramResult DatagramSocket::recv(std::span<std::byte> buffer, Timeout timeout,
                                                     int flags) noexcept {
  if (state_ == nullptr) return {0, 0, bad_descriptor};
  return state_->receive(buffer, nullptr, timeout, flags);
}

[[gnu::flatten]] IoResult DatagramSocket::send_to(std::span<const std::byte> data,
                                                  const Address& address, Timeout timeout,
                                                  int flags) noexcept {
  if (state_ == nullptr) return {0, bad_descriptor};
  return state_->send(data, &address, timeout, flags);
}

[[gnu::flatten]] IoResult DatagramSocket::send(std::span<const std::byte> data, Timeout timeout,
                                               int flags) noexcept {
  if (state_ == nullptr) return {0, bad_descriptor};
  return state_->send(data, nullptr, timeout, flags);
}

[[gnu::flatten]] IoResult DatagramSocket::recv_batch(DatagramBatch& batch,
                                                     Timeout timeout) noexcept {
  return state_ == nullptr ? IoResult{0, bad_descriptor} : state_->receive(batch, timeout);
}

[[gnu::flatten]] IoResult DatagramSocket::send_batch(DatagramBatch& batch, Timeout timeout,
                                                     std::size_t first) noexcept {
  return state_ == nullptr ? IoResult{0, bad_descriptor} : state_->send(batch, first, timeout);
}

}  // namespace evcoro
