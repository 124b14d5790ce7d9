// Stream: what bytes are received from and sent to: a Socket, a BuffereventStream, a double in a
// test. Code that is written for streams works with all of them.
//
//   template <Stream S>
//   IoResult greet(S& stream) { return stream.send(as_bytes("hello\n"), 3s); }
//
//   IoResult greet(AnyStream stream) { ... }               // the same without a template
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <system_error>

#include <evcoro/io/io_result.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

namespace evcoro {

// recv() waits until there is something and takes what is, up to the buffer's size; at the end of
// file it returns a count of 0. send() sends all; with an error, count says how much went. What
// fails with timed_out or operation_canceled can be called again, and nothing is lost. A Timeout is
// for the whole call.
template <class S>
concept Stream = requires(S& stream, std::span<std::byte> buffer, std::span<const std::byte> data,
                          Timeout timeout) {
  { stream.recv(buffer, timeout) } -> std::same_as<IoResult>;
  { stream.send(data, timeout) } -> std::same_as<IoResult>;
};

// WaitingStream is a Stream that can wait without a buffer: wait_readable() waits until recv() may
// find something, or the end of file. It may be wrong, and then a recv() that does not wait fails
// with timed_out, after which wait_readable() is right. So nothing is held while a stream is quiet:
//
//   while (!(error = stream.wait_readable(3s))) {
//     Buffer buffer;
//     const IoResult in = stream.recv(buffer, no_wait);
//     if (in.error != std::errc::timed_out) ...
//   }
template <class S>
concept WaitingStream = Stream<S> && requires(S& stream, Timeout timeout) {
  { stream.wait_readable(timeout) } -> std::same_as<std::error_code>;
};

// FileStream is a Stream that can send files: send_file() sends count bytes of a file, from offset
// on; see Socket.
template <class S>
concept FileStream = Stream<S> &&
    requires(S& stream, int file, std::uint64_t offset, std::size_t count, Timeout timeout) {
  { stream.send_file(file, offset, count, timeout) } -> std::same_as<IoResult>;
};

namespace detail {

// StreamOperations is what AnyStream calls; nullptr is what the stream can't do.
struct StreamOperations {
  IoResult (*recv)(void* self, std::span<std::byte> buffer, Timeout timeout);
  IoResult (*send)(void* self, std::span<const std::byte> data, Timeout timeout);
  std::error_code (*wait_readable)(void* self, Timeout timeout) = nullptr;
  IoResult (*send_file)(void* self, int file, std::uint64_t offset, std::size_t count,
                        Timeout timeout) = nullptr;
};

template <Stream S>
constexpr StreamOperations make_stream_operations() noexcept {
  StreamOperations made{
      .recv = [](void* self, std::span<std::byte> buffer,
                 Timeout timeout) { return static_cast<S*>(self)->recv(buffer, timeout); },
      .send = [](void* self, std::span<const std::byte> data,
                 Timeout timeout) { return static_cast<S*>(self)->send(data, timeout); }};
  if constexpr (WaitingStream<S>) {
    made.wait_readable = [](void* self, Timeout timeout) {
      return static_cast<S*>(self)->wait_readable(timeout);
    };
  }
  if constexpr (FileStream<S>) {
    made.send_file = [](void* self, int file, std::uint64_t offset, std::size_t count,
                        Timeout timeout) {
      return static_cast<S*>(self)->send_file(file, offset, count, timeout);
    };
  }
  return made;
}

template <Stream S>
inline constexpr StreamOperations stream_operations = make_stream_operations<S>();

}  // namespace detail

// AnyStream refers to a stream of any type, which must stay where it is for as long. It is a Stream
// itself.
class AnyStream {
 public:
  template <Stream S>
  requires(!std::same_as<S, AnyStream>) AnyStream(S& stream)
  noexcept  // NOLINT: implicit
      : stream_(&stream), operations_(&detail::stream_operations<S>) {}

  IoResult recv(std::span<std::byte> buffer, Timeout timeout = {}) const {
    return operations_->recv(stream_, buffer, timeout);
  }
  IoResult send(std::span<const std::byte> data, Timeout timeout = {}) const {
    return operations_->send(stream_, data, timeout);
  }

  // can_wait() says whether it is a WaitingStream; wait_readable() of another returns at once.
  bool can_wait() const noexcept { return operations_->wait_readable != nullptr; }
  std::error_code wait_readable(Timeout timeout = {}) const {
    return can_wait() ? operations_->wait_readable(stream_, timeout) : std::error_code{};
  }

  // send_file() is the stream's; of one that can't, the file is read and sent piece by piece.
  IoResult send_file(int file, std::uint64_t offset, std::size_t count,
                     Timeout timeout = {}) const {
    return operations_->send_file != nullptr
               ? operations_->send_file(stream_, file, offset, count, timeout)
               : send_what_is_read(file, offset, count, timeout);
  }

 private:
  EVCORO_API IoResult send_what_is_read(int file, std::uint64_t offset, std::size_t count,
                                        Timeout timeout) const;

  void* stream_;
  const detail::StreamOperations* operations_;
};

}  // namespace evcoro
