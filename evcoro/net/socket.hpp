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
// mixed_registration; and what the system call says. SIGPIPE is never raised.
//
// Urgent data (MSG_OOB, RFC 6093) of the peer stops a read short of the mark; what comes behind it
// may then be seen only with the next byte that arrives, or by the next call after a deadline.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstddef>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include <evcoro/error.hpp>
#include <evcoro/net/address.hpp>
#include <evcoro/result.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

namespace evcoro {

class Loop;

namespace detail {
class AcceptorCore;
class SocketState;
}  // namespace detail

// IoResult is how many bytes were transferred, and why not more: both at once, since a send can
// fail half way. End of file is no error: recv() then returns a count of 0.
struct [[nodiscard]] IoResult {
  std::size_t count = 0;
  std::error_code error = {};

  explicit operator bool() const noexcept { return !error; }
};

class EVCORO_API Socket {
 public:
  enum class Shutdown { read = SHUT_RD, write = SHUT_WR, both = SHUT_RDWR };

  // An empty handle: every call fails with bad_file_descriptor.
  Socket() noexcept = default;

  // open() makes a TCP socket (family AF_INET or AF_INET6) in a loop, by default that of the
  // calling thread. TCP_NODELAY is on.
  static Result<Socket> open(int family) noexcept;
  static Result<Socket> open(Loop& loop, int family) noexcept;

  // adopt() takes over a stream socket, and makes it non-blocking; its options stay as they are
  // (TCP_NODELAY, too). The descriptor is the Socket's then, also if adopt() fails (it is closed).
  // It must have no level-triggered event in the loop's base.
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

  // connect() connects to address; see connect(2). After timed_out, a further call goes on waiting
  // for the same attempt; after other failures the socket is good for close() only.
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

  // shutdown() ends one direction or both; see shutdown(2).
  std::error_code shutdown(Shutdown how) noexcept;

  // close() closes the descriptor. Threads that wait for the socket return operation_canceled.
  // Closing an empty handle does nothing.
  void close() noexcept;

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

  // set_option() and option() are setsockopt(2) and getsockopt(2) for options that are an int.
  std::error_code set_option(int level, int name, int value) noexcept;
  Result<int> option(int level, int name) const noexcept;

  // The two ends of the connection; an Address of no family if there is none.
  Address local_address() const noexcept;
  Address peer_address() const noexcept;

 private:
  friend class detail::AcceptorCore;
  friend class detail::SocketState;
  explicit Socket(detail::SocketState& state) noexcept : state_(&state) {}

  detail::SocketState* state_ = nullptr;
};

// connect() opens a socket in the calling thread's loop and connects it.
EVCORO_API Result<Socket> connect(const Address& address, Timeout timeout = {}) noexcept;

// as_bytes() is what text looks like to send().
inline std::span<const std::byte> as_bytes(std::string_view text) noexcept {
  return std::as_bytes(std::span{text});
}

}  // namespace evcoro
