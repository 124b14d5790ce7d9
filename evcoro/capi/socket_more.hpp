// What EVSOCKETs and EVDATAGRAMs have in common. Private to the C face.
#pragma once

#include <evcoro/net/socket_option.h>
#include <evcoro/capi/bytes.hpp>
#include <evcoro/capi/objects.hpp>
#include <evcoro/net/socket_option.hpp>

namespace evcoro::capi {

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
