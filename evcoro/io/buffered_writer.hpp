// BufferedWriter: gathers small pieces, and sends them together.
//
//   BufferedWriter writer{socket};
//   for (const std::string_view piece : {"HTTP/1.1 200 OK\r\n"sv, "\r\n"sv, body}) {
//     if (const IoResult out = writer.write(piece, 3s); !out) return out.error;
//   }                                                      // in the buffer; a large body is sent
//   return writer.flush(3s);                               // the rest
//
// A Timeout is for the whole call. After timed_out, operation_canceled or another error nothing is
// lost: what was accepted and has not been sent is still in the buffer, in its order, and flush()
// can be called again.
//
// The stream stays the caller's, and must stay where it is. One thread at a time. The destructor
// doesn't flush: it must not block.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <system_error>

#include <evcoro/error.hpp>
#include <evcoro/io/io_result.hpp>
#include <evcoro/io/stream.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

namespace evcoro {
namespace detail {

// Writer is a BufferedWriter to any stream.
class EVCORO_API Writer {
 public:
  Writer(AnyStream stream, std::size_t size) noexcept : stream_(stream), capacity_(size) {}
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // write() puts data into the buffer, which is flushed before if there is no room; what is as
  // large as the buffer is sent from where it is. count is how much was accepted: of what went
  // through the buffer all or, with an error, nothing. Errors: those of the stream;
  // not_enough_memory.
  IoResult write(std::span<const std::byte> data, Timeout timeout = {});
  IoResult write(std::string_view text, Timeout timeout = {}) {
    return write(std::as_bytes(std::span{text}), timeout);
  }

  // flush() sends what is in the buffer.
  std::error_code flush(Timeout timeout = {});

  // buffered() is how many bytes are in the buffer.
  std::size_t buffered() const noexcept { return end_ - begin_; }

 private:
  AnyStream stream_;
  std::unique_ptr<std::byte[]> buffer_;
  const std::size_t capacity_;
  std::size_t begin_ = 0;  // of what has not been sent
  std::size_t end_ = 0;
};

}  // namespace detail

template <Stream S>
class BufferedWriter : public detail::Writer {
 public:
  explicit BufferedWriter(S& stream, std::size_t size = 4096) noexcept : Writer(stream, size) {}
};

}  // namespace evcoro
