// Socket: a connection that blocks the calling thread and nobody else.
//
//   Result<Socket> socket = connect(Address::loopback(AF_INET, 9999), 3s);
//   if (!socket) return report(socket.error());
//   socket->send(as_bytes("hello"), 3s);
//   std::array<std::byte, 512> buffer;
//   while (IoResult in = socket->recv(buffer, 3s)) {
//     if (in.count == 0) break;                         // the peer has closed
//     ...
//   }
//
// A Socket is a move-only handle and closes on destruction. It belongs to a loop, and its blocking
// calls are made in threads of that loop; all other members are for the loop's OS thread. One
// thread may read while another writes; a second reader, or a second writer, gets an error.
//
// Blocking calls fail with: timed_out at their deadline or the socket's idle timeout, after which
// the socket is as usable as before; operation_canceled when the thread is cancelled or the socket
// closed meanwhile; Errc::not_in_a_thread, wrong_loop, second_reader, second_writer,
// mixed_registration; and what the system call says. SIGPIPE is never raised. Its options, and the
// addresses of its ends, are in socket_option.hpp.
//
// Urgent data (MSG_OOB, RFC 6093) of the peer stops a read short of the mark; what comes behind it
// may then be seen only with the next byte that arrives, or by the next call after a deadline.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include <evcoro/error.hpp>
#include <evcoro/io/io_result.hpp>
#include <evcoro/net/address.hpp>
#include <evcoro/net/socket_option.hpp>
#include <evcoro/net/token_bucket.hpp>
#include <evcoro/result.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

namespace evcoro {

class Loop;

namespace detail {
class AcceptorCore;
class ArrivalRequest;
class PoolState;
class SocketState;
}  // namespace detail

class EVCORO_API Socket : public SocketOptions<Socket> {
 public:
  enum class Shutdown { read = SHUT_RD, write = SHUT_WR, both = SHUT_RDWR };

  // An empty handle: every call fails with bad_file_descriptor.
  Socket() noexcept = default;

  // open() makes a TCP socket (family AF_INET or AF_INET6) in a loop, by default that of the
  // calling thread. TCP_NODELAY is on.
  static Result<Socket> open(int family) noexcept;
  static Result<Socket> open(Loop& loop, int family) noexcept;

  // adopt() takes over a stream socket (or a pipe), and makes it non-blocking; its options stay as
  // they are (TCP_NODELAY, too). The descriptor is the Socket's then, also if adopt() fails (it is
  // closed). It must have no level-triggered event in the loop's base.
  static Result<Socket> adopt(Loop& loop, int descriptor) noexcept;

  Socket(Socket&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  Socket& operator=(Socket&& other) noexcept {
    if (this != &other) {
      close();
      state_ = std::exchange(other.state_, nullptr);
    }
    return *this;
  }
  ~Socket() { close(); }

  // connect() connects to address; see connect(2). A UNIX listener whose backlog is full is asked
  // again and again, up to 50 ms apart, since nothing tells when there is room. After timed_out, a
  // further call goes on waiting for the same attempt; after other failures the socket is good for
  // close() only.
  std::error_code connect(const Address& address, Timeout timeout = {}) noexcept {
    return connect(address.data(), address.size(), timeout);
  }
  std::error_code connect(const sockaddr* address, socklen_t size, Timeout timeout = {}) noexcept;

  // recv() waits until at least one byte is there, and takes what is, up to buffer's size. flags as
  // for recv(2); MSG_WAITALL together with MSG_PEEK may return early. An empty buffer returns at
  // once.
  IoResult recv(std::span<std::byte> buffer, Timeout timeout = {}, int flags = 0) noexcept;

  // recv_all() fills buffer. The count is smaller only if there is an error or the peer has closed.
  // flags as for recv(2); MSG_PEEK is invalid_argument.
  IoResult recv_all(std::span<std::byte> buffer, Timeout timeout = {}, int flags = 0) noexcept;

  // send() sends all of data. The count is smaller only if there is an error; those bytes were
  // taken by the kernel. flags as for send(2).
  IoResult send(std::span<const std::byte> data, Timeout timeout = {}, int flags = 0) noexcept;
  IoResult send(std::string_view text, Timeout timeout = {}, int flags = 0) noexcept {
    return send(std::as_bytes(std::span{text}), timeout, flags);
  }

  // These are for data in several buffers, which are filled, or sent, one after the other; see
  // readv(2). recv_vector() is recv(), and fills at most 16 of them at once, empty ones not
  // counted; send_vector() is send(), of all of them.
  IoResult recv_vector(std::span<const std::span<std::byte>> buffers, Timeout timeout = {},
                       int flags = 0) noexcept;
  IoResult send_vector(std::span<const std::span<const std::byte>> buffers, Timeout timeout = {},
                       int flags = 0) noexcept;

  // wait_readable() waits until recv() is worth a system call, with a buffer that need not exist
  // before; see WaitingStream in io/stream.hpp. With no_wait it says what the loop knows.
  std::error_code wait_readable(Timeout timeout = {}) noexcept;

  // These are for layers above, which have something to do before they receive or send: what recv()
  // and send() would fail with at once, if anything, whatever there is to receive.
  std::error_code admit_recv() const noexcept;
  std::error_code admit_send() const noexcept;

  // peek() is recv(), but leaves the data there: the next call begins with it.
  IoResult peek(std::span<std::byte> buffer, Timeout timeout = {}) noexcept {
    return recv(buffer, timeout, MSG_PEEK);
  }

  // send_file() sends count bytes of a file, from offset on; see sendfile(2). The file's own
  // position stays. Errc::file_too_short if there are fewer. What is not in the page cache is read
  // while the OS thread waits.
  IoResult send_file(int file, std::uint64_t offset, std::size_t count,
                     Timeout timeout = {}) noexcept;

  // send_descriptors() sends data, of at least a byte (else invalid_argument), and with its first
  // byte duplicates of up to 253 descriptors, over a UNIX socket; see SCM_RIGHTS in unix(7). They
  // stay the caller's.
  IoResult send_descriptors(std::span<const std::byte> data, std::span<const int> descriptors,
                            Timeout timeout = {}) noexcept;

  // recv_descriptors() is recv(), and takes the descriptors that came with the data; they are the
  // caller's then, and closed by exec. If they are more than there is room for, all are closed: the
  // error is Errc::descriptors_lost, and the count that of the data. (recv() drops descriptors.)
  struct [[nodiscard]] WithDescriptors {
    std::size_t count = 0;  // bytes
    std::size_t descriptor_count = 0;
    std::error_code error = {};

    explicit operator bool() const noexcept { return !error; }
  };
  WithDescriptors recv_descriptors(std::span<std::byte> buffer, std::span<int> descriptors,
                                   Timeout timeout = {}) noexcept;

  // shutdown() ends one direction or both; see shutdown(2).
  std::error_code shutdown(Shutdown how) noexcept;

  // close() closes the descriptor. Threads that wait for the socket return operation_canceled.
  // Closing an empty handle does nothing.
  void close() noexcept;

  // reset() closes a TCP connection with a reset (RST), at once: what was not sent yet is dropped,
  // and the peer's calls fail with connection_reset. Of other sockets it is close().
  void reset() noexcept;

  // release() takes the descriptor out of the loop and gives it to the caller, non-blocking as it
  // is; threads that wait return operation_canceled. -1 from an empty handle.
  int release() noexcept;

  // native_handle() is the descriptor, or -1. Do not close it, and add no event for it to the
  // loop's base.
  int native_handle() const noexcept;
  explicit operator bool() const noexcept { return native_handle() >= 0; }

  // set_idle_timeout() limits how long the socket may go without transferring a byte in either
  // direction, counted from this call and from each byte: after that, a call that has to wait fails
  // with timed_out. never turns it off. Threads that wait already do so by the new limit.
  void set_idle_timeout(Timeout timeout) noexcept;

  // set_bandwidth() throttles the socket, beside what its listener and its loop say (see
  // AcceptorOptions and Loop): its calls transfer as many bytes at a time as there are tokens, and
  // wait for them; that isn't idle time. A deadline or cancellation ends such a wait, too. Peeking
  // takes no tokens. Threads that wait go on by the new limits; no buckets, no limit. Errors:
  // not_enough_memory.
  std::error_code set_bandwidth(const Bandwidth& bandwidth) noexcept;

 private:
  friend class detail::AcceptorCore;
  friend class detail::ArrivalRequest;
  friend class detail::PoolState;
  friend class detail::SocketState;
  explicit Socket(detail::SocketState& state) noexcept : state_(&state) {}

  detail::SocketState* state_ = nullptr;
};

// connect() opens a socket in the calling thread's loop and connects it.
EVCORO_API Result<Socket> connect(const Address& address, Timeout timeout = {}) noexcept;

// socketpair() is two UNIX sockets that are connected with each other; pipe() one that can be
// received from only, and one that can be sent to only: a pipe(2). Both are in the calling thread's
// loop, or the one given. Flags, and all that is about sockets, fail on a pipe with not_a_socket.
// Socket::adopt() takes pipes, FIFOs and terminals, too.
struct SocketPair {
  Socket one;
  Socket other;
};
struct Pipe {
  Socket reader;
  Socket writer;
};
EVCORO_API Result<SocketPair> socketpair() noexcept;
EVCORO_API Result<SocketPair> socketpair(Loop& loop) noexcept;
EVCORO_API Result<Pipe> pipe() noexcept;
EVCORO_API Result<Pipe> pipe(Loop& loop) noexcept;

// as_bytes() is what text looks like to send().
inline std::span<const std::byte> as_bytes(std::string_view text) noexcept {
  return std::as_bytes(std::span{text});
}

}  // namespace evcoro
