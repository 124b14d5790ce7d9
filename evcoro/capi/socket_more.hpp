// What EVSOCKETs and EVDATAGRAMs have in common. Private to the C face.
#pragma once

#include <cstddef>
#include <span>

#include <evcoro/net/socket_option.h>
#include <evcoro/capi/objects.hpp>
#include <evcoro/net/socket_option.hpp>

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

// find_option() is nullptr for what is no option.
const detail::OptionKey* find_option(EVOPTION option) noexcept;

template <class Handle>
int set_option(const Handle& handle, EVOPTION option, int value) noexcept {
  const detail::OptionKey* const key = find_option(option);
  if (key == nullptr) return fail(EINVAL);
  return finish(detail::set_option(handle.native_handle(), *key, value));
}

template <class Handle>
int get_option(const Handle& handle, EVOPTION option, int* value) noexcept {
  const detail::OptionKey* const key = find_option(option);
  if (key == nullptr || value == nullptr) return fail(EINVAL);
  const Result<int> result = detail::get_option(handle.native_handle(), *key);
  if (!result) return fail(result.error());
  *value = *result;
  return 0;
}

}  // namespace evcoro::capi
