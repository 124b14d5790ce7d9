// DatagramState: a datagram socket and the operations on it; what a DatagramSocket points to.
//
// It is registered level-triggered: edges for both directions would wake the loop twice for each
// datagram, once for room to send; and what is there may be left there. So a recv need not ask in
// vain: after one that came of an event, the next waits for an event first, unless datagrams have
// lately come in bunches.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include <evcoro/detail/descriptor_libevent.hpp>
#include <evcoro/detail/patience.hpp>
#include <evcoro/net/datagram_socket.hpp>

namespace evcoro::detail {

class DatagramState final : public Descriptor {
 public:
  // adopt() is DatagramSocket::adopt(), but for this: if it fails, descriptor stays the caller's.
  static Result<DatagramSocket> adopt(LoopCore& core, int descriptor) noexcept;

  std::error_code connect(const Address& address) noexcept;
  DatagramResult receive(std::span<std::byte> buffer, Address* sender, Timeout timeout,
                         int flags) noexcept;
  IoResult send(std::span<const std::byte> data, const Address* address, Timeout timeout,
                int flags) noexcept;
  IoResult receive(DatagramBatch& batch, Timeout timeout) noexcept;
  IoResult send(DatagramBatch& batch, std::size_t first, Timeout timeout) noexcept;

 private:
  DatagramState(LoopCore& core, int descriptor, bool is_unix, bool is_connected) noexcept
      : Descriptor(core, descriptor, 0), is_unix_(is_unix), is_connected_(is_connected) {}

  template <class Attempt>
  IoResult receive_by(Attempt&& attempt, Patience& patience) noexcept;
  template <class Attempt>
  IoResult send_by(Attempt&& attempt, Patience& patience) noexcept;
  bool can_segment() noexcept;
  std::error_code wait_for_room(Patience& patience, RetryPause& pause) noexcept;
  void note_received(bool was_awaited) noexcept;
  void note_progress() noexcept;

  const bool is_unix_;
  bool is_connected_;
  bool expects_more_ = false;        // bunches: it is worth asking again
  std::optional<bool> can_segment_;  // once it has been asked for: runs of a batch, by UDP_SEGMENT
  int run_ = 0;                      // datagrams since the last one that was awaited
  int awaited_ = 0;                  // those that were, one by one
  int streak_ = 0;                   // operations since the last wait
};

}  // namespace evcoro::detail
