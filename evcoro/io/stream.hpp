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
#include <span>
#include <system_error>

#include <evcoro/io/io_result.hpp>
#include <evcoro/timeout.hpp>

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

// AnyStream refers to a stream of any type, which must stay where it is for as long. It is a Stream
// itself.
class AnyStream {
 public:
  template <Stream S>
  requires(!std::same_as<S, AnyStream>) AnyStream(S& stream)
  noexcept  // NOLINT: implicit
      : stream_(&stream), operations_(&operations_of<S>) {}

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

 private:
  struct Operations {
    IoResult (*recv)(void* self, std::span<std::byte> buffer, Timeout timeout);
    IoResult (*send)(void* self, std::span<const std::byte> data, Timeout timeout);
    std::error_code (*wait_readable)(void* self, Timeout timeout);  // or nullptr
  };

  template <class S>
  static constexpr auto waiting() noexcept -> decltype(Operations::wait_readable) {
    if constexpr (WaitingStream<S>) {
      return
          [](void* self, Timeout timeout) { return static_cast<S*>(self)->wait_readable(timeout); };
    } else {
      return nullptr;
    }
  }

  template <class S>
  static constexpr Operations operations_of{
      [](void* self, std::span<std::byte> buffer, Timeout timeout) {
        return static_cast<S*>(self)->recv(buffer, timeout);
      },
      [](void* self, std::span<const std::byte> data, Timeout timeout) {
        return static_cast<S*>(self)->send(data, timeout);
      },
      waiting<S>()};

  void* stream_;
  const Operations* operations_;
};

}  // namespace evcoro
