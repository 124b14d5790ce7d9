// The buffers of the C face, and what becomes of an operation on one. Private to it.
#pragma once

#include <cstddef>
#include <span>

#include <evcoro/capi/objects.hpp>
#include <evcoro/io/io_result.hpp>

namespace evcoro::capi {

inline std::span<std::byte> bytes(void* data, size_t size) noexcept {
  return {static_cast<std::byte*>(data), size};
}
inline std::span<const std::byte> bytes(const void* data, size_t size) noexcept {
  return {static_cast<const std::byte*>(data), size};
}

inline int to_int(const IoResult& io) noexcept {
  return io.error ? fail(io.error) : static_cast<int>(io.count);
}
inline int to_int(const IoResult& io, size_t& count) noexcept {
  count = io.count;
  return finish(io.error);
}

// is_usable() says whether an object that is given, and a buffer, are there.
inline bool is_usable(const void* object, const void* buf, size_t size) noexcept {
  return object != nullptr && (buf != nullptr || size == 0);
}

}  // namespace evcoro::capi
