// read_whole(): a body in one piece, a request's or a response's.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <evcoro/detail/patience.hpp>
#include <evcoro/http/error.hpp>
#include <evcoro/io/io_result.hpp>
#include <evcoro/result.hpp>
#include <evcoro/timeout.hpp>

namespace evcoro::http::detail {

// read_whole() is all that recv() gives until body is over: what body knows of being over and of
// how much is left to come, of itself or of a chunk. Errors: recv()'s; Errc::body_too_large beyond
// limit. Throws std::bad_alloc.
template <class Reader, class Receive>
Result<std::string> read_whole(const Reader& body, Receive&& recv, std::uint64_t limit,
                               Timeout timeout) {
  constexpr std::uint64_t piece = 8 * 1024;
  constexpr std::uint64_t most_at_first = 64 * 1024;  // a length costs who announces it nothing
  evcoro::detail::Patience patience{timeout};
  std::string all;
  std::size_t size = 0;  // of what is there; behind it is room
  while (!body.is_over()) {
    if (body.left() > limit - size) return Errc::body_too_large;
    const std::uint64_t least = body.has_length() ? 1 : piece;
    const std::uint64_t wanted = std::max(std::min(body.left(), most_at_first), least);
    if (all.size() - size < std::min(wanted, piece)) all.resize(size + wanted);
    const IoResult in = recv(std::as_writable_bytes(std::span{all}.subspan(size)), patience.rest());
    size += in.count;
    if (in.error) return in.error;
    if (size > limit) return Errc::body_too_large;
  }
  all.resize(size);
  return all;
}

}  // namespace evcoro::http::detail
