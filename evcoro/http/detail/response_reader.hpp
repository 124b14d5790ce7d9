// ResponseReader: the heads and the body of a response, as they are received; at the pace of who
// reads.
//
//   reader.start(workspace, Method::get);
//   while (!reader.has_final_head()) {                 // others are 100, 103 ...
//     if (const auto error = reader.receive_head(deadline)) return error;
//   }
//   while (!reader.is_over()) reader.recv(buffer, timeout);
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <system_error>

#include <evcoro/detail/patience.hpp>
#include <evcoro/http/detail/head.hpp>
#include <evcoro/http/detail/input.hpp>
#include <evcoro/http/detail/parser.hpp>
#include <evcoro/http/detail/workspace.hpp>
#include <evcoro/http/limits.hpp>
#include <evcoro/http/method.hpp>
#include <evcoro/http/status.hpp>
#include <evcoro/io/io_result.hpp>
#include <evcoro/io/owned_stream.hpp>
#include <evcoro/timeout.hpp>

namespace evcoro::http::detail {

class ResponseReader {
 public:
  explicit ResponseReader(const Limits& limits) noexcept : limits_(limits) {}

  // start() begins with the response to a request of this method. Throws std::bad_alloc.
  void start(OwnedStream& stream, Workspace& workspace, Method answers);

  // receive_head() receives until one more head is whole. After timed_out or operation_canceled it
  // goes on where it was. look_for_head() waits for nothing, and says whether the final one is
  // there.
  std::error_code receive_head(Timeout timeout);
  bool look_for_head();
  bool has_final_head() const noexcept { return has_final_head_; }
  const Head& head() const noexcept { return head_; }

  // The framing of the body is that of the final head. recv() is as of a stream.
  IoResult recv(std::span<std::byte> buffer, Timeout timeout);
  bool is_over() const noexcept { return is_over_; }

  // left() is how many bytes are still to come, of the body or of the chunk.
  std::uint64_t left() const noexcept {
    return head_.framing == Framing::chunked ? parser_.chunk_left() : left_;
  }
  bool has_length() const noexcept { return head_.framing == Framing::length; }

  // is_all_there() says whether the rest of the body has been received, as far as it is known.
  bool is_all_there() const noexcept {
    return is_over_ || (head_.framing == Framing::length && left_ <= input_.window().size());
  }

  // has_received() says whether anything has come at all; input() is what was not read yet.
  bool has_received() const noexcept { return has_received_; }
  Input& input() noexcept { return input_; }

 private:
  std::error_code parse_head(bool& is_whole);
  std::error_code accept_head(std::size_t size);
  std::error_code receive_more(Timeout timeout);
  std::error_code add(IoResult in) noexcept;
  void start_body();
  std::error_code next_frame(bool& needs_more) noexcept;
  std::error_code find_data(evcoro::detail::Patience& patience);
  void pass(std::span<const std::byte> data) noexcept;
  std::size_t take(std::span<std::byte> buffer) noexcept;
  IoResult receive_into(std::span<std::byte> buffer, Timeout timeout);
  std::size_t most(std::size_t size) const noexcept;

  const Limits& limits_;
  OwnedStream* stream_ = nullptr;
  Workspace* workspace_ = nullptr;
  Parser parser_{Parser::Kind::response};
  Head head_;
  Input input_;
  Method answers_ = Method::get;
  int interims_ = 0;
  bool is_in_head_ = false;
  bool has_final_head_ = false;
  bool has_received_ = false;
  bool is_over_ = false;
  std::uint64_t left_ = 0;  // of a body with a length
};

}  // namespace evcoro::http::detail
