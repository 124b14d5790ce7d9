// Ranges: the parts of a body that a request asks for, RFC 9110, 14.
//
//   Ranges ranges = parse_ranges("bytes=0-99,-100", size, 16);
//   if (ranges.state == Ranges::State::unsatisfiable) ...  // 416
//
// All of it is values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <stacks/export.hpp>

namespace evcoro::http::detail {

struct Range {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;  // not 0
  friend bool operator==(const Range&, const Range&) noexcept = default;
};

struct Ranges {
  enum class State : std::uint8_t {
    whole,          // what was asked for isn't understood, or is more than one should ask for
    partial,        // list has something
    unsatisfiable,  // nothing of it is there
  };
  State state = State::whole;
  std::vector<Range> list;
};

// parse_ranges() reads the value of Range, for a body of size bytes. More than most ranges, or some
// that overlap, are the whole: they are a way to make a server send far more than it has
// (CVE-2011-3192). Numbers of any length do (CVE-2017-7529).
EVCORO_API Ranges parse_ranges(std::string_view text, std::uint64_t size, std::size_t most);

}  // namespace evcoro::http::detail
