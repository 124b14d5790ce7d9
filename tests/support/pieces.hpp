// PieceStream: a stream in memory, whose recv() hands out its bytes in pieces, and whose send()
// takes only so much at a time.
//
//   PieceStream stream{{"hel", "lo\n"}};
//   for_each_partition("hello\n", [](PieceStream& stream) { ... });
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <evcoro/io/stream.hpp>

namespace support {

class PieceStream {
 public:
  explicit PieceStream(std::deque<std::string> pieces = {}) : pieces_(std::move(pieces)) {}

  evcoro::IoResult recv(std::span<std::byte> buffer, evcoro::Timeout timeout = {}) {
    ++receives;
    last_timeout = timeout;
    if (hiccups && std::exchange(hiccup_is_next_, !hiccup_is_next_)) {
      return {0, std::make_error_code(std::errc::timed_out)};
    }
    if (pieces_.empty()) return {0, end};
    std::string& piece = pieces_.front();
    const std::size_t count = std::min(buffer.size(), piece.size());
    std::memcpy(buffer.data(), piece.data(), count);
    piece.erase(0, count);
    if (piece.empty()) pieces_.pop_front();
    return {count};
  }

  evcoro::IoResult send(std::span<const std::byte> data, evcoro::Timeout timeout = {}) {
    ++sends;
    last_timeout = timeout;
    const std::size_t count = std::min(data.size(), room);
    sent.append(reinterpret_cast<const char*>(data.data()), count);
    if (count == data.size()) return {count};
    return {count, std::make_error_code(std::errc::timed_out)};
  }

  bool hiccups = false;  // every other recv() fails with timed_out, beginning with the first
  std::error_code end;   // what comes after the last piece; none: the end of file
  std::size_t room = ~std::size_t{0};  // bytes that a send() takes
  std::string sent;
  int receives = 0;
  int sends = 0;
  evcoro::Timeout last_timeout;

 private:
  std::deque<std::string> pieces_;
  bool hiccup_is_next_ = true;
};

// for_each_partition() calls function with a stream for each way to cut text into pieces.
template <class Function>
void for_each_partition(std::string_view text, Function&& function) {
  const std::uint32_t ways = std::uint32_t{1} << (text.size() - 1);
  for (std::uint32_t cuts = 0; cuts < ways; ++cuts) {
    std::deque<std::string> pieces{""};
    for (std::size_t i = 0; i < text.size(); ++i) {
      pieces.back() += text[i];
      if (i + 1 < text.size() && (cuts >> i & 1) != 0) pieces.emplace_back();
    }
    PieceStream stream{std::move(pieces)};
    function(stream);
  }
}

}  // namespace support
