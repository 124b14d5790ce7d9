// copy_for_c(): a text that is given to C, to be freed by free(3).
#pragma once

#include <cstdlib>
#include <cstring>
#include <string_view>

namespace evcoro::capi {

// copy_for_c() puts a 0 behind it. nullptr if there is no memory.
inline char* copy_for_c(std::string_view text) noexcept {
  auto* const copy = static_cast<char*>(std::malloc(text.size() + 1));
  if (copy == nullptr) return nullptr;
  std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = '\0';
  return copy;
}

}  // namespace evcoro::capi
