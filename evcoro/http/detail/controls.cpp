#include <evcoro/http/detail/controls.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <utility>

namespace evcoro::http::detail {
namespace {

// Vectors of sixteen bytes, which every compiler of ours has instructions for.
using Bytes [[gnu::vector_size(16)]] = unsigned char;
using Signs [[gnu::vector_size(16)]] = signed char;
using Words [[gnu::vector_size(16)]] = std::uint64_t;

// A mask with ones for the last bytes of a vector: so many as one begins to read behind begin.
constexpr auto last_bytes = [] {
  std::array<unsigned char, 2 * sizeof(Bytes)> masks{};
  for (std::size_t i = sizeof(Bytes); i < masks.size(); ++i) masks[i] = 0xff;
  return masks;
}();

// ordinary() has ones for the bytes at text that are neither control characters, nor tabs, nor
// beyond ASCII: signed, these and only these have a byte more than the one before the space.
inline Bytes ordinary(const char* text) noexcept {
  Bytes bytes;
  std::memcpy(&bytes, text, sizeof bytes);
  return reinterpret_cast<Bytes>(reinterpret_cast<Signs>(bytes + 1) > 0x20);
}

// sum() is of the bytes.
inline std::size_t sum(Bytes bytes) noexcept {
  constexpr std::uint64_t every_other = 0x00ff00ff00ff00ff;
  const auto words = reinterpret_cast<Words>(bytes);
  const Words pairs = (words & every_other) + (words >> 8 & every_other);
  return static_cast<std::size_t>((pairs[0] + pairs[1]) * 0x0001000100010001 >> 48);
}

// How many bytes of text are not ordinary.
std::size_t count_suspects(std::string_view text) noexcept {
  constexpr std::size_t most_rounds = 254;  // of what a byte of the sums holds, but for the rest
  if (text.size() < sizeof(Bytes)) {
    return static_cast<std::size_t>(std::ranges::count_if(
        text, [](char c) { return static_cast<signed char>(c + 1) <= 0x20; }));
  }
  const char* const end = text.data() + text.size();
  std::size_t count = 0;
  Bytes sums{};
  for (const char* at = text.data(); at + sizeof(Bytes) <= end;) {
    const char* const stop = at + std::min(most_rounds * sizeof(Bytes),
                                           static_cast<std::size_t>(end - at) & ~std::size_t{15});
    for (; at != stop; at += sizeof(Bytes)) sums -= ordinary(at);
    if (end - at >= std::ptrdiff_t{sizeof(Bytes)}) count += sum(std::exchange(sums, Bytes{}));
  }
  Bytes rest;  // a vector that ends with the text
  std::memcpy(&rest, last_bytes.data() + text.size() % sizeof(Bytes), sizeof rest);
  sums -= ordinary(end - sizeof(Bytes)) & rest;
  return text.size() - count - sum(sums);
}

}  // namespace

std::size_t count_controls(std::string_view text) noexcept {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && byte != '\t') || byte == 0x7f;
  }));
}

bool has_no_more_controls(std::string_view text, std::size_t count) noexcept {
  return count_suspects(text) == count || count_controls(text) == count;
}

}  // namespace evcoro::http::detail
