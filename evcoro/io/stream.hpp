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

// AnyStream refers to a stream of any type, which must stay where it is for as long. It is a Stream
// itself.
class AnyStream {
 public:
  template <Stream S>
  requires(!std::same_as<S, AnyStream>) AnyStream(S& stream)
  noexcept  // NOLINT: implicit
      : stream_(&stream),
        recv_([](void* self, std::span<std::byte> buffer, Timeout timeout) {
          return static_cast<S*>(self)->recv(buffer, timeout);
        }),
        send_([](void* self, std::span<const std::byte> data, Timeout timeout) {
          return static_cast<S*>(self)->send(data, timeout);
        }) {}

  IoResult recv(std::span<std::byte> buffer, Timeout timeout = {}) const {
    return recv_(stream_, buffer, timeout);
  }
  IoResult send(std::span<const std::byte> data, Timeout timeout = {}) const {
    return send_(stream_, data, timeout);
  }

 private:
  void* stream_;
  IoResult (*recv_)(void* self, std::span<std::byte> buffer, Timeout timeout);
  IoResult (*send_)(void* self, std::span<const std::byte> data, Timeout timeout);
};

}  // namespace evcoro
