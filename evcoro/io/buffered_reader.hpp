// BufferedReader: reads lines, and what else has a beginning and an end, from a stream.
//
//   BufferedReader reader{socket};
//   while (const auto line = reader.read_line(3s)) {        // without its "\n" or "\r\n"
//     handle(*line);                                        // good until the next call
//   }
//
//   const auto header = reader.read_exactly(4, 3s);         // four bytes
//   const IoResult body = reader.read_all(buffer, 3s);      // into a buffer of the caller's
//
// What is returned as a view lies in the reader's buffer, until its next call. The buffer takes
// what the stream has, and grows up to the limit, which so bounds what a peer can make us hold.
//
// A Timeout is for the whole call. After timed_out, operation_canceled or another error of the
// stream nothing is lost: all that has come is still in the buffer, and the call can be repeated,
// or another made. What is in the buffer is returned also in a thread that is cancelled.
//
// At the end of the stream calls fail with Errc::end_of_file if nothing is left, and with
// Errc::unexpected_end if something is, but not all that was asked for; buffered() is what there
// is. Errc::too_long says that it would be longer than the limit; not_enough_memory, that the
// buffer can't grow.
//
// The stream stays the caller's, and must stay where it is. One thread at a time.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <system_error>

#include <evcoro/error.hpp>
#include <evcoro/io/io_result.hpp>
#include <evcoro/io/stream.hpp>
#include <evcoro/result.hpp>
#include <evcoro/timeout.hpp>
#include <stacks/export.hpp>

namespace evcoro {

// ReaderOptions are those of a BufferedReader, in bytes.
struct ReaderOptions {
  std::size_t size = 4096;        // of the buffer at first
  std::size_t limit = 64 * 1024;  // longest line, with its end, and so on
};

namespace detail {

// Reader is a BufferedReader of any stream.
class EVCORO_API Reader {
 public:
  Reader(AnyStream stream, ReaderOptions options) noexcept : stream_(stream), options_(options) {}
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // read_line() reads up to the next "\n", and returns what is before it, or before "\r\n". A last
  // line without an end is Errc::unexpected_end.
  Result<std::string_view> read_line(Timeout timeout = {});

  // read_until() reads up to the next delimiter, and returns all before it. An empty delimiter is
  // invalid_argument.
  Result<std::string_view> read_until(std::string_view delimiter, Timeout timeout = {});

  // read_exactly() reads size bytes, up to the limit.
  Result<std::span<const std::byte>> read_exactly(std::size_t size, Timeout timeout = {});

  // read_all() fills buffer, of any size. The count is smaller only if there is an error, or at the
  // end of the stream; what it counts is in buffer, and no longer in the reader.
  IoResult read_all(std::span<std::byte> buffer, Timeout timeout = {});

  // read_some() waits until there is something, and takes what is, up to buffer's size. 0 at the
  // end of the stream.
  IoResult read_some(std::span<std::byte> buffer, Timeout timeout = {});

  // peek() waits until size bytes are there, and returns all that is, without taking it.
  Result<std::span<const std::byte>> peek(std::size_t size = 1, Timeout timeout = {});

  // buffered() is what has come and was not taken; consume() takes size bytes of it.
  std::span<const std::byte> buffered() const noexcept {
    return {buffer_.get() + begin_, end_ - begin_};
  }
  void consume(std::size_t size) noexcept;

  std::size_t limit() const noexcept { return options_.limit; }
  void set_limit(std::size_t limit) noexcept { options_.limit = limit; }

 private:
  std::error_code receive_more(Timeout timeout);
  std::error_code make_room() noexcept;
  std::error_code at_end() const noexcept;
  std::size_t take(std::span<std::byte> buffer) noexcept;

  AnyStream stream_;
  ReaderOptions options_;
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;  // of what was not taken
  std::size_t end_ = 0;
};

}  // namespace detail

template <Stream S>
class BufferedReader : public detail::Reader {
 public:
  explicit BufferedReader(S& stream, ReaderOptions options = {}) noexcept
      : Reader(stream, options) {}
};

}  // namespace evcoro
