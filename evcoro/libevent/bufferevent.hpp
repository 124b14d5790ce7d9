// BuffereventStream: a bufferevent that coroutine threads read and write.
//
//   bufferevent* bev = ...;                                  // the application's
//   loop.spawn([&loop, bev] {
//     auto stream = evcoro::BuffereventStream::adopt(loop, bev);
//     std::array<std::byte, 512> buffer;
//     while (const evcoro::IoResult in = stream->recv(buffer, 3s)) {
//       if (in.count == 0) break;                            // the peer has closed
//       stream->send(std::span{buffer}.first(in.count), 3s);
//     }
//     stream->drain(3s);                                     // what has been sent is on its way
//   });                                                      // and the bufferevent is freed
//
// It may be of any kind: on a socket, with OpenSSL, a filter, one of a pair. While it is adopted it
// has our callbacks, no timeouts of its own, and watermarks that bound what it holds in memory.
// Between blocking calls its buffers may be used by libevent's functions, see get() and
// wait_for_input().
//
// release() gives the bufferevent back as it was: callbacks, enabled directions, watermarks and
// timeouts are those from before, what is in its buffers stays, and the application's callbacks are
// told of input that is left, of the end and of errors.
//
// While it is adopted, others must not free it, nor set its callbacks. Who does so takes it back:
// it stays in memory until the stream goes, and the stream's calls fail with operation_canceled; a
// thread that waits learns it at its deadline. libevent says nothing when a pair's other end is
// freed: who waits for that does so until the deadline.
//
// A stream belongs to a loop whose base is that of the bufferevent. One thread may read while
// another writes. Everything is for the OS thread of the loop, and so are the bufferevent's own
// functions while it is adopted, BEV_OPT_THREADSAFE or not; but bufferevent_write() to one on a
// socket. OpenSSL runs where it is called, also on threads' stacks: some 8 KiB of them.
//
// Blocking calls fail as those of Socket do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include <evcoro/error.hpp>
#include <evcoro/net/address.hpp>
#include <evcoro/net/socket.hpp>
#include <evcoro/result.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

struct bufferevent;
struct evdns_base;

namespace evcoro {

class Loop;

namespace detail {
class BuffereventState;
}  // namespace detail

// BuffereventOptions are BuffereventStream::Options: bytes that the bufferevent's buffers hold at
// most.
struct BuffereventOptions {
  std::size_t input_limit = 64 * 1024;   // what is read ahead
  std::size_t output_limit = 64 * 1024;  // from which on send() waits
};

class EVCORO_API BuffereventStream {
 public:
  using Options = BuffereventOptions;

  // An empty handle: every call fails with bad_file_descriptor.
  BuffereventStream() noexcept = default;

  // adopt() takes over a bufferevent, which is the stream's then; if it fails (not_enough_memory,
  // Errc::wrong_loop for one of another base, invalid_argument for nullptr), it stays the caller's.
  static Result<BuffereventStream> adopt(Loop& loop, bufferevent* bev,
                                         Options options = {}) noexcept;

  BuffereventStream(BuffereventStream&& other) noexcept
      : state_(std::exchange(other.state_, nullptr)) {}
  BuffereventStream& operator=(BuffereventStream&& other) noexcept {
    if (this != &other) {
      close();
      state_ = std::exchange(other.state_, nullptr);
    }
    return *this;
  }
  ~BuffereventStream() { close(); }

  // connect() is bufferevent_socket_connect(), and waits until the bufferevent is connected: with
  // OpenSSL, until the handshake is over. After timed_out, wait_until_connected() goes on waiting
  // for the same attempt; after other failures the bufferevent is good for nothing.
  std::error_code connect(const Address& address, Timeout timeout = {}) noexcept;

  // connect() to a name is bufferevent_socket_connect_hostname(): the first of the name's addresses
  // (family AF_INET, AF_INET6, or AF_UNSPEC for either). It fails also as evdns_resolve() does,
  // see evdns.hpp. invalid_argument without an evdns_base: it would block the whole loop.
  std::error_code connect(evdns_base* dns, const char* host, std::uint16_t port,
                          Timeout timeout = {}, int family = 0) noexcept;

  // wait_until_connected() is for a bufferevent that has begun to connect, or to shake hands.
  std::error_code wait_until_connected(Timeout timeout = {}) noexcept;

  // recv() waits until there is input, and takes what is, up to buffer's size. What was there
  // before an error or the end comes first.
  IoResult recv(std::span<std::byte> buffer, Timeout timeout = {}) noexcept;

  // send() puts all of data into the output buffer, waiting while that is full: the count is what
  // it has taken. drain() waits until it has gone to the socket (for one of a pair: to the other).
  IoResult send(std::span<const std::byte> data, Timeout timeout = {}) noexcept;
  IoResult send(std::string_view text, Timeout timeout = {}) noexcept {
    return send(std::as_bytes(std::span{text}), timeout);
  }
  std::error_code drain(Timeout timeout = {}) noexcept;

  // wait_for_input() waits until the input buffer holds size bytes at least, and returns how many
  // it holds: fewer than size only if no more will come. For evbuffer_readln() and the like:
  //
  //   evbuffer* input = bufferevent_get_input(stream.get());
  //   while ((line = evbuffer_readln(input, nullptr, EVBUFFER_EOL_LF)) == nullptr) {
  //     const std::size_t before = evbuffer_get_length(input);
  //     const auto now = stream.wait_for_input(before + 1, 3s);
  //     if (!now || *now == before) break;                   // an error, or the end
  //   }
  Result<std::size_t> wait_for_input(std::size_t size, Timeout timeout = {}) noexcept;

  // get() is the bufferevent, for its buffers and questions about it; nullptr from an empty handle.
  bufferevent* get() const noexcept;
  explicit operator bool() const noexcept { return get() != nullptr; }

  // release() gives the bufferevent back, see above; threads that wait return operation_canceled.
  // nullptr from an empty handle, and if somebody else has taken it.
  bufferevent* release() noexcept;

  // close() frees the bufferevent, and what is in its buffers; threads that wait return
  // operation_canceled.
  void close() noexcept;

 private:
  explicit BuffereventStream(detail::BuffereventState& state) noexcept : state_(&state) {}

  detail::BuffereventState* state_ = nullptr;
};

}  // namespace evcoro
