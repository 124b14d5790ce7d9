// Body: that of the request, as it is read: from what has come behind the head, and then from the
// stream, at the pace of who reads it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <system_error>

#include <evcoro/detail/patience.hpp>
#include <evcoro/http/detail/head.hpp>
#include <evcoro/http/detail/input.hpp>
#include <evcoro/http/detail/output.hpp>
#include <evcoro/http/detail/parser.hpp>
#include <evcoro/io/io_result.hpp>
#include <evcoro/io/stream.hpp>
#include <evcoro/result.hpp>
#include <evcoro/timeout.hpp>

namespace evcoro::http::detail {

class Body {
 public:
  Body(AnyStream stream, Input& input, Output& output, Parser& parser,
       const Limits& limits) noexcept
      : stream_(stream), input_(input), output_(output), parser_(parser), limits_(limits) {}

  // start() begins with the body of head. Throws std::bad_alloc.
  void start(const Head& head, Fields& trailers);

  void set_limit(std::uint64_t limit) noexcept { limit_ = limit; }

  // recv() is as of a stream; read_all() is all that is left, in one piece.
  IoResult recv(std::span<std::byte> buffer, Timeout timeout);
  Result<std::string> read_all(Timeout timeout);

  // is_over() says whether all has been read, trailers included; failure() what to answer if it
  // can't be, none if all is well so far.
  bool is_over() const noexcept { return is_over_; }
  Status failure() const noexcept { return failure_; }

  // left() is how many bytes are still to come, of the body or of the chunk.
  std::uint64_t left() const noexcept { return is_chunked() ? parser_.chunk_left() : left_; }
  bool has_length() const noexcept { return framing_ == Framing::length; }

  // answer() is what to answer if the handler doesn't: the failure, or that the body didn't come in
  // the time that the handler had for it.
  Status answer() const noexcept;

  // can_be_dropped() says whether drop() has a chance. drop() reads what is left, for the next
  // request to be found behind it; false if there is too much, or it doesn't come.
  bool can_be_dropped() const noexcept;
  bool drop();

  // count_received() is told of what others have received meanwhile: it may be of the body.
  void count_received(std::size_t count) noexcept {
    received_ += count;
    if (count > 0) idle_ = {};
  }

  // begin_response() is called when the response begins: then it is too late for 100. late_error()
  // is what recv() has failed with last since then, so that the response may be half of it; a body
  // that had failed before is what the response is about.
  void begin_response() noexcept {
    awaits_continue_ = false;
    is_answered_half_read_ = failure_ == Status::none;
  }
  std::error_code late_error() const noexcept { return is_over_ ? std::error_code{} : late_error_; }

 private:
  bool is_chunked() const noexcept { return framing_ == Framing::chunked; }
  IoResult read(std::span<std::byte> buffer, Timeout timeout);
  std::error_code begin();
  std::error_code find_data(evcoro::detail::Patience& patience);
  std::error_code next_frame();
  void pass(std::span<const std::byte> data) noexcept;
  std::size_t take(std::span<std::byte> buffer) noexcept;
  std::error_code receive_more(evcoro::detail::Patience& patience);
  IoResult receive_in_time(std::span<std::byte> to, evcoro::detail::Patience& patience);
  IoResult receive(std::span<std::byte> to, evcoro::detail::Patience& patience);
  std::chrono::nanoseconds own_patience() const noexcept;
  std::error_code fail(Status status) noexcept;

  AnyStream stream_;
  Input& input_;
  Output& output_;
  Parser& parser_;
  const Limits& limits_;
  Framing framing_ = Framing::none;
  bool is_over_ = true;
  bool is_begun_ = false;
  bool expects_continue_ = false;  // and has not got it
  bool awaits_continue_ = false;   // and may still get it
  bool is_given_up_ = false;       // at a deadline, when it was last waited for
  bool is_answered_half_read_ = false;
  std::error_code late_error_;
  Status failure_ = Status::none;
  std::uint64_t limit_ = 0;
  std::uint64_t left_ = 0;              // of one with a length
  std::uint64_t seen_ = 0;              // of one in chunks: the sizes so far
  std::uint64_t received_ = 0;          // from the stream
  std::chrono::nanoseconds waited_{0};  // in all
  std::chrono::nanoseconds idle_{0};    // since the last byte
};

}  // namespace evcoro::http::detail
