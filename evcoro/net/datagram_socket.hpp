// DatagramSocket: UDP, and datagrams between UNIX sockets; it blocks the calling thread and nobody
// else.
//
//   DatagramSocket socket = DatagramSocket::bound_to(Address::any(AF_INET, 9999)).value();
//   std::array<std::byte, 1500> buffer;
//   Address sender;
//   while (DatagramResult in = socket.recv_from(buffer, sender)) {
//     socket.send_to(std::span{buffer}.first(in.count), sender, 3s);
//   }
//
// A datagram comes whole, or cut to the buffer (is_truncated()), or not at all. An empty one is a
// count of 0: there is no end of file. UDP loses datagrams, doubles them and changes their order;
// between UNIX sockets none is lost, and a sender waits while the receiver's queue is full.
//
// A DatagramSocket is a move-only handle and closes on destruction. It belongs to a loop, and its
// blocking calls are made in threads of that loop; all other members are for the loop's OS thread.
// One thread may receive while another sends. Blocking calls fail with: timed_out;
// operation_canceled when the thread is cancelled or the socket closed meanwhile;
// Errc::not_in_a_thread, wrong_loop, second_reader, second_writer, mixed_registration; and what the
// system call says. After any of them the socket is as usable as before.
//
// Connected, a UDP socket learns of ICMP errors: the next call, receiving or sending, fails with
// connection_refused or the like, once for each; its datagram was not sent. See udp(7).
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <evcoro/net/address.hpp>
#include <evcoro/net/socket.hpp>
#include <evcoro/net/socket_option.hpp>
#include <evcoro/result.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

namespace evcoro {

class Loop;

namespace detail {
class DatagramState;

// SegmentSize is room for the control message of that name.
struct SegmentSize {
  alignas(cmsghdr) std::byte data[CMSG_SPACE(sizeof(std::uint16_t))];
};
}  // namespace detail

// DatagramResult is what came of a datagram.
struct [[nodiscard]] DatagramResult {
  std::size_t count = 0;  // bytes in the buffer
  std::size_t size = 0;   // bytes of the datagram: more, if it didn't fit
  std::error_code error = {};

  bool is_truncated() const noexcept { return size > count; }
  explicit operator bool() const noexcept { return !error; }
};

// DatagramBatch is room for datagrams that are received, or sent, by one system call. Its memory is
// taken once, when it is made.
//
//   DatagramBatch batch{64, 1500};
//   while (socket.recv_batch(batch)) socket.send_batch(batch, 3s);    // an echo
//
// It is a value without a loop, for one thread at a time.
class EVCORO_API DatagramBatch {
 public:
  // capacity datagrams, each of up to datagram_size bytes; beyond 1024 the kernel takes no more.
  // Throws std::bad_alloc, std::length_error.
  DatagramBatch(std::size_t capacity, std::size_t datagram_size);

  // One that was moved from has no room.
  DatagramBatch(DatagramBatch&& other) noexcept { swap(other); }
  DatagramBatch& operator=(DatagramBatch&& other) noexcept {
    DatagramBatch{std::move(other)}.swap(*this);
    return *this;
  }
  void swap(DatagramBatch& other) noexcept;

  // Datagram is one of them: good until the batch changes.
  struct Datagram {
    std::span<std::byte> data;
    const Address& address;  // who has sent it, or shall get it; no family on a connected socket
    std::size_t size;        // as received; more than data's if that was cut

    bool is_truncated() const noexcept { return size > data.size(); }
  };

  std::size_t capacity() const noexcept { return headers_.size(); }
  std::size_t size() const noexcept { return size_; }
  Datagram operator[](std::size_t index) noexcept {
    const iovec& vector = vectors_[index];
    return {{static_cast<std::byte*>(vector.iov_base), vector.iov_len},
            addresses_[index],
            headers_[index].msg_len};
  }

  // add() copies a datagram in, behind the others, for address, or for the peer of a connected
  // socket. False if the batch is full, or the datagram too long for it.
  bool add(std::span<const std::byte> data, const Address& address = {}) noexcept;
  bool add(std::string_view text, const Address& address = {}) noexcept {
    return add(std::as_bytes(std::span{text}), address);
  }
  void clear() noexcept { size_ = 0; }

 private:
  friend class detail::DatagramState;

  void prepare_to_receive(bool with_addresses) noexcept;
  void settle_received(std::size_t count, bool with_addresses) noexcept;
  std::span<mmsghdr> prepare_to_send(std::size_t first, bool with_addresses,
                                     bool may_join) noexcept;
  std::size_t run_length(std::size_t first, bool with_addresses) const noexcept;

  std::size_t datagram_size_ = 0;
  std::size_t size_ = 0;
  std::size_t used_ = 0;  // those from here on are ready to receive, with addresses or without
  bool has_addresses_ = false;
  std::vector<mmsghdr> headers_;  // to receive, and the sizes
  std::vector<iovec> vectors_;
  std::vector<mmsghdr> messages_;  // to send: runs of datagrams, each with its control data
  std::vector<detail::SegmentSize> segment_sizes_;
  std::vector<Address> addresses_;
  std::vector<std::byte> bytes_;
};

class EVCORO_API DatagramSocket : public SocketOptions<DatagramSocket> {
 public:
  // An empty handle: every call fails with bad_file_descriptor.
  DatagramSocket() noexcept = default;

  // open() makes a socket, of family AF_INET, AF_INET6 or AF_UNIX, in a loop, by default that of
  // the calling thread. bound_to() and connected_to() are open() and what follows.
  static Result<DatagramSocket> open(int family) noexcept;
  static Result<DatagramSocket> open(Loop& loop, int family) noexcept;
  static Result<DatagramSocket> bound_to(const Address& address) noexcept;
  static Result<DatagramSocket> connected_to(const Address& address) noexcept;

  // adopt() takes over a datagram (or raw) socket, and makes it non-blocking. The descriptor is the
  // DatagramSocket's then, also if adopt() fails (it is closed). It must have no edge-triggered
  // event in the loop's base. Others are wrong_protocol_type.
  static Result<DatagramSocket> adopt(Loop& loop, int descriptor) noexcept;

  DatagramSocket(DatagramSocket&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  DatagramSocket& operator=(DatagramSocket&& other) noexcept {
    if (this != &other) {
      close();
      state_ = std::exchange(other.state_, nullptr);
    }
    return *this;
  }
  ~DatagramSocket() { close(); }

  // bind() gives the socket its address; see bind(2). A UNIX socket that wants replies needs one:
  // Address::unix_any() lets the kernel choose.
  std::error_code bind(const Address& address) noexcept;

  // connect() makes address the one that send() sends to, and that alone is received from. It may
  // be repeated, and doesn't wait. disconnect() undoes it.
  std::error_code connect(const Address& address) noexcept;
  std::error_code disconnect() noexcept;

  // recv_from() waits for a datagram and stores who has sent it: an Address of no family, if that
  // is a UNIX socket without a name. recv() does without. flags as for recv(2).
  DatagramResult recv_from(std::span<std::byte> buffer, Address& sender, Timeout timeout = {},
                           int flags = 0) noexcept;
  DatagramResult recv(std::span<std::byte> buffer, Timeout timeout = {}, int flags = 0) noexcept;

  // send_to() sends one datagram, send() one to whom the socket is connected to. The count is all
  // or nothing. message_size if it is too long for the protocol. flags as for send(2).
  IoResult send_to(std::span<const std::byte> data, const Address& address, Timeout timeout = {},
                   int flags = 0) noexcept;
  IoResult send_to(std::string_view text, const Address& address, Timeout timeout = {},
                   int flags = 0) noexcept {
    return send_to(std::as_bytes(std::span{text}), address, timeout, flags);
  }
  IoResult send(std::span<const std::byte> data, Timeout timeout = {}, int flags = 0) noexcept;
  IoResult send(std::string_view text, Timeout timeout = {}, int flags = 0) noexcept {
    return send(std::as_bytes(std::span{text}), timeout, flags);
  }

  // recv_batch() waits for a datagram, and takes all that are there, up to the batch's capacity, in
  // place of what the batch held. The count is theirs. See recvmmsg(2).
  IoResult recv_batch(DatagramBatch& batch, Timeout timeout = {}) noexcept;

  // send_batch() sends those of the batch from first on. The count is how many were sent: with an
  // error, batch[first + count] was not. The batch stays as it is. See sendmmsg(2). Datagrams that
  // follow each other, of one size (but for a shorter last one) and for one address, are handed to
  // the kernel together, up to 64 of them, where it can: a fraction of the cost. An error of one is
  // that of all of them then. Not so on a socket that had UDP_SEGMENT or UDP_CORK set before it
  // sent its first batch. See udp(7). Two threads can't send the same batch at once.
  IoResult send_batch(DatagramBatch& batch, Timeout timeout = {}, std::size_t first = 0) noexcept;

  // join() makes the socket receive what is sent to a multicast group, on an interface, which by
  // default (0) the system chooses; see if_nametoindex(3), MCAST_JOIN_GROUP in ip(7). leave()
  // undoes it. set_multicast_interface() is where it sends to groups.
  std::error_code join(const Address& group, unsigned interface = 0) noexcept;
  std::error_code leave(const Address& group, unsigned interface = 0) noexcept;
  std::error_code set_multicast_interface(unsigned interface) noexcept;

  // close() closes the descriptor. Threads that wait for the socket return operation_canceled.
  void close() noexcept;

  // release() takes the descriptor out of the loop and gives it to the caller, non-blocking as it
  // is; threads that wait return operation_canceled. -1 from an empty handle.
  int release() noexcept;

  // native_handle() is the descriptor, or -1. Do not close it, and add no event for it to the
  // loop's base.
  int native_handle() const noexcept;
  explicit operator bool() const noexcept { return native_handle() >= 0; }

 private:
  friend class detail::DatagramState;
  explicit DatagramSocket(detail::DatagramState& state) noexcept : state_(&state) {}

  detail::DatagramState* state_ = nullptr;
};

}  // namespace evcoro
