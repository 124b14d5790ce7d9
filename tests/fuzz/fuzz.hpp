// What the fuzz targets share. A target is a function of bytes that must not crash, and must not
// find a contradiction: then it calls require().
//
//   extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string>
#include <string_view>

namespace fuzz {

inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "contradiction: %s\n", what);
  std::abort();
}

inline std::string_view to_text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// cut() takes text apart, into pieces whose sizes the seed decides.
inline std::deque<std::string> cut(std::string_view text, std::uint32_t seed) {
  std::deque<std::string> pieces;
  while (!text.empty()) {
    seed = seed * 1664525 + 1013904223;
    const std::size_t size = std::min<std::size_t>(text.size(), 1 + (seed >> 24) % 40);
    pieces.emplace_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return pieces;
}

}  // namespace fuzz
