// OwnedStream: a stream of any type, and its owner: what AnyStream is without owning.
//
//   OwnedStream stream{std::move(socket)};                    // a Socket
//   OwnedStream stream{TlsSocket{std::move(socket), tls, host}};
//   stream.send(as_bytes("hello\n"), 3s);                     // a Stream like the others
//
// It is a move-only handle, as are the streams that it holds, and closes on destruction. The rules
// are those of the stream.
#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <span>
#include <system_error>
#include <type_traits>
#include <utility>

#include <evcoro/io/io_result.hpp>
#include <evcoro/io/stream.hpp>
#include <evcoro/net/connection_pool.hpp>
#include <evcoro/net/socket.hpp>
#include <evcoro/timeout.hpp>

namespace evcoro {

// ClosableStream is a Stream that is a handle: it moves, and can be closed.
template <class S>
concept ClosableStream = Stream<S> && std::move_constructible<S> && requires(S& stream) {
  stream.close();
};

class OwnedStream {
 public:
  // An empty one: every call fails with bad_file_descriptor.
  OwnedStream() noexcept = default;

  // Throws std::bad_alloc.
  template <class S>
  requires(!std::same_as<S, OwnedStream> && ClosableStream<S>)  //
      explicit OwnedStream(S stream)
      : holder_(std::make_unique<Holder<S>>(std::move(stream))) {}

  IoResult recv(std::span<std::byte> buffer, Timeout timeout = {}) {
    return holder_ ? holder_->stream().recv(buffer, timeout) : IoResult{0, empty()};
  }
  IoResult send(std::span<const std::byte> data, Timeout timeout = {}) {
    return holder_ ? holder_->stream().send(data, timeout) : IoResult{0, empty()};
  }

  // can_wait() says whether it is a WaitingStream; wait_readable() of another returns at once.
  bool can_wait() const noexcept { return holder_ && holder_->stream().can_wait(); }
  std::error_code wait_readable(Timeout timeout = {}) {
    return holder_ ? holder_->stream().wait_readable(timeout) : empty();
  }

  // is_quiet() is false if there is something to be read, or the end of file. It never waits, and
  // of a Socket it takes nothing; of others it takes what it finds, after which the stream is good
  // for nothing.
  bool is_quiet() { return holder_ && holder_->is_quiet(); }

  // recv_if_there() is recv() if something has arrived, as far as that is known without waiting;
  // else it fails with timed_out. Of a Socket it always is known; of streams that are no
  // WaitingStream it never is.
  IoResult recv_if_there(std::span<std::byte> buffer) {
    return holder_ ? holder_->recv_if_there(buffer) : IoResult{0, empty()};
  }

  void close() noexcept { holder_.reset(); }
  explicit operator bool() const noexcept { return holder_ != nullptr; }

 private:
  struct Base {
    virtual ~Base() = default;
    virtual AnyStream stream() noexcept = 0;
    virtual bool is_quiet() = 0;
    virtual IoResult recv_if_there(std::span<std::byte> buffer) = 0;
  };

  template <class S>
  struct Holder final : Base {
    explicit Holder(S&& its) : held(std::move(its)) {}
    ~Holder() override { held.close(); }
    AnyStream stream() noexcept override { return AnyStream{held}; }
    bool is_quiet() override { return is_quiet_stream(held); }
    IoResult recv_if_there(std::span<std::byte> buffer) override {
      constexpr bool is_socket = std::same_as<S, Socket>;
      if (is_socket ? is_quiet() : !stream().can_wait() || stream().wait_readable(no_wait)) {
        return {0, std::make_error_code(std::errc::timed_out)};
      }
      return stream().recv(buffer, is_socket ? Timeout{} : no_wait);
    }
    S held;
  };

  // The kernel is asked, since the loop may not have polled since the peer has closed. What lies
  // under a layer such as TLS is asked after the layer itself, which may have records of its own.
  template <class S>
  static bool is_quiet_stream(S& stream) {
    if constexpr (std::same_as<S, Socket>) {
      return ConnectionPool::is_quiet(stream);
    } else {
      std::byte byte;
      const IoResult in = stream.recv({&byte, 1}, no_wait);
      if (in.error != std::errc::timed_out || in.count > 0) return false;
      if constexpr (requires {
                      { stream.socket() } -> std::same_as<Socket&>;
                    }) {
        return ConnectionPool::is_quiet(stream.socket());
      }
      return true;
    }
  }

  static std::error_code empty() noexcept {
    return std::make_error_code(std::errc::bad_file_descriptor);
  }

  std::unique_ptr<Base> holder_;
};

}  // namespace evcoro
